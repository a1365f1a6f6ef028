"""The group, its options, and how an answer looks."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

import asyncpg
import click
from pydantic import BaseModel

from ...command_line import moment, opened, run, table
from ...errors import Problem
from ...service import UnknownService, all_services, load_service
from ...transaction import Transaction, begin

Command = Callable[..., Any]
View = TypeVar("View", bound=BaseModel)
MOST_SHOWN = 200
LONGEST_WORDS = 500


@click.group()
def events() -> None:
    """Look at and settle events that could not be handled: dead letters and parked keys."""


def _service(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if name not in all_services():
        raise click.UsageError(f"{UnknownService.__doc__} Asked for {name!r}, installed: {', '.join(all_services())}.")
    return name


def _services(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> list[str]:
    return [_service(context, parameter, name) for name in names] or all_services()


def _moment(_context: click.Context, _parameter: click.Parameter, text: str | None) -> datetime | None:
    return None if text is None else moment(text)


def _words(_context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    words = None if text is None else text.strip()
    if words is not None and not 0 < len(words) <= LONGEST_WORDS:
        raise click.BadParameter(f"1 to {LONGEST_WORDS} characters.", param=parameter)
    return words


one_service = click.argument("service", callback=_service)
some_services = click.argument("services", nargs=-1, callback=_services, metavar="[SERVICE]…")
in_json = click.option("--json", "as_json", is_flag=True, help="As JSON, with everything.")
limited = click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, MOST_SHOWN), help="How many of each service."
)
by_whom = click.option("--as", "who", required=True, callback=_words, help="Who you are; it is written down.")
_REASON = "Why, for those who ask later. No customer's data."
with_why = click.option("--reason", callback=_words, help=_REASON)
with_reason = click.option("--reason", required=True, callback=_words, help=_REASON)


def filtered(command: Command) -> Command:
    """The options that say which dead letters are meant."""
    for option in (
        click.option("--until", callback=_moment, help="Died before: 10m ago, or a time in ISO 8601."),
        click.option("--since", callback=_moment, help="Died then or later: 2h ago, or a time in ISO 8601."),
        click.option("--error", "error_types", multiple=True, help="What failed, such as KeyError; may be repeated."),
        click.option("--key", help="The journey or subject."),
        click.option("--type", "types", multiple=True, help="The event's type; may be repeated."),
    ):
        command = option(command)
    return command


@asynccontextmanager
async def at_work(service: str) -> AsyncIterator[Transaction]:
    """A transaction in the service's database."""
    async with opened(load_service(service)) as context, begin(context) as tx:
        yield tx


def tell_of_each(
    services: list[str],
    look: Callable[[str, Transaction, int], Awaitable[Sequence[View]]],
    *,
    limit: int,
    names: tuple[str, ...],
    row: Callable[[Any], tuple[object, ...]],
    as_json: bool,
    nothing: str,
) -> None:
    """Show what `look` finds in each service, at most `limit`, as columns of what `row` tells or as JSON.

    A service that cannot be looked at is named and holds up no other; the exit code is 1 then.
    """
    failed: list[str] = []

    async def work() -> list[tuple[str, View]]:
        found: list[tuple[str, View]] = []
        for service in services:
            try:
                async with at_work(service) as tx:
                    seen = await look(service, tx, limit + 1)
            except (Problem, OSError, asyncpg.PostgresError, click.ClickException) as trouble:
                click.echo(f"{service} cannot be looked at: {trouble}", err=True)
                failed.append(service)
                continue
            found += [(service, one) for one in seen[:limit]]
            if len(seen) > limit:
                click.echo(f"{service} has more than these {limit}: say --limit, or what you look for.", err=True)
        return found

    found = run(work())
    if as_json:
        print_json([{"service": service, **dump(view)} for service, view in found])
    elif found:
        click.echo(table(("SERVICE", *names), ((service, *row(view)) for service, view in found)))
    elif not failed:
        click.echo(nothing)
    if failed:
        raise SystemExit(1)


def number_of(text: str) -> int:
    """The number of a dead letter. Raises click.UsageError."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise click.UsageError(f"{text!r} is no number of a dead letter.")
    return int(text)


def dump(view: BaseModel) -> dict[str, Any]:
    """The view as JSON has it."""
    return view.model_dump(mode="json")


def print_json(value: Any) -> None:
    """For programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_one(view: BaseModel, *, as_json: bool) -> None:
    """One view, a line for each of its fields."""
    if as_json:
        print_json(dump(view))
        return
    lines: list[tuple[str, object]] = []
    for name, value in dump(view).items():
        if isinstance(value, dict):
            lines += [(f"{name}.{inner}", text) for inner, text in value.items()]
        elif isinstance(value, list):
            lines += [(name, ", ".join(f"{k} {v}" for k, v in one.items() if v)) for one in value]
        else:
            lines.append((name, value))
    click.echo(table(("", ""), lines).lstrip("\n"))
