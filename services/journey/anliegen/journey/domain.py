"""What the journey knows of an event, and the order in which a person's events are told. Pure."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from anliegen.events import (
    CaseEvent,
    Event,
    JourneyEvent,
    JourneysMerged,
    JourneysSplit,
    ReplyRequested,
    codec,
    registry,
)
from anliegen.kit import AnyDelivery
from anliegen.kit.errors import NotFound


class JourneyNotFound(NotFound):
    """There is no journey with this id, or it is not yours to see."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as it is kept. `event` is what it says where its type, or at least its kind, is known here."""

    event_id: UUID
    journey_id: UUID | None
    other_journey_id: UUID | None
    key: str
    source: str
    type: str
    sequence: int
    time: datetime
    subject: str | None
    correlation_id: str | None
    causation_id: UUID | None
    case_id: UUID | None
    contact_id: UUID | None
    words: bool
    topic: str
    partition: int
    offset: int
    payload: bytes
    event: Event | None = field(default=None, compare=False)

    @property
    def service(self) -> str:
        """The producing service: `/anliegen/helpdesk` → `helpdesk`."""
        return self.source.rpartition("/")[2]

    @property
    def beat(self) -> "Beat":
        """What the order rests on."""
        return Beat(
            self.event_id, self.key, self.source, self.type, self.sequence, self.time, self.causation_id, self.case_id
        )


@dataclass(frozen=True, slots=True)
class Beat:
    """What the order of a timeline rests on, and what it is filtered by; the rest of an event is read when shown."""

    event_id: UUID
    key: str
    source: str
    type: str
    sequence: int
    time: datetime
    causation_id: UUID | None
    case_id: UUID | None

    @property
    def service(self) -> str:
        """The producing service."""
        return self.source.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Placed:
    """A beat at its place: `at` is its time, or that of what it follows from where a clock was behind."""

    at: datetime
    rank: int
    beat: Beat

    @property
    def order(self) -> tuple[datetime, int, str, int, UUID]:
        """Sorts a timeline."""
        return (self.at, self.rank, self.beat.source, self.beat.sequence, self.beat.event_id)


# What an event says ---------------------------------------------------------------------------------------------------
def stored(delivery: AnyDelivery) -> StoredEvent:
    """What is kept of a delivery. Types that are not known here are kept too, and understood as far as they can be."""
    envelope = delivery.envelope
    event = delivery.event or understood(envelope.type, delivery.payload)
    journey_id = event.journey_id if isinstance(event, JourneyEvent) else None
    other: UUID | None = None
    if isinstance(event, JourneysMerged | JourneysSplit):
        journey_id, other = event.journey_a, event.journey_b
    elif delivery.event is None and event is None:
        # Nearly every event belongs to a journey, so a key that looks like one is taken for one.
        journey_id = _uuid(envelope.key)
    return StoredEvent(
        event_id=envelope.id,
        journey_id=journey_id,
        other_journey_id=other,
        key=envelope.key,
        source=envelope.source,
        type=envelope.type,
        sequence=envelope.sequence,
        time=envelope.time,
        subject=envelope.subject,
        correlation_id=envelope.correlationid,
        causation_id=_uuid(envelope.causationid),
        case_id=getattr(event, "case_id", None),
        contact_id=getattr(event, "contact_id", None),
        words=delivery.topic.endswith(".words"),
        topic=delivery.topic,
        partition=delivery.partition,
        offset=delivery.offset,
        payload=delivery.payload,
        event=event,
    )


def understood(event_type: str, payload: bytes) -> Event | None:
    """What a payload says: as its class does, or for a type of a newer service as a case event or a reply does."""
    if registry.find_class(event_type) is not None:
        return codec.decode(event_type, payload)
    data = read_json(payload)
    if not isinstance(data, dict):
        return None
    base: type[Event] | None = None
    if {"case_id", "task", "status"} <= data.keys():
        base = CaseEvent
    elif {"reply_id", "template", "case_id"} <= data.keys():
        base = ReplyRequested
    elif "journey_id" in data:
        base = JourneyEvent
    if base is None:
        return None
    try:
        return base.model_validate_json(payload, extra="ignore")
    except ValueError:
        return None


def read_json(payload: bytes) -> Any:
    """The data in a payload, None where it is not JSON."""
    try:
        return json.loads(payload)
    except ValueError:
        return None


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


# The order of a timeline ----------------------------------------------------------------------------------------------
def place(beats: Iterable[Beat]) -> list[Placed]:
    """The beats in the order in which they are told, which depends on nothing but the beats themselves.

    They stand by time. But nothing stands before what caused it, nor before what its service said earlier under the
    same key: an event whose clock was behind is placed at the time of what it follows from. Within one time causes come
    first, then it goes by source, sequence and id. Should data ever claim that two events caused each other, their
    times alone decide.
    """
    known = {beat.event_id: beat for beat in beats}
    before = _predecessors(known)
    followers: dict[UUID, list[UUID]] = defaultdict(list)
    for event_id, earlier in before.items():
        for one in earlier:
            followers[one].append(event_id)
    open_ends = {event_id: len(earlier) for event_id, earlier in before.items()}
    ready = [event_id for event_id, count in open_ends.items() if count == 0]
    placed: dict[UUID, Placed] = {}
    while ready:
        event_id = ready.pop()
        placed[event_id] = _placed(known[event_id], [placed[one] for one in before[event_id]])
        for follower in followers[event_id]:
            open_ends[follower] -= 1
            if open_ends[follower] == 0:
                ready.append(follower)
    circular = [Placed(beat.time, 0, beat) for event_id, beat in known.items() if event_id not in placed]
    return sorted([*placed.values(), *circular], key=lambda one: one.order)


def _predecessors(known: Mapping[UUID, Beat]) -> dict[UUID, set[UUID]]:
    before: dict[UUID, set[UUID]] = {event_id: set() for event_id in known}
    for beat in known.values():
        cause = beat.causation_id
        if cause is not None and cause in known and cause != beat.event_id:
            before[beat.event_id].add(cause)
    lanes: dict[tuple[str, str], list[Beat]] = defaultdict(list)
    for beat in known.values():
        if beat.sequence > 0:
            lanes[beat.source, beat.key].append(beat)
    for lane in lanes.values():
        lane.sort(key=lambda beat: (beat.sequence, beat.event_id))
        for earlier, later in pairwise(lane):
            before[later.event_id].add(earlier.event_id)
    return before


def _placed(beat: Beat, earlier: Sequence[Placed]) -> Placed:
    at = max([beat.time, *(one.at for one in earlier)])
    rank = max((one.rank + 1 for one in earlier if one.at == at), default=0)
    return Placed(at, rank, beat)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which beats are wanted; what is empty lets everything through. `only_types` comes from who is asking."""

    types: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    case_ids: frozenset[UUID] = frozenset()
    as_of: datetime | None = None
    only_types: Collection[str] | None = None

    def lets(self, placed: Placed) -> bool:
        """Whether a beat is wanted."""
        beat = placed.beat
        return (
            (not self.types or beat.type in self.types)
            and (not self.services or beat.service in self.services)
            and (not self.case_ids or beat.case_id in self.case_ids)
            and (self.as_of is None or placed.at <= self.as_of)
            and (self.only_types is None or beat.type in self.only_types)
        )


def cut(timeline: Sequence[Placed], *, edge: tuple[datetime, UUID] | None, backwards: bool, limit: int) -> list[Placed]:
    """The `limit` beats after the edge in the order of the timeline; `backwards` those before it, nearest first."""
    if edge is None:
        return list(timeline[:limit])
    at, event_id = edge
    here = next((n for n, one in enumerate(timeline) if one.beat.event_id == event_id), None)
    if here is None:
        # What stood at the edge is gone; its time still says where it was.
        here = sum(one.at < at for one in timeline) - (0 if backwards else 1)
    if backwards:
        return list(reversed(timeline[max(0, here - limit) : here])) if here > 0 else []
    return list(timeline[here + 1 : here + 1 + limit])
