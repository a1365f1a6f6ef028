"""Records as Kafka hands them over, and what can be read from them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from aiokafka.structs import ConsumerRecord

from anliegen.events import Envelope, EnvelopeMalformed, codec
from anliegen.events.envelope import from_headers
from anliegen.events.topics import is_partner_topic

from ..handlers import AnyDelivery, Delivery, Handlers


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    part: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it lies in Kafka."""

    place: Place
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None
    timestamp: datetime

    @property
    def is_partners(self) -> bool:
        """Whether a partner system wrote it."""
        return is_partner_topic(self.place.topic)

    @property
    def event_type(self) -> str:
        """The type as far as it can be told without reading anything else."""
        for name, value in self.headers:
            if name == "ce_type":
                return value.decode(errors="replace")
        return ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that can never be handled: its bytes are kept as a dead letter."""

    record: Record
    problem: Exception


def read(record: Record, handlers: Handlers) -> AnyDelivery | Unreadable | None:
    """The delivery in a record; Unreadable where there is none; None where nobody here wants it."""
    # A record without a type is somebody's mistake, and is looked at; a type that nobody handles is skipped unread.
    event_type = record.event_type
    if event_type and not handlers.wants(event_type, record.place.topic):
        return None
    try:
        envelope = from_headers(record.headers, record.key)
        event = codec.decode(envelope.type, record.value or b"")
    except (EnvelopeMalformed, codec.PayloadMalformed) as problem:
        return Unreadable(record, problem)
    if event is None and not handlers.wants(envelope.type, record.place.topic):
        return None
    return delivery_of(event, envelope, record)


def delivery_of(event: object, envelope: Envelope, record: Record) -> AnyDelivery:
    """Event, envelope and record in one."""
    alone = (envelope.key,)
    lock_keys = getattr(event, "lock_keys", alone)
    return Delivery(
        event=event,  # type: ignore[arg-type]
        envelope=envelope,
        payload=record.value or b"",
        topic=record.place.topic,
        partition=record.place.part,
        offset=record.offset,
        lock_keys=alone if lock_keys == alone else tuple(sorted({envelope.key, *lock_keys})),
    )


def record_of(place: Place, record: ConsumerRecord) -> Record:
    """A record as the client tells it."""
    return Record(
        place=place, offset=record.offset, key=record.key, headers=tuple(record.headers), value=record.value,
        timestamp=_wall_time(record.timestamp),
    )  # fmt: skip


def _wall_time(milliseconds: int) -> datetime:
    """Kafka's time stamp."""
    return datetime.fromtimestamp(max(milliseconds, 0) / 1000, UTC)
