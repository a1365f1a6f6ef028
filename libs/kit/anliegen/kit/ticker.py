"""What comes round once a second: parked keys that are due, timers that are due, and what has become old."""

import asyncio
import time
from datetime import datetime, timedelta

import structlog

from anliegen.events import Envelope

from . import backoff, failpoints
from .clock import SystemClock
from .database import is_passing
from .fence import store as fence_store
from .ids import derived_event_id
from .operations import gauges, letters
from .retry import retry_due_keys
from .service import Context
from .telemetry import metrics, traces
from .timers import Timer
from .transaction import begin

log = structlog.get_logger(__name__)

EVERY_SECONDS = 1.0
TIMERS = 50
DEADLINE_SECONDS = 60.0
PURGE_EVERY_SECONDS = 600.0
PURGE_ROWS = 1000
INBOX_DAYS = 35
"""Longer than a topic with words is kept and a dead letter is redriven."""
ANNOUNCED_HOURS = 24
"""Longer than anybody who hears us is behind unseen: what Kafka loses, it can be told again for so long."""


async def run(context: Context) -> None:
    """Run for as long as the worker lives."""
    purged_at = time.monotonic()  # never at a start: then there is enough to do
    measured_at = float("-inf")
    purging: asyncio.Task[None] | None = None
    try:
        while True:
            busy = await tick(context)
            if time.monotonic() - measured_at > gauges.EVERY_SECONDS:
                measured_at = time.monotonic()
                await gauges.measure(context)
            if time.monotonic() - purged_at > PURGE_EVERY_SECONDS and (purging is None or purging.done()):
                if purging is not None:
                    purging.result()
                purged_at = time.monotonic()
                # Beside the rest: at a high rate there is much to forget, and no timer waits for that.
                purging = asyncio.create_task(purge(context))
            # A key that waits for another topic's part is due again within a fraction of a second.
            await asyncio.sleep(EVERY_SECONDS / 5 if busy else EVERY_SECONDS)
    finally:
        if purging is not None:
            purging.cancel()
            await asyncio.gather(purging, return_exceptions=True)


async def tick(context: Context) -> bool:
    """Look once; tells whether there was anything to do or will be within a second."""
    async with context.pool.acquire() as connection:
        row = await connection.fetchrow(
            """
            SELECT EXISTS (SELECT 1 FROM fences WHERE released_at IS NULL) AS fenced,
                   (SELECT min(due) FROM parked_keys WHERE grp = $1) AS due_key,
                   (SELECT min(due_at) FROM timers WHERE retry_at IS NULL OR retry_at <= $2) AS due_timer,
                   (SELECT offset_seconds FROM business_clock) AS clock_offset,
                   (SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT 10000) AS first) AS pending,
                   (SELECT extract(epoch FROM clock_timestamp() - created_at)
                    FROM outbox ORDER BY seq LIMIT 1) AS oldest_unsent
            """,
            context.service.name, context.clock.wall(),
        )  # fmt: skip
    assert row is not None
    if context.settings.is_development and isinstance(context.clock, SystemClock):
        context.clock.keep(timedelta(seconds=row["clock_offset"] or 0))
    if row["fenced"]:
        context.gate.shut.set()
        return False
    metrics.outbox_pending.labels(context.service.name).set(row["pending"])
    metrics.outbox_oldest_unsent.labels(context.service.name).set(float(row["oldest_unsent"] or 0))
    soon = context.clock.wall() + timedelta(seconds=EVERY_SECONDS)
    busy = False
    if row["due_key"] is not None and row["due_key"] <= soon:
        await retry_due_keys(context)
        busy = True
    if row["due_timer"] is not None and row["due_timer"] <= context.clock.now():
        busy = await fire_due_timers(context) > 0 or busy
    return busy


async def fire_due_timers(context: Context) -> int:
    """Run the handlers of all timers that are due on the business clock, each in its own transaction."""
    now = context.clock.now()
    async with context.pool.acquire() as connection:
        rows = await connection.fetch(
            """
            SELECT timer_id, kind, key FROM timers WHERE due_at <= $1 AND (retry_at IS NULL OR retry_at <= $2)
            ORDER BY due_at LIMIT $3
            """,
            now, context.clock.wall(), TIMERS,
        )  # fmt: skip
    for row in rows:
        try:
            with traces.work_span(f"timer {row['kind']}", service=context.service.name):
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await _fire(context, row["timer_id"], row["key"])
        except Exception as problem:
            # Whatever it is, the other timers do not wait for this one; if the database is away, this fails, too.
            await _postpone(context, row["timer_id"], context.clock.wall())
            log.error(
                "timer_failed", timer_id=str(row["timer_id"]), error=type(problem).__name__,
                exc_info=None if is_passing(problem) else problem,
            )  # fmt: skip
    return len(rows)


async def _fire(context: Context, timer_id: object, key: str) -> None:
    async with begin(context) as tx:
        await tx.lock(key)
        failpoints.reach("timer.locked")
        # Read after the lock: it may have been moved, taken back or fired by another worker meanwhile.
        row = await tx.fetchrow(
            """
            DELETE FROM timers WHERE timer_id = $1 AND due_at <= $2
            RETURNING timer_id, kind, key, subject, due_at, payload, attempts
            """,
            timer_id, tx.now,
        )  # fmt: skip
        if row is None:
            return
        timer = Timer(**row)
        handler = context.service.timers.find(timer.kind)
        if handler is None:
            raise LookupError(f"no handler is entered for timers of the kind {timer.kind!r}")
        # What follows from a timer has ids that follow from it, like what follows from an event.
        tx.handling(
            Envelope(
                id=derived_event_id(timer.timer_id, timer.due_at, timer.kind),
                source=context.service.source,
                type=f"timer.{timer.kind}",
                time=timer.due_at,
                key=timer.key,
                correlationid=str(timer.subject),
            )
        )
        await handler(timer, tx)
        failpoints.reach("timer.handled")
    metrics.timers_fired.labels(context.service.name, timer.kind).inc()


async def _postpone(context: Context, timer_id: object, at: datetime) -> None:
    async with context.pool.acquire() as connection:
        attempts = await connection.fetchval("SELECT attempts FROM timers WHERE timer_id = $1", timer_id)
        wait = timedelta(seconds=backoff.delay(attempts or 0, first=1.0, most=300.0))
        await connection.execute(
            "UPDATE timers SET attempts = attempts + 1, retry_at = $2 WHERE timer_id = $1", timer_id, at + wait
        )


async def purge(context: Context) -> None:
    """Forget what has become old, in small deletes."""
    from .http.idempotency import purge_idempotency_keys

    async with context.pool.acquire() as connection:
        while True:
            status = await connection.execute(
                """
                DELETE FROM inbox WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM inbox WHERE received_at < clock_timestamp() - make_interval(days => $1) LIMIT $2))
                """,
                INBOX_DAYS, PURGE_ROWS,
            )  # fmt: skip
            if status != f"DELETE {PURGE_ROWS}":
                break
            await asyncio.sleep(0.1)
        while await purge_idempotency_keys(connection):
            await asyncio.sleep(0.1)
        while await fence_store.delete_announced(connection, hours=ANNOUNCED_HOURS, limit=PURGE_ROWS):
            await asyncio.sleep(0.1)
        while await letters.delete_old_content(connection, limit=PURGE_ROWS):
            await asyncio.sleep(0.1)
