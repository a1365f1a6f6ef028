"""What the journey does: keep every event, tell a person's story, and compute it all again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from anliegen.kit import AnyDelivery, Transaction
from anliegen.kit.principal import ADMINISTRATOR, AGENT, CUSTOMER, SUPERVISOR, Principal

from . import briefing, store
from .domain import Filter, JourneyNotFound, Placed, StoredEvent, place, stored
from .live import Announcer, Position
from .projection import normalised, project
from .views import BriefingView


@dataclass(frozen=True, slots=True)
class Sight:
    """What one caller may see of a person: which journeys, and whether as staff does."""

    members: tuple[UUID, ...]
    for_staff: bool


# Keeping --------------------------------------------------------------------------------------------------------------
async def keep_events(tx: Transaction, deliveries: Sequence[AnyDelivery]) -> None:
    """Keep these events, fold what is new into the read models, and tell those who follow live."""
    events = [stored(delivery) for delivery in deliveries]
    new = await store.events.insert_events(tx, events=events)
    fresh = [event for event in events if event.event_id in new]
    await store.models.upsert_models(tx, models=project(fresh))
    touched = {one for event in fresh for one in (event.journey_id, event.other_journey_id) if one is not None}
    announcer: Announcer = tx.context.resources["announcer"]
    if touched:
        tx.after_commit(lambda: announcer.announce(touched))


async def rebuild(tx: Transaction) -> int:
    """Compute every read model again from the events; tells how many events there were.

    New events wait meanwhile. The models come out as they were, since they depend on the events alone.
    """
    await store.events.lock_events(tx)
    await store.models.delete_models(tx)
    count = 0
    async for chunk in store.events.list_in_order(tx):
        await store.models.upsert_models(tx, models=project(chunk))
        count += len(chunk)
    announcer: Announcer = tx.context.resources["announcer"]
    tx.after_commit(announcer.announce_all)
    return count


# Telling --------------------------------------------------------------------------------------------------------------
async def look_at(tx: Transaction, *, journey_id: UUID, principal: Principal, as_of: datetime | None = None) -> Sight:
    """What this caller may see of the person behind a journey, as things are or were.

    Raises JourneyNotFound: for what was never heard of, and for a customer whose journey it is not. Links that have
    been removed since show a customer nothing, even in the past.
    """
    now = await tx.members(journey_id)
    members = now if as_of is None else await store.events.list_members_as_of(tx, journey_id=journey_id, as_of=as_of)
    for_staff = bool(principal.roles & {AGENT, SUPERVISOR, ADMINISTRATOR})
    if not for_staff:
        if CUSTOMER not in principal.roles or principal.journey_id not in now:
            raise JourneyNotFound
        members = [member for member in members if member in now]
    if not await store.events.has_events(tx, journey_ids=members):
        raise JourneyNotFound
    return Sight(tuple(members), for_staff)


async def tell_briefing(
    tx: Transaction, *, journey_id: UUID, principal: Principal, as_of: datetime | None
) -> BriefingView:
    """The story so far, as it is or as it was. Raises JourneyNotFound."""
    sight = await look_at(tx, journey_id=journey_id, principal=principal, as_of=as_of)
    if as_of is None:
        rows = await store.models.list_models(tx, journey_ids=sight.members)
    else:
        wanted = Filter(as_of=as_of)
        then = [one for one in await _timeline(tx, sight.members) if wanted.lets(one)]
        if not then:
            raise JourneyNotFound
        models = project(await _read(tx, then))
        own = set(sight.members)
        rows = {name: [row for row in models.rows(name) if row["journey_id"] in own] for name in models.tables}
    return briefing.brief(journey_id, sight.members, rows, as_of=as_of or tx.now, for_staff=sight.for_staff)


async def tell_timeline(tx: Transaction, *, members: Sequence[UUID], wanted: Filter) -> list[Placed]:
    """The person's events in the order in which they are told, as far as they are wanted."""
    return [one for one in await _timeline(tx, members) if wanted.lets(one)]


async def _timeline(tx: Transaction, members: Sequence[UUID]) -> list[Placed]:
    return place(await store.events.list_beats(tx, journey_ids=members))


async def _read(tx: Transaction, timeline: Sequence[Placed]) -> list[StoredEvent]:
    events = await store.events.list_events(tx, event_ids=[one.beat.event_id for one in timeline])
    return [events[one.beat.event_id] for one in timeline]


async def read_entries(tx: Transaction, *, timeline: Sequence[Placed]) -> list[tuple[Placed, StoredEvent]]:
    """These beats of a timeline with all that their events say."""
    return list(zip(timeline, await _read(tx, timeline), strict=True))


async def find_journeys(
    tx: Transaction, *, kinds: Sequence[str], value: str, principal: Principal
) -> list[tuple[dict[str, Any], list[UUID]]]:
    """The journeys that know a handle, the surest first, with all journeys of the person; a customer's own only."""
    found: list[tuple[dict[str, Any], list[UUID]]] = []
    for kind in kinds or ["email", "phone"]:
        for row in await store.models.list_journeys_of_handle(tx, kinds=kinds, value=normalised(kind, value)):
            members = await tx.members(row["journey_id"])
            for_staff = bool(principal.roles & {AGENT, SUPERVISOR, ADMINISTRATOR})
            own = CUSTOMER in principal.roles and principal.journey_id in members
            if (for_staff or own) and all(row != known for known, _ in found):
                found.append((row, members))
    return found


# Following ------------------------------------------------------------------------------------------------------------
async def tell_news(tx: Transaction, *, members: Sequence[UUID], position: Position) -> list[StoredEvent]:
    """What was stored beyond a position, in the order in which it is told."""
    found = await store.events.list_events_beyond(tx, journey_ids=members, seen=position.lows)
    new = {one.event_id: one for one in found if not position.has(one.key, one.source, one.sequence)}
    order = place(one.beat for one in new.values())
    return [new[one.beat.event_id] for one in order]


async def stand_now(tx: Transaction, *, members: Sequence[UUID]) -> Position:
    """The position of a reader who has everything that is there now."""
    position = Position()
    for key, source, sequences in await store.events.list_sequences(tx, journey_ids=members):
        position.take(key, source, sequences)
    return position
