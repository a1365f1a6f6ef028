"""Moving the business clock of all services of a stack: what is due in three days happens now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import asyncpg

from anliegen.stack.apart import run_apart
from anliegen.stack.errors import StackError
from anliegen.stack.stack import Stack

UNITS = {"w": 7 * 86_400, "d": 86_400, "h": 3_600, "m": 60, "s": 1}


def duration(text: str) -> timedelta:
    """`3d`, `2h30m`, `1w2d`, `90s`. Raises StackError for anything else."""
    parts = re.findall(r"(\d+)([wdhms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise StackError(f"{text!r} is not a duration. Write 3d, 2h30m, 1w2d or 90s.")
    return timedelta(seconds=sum(int(number) * UNITS[unit] for number, unit in parts))


def moment(text: str) -> datetime:
    """A point in time in ISO 8601; without a zone it is UTC. Raises StackError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise StackError(f"{text!r} is not a time. Write 2026-12-24T18:00:00+01:00, for example.") from wrong
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_clock(stack: Stack) -> dict[str, timedelta]:
    """How far each service's business clock is ahead of the machine's."""
    return run_apart(_read(stack))


def move_clock(stack: Stack, ahead: timedelta) -> None:
    """Let every service's business clock be this much ahead of the machine's."""
    run_apart(_move(stack, ahead))


async def _read(stack: Stack) -> dict[str, timedelta]:
    from anliegen.kit.clock import get_offset

    found = {}
    for service in stack.services:
        connection = await _connect(stack, service)
        try:
            found[service] = await get_offset(connection)
        finally:
            await connection.close()
    return found


async def _move(stack: Stack, ahead: timedelta) -> None:
    from anliegen.kit.clock import set_offset

    for service in stack.services:
        connection = await _connect(stack, service)
        try:
            await set_offset(connection, ahead)
        finally:
            await connection.close()


async def _connect(stack: Stack, service: str) -> asyncpg.Connection[asyncpg.Record]:
    try:
        return await asyncpg.connect(stack.owner_database_url(service), timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as refused:
        raise StackError(f"The database of {service} cannot be reached. Is the stack up? (`anliegen up`)") from refused
