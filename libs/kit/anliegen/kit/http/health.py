"""Health for those who run the product. `/livez` is answered from memory alone; it never asks Kafka or PostgreSQL."""

import asyncio
from collections.abc import Callable, Sequence

import asyncpg
from starlette.responses import JSONResponse, Response

from ..database import is_passing
from ..errors import Unavailable
from ..health import LoopLag
from ..migrate import missing_migrations
from ..service import Context
from .problems import respond

PROBE_SECONDS = 2.0


class NotAlive(Unavailable):
    """This process hangs and is to be restarted."""


class NotReady(Unavailable):
    """This process takes no requests for the moment."""


class NotStarted(Unavailable):
    """This process is still starting."""


class Health:
    """Answers the three probes for the services of one process."""

    def __init__(self, contexts: Callable[[], Sequence[Context]], lag: LoopLag, expected: Sequence[str] = ()) -> None:
        """`contexts` tells which services run now, `expected` which should."""
        self._contexts = contexts
        self._lag = lag
        self._expected = frozenset(expected)

    def contexts(self) -> Sequence[Context]:
        """The services that run now."""
        return self._contexts()

    @property
    def loop_lag(self) -> float:
        """The event loop's longest stall of the last minute, in seconds."""
        return self._lag.longest

    def live(self) -> Response:
        """200 while the event loop turns and every part that reads makes progress."""
        reasons = [self._lag.why_not_alive(), *(context.health.why_not_alive() for context in self._contexts())]
        return _answer("/livez", NotAlive, [reason for reason in reasons if reason])

    async def ready(self) -> Response:
        """200 while every service's database answers and the process is not about to end.

        A service that is fenced is ready, too: it can be read, and a new start would not help it. Its name is told.
        """
        contexts = self._contexts()
        reasons = [f"{context.service.name}: draining" for context in contexts if context.health.draining]
        if not reasons:
            reasons = self._missing(contexts)
            reasons += [reason for reason in await asyncio.gather(*map(_why_no_database, contexts)) if reason]
        fenced = [context.service.name for context in contexts if context.health.fenced is not None]
        return _answer("/readyz", NotReady, reasons, **({"fenced": fenced} if fenced else {}))

    async def started(self) -> Response:
        """200 once every service has found its database as new as its code."""
        contexts = self._contexts()
        reasons = self._missing(contexts)
        reasons += [reason for reason in await asyncio.gather(*map(_why_not_started, contexts)) if reason]
        return _answer("/startupz", NotStarted, reasons)

    def _missing(self, contexts: Sequence[Context]) -> list[str]:
        running = {context.service.name for context in contexts}
        return [f"{name}: not running" for name in sorted(self._expected - running)]


async def _why_no_database(context: Context) -> str | None:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await context.gate.look(context)
    except asyncpg.UndefinedTableError:
        return None  # it answers; whether it is migrated is asked at the start
    except Exception as problem:
        return f"{context.service.name}: the database does not answer ({type(problem).__name__})"
    return None


async def _why_not_started(context: Context) -> str | None:
    if context.health.started:
        return None
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            missing = await missing_migrations(context)
    except Exception as problem:
        kind = "does not answer" if is_passing(problem) else "is not migrated"
        return f"{context.service.name}: the database {kind} ({type(problem).__name__})"
    if missing:
        return f"{context.service.name}: {len(missing)} migrations are missing"
    context.health.started = True
    return None


def _answer(path: str, problem: type[Unavailable], reasons: Sequence[str], **told: Sequence[str]) -> Response:
    if reasons:
        return respond(problem("; ".join(reasons)), path=path)
    return JSONResponse({"status": "ok", **told}, headers={"Cache-Control": "no-store"})
