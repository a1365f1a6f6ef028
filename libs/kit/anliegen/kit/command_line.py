"""What the commands of people at work have in common: a service's database at hand, one message for each trouble."""

import asyncio
import csv
import json
import os
import re
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import click
from pydantic import BaseModel, ValidationError

from .database import is_passing
from .errors import Problem
from .service import Context, Service, open_context
from .settings import PREFIX, load
from .telemetry import logs

T = TypeVar("T")
Row = TypeVar("Row", bound=BaseModel)

ENVIRONMENTS = "anliegen.environments"
"""Entry points that give the environment of services which run on this machine, or None."""
_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do the work of a command; expected trouble becomes one message."""
    logs.setup("WARNING")
    try:
        return asyncio.run(work)
    except Problem as problem:
        raise click.ClickException(problem.detail) from problem
    except asyncpg.InvalidCatalogNameError as problem:
        raise click.ClickException("There is no such database: has the service been migrated?") from problem
    except Exception as problem:
        if is_passing(problem):
            raise click.ClickException(f"The database cannot be reached or is busy: {problem}.") from problem
        raise


@asynccontextmanager
async def opened(service: Service, *, whole: bool = False) -> AsyncIterator[Context]:
    """The service with its database; `whole` with its own resources, too, for what its handlers do."""
    _find_environment()
    try:
        settings = load(service.settings, service.package)
    except ValidationError as wrong:
        missing = ", ".join(PREFIX + str(error["loc"][0]).upper() for error in wrong.errors())
        raise click.ClickException(
            f"Settings of {service.name} are missing or wrong: {missing}. Run this where the service runs, or beside a "
            "stack that was started with `anliegen up`."
        ) from wrong
    service = service if whole else replace(service, lifespan=None)
    async with open_context(service, settings, part="operator") as context:
        yield context


def _find_environment() -> None:
    """Beside an embedded stack its environment is taken; where a service runs, it has its own already."""
    if any(name.startswith(PREFIX) and name.endswith("DATABASE_URL") for name in os.environ):
        return
    for entry in entry_points(group=ENVIRONMENTS):
        found: dict[str, str] | None = entry.load()()
        if found is not None:
            os.environ.update(found)
            return


def read_rows(file: Path, model: type[Row], *, noun: str) -> list[Row]:
    """The rows of a .csv or .json file, each checked; what is wrong is said with the number of the row (`noun`)."""
    text = file.read_text(encoding="utf-8-sig")
    try:
        rows = json.loads(text) if file.suffix == ".json" else list(csv.DictReader(text.splitlines()))
    except ValueError as wrong:
        raise click.ClickException(f"{file.name} cannot be read: {wrong}") from wrong
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            # A column that a row leaves empty has its usual value.
            found.append(model.model_validate({name: value for name, value in row.items() if value != ""}))
        except (ValidationError, AttributeError) as wrong:
            raise click.ClickException(f"{file.name}, {noun} {number}: {wrong}") from wrong
    return found


def table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows below their names, in columns."""
    lines = [list(names), *([_plain(value) for value in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(names))]
    return "\n".join("  ".join(f"{text:<{w}}" for text, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _plain(value: object) -> str:
    # A header or a key may hold anything; on a terminal it must not do anything.
    text = "-" if value is None else str(value)
    return "".join(character if character.isprintable() else "�" for character in text)


def moment(text: str) -> datetime:
    """`2h` for two hours ago, or a time in ISO 8601 (UTC where no zone is given). Raises click.BadParameter."""
    parts = re.findall(r"(\d+)([wdhms])", text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return datetime.now(UTC) - timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts))
    try:
        found = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise click.BadParameter(f"{text!r} is no time. Write 2h, 1d12h or 2026-03-02T08:00:00Z.") from wrong
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def age(at: datetime) -> str:
    """How long ago that was, in its largest two units: `3d4h`, `12m5s`."""
    left = max(0, int((datetime.now(UTC) - at).total_seconds()))
    parts: list[str] = []
    for unit, seconds in _UNITS.items():
        count, left = divmod(left, seconds)
        if count or parts:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"
