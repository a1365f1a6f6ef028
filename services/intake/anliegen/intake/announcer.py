"""The announcer: takes what partners told, oldest first, and announces it, each event in a transaction of its own.

Several workers share the work; what one customer's events say stays in order. An event that fails is tried again, for
as long as it takes, and holds up none but its own customer's.
"""

import asyncio
import contextlib
import time
from datetime import timedelta

import structlog

from anliegen.kit import Context, backoff, begin
from anliegen.kit.database import ACQUIRE_SECONDS, connect, is_passing
from anliegen.kit.notifier import CHANNEL
from anliegen.kit.settings import address_for

from .actions import announce
from .domain.partners import Kept
from .resources import resources_of

log = structlog.get_logger(__name__)

LOOK_EVERY = 2.0
"""Seconds between two looks without a hint."""
FORGET_EVERY = 3_600.0
FORGET_AT_ONCE = 1_000
REST_SECONDS = 0.05


async def run(context: Context) -> None:
    """Announce for as long as the worker lives."""
    wake = resources_of(context).wake_announcer
    address = address_for(context.settings.database_url, context.service.package, context.service.package)
    forgotten_at = time.monotonic()
    async with connect(address, application="anliegen intake announcer") as listening:
        # The doors hint when they took something, as whoever announces does.
        await listening.add_listener(CHANNEL, lambda *_: wake.set())
        while not listening.is_closed():
            wake.clear()
            await announce_waiting(context)
            # Most hints are the relay's, many a second under load: one look serves all of a moment's.
            await asyncio.sleep(REST_SECONDS)
            if time.monotonic() - forgotten_at > FORGET_EVERY:
                forgotten_at = time.monotonic()
                await forget_old(context)
            # Not `wait_for`: in Python 3.11 it forgets that it was cancelled where the hint comes at that moment.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await wake.wait()
    raise ConnectionError(f"the database went away, or did not answer within {ACQUIRE_SECONDS} s")


async def announce_waiting(context: Context) -> int:
    """Announce everything that is due; tells how many events."""
    total = attempt = 0
    while True:
        kept: Kept | None = None
        try:
            async with begin(context) as tx:
                kept = await announce.find_next(tx)
                if kept is None:
                    return total
                await announce.announce(tx, kept)
        except Exception as problem:
            if is_passing(problem):
                log.info("announcing_postponed", error=type(problem).__name__)
                await asyncio.sleep(backoff.delay(attempt))
                attempt += 1
                continue
            if kept is None:
                raise
            await _postpone(context, kept, problem)
            continue
        attempt = 0
        total += 1


async def _postpone(context: Context, kept: Kept, problem: Exception) -> None:
    code = getattr(problem, "code", None) or type(problem).__name__
    log.error("partner_event_not_announced", event_id=str(kept.known_as), type=kept.told.type, error=code,
              attempts=kept.attempts + 1, exc_info=problem)  # fmt: skip
    wait = timedelta(seconds=backoff.delay(kept.attempts, first=1.0, most=300.0))
    async with begin(context) as tx:
        await announce.postpone(tx, kept, code=code, wait=wait)


async def forget_old(context: Context) -> None:
    """Forget what is old, in small deletes."""
    while True:
        async with begin(context) as tx:
            if await announce.forget_old(tx, limit=FORGET_AT_ONCE) < FORGET_AT_ONCE:
                return
