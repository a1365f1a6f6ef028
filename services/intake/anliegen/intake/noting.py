"""Note what became of outgoing work, for as long as it takes: what is not noted is done again.

While the database is away, it is tried again until it is back. A fault that does not pass keeps one row from being
noted and no other: what can be said of it all the same is written to its row, so that it is known when it comes again.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import structlog

from anliegen.kit import Context, Transaction, backoff, begin
from anliegen.kit.database import is_passing
from anliegen.kit.telemetry import metrics

from .actions import speak
from .clients import SendingFailed
from .domain.replies import Reply, Sent

log = structlog.get_logger(__name__)

Note = Callable[[Transaction], Awaitable[None]]
LONGEST_WAIT = 5.0
INSISTS_AFTER = 4
"""Attempts after which trouble that should pass is taken for a fault of what is noted. If it is the database's, what is
written instead fails, too."""


async def note_together(context: Context, sent: Sequence[Sent]) -> None:
    """Note in one transaction that a channel took these over. Raises whatever keeps it from being noted."""
    async with begin(context, late=True) as tx:
        await speak.confirm_sent(tx, *sent)


async def note_alone(context: Context, sent: Sent) -> None:
    """Note that a channel took this over. Where a fault forbids it, its row says so: it is noted later, not sent."""
    unnamed = replace(sent, provider_id=None, message_id=None)

    def count(problem: Exception) -> None:
        log.error("sent_not_noted", reply_id=str(sent.reply.reply_id), attempts=sent.reply.attempts, exc_info=problem)
        channel = sent.reply.way.channel.value
        metrics.delivery_attempts.labels(context.service.name, channel, "not_noted").inc()

    await note(
        context,
        lambda tx: speak.confirm_sent(tx, sent),
        lambda tx: speak.keep_unnoted(tx, sent),
        # A name that cannot be written may be what is wrong.
        lambda tx: speak.keep_unnoted(tx, unnamed),
        blame=count,
    )


async def note_failed(context: Context, reply: Reply, trouble: SendingFailed) -> None:
    """Note that a channel did not take this."""
    await note(
        context,
        lambda tx: speak.retry_or_give_up(tx, reply, code=trouble.code, lasting=trouble.lasting),
        lambda tx: speak.retry_later(tx, reply, code=trouble.code),
        blame=lambda problem: log.error("failure_not_noted", reply_id=str(reply.reply_id), exc_info=problem),
    )


async def note(context: Context, *ways: Note, blame: Callable[[Exception], None]) -> None:
    """Write in the first of these ways that can be written, each in a transaction of its own.

    The others are tried only where the first fails for another reason than the infrastructure's; `blame` is told it.
    """
    attempt = 0
    while True:
        try:
            return await _write(context, ways[0])
        except Exception as problem:
            insists = not is_passing(problem) or attempt >= INSISTS_AFTER
            for way in ways[1:] if insists else ():
                with contextlib.suppress(Exception):
                    await _write(context, way)
                    return blame(problem)
            if attempt == INSISTS_AFTER:
                log.warning("not_noted_yet", error=type(problem).__name__)
        await asyncio.sleep(backoff.delay(attempt, most=LONGEST_WAIT))
        attempt += 1


async def _write(context: Context, way: Note) -> None:
    async with begin(context, late=True) as tx:
        await way(tx)
