"""Processes on a stage: each halts where the play wants it, dies where it is told to, and waits for locks for real.

Everything runs on one event loop. The play moves when all are still: each process has ended, stands at a gate, waits
for Kafka, or waits for a lock in PostgreSQL. So the order of what happens follows from the play, not from the clock.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from anliegen.kit.database import is_passing

STILL_SECONDS = 100.0
LOOK_SECONDS = 0.004


class Violation(AssertionError):
    """A guarantee does not hold."""

    def __init__(self, guarantee: str, detail: object = "") -> None:
        super().__init__(f"{guarantee}: {detail}")
        self.guarantee = guarantee


class Killed(BaseException):
    """The process died here: nothing of its own runs any more, and what it had not committed is gone."""


class RolledBack(Exception):
    """A command changed its mind."""


@dataclass(eq=False)
class Act:
    """One process at work. `hold` names the gate it halts at, once; `dies_at` the failpoint where it dies."""

    name: str
    service: str
    hold: str = ""
    dies_at: str = ""
    times: int = 1
    is_relay: bool = False
    task: "asyncio.Task[Any]" = field(init=False)
    gate: "asyncio.Future[Any] | None" = None
    gate_name: str = ""
    in_sql: bool = False
    waits_elsewhere: Callable[[], bool] = lambda: False

    @property
    def is_still(self) -> bool:
        """Whether it will do nothing before the play lets it."""
        return self.task.done() or self.gate is not None or (self.waits_elsewhere() and not self.in_sql)

    def let_on(self, how: Any = None) -> None:
        """Open the gate: with an exception it is raised there, anything else is what the gate gives."""
        gate, self.gate = self.gate, None
        if gate is None or gate.done():
            return
        if isinstance(how, BaseException):
            gate.set_exception(how)
        else:
            gate.set_result(how)


_act: ContextVar[Act | None] = ContextVar("act", default=None)


class Stage:
    """All processes of one play."""

    def __init__(self, monitor: asyncpg.Connection, databases: list[str]) -> None:
        self.acts: list[Act] = []
        self.troubles: list[tuple[str, BaseException]] = []
        """What no process may end with, by the name of the process."""
        self._monitor = monitor
        self._databases = databases
        self._changed = asyncio.Event()

    def start(
        self,
        act: Act,
        work: Coroutine[Any, Any, Any],
        *,
        then: "Callable[[BaseException | None], Awaitable[None]] | None" = None,
    ) -> Act:
        """Have a process begin; `then` is told how it ended, before the play goes on."""

        async def run() -> None:
            _act.set(act)
            problem: BaseException | None = None
            try:
                await work
            except asyncio.CancelledError:
                problem = Killed()
            except BaseException as ended:  # a death is an end like any other here
                problem = ended
            if problem is not None and not is_expected(problem):
                self.troubles.append((act.name, problem))
            if then is not None:
                await then(problem)

        act.task = asyncio.get_running_loop().create_task(run(), name=act.name)
        self.acts.append(act)
        return act

    def reach(self, name: str) -> None:
        """A failpoint of the kit was reached: whoever is to die here dies."""
        act = _act.get()
        if act is not None and act.dies_at == name:
            act.times -= 1
            if act.times <= 0:
                act.dies_at = ""
                raise Killed

    async def pause(self, name: str) -> Any:
        """A gate: whoever is to halt here waits until the play lets it on."""
        act = _act.get()
        if act is None or act.hold != name:
            return None
        act.hold = ""
        return await self.halt(act, name)

    async def halt(self, act: Act, name: str) -> Any:
        """Wait at a gate whatever was planned."""
        act.gate = asyncio.get_running_loop().create_future()
        act.gate_name = name
        self._changed.set()
        return await act.gate

    @property
    def held(self) -> list[Act]:
        """Those that stand at a gate."""
        return [act for act in self.acts if act.gate is not None and not act.task.done()]

    async def settle(self) -> None:
        """Return when all are still."""
        async with asyncio.timeout(STILL_SECONDS):
            while True:
                for _ in range(6):  # what a finished query or an opened gate sets going needs no more turns than these
                    await asyncio.sleep(0)
                self._changed.clear()
                moving = [act for act in self.acts if not act.is_still]
                if not moving:
                    break
                changed = asyncio.ensure_future(self._changed.wait())
                done, _ = await asyncio.wait(
                    [changed, *(act.task for act in moving)],
                    timeout=LOOK_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                changed.cancel()
                if not done and await self._waiting_for_locks() >= len(moving):
                    break
        self.acts = [act for act in self.acts if not act.task.done()]

    async def _waiting_for_locks(self) -> int:
        return await self._monitor.fetchval(
            """
            SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE NOT granted AND datname = ANY($1)
            """,
            self._databases,
        )

    async def clear(self, service: str | None = None) -> None:
        """Kill every process, or those of one service."""
        for act in self.acts:
            if service in (None, act.service):
                act.gate = None
                act.task.cancel()
        ended = [act.task for act in self.acts if service in (None, act.service)]
        if ended:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(ended)
        self.acts = [act for act in self.acts if not act.task.done()]


def is_expected(problem: BaseException) -> bool:
    """How a process may end without anything being wrong."""
    if isinstance(problem, asyncpg.DeadlockDetectedError):
        return False
    return isinstance(problem, Killed | RolledBack) or is_passing(problem)
