"""Take what a partner tells, by its door or its topic: each event once, the first of its source and id."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from anliegen.events import Channel
from anliegen.events.partners import partner_classes
from anliegen.events.topics import PARTNER
from anliegen.kit import Transaction
from anliegen.kit.consumer.records import Record
from anliegen.kit.errors import Problem
from anliegen.kit.telemetry import metrics

from ..domain.partners import EventDiffers, NotThisPartner, Told, check
from ..partners.bindings import read_record
from ..partners.cloudevents import ATTRIBUTES
from ..resources import resources_of
from ..store import partner_events as store


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of some events: how many are new, how many came before, and the places of those that differ from what
    came before under their source and id."""

    new: int
    repeated: int
    differing: tuple[int, ...]


async def hear_events(tx: Transaction, *, partner: str, told: Sequence[Told]) -> Heard:
    """Keep these events for being announced. When the transaction is committed, none of them can be lost."""
    if not told:
        return Heard(0, 0, ())
    await store.lock_partner(tx, partner=partner)
    new = await store.insert_events(tx, told=told)
    digests = await store.list_digests(tx, told=told)
    differing = tuple(i for i, one in enumerate(told) if digests[one.source, one.event_id] != one.digest)
    heard = metrics.channel_last_received.labels(tx.context.service.name, Channel.PARTNER.value)
    tx.after_commit(partial(heard.set, tx.wall.timestamp()))
    if new:
        # The announcer may be here or in another process.
        tx.after_commit(resources_of(tx).wake_announcer.set)
        tx.after_commit(tx.context.notifier.hint)
    return Heard(len(new), len(told) - len(new) - len(differing), differing)


async def hear_records(tx: Transaction, records: Sequence[Record]) -> list[tuple[Record, Exception]]:
    """Take what partners wrote to their topics; tells which records are of no use, and why."""
    partners = resources_of(tx).settings.partners
    useless: list[tuple[Record, Exception]] = []
    heard: dict[str, list[tuple[Record, Told]]] = {}
    for record in records:
        name = record.place.topic.removeprefix(PARTNER)
        try:
            if (partner := partners.get(name)) is None:
                raise NotThisPartner
            event = read_record(record.headers, record.value)
            heard.setdefault(name, []).append((record, check(name, partner, event, now=tx.now)))
        except Problem as problem:
            useless.append((record, _with_places(problem)))
    # In one order, since each is locked.
    for name, pairs in sorted(heard.items()):
        outcome = await hear_events(tx, partner=name, told=[told for _, told in pairs])
        useless.extend((pairs[index][0], EventDiffers()) for index in outcome.differing)
    return useless


def _with_places(problem: Problem) -> Problem:
    """The same, with what is wrong in its text; of the data no more than the field, and only where its name is ours."""
    places = [f"{_place(error.pointer)}: {error.code}" for error in problem.errors]
    return type(problem)(" ".join([problem.detail, "; ".join(dict.fromkeys(places))]).strip())


def _place(pointer: str) -> str:
    ours = ATTRIBUTES.union(*(cls.model_fields for cls in partner_classes().values()))
    return "".join(f"/{step if step in ours else '…'}" for step in pointer.split("/")[1:3])
