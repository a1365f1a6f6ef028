"""Time. The wall clock serves ids, tokens and back-off; the business clock serves deadlines, and tests move it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from .database import Connection

OFFSET_SECONDS = 0.5


class Clock(Protocol):
    """What tells the time."""

    def wall(self) -> datetime:
        """The machine's time, in UTC."""

    def now(self) -> datetime:
        """The business time, in UTC."""


class SystemClock:
    """The business clock of a running service: the wall clock and an offset that lies in its database.

    The offset is zero wherever customers are served; an embedded stack may move it to show what a week brings.
    """

    def __init__(self) -> None:
        self.offset = timedelta()
        self._read_at = float("-inf")

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def now(self) -> datetime:
        return self.wall() + self.offset

    async def keep_up(self, connection: Connection) -> None:
        """Read the offset again where that was not done within the last half second."""
        if time.monotonic() - self._read_at > OFFSET_SECONDS:
            self.keep(await get_offset(connection))

    def keep(self, offset: timedelta) -> None:
        """Take the offset from somebody who has just read it among other things."""
        self.offset, self._read_at = offset, time.monotonic()


class FixedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: datetime) -> None:
        self.time = start

    def wall(self) -> datetime:
        return self.time

    def now(self) -> datetime:
        return self.time

    def advance(self, by: timedelta) -> datetime:
        """Move forward and tell the new time."""
        self.time += by
        return self.time


async def get_offset(connection: Connection) -> timedelta:
    """How far the business clock is ahead of the wall clock."""
    seconds = await connection.fetchval("SELECT offset_seconds FROM business_clock")
    return timedelta(seconds=float(seconds or 0))


async def set_offset(connection: Connection, offset: timedelta) -> None:
    """Move the business clock of this database. Only for the embedded stack and tests (`anliegen clock`)."""
    await connection.execute("UPDATE business_clock SET offset_seconds = $1", offset.total_seconds())
