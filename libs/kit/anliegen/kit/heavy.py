"""Work that takes more than 5 ms of CPU runs in processes of its own: heartbeats share the event loop."""

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from .errors import Unavailable

P = ParamSpec("P")
R = TypeVar("R")

IDLE_SECONDS = 60.0


class HeavyWorkFailed(Unavailable):
    """The process that did this work was ended (most likely it ran out of memory). Try again."""


class HeavyWorkTooLong(Unavailable):
    """This work took longer than it may. Try again."""


class HeavyWork:
    """A small pool of processes that starts at its first use and ends after a minute of rest.

    Never call it inside a transaction: locks would be held for as long as the work takes.
    """

    def __init__(self, processes: int = 1) -> None:
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None
        self._running = 0
        self._rest: asyncio.TimerHandle | None = None

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function of a module with arguments that can be pickled; what it raises is raised here."""
        return await self.run_within(30.0, function, *args, **kwargs)

    async def run_within(self, seconds: float, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The same with a limit. Raises HeavyWorkTooLong, and HeavyWorkFailed where the process was ended."""
        from functools import partial

        if self._rest is not None:
            self._rest.cancel()
        if self._pool is None:
            # "spawn": a process that runs an event loop and threads must not be forked.
            self._pool = ProcessPoolExecutor(self._processes, mp_context=multiprocessing.get_context("spawn"))
        pool, loop = self._pool, asyncio.get_running_loop()
        self._running += 1
        try:
            async with asyncio.timeout(seconds):
                return await loop.run_in_executor(pool, partial(function, *args, **kwargs))
        except TimeoutError as problem:
            self._end(pool)
            raise HeavyWorkTooLong from problem
        except BrokenProcessPool as problem:
            self._end(pool)
            raise HeavyWorkFailed from problem
        finally:
            self._running -= 1
            if self._running == 0:
                self._rest = loop.call_later(IDLE_SECONDS, self.close)

    def close(self) -> None:
        """End the processes; the next use starts new ones."""
        if self._rest is not None:
            self._rest.cancel()
        if self._pool is not None:
            self._end(self._pool)

    def _end(self, pool: ProcessPoolExecutor) -> None:
        if self._pool is pool:
            self._pool = None
        # A process that hangs would never end by itself.
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
