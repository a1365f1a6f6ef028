"""Whether one service may act, as one process knows it: the worker waits at it, every command looks at it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..database import ACQUIRE_SECONDS
from ..errors import Unavailable
from . import store
from .store import Standing

if TYPE_CHECKING:
    from ..service import Context

AGAIN_SECONDS = 0.5
WAIT_SECONDS = 1.0
"""So long at most a fence that was set is not noticed by a process that takes commands all the time."""


class Fenced(Unavailable):
    """This service is fenced: its database was restored to an earlier time, or a person stopped it. It can be read, and
    takes no commands until a person has released it. Nothing was changed."""

    headers = {"Retry-After": "60"}  # noqa: RUF012 - read-only


class NotLookedAt(Unavailable):
    """This database is another than before, and has not been compared with the log of events yet: it was restored,
    copied or promoted. It can be read, and takes commands in a moment. Nothing was changed."""


class Gate:
    """Passed by a worker that has looked at the log; shut by a fence."""

    def __init__(self) -> None:
        self.passed = asyncio.Event()
        """The worker has compared its database with the log, and nothing is in its way."""
        self.shut = asyncio.Event()
        """A fence is there: the worker's parts stop, and wait again."""
        self._standing: Standing | None = None
        self._looked = float("-inf")
        self._looking: asyncio.Task[Standing] | None = None

    def begin(self) -> None:
        """The worker's parts are built anew."""
        self.passed.clear()
        self.shut.clear()

    async def may_begin(self, context: "Context") -> None:
        """Return once the worker's parts that need no Kafka may run: at once in the database that was looked at last,
        so that timers fire and mails leave while Kafka is away; in another after the look."""
        standing = await self.look(context)
        if standing.fence is not None or not standing.is_looked_at:
            await self.passed.wait()

    async def refuse_commands(self, context: "Context") -> None:
        """Raise Fenced or NotLookedAt where no command may be taken.

        The database is asked about once in half a second at most, beside the commands; none of them waits for that,
        but for one that comes after a rest.
        """
        age = time.monotonic() - self._looked
        if age > AGAIN_SECONDS:
            looking = self._look_soon(context)
            if age > WAIT_SECONDS:
                await asyncio.shield(looking)
        assert self._standing is not None
        if self._standing.fence is not None:
            raise Fenced
        if not self._standing.is_looked_at:
            raise NotLookedAt

    async def look(self, context: "Context") -> Standing:
        """Ask the database now. Raises what the database raises."""
        return await asyncio.shield(self._look_soon(context))

    def _look_soon(self, context: "Context") -> "asyncio.Task[Standing]":
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(context))
            # Nobody may be waiting for it; whoever comes next asks again.
            self._looking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._looking

    async def _look(self, context: "Context") -> Standing:
        async with context.pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
            standing = await store.get_standing(connection)
        self._standing, self._looked = standing, time.monotonic()
        context.health.fenced = None if standing.fence is None else standing.fence.reason
        return standing

    async def run_until_shut(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run for as long as no fence is set; an error of what runs is raised."""
        running = asyncio.ensure_future(run())
        shut = asyncio.ensure_future(self.shut.wait())
        try:
            await asyncio.wait({running, shut}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            shut.cancel()
            running.cancel()
            # Not `await running`: whoever is told to end meanwhile must not take that for the end of what ran.
            await asyncio.wait({running})
        if not running.cancelled():
            running.result()
