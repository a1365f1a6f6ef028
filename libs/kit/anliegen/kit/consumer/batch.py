"""One batch of records in one transaction, and what happens when it fails."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from .. import failpoints
from ..database import is_passing
from ..errors import NotYet, Refusal
from ..handlers import AnyDelivery
from ..service import Context
from ..telemetry import metrics
from ..transaction import Transaction, begin
from . import store
from .handle import handle, lock_for
from .records import Place, Record, Unreadable, read

log = structlog.get_logger(__name__)

DEADLINE_SECONDS = 60.0
FIRST_RETRY = timedelta(seconds=1)
NOT_YET_RETRY = timedelta(milliseconds=200)


class PositionLost(Exception):
    """Another worker moved this position, so the partition is not ours any more: go on from what stands there."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in the order of their partitions, with the offsets expected before and standing after."""

    records: tuple[Record, ...]
    steps: Mapping[Place, tuple[int, int]]

    def split(self) -> "list[Batch]":
        """By partition where there are several, else record by record."""
        if len(self.steps) > 1:
            return [
                Batch(tuple(r for r in self.records if r.place == place), {place: step})
                for place, step in self.steps.items()
            ]
        ((place, (expected, end)),) = self.steps.items()
        # Offsets may have gaps (transactions, compaction): each record moves the position to just before the next.
        ends = [record.offset for record in self.records[1:]] + [end]
        starts = [expected, *ends[:-1]]
        return [
            Batch((record,), {place: (start, stop)})
            for record, start, stop in zip(self.records, starts, ends, strict=True)
        ]


async def take(context: Context, batch: Batch, *, insist: bool = False) -> None:
    """Handle a batch. When this returns, every record has had its effect or is kept where it will have it.

    Raises PositionLost, and whatever `is_passing` knows; then nothing was changed beyond whole records. Whoever has
    seen such trouble again and again may `insist`: if it comes from one event (a handler that never ends, a file that
    is gone), that event's key is parked like after any failure; if it is the database's, parking fails with it.
    """
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await _take_together(context, batch)
    except PositionLost:
        raise
    except Exception as problem:
        if is_passing(problem) and not insist:
            raise
        if len(batch.records) > 1:
            for part in batch.split():
                await take(context, part, insist=insist)
        else:
            await _set_aside(context, batch, problem)


async def _take_together(context: Context, batch: Batch) -> None:
    handlers, group = context.service.handlers, context.service.name
    found = [(record, read(record, handlers)) for record in batch.records if not record.is_partners]
    async with begin(context) as tx:
        await _advance(tx, batch)
        failpoints.reach("consume.positioned")
        await _take_partner_records(tx, [record for record in batch.records if record.is_partners])
        for record, seen in found:
            if isinstance(seen, Unreadable):
                await _bury(tx, record, seen.problem)
        new = await _without_repeats(tx, [(d, r) for r, d in found if d is not None and not isinstance(d, Unreadable)])
        failpoints.reach("consume.entered")
        if not new:
            return
        await lock_for(tx, handlers, [delivery for delivery, _ in new])
        failpoints.reach("consume.locked")
        # Read after the lock, so that the retry worker cannot slip in between.
        parked = await store.list_parked_keys(
            tx.connection, group=group, keys=sorted({delivery.envelope.key for delivery, _ in new})
        )
        waiting = [(delivery, record) for delivery, record in new if delivery.envelope.key in parked]
        if waiting:
            await store.insert_parked_events(tx.connection, group=group, waiting=waiting)
            failpoints.reach("consume.parked")
        ready = [delivery for delivery, _ in new if delivery.envelope.key not in parked]
        await handle(tx, handlers, ready)
        failpoints.reach("consume.handled")
    failpoints.reach("consume.committed")
    _count(context, ready)


async def _advance(tx: Transaction, batch: Batch) -> None:
    moved = await store.advance_positions(tx.connection, group=tx.context.service.name, steps=batch.steps)
    if moved != len(batch.steps):
        raise PositionLost(PositionLost.__doc__)


async def _take_partner_records(tx: Transaction, records: list[Record]) -> None:
    """What partner systems write is never read as one of our own events, whatever it says it is."""
    take_records = tx.context.service.handlers.take_partner_records
    if not records or take_records is None:
        return
    tx.may_publish = False
    for record, problem in await take_records(records, tx):
        await _bury(tx, record, problem)


async def _without_repeats(
    tx: Transaction, found: Sequence[tuple[AnyDelivery, Record]]
) -> list[tuple[AnyDelivery, Record]]:
    if not found:
        return []
    unseen = await store.insert_inbox(
        tx.connection, group=tx.context.service.name, event_ids=[delivery.envelope.id for delivery, _ in found]
    )
    new = []
    for delivery, record in found:
        # The first of several in one batch takes effect; the others are repeats like any other.
        if delivery.envelope.id in unseen:
            unseen.remove(delivery.envelope.id)
            new.append((delivery, record))
    if len(new) < len(found):
        metrics.inbox_duplicates.labels(tx.context.service.name).inc(len(found) - len(new))
    return new


async def _bury(tx: Transaction, record: Record, problem: Exception) -> None:
    service = tx.context.service
    await store.insert_dead_letter(
        tx.connection, group=service.name, record=record, event_id=None, problem=problem, attempts=1,
        version=service.version,
    )  # fmt: skip
    metrics.events_dead_lettered.labels(service.name).inc()
    log.error("dead_letter", topic=record.place.topic, part=record.place.part, offset=record.offset, error=str(problem))


async def _set_aside(context: Context, batch: Batch, problem: Exception) -> None:
    """One event failed alone: a rule's refusal is its outcome, anything else parks its key."""
    (record,) = batch.records
    group = context.service.name
    if record.is_partners:
        async with begin(context) as tx:
            await _advance(tx, batch)
            await _bury(tx, record, problem)
        return
    delivery = read(record, context.service.handlers)
    if delivery is None or isinstance(delivery, Unreadable):
        raise problem
    async with asyncio.timeout(DEADLINE_SECONDS), begin(context) as tx:
        await _advance(tx, batch)
        if not await store.insert_inbox(tx.connection, group=group, event_ids=[delivery.envelope.id]):
            return
        if isinstance(problem, Refusal):
            await store.upsert_inbox_outcome(
                tx.connection, group=group, event_id=delivery.envelope.id, outcome=problem.code
            )
        else:
            await lock_for(tx, context.service.handlers, [delivery])
            due = tx.context.clock.wall() + (NOT_YET_RETRY if isinstance(problem, NotYet) else FIRST_RETRY)
            await store.insert_parked_key(
                tx.connection, group=group, key=delivery.envelope.key, reason=_reason(problem), due=due
            )
            await store.insert_parked_events(tx.connection, group=group, waiting=[(delivery, record)])
        failpoints.reach("consume.set_aside")
    result = "refused" if isinstance(problem, Refusal) else "parked"
    metrics.events_processed.labels(group, result).inc()
    fields = {"event_id": str(delivery.envelope.id), "type": delivery.envelope.type, "error": _reason(problem)}
    if isinstance(problem, Refusal | NotYet):
        log.info(f"event_{result}", **fields)
    else:
        log.error(f"event_{result}", exc_info=problem, **fields)


def _reason(problem: Exception) -> str:
    return getattr(problem, "code", None) or type(problem).__name__


def _count(context: Context, handled: Sequence[AnyDelivery]) -> None:
    service = context.service.name
    metrics.events_processed.labels(service, "done").inc(len(handled))
    observe_end_to_end(context, handled)


def observe_end_to_end(context: Context, handled: Sequence[AnyDelivery]) -> None:
    """Note how old these events were when their effects were committed."""
    service, now = context.service.name, context.clock.now()
    for delivery in handled:
        age = (now - delivery.envelope.time).total_seconds()
        metrics.event_end_to_end.labels(service, delivery.envelope.type).observe(max(0.0, age))
