"""The retry worker: takes parked keys whose time has come, and lets each flow again once nothing waits behind it."""

import asyncio
from datetime import timedelta

import structlog

from . import backoff, failpoints
from .consumer import store
from .consumer.handle import handle, lock_for
from .consumer.records import Unreadable, read
from .database import is_passing
from .errors import NotYet, Refusal
from .service import Context
from .telemetry import metrics
from .transaction import Transaction, begin

log = structlog.get_logger(__name__)

KEYS = 20
EVENTS = 50
NOT_YET_MOST = 30.0
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
    while True:
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                left = await _retry_oldest(context, key)
        except Exception as problem:
            if is_passing(problem):
                raise
            if not await _record_failure(context, key, problem):
                return
            left = True
        if not left:
            return


async def _retry_oldest(context: Context, key: str) -> bool:
    """Handle the oldest event behind the key; False when the key flows again."""
    handlers, group = context.service.handlers, context.service.name
    async with begin(context) as tx:
        # The stream first, then what waits: without the lock an event that is being parked just now would be orphaned.
        waiting = await _lock_and_list(tx, key)
        failpoints.reach("retry.locked")
        if waiting is None:
            return False
        if not waiting:
            return not await store.delete_parked_key_when_empty(tx.connection, group=group, key=key)
        oldest = waiting[0]
        delivery = read(oldest.record, handlers)
        if isinstance(delivery, Unreadable):
            raise delivery.problem
        if delivery is not None:
            await handle(tx, handlers, [delivery])
        failpoints.reach("retry.handled")
        await store.delete_parked_event(tx.connection, ord_=oldest.ord)
        done = len(waiting) == 1 and await store.delete_parked_key_when_empty(tx.connection, group=group, key=key)
    failpoints.reach("retry.committed")
    metrics.events_processed.labels(group, "retried").inc()
    return not done


async def _lock_and_list(tx: Transaction, key: str) -> list[store.ParkedEvent] | None:
    handlers, group = tx.context.service.handlers, tx.context.service.name
    if not handlers.projection:
        # What waits may need more keys than its own; they are known once it is read, so it is read twice.
        seen = await store.list_parked_events(tx.connection, group=group, key=key, limit=1)
        deliveries = [d for e in seen if (d := read(e.record, handlers)) is not None and not isinstance(d, Unreadable)]
        await lock_for(tx, handlers, deliveries)
        if not deliveries:
            await tx.lock(key)
    if await store.lock_parked_key(tx.connection, group=group, key=key) is None:
        return None
    return await store.list_parked_events(tx.connection, group=group, key=key, limit=2)


async def _record_failure(context: Context, key: str, problem: Exception) -> bool:
    """Say why the key still waits. True where the oldest event was settled, so that the next one can be tried."""
    service = context.service
    group, handlers = service.name, service.handlers
    async with begin(context) as tx:
        waiting = await _lock_and_list(tx, key)
        if not waiting:
            return False
        oldest = waiting[0]
        parked = await store.lock_parked_key(tx.connection, group=group, key=key)
        if parked is None:
            return False
        reason = getattr(problem, "code", None) or type(problem).__name__
        if isinstance(problem, Refusal):
            await store.update_inbox_outcome(tx.connection, group=group, event_id=oldest.event_id, outcome=reason)
            await store.delete_parked_event(tx.connection, ord_=oldest.ord)
            return True
        if parked.attempts >= handlers.attempts and handlers.policy == "dead_letter":
            await store.insert_dead_letter(
                tx.connection, group=group, record=oldest.record, event_id=oldest.event_id, problem=problem,
                attempts=parked.attempts, version=service.version, first_failed_at=parked.since,
            )  # fmt: skip
            await store.delete_parked_event(tx.connection, ord_=oldest.ord)
            await store.update_parked_key(
                tx.connection, group=group, key=key, attempts=0, due=context.clock.wall(), reason="after a dead letter"
            )
            metrics.events_dead_lettered.labels(group).inc()
            log.error("dead_letter", event_id=str(oldest.event_id), key=key, error=reason)
            return True
        wait = backoff.delay(parked.attempts, first=1.0, most=300.0)
        if isinstance(problem, NotYet):
            wait = backoff.delay(parked.attempts, first=0.2, most=NOT_YET_MOST)
        await store.update_parked_key(
            tx.connection, group=group, key=key, attempts=parked.attempts + 1, reason=reason,
            due=context.clock.wall() + timedelta(seconds=wait),
        )  # fmt: skip
        failpoints.reach("retry.failed")
    log.warning("key_still_parked", key=key, attempts=parked.attempts, error=reason)
    return False
