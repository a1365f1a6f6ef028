"""The commands: redrive or discard a dead letter, try a parked key now, set aside the event that holds it up."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from ..consumer import store
from ..consumer.records import Record, Unreadable, read
from ..errors import Conflict, Refusal
from ..handlers import AnyDelivery
from ..service import Context
from ..telemetry import metrics
from ..telemetry.redaction import message_of
from ..transaction import Transaction, begin
from ..versions import ANY_VERSION, ExpectedVersion
from . import journal, letters, parked
from .journal import Operator
from .letters import RELAY, DeadLetter, Filter

REDRIVEN = "redriven"
DISCARDED = "discarded"
REPEATED = "repeated"
"""It was redriven, and the event had been taken meanwhile, under the same id: there was nothing left to do."""
MOST_AT_ONCE = 500


class LetterSettled(Conflict):
    """Somebody has settled this dead letter already."""


class StillUnreadable(Refusal):
    """Today's code cannot read this record either: deploy code that can, or discard it."""


class HeardByNobody(Refusal):
    """No handler of this service hears this type of event any more: discard it."""


class GroupUnknown(Refusal):
    """This letter belongs to a consumer that this service does not have."""


class OldestMoved(Conflict):
    """Another event is the oldest behind this key by now: look again."""


class SetAside(Exception):
    """An event was set aside by hand."""


# Dead letters -----------------------------------------------------------------------------------------------------
async def redrive(
    tx: Transaction, *, letter_id: int, operator: Operator, version: ExpectedVersion = ANY_VERSION
) -> DeadLetter:
    """Put the event back, once, for the group that gave up on it; tells the letter as it is then.

    It is parked behind its key, after whatever waits there, and the retry worker takes it within a second. So it comes
    *after* the later events of its key that were handled since. A letter of the relay goes back to the outbox; the
    record of a partner system, which has no key to wait behind, is taken right here.

    Raises DeadLetterNotFound, PreconditionFailed, LetterSettled, StillUnreadable, HeardByNobody, GroupUnknown.
    """
    letter = await _lock_unsettled(tx, letter_id, version)
    record = await letters.get_record(tx, letter_id=letter_id)
    if letter.group == RELAY:
        await _announce_again(tx, letter, record)
        return await _settle(tx, letter, REDRIVEN, operator)
    if record.is_partners:
        await _take_partner_record(tx, letter, record)
        return await _settle(tx, letter, REDRIVEN, operator)
    delivery = delivery_of(tx.context, letter, record)
    taken_anew = await _enter_inbox(tx, letter, delivery)
    if taken_anew:
        await _park(tx, delivery, record)
    return await _settle(tx, letter, REDRIVEN if taken_anew else REPEATED, operator)


async def discard(
    tx: Transaction, *, letter_id: int, operator: Operator, version: ExpectedVersion = ANY_VERSION
) -> DeadLetter:
    """Give the event up for good; `operator.reason` says why. Raises DeadLetterNotFound, LetterSettled."""
    letter = await _lock_unsettled(tx, letter_id, version)
    return await _settle(tx, letter, DISCARDED, operator)


def delivery_of(context: Context, letter: DeadLetter, record: Record) -> AnyDelivery:
    """What today's code reads in a letter. Raises StillUnreadable, HeardByNobody, GroupUnknown."""
    if letter.group != context.service.name:
        raise GroupUnknown
    delivery = read(record, context.service.handlers)
    if isinstance(delivery, Unreadable):
        # Their texts name places in the record, never what stands there.
        raise StillUnreadable(f"{StillUnreadable.__doc__} {delivery.problem}")
    if delivery is None:
        raise HeardByNobody
    return delivery


async def _lock_unsettled(tx: Transaction, letter_id: int, version: ExpectedVersion) -> DeadLetter:
    letter = await letters.get_letter(tx, letter_id=letter_id, lock=True)
    version.check(letter.version)
    if letter.settled_at is not None:
        raise LetterSettled
    return letter


async def _enter_inbox(tx: Transaction, letter: DeadLetter, delivery: AnyDelivery) -> bool:
    """Enter the event, before any stream is locked, as the consumer does; False where it was taken since it died."""
    group, event_id = letter.group, delivery.envelope.id
    if await store.insert_inbox(tx.connection, group=group, event_ids=[event_id]):
        # Never seen under this id (it could not be read), or its entry was purged: from now on it is known again.
        return True
    if letter.event_id is None:
        return False  # the same event came in a form that could be read
    return not await letters.has_come_again(tx, group=group, event_id=event_id, since=letter.died_at)


async def _park(tx: Transaction, delivery: AnyDelivery, record: Record) -> None:
    service, key = tx.context.service, delivery.envelope.key
    if not service.handlers.projection:
        await tx.lock(key)
    # A key that is parked already keeps its time; its row is locked, so that no retry worker finishes with it now.
    await store.insert_parked_key(tx.connection, group=service.name, key=key, reason=REDRIVEN, due=tx.wall)
    await store.insert_parked_events(tx.connection, group=service.name, waiting=[(delivery, record)])


async def _take_partner_record(tx: Transaction, letter: DeadLetter, record: Record) -> None:
    take_records = tx.context.service.handlers.take_partner_records
    if letter.group != tx.context.service.name:
        raise GroupUnknown
    if take_records is None:
        raise HeardByNobody
    tx.may_publish = False
    for _, problem in await take_records([record], tx):
        raise StillUnreadable(f"{StillUnreadable.__doc__} {message_of(problem)}")


async def _announce_again(tx: Transaction, letter: DeadLetter, record: Record) -> None:
    headers = {name: value.decode() for name, value in record.headers}
    assert record.key is not None
    await tx.lock(record.key.decode())
    # The event is a fact, and stays what it was, its number in the stream too: nobody has heard that number yet.
    await letters.insert_into_outbox(tx, letter_id=letter.id, sequence=int(headers["ce_sequence"]), headers=headers)
    tx.after_commit(tx.context.notifier.hint)


async def _settle(tx: Transaction, letter: DeadLetter, how: str, operator: Operator) -> DeadLetter:
    await letters.update_settled(tx, letter_id=letter.id, how=how, by=operator.name, reason=operator.reason)
    await journal.record(tx, operator, did=how, about=letter.about)
    return await letters.get_letter(tx, letter_id=letter.id)


@dataclass(frozen=True, slots=True)
class Refused:
    """A letter that was not redriven, and why."""

    letter_id: int
    code: str
    detail: str


@dataclass(slots=True)
class Redriven:
    """What became of many letters. `following` is where to go on; None where no letter is left that fits."""

    redriven: int = 0
    repeated: int = 0
    settled: int = 0
    """By somebody else, who was quicker."""
    refused: list[Refused] = field(default_factory=list)
    following: int | None = None

    def add(self, other: "Redriven") -> None:
        """Count what was done next."""
        self.redriven += other.redriven
        self.repeated += other.repeated
        self.settled += other.settled
        self.refused += other.refused
        self.following = other.following


class Busy(Conflict):
    """Somebody works on this key just now; try this letter again."""


async def redrive_many(
    context: Context, *, wanted: Filter, operator: Operator, after: int = 0, limit: int = MOST_AT_ONCE
) -> Redriven:
    """Redrive unsettled letters that fit, the oldest first, each in a transaction of its own; at most `limit`.

    Refused ones stay unsettled, so whoever goes on does so `after` the last one (`following`).
    """
    async with begin(context) as tx:
        found = await letters.list_unsettled(tx, wanted=wanted, after=after, limit=limit + 1)
    done = await redrive_these(context, found[:limit], operator=operator)
    done.following = found[limit - 1] if len(found) > limit else None
    return done


async def redrive_these(context: Context, letter_ids: Iterable[int], *, operator: Operator) -> Redriven:
    """Redrive these letters, each in a transaction of its own."""
    done = Redriven()
    for letter_id in letter_ids:
        try:
            async with begin(context) as tx:
                letter = await redrive(tx, letter_id=letter_id, operator=operator)
        except LetterSettled:
            done.settled += 1
        except Refusal as refusal:
            done.refused.append(Refused(letter_id, refusal.code, refusal.detail))
        except asyncpg.LockNotAvailableError:
            busy = Busy()
            done.refused.append(Refused(letter_id, busy.code, busy.detail))
        else:
            done.redriven += letter.settled_how == REDRIVEN
            done.repeated += letter.settled_how == REPEATED
    return done


# Parked keys ----------------------------------------------------------------------------------------------------------
async def retry_now(tx: Transaction, *, key: str, operator: Operator) -> parked.ParkedKey:
    """Let the retry worker take this key within a second, whenever it was due. Raises ParkedKeyNotFound."""
    group = tx.context.service.name
    if not await parked.update_due(tx, group=group, key=key, due=tx.wall):
        raise parked.ParkedKeyNotFound
    found = await parked.get_key(tx, group=group, key=key)
    await journal.record(tx, operator, did="retried", about=found.about)
    return found


async def set_aside(tx: Transaction, *, key: str, event_id: UUID, operator: Operator) -> DeadLetter:
    """Make the oldest event behind a key a dead letter, so that its journey goes on; tells the letter.

    `event_id` says which event is meant. Raises ParkedKeyNotFound, and OldestMoved where another one is the oldest.
    """
    service = tx.context.service
    group = service.name
    if not service.handlers.projection:
        await tx.lock(key)
    connection = await tx.start()
    if await store.lock_parked_key(connection, group=group, key=key) is None:
        raise parked.ParkedKeyNotFound
    state = await parked.get_key(tx, group=group, key=key)
    waiting = await store.list_parked_events(connection, group=group, key=key, limit=1)
    if not waiting or waiting[0].event_id != event_id:
        raise OldestMoved
    letter_id = await store.insert_dead_letter(
        connection, group=group, record=waiting[0].record, event_id=event_id,
        problem=SetAside(f"{SetAside.__doc__} It failed with {state.reason}."),
        attempts=state.attempts, version=service.version, first_failed_at=state.since,
    )  # fmt: skip
    await store.delete_parked_event(connection, ord_=waiting[0].ord)
    if not await store.delete_parked_key_when_empty(connection, group=group, key=key):
        await store.update_parked_key(
            connection, group=group, key=key, attempts=0, due=tx.wall, reason="after a dead letter"
        )
    letter = await letters.get_letter(tx, letter_id=letter_id)
    await journal.record(tx, operator, did="set aside", about=letter.about)
    tx.after_commit(metrics.events_dead_lettered.labels(group).inc)
    return letter


# People's data --------------------------------------------------------------------------------------------------------
async def read_letter(tx: Transaction, *, letter_id: int, operator: Operator) -> Record:
    """The bytes of a dead letter; that somebody looked is written down. Raises DeadLetterNotFound."""
    record = await letters.get_record(tx, letter_id=letter_id)
    await journal.record(tx, operator, did="read", about=f"dead-letter/{letter_id}")
    return record


async def read_parked(tx: Transaction, *, key: str, event_id: UUID, operator: Operator) -> Record:
    """The bytes of an event that waits; that somebody looked is written down. Raises ParkedEventNotFound."""
    event = await parked.get_event(tx, group=tx.context.service.name, key=key, event_id=event_id)
    await journal.record(tx, operator, did="read", about=f"parked-key/{key}/{event_id}")
    return event.record
