"""The retry worker: takes parked keys whose time has come, and lets each flow again once nothing waits behind it."""

import asyncio
from datetime import timedelta

import structlog

from . import backoff, failpoints
from .consumer import store
from .consumer.batch import observe_end_to_end
from .consumer.handle import handle, lock_for
from .consumer.records import Unreadable, read
from .database import is_passing
from .errors import NotYet, Refusal
from .service import Context
from .telemetry import metrics
from .transaction import Transaction, begin

log = structlog.get_logger(__name__)

KEYS = 20
NOT_YET_MOST = 30.0
NOT_YET_ATTEMPTS = 3_000
"""About a day: a part may come from a service that is away, and nothing is wrong with the event that waits for it."""
POSTPONED = timedelta(seconds=15)
DEADLINE_SECONDS = 60.0


async def retry_due_keys(context: Context) -> int:
    """Try every parked key that is due, each in a transaction of its own; tells how many were tried."""
    async with context.pool.acquire() as connection:
        keys = await store.list_due_keys(connection, group=context.service.name, at=context.clock.wall(), limit=KEYS)
    for key in keys:
        try:
            await retry_key(context, key)
        except Exception as problem:
            if not is_passing(problem):
                raise
            # No attempt is counted. The others must not wait for this one; if the database is away, this fails, too.
            async with context.pool.acquire() as connection:
                await store.postpone_parked_key(
                    connection, group=context.service.name, key=key, due=context.clock.wall() + POSTPONED
                )
            log.warning("key_postponed", key=key, error=type(problem).__name__, detail=str(problem)[:200])
    return len(keys)


async def retry_key(context: Context, key: str) -> None:
    """Handle what waits behind this key, oldest first, until it is empty or one fails again."""
    left = True
    while left:
        # What waits may need more keys than its own, which are known once it is read: it is read, locked, read again.
        async with context.pool.acquire() as connection:
            found = await store.list_parked_events(connection, group=context.service.name, key=key, limit=1)
        oldest = found[0] if found else None
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                left = await _retry_oldest(context, key, oldest)
        except Exception as problem:
            if is_passing(problem) or oldest is None:
                raise
            left = await _record_failure(context, key, oldest, problem)


async def _retry_oldest(context: Context, key: str, oldest: store.ParkedEvent | None) -> bool:
    """Handle the oldest event behind the key; False when the key flows again, or another worker sees to it."""
    handlers, group = context.service.handlers, context.service.name
    delivery = None if oldest is None else read(oldest.record, handlers)
    async with begin(context) as tx:
        # The streams first, then what waits: without the lock an event that is being parked just now would be orphaned.
        if delivery is None or isinstance(delivery, Unreadable):
            await _lock_stream(tx, key)
        else:
            await lock_for(tx, handlers, [delivery])
        failpoints.reach("retry.locked")
        if await store.lock_parked_key(tx.connection, group=group, key=key) is None:
            return False
        waiting = await store.list_parked_events(tx.connection, group=group, key=key, limit=2)
        if not waiting:
            return not await store.delete_parked_key_when_empty(tx.connection, group=group, key=key)
        if oldest is None or waiting[0].event_id != oldest.event_id:
            return False  # another worker is at this key; what waits now may need other streams
        if isinstance(delivery, Unreadable):
            raise delivery.problem
        if delivery is not None:
            await handle(tx, handlers, [delivery])
        failpoints.reach("retry.handled")
        await store.delete_parked_event(tx.connection, ord_=oldest.ord)
        done = len(waiting) == 1 and await store.delete_parked_key_when_empty(tx.connection, group=group, key=key)
    failpoints.reach("retry.committed")
    metrics.events_processed.labels(group, "retried").inc()
    if delivery is not None:
        observe_end_to_end(context, [delivery])
    return not done


async def _lock_stream(tx: Transaction, key: str) -> None:
    if not tx.context.service.handlers.projection:
        await tx.lock(key)


async def _record_failure(context: Context, key: str, failed: store.ParkedEvent, problem: Exception) -> bool:
    """Say why the key still waits. True where the event is settled, so that the next one can be tried."""
    service = context.service
    group, handlers = service.name, service.handlers
    async with begin(context) as tx:
        await _lock_stream(tx, key)
        parked = await store.lock_parked_key(tx.connection, group=group, key=key)
        waiting = await store.list_parked_events(tx.connection, group=group, key=key, limit=1)
        if parked is None or not waiting or waiting[0].event_id != failed.event_id:
            return False  # another worker has settled it, and this failure says nothing about the next event
        oldest = waiting[0]
        reason = getattr(problem, "code", None) or type(problem).__name__
        if isinstance(problem, Refusal):
            await store.upsert_inbox_outcome(tx.connection, group=group, event_id=oldest.event_id, outcome=reason)
            await store.delete_parked_event(tx.connection, ord_=oldest.ord)
            return True
        not_yet = isinstance(problem, NotYet)
        # Waiting and failing are counted apart: who waited for long still has all of its attempts.
        attempts = parked.attempts if not_yet == (parked.reason == NotYet.code) else 0
        if attempts >= (NOT_YET_ATTEMPTS if not_yet else handlers.attempts) and handlers.policy == "dead_letter":
            await store.insert_dead_letter(
                tx.connection, group=group, record=oldest.record, event_id=oldest.event_id, problem=problem,
                attempts=attempts, version=service.version, first_failed_at=parked.since,
            )  # fmt: skip
            await store.delete_parked_event(tx.connection, ord_=oldest.ord)
            await store.update_parked_key(
                tx.connection, group=group, key=key, attempts=0, due=context.clock.wall(), reason="after a dead letter"
            )
            metrics.events_dead_lettered.labels(group).inc()
            log.error("dead_letter", event_id=str(oldest.event_id), key=key, error=reason)
            return True
        wait = backoff.delay(attempts, first=1.0, most=300.0)
        if not_yet:
            wait = backoff.delay(attempts, first=0.2, most=NOT_YET_MOST)
        await store.update_parked_key(
            tx.connection, group=group, key=key, attempts=attempts + 1, reason=reason,
            due=context.clock.wall() + timedelta(seconds=wait),
        )  # fmt: skip
        failpoints.reach("retry.failed")
    log.warning("key_still_parked", key=key, attempts=attempts, error=reason)
    return False
