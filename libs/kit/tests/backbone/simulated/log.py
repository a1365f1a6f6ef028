"""A log in place of Kafka: partitions with offsets, records on their way, and what came first of each event."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from aiokafka.structs import RecordMetadata

from anliegen.kit.consumer.records import Place

PARTITIONS = 2
ROOM = 3
"""Records that a batch of the producer takes: so few that a round has several."""

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Logged:
    """One record in the log. `source` and `event_id` are None where it cannot be read."""

    offset: int
    key: bytes
    headers: Headers
    value: bytes
    event_id: UUID | None
    source: str | None
    sequence: int


@dataclass
class Partition:
    """Records from `start` on; what lay before has outlived its retention."""

    start: int = 0
    end: int = 0
    records: list[Logged] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class First:
    """The first record of an event: its sequence, and in which life of its service's database it was announced."""

    event_id: UUID
    sequence: int
    life: int


class Log:
    """All topics. `first` tells for each topic and key what came, each event once, in the order it came first."""

    def __init__(self) -> None:
        self.partitions: dict[Place, Partition] = {}
        self.seen: dict[UUID, Place] = {}
        self.first: dict[tuple[str, str], list[First]] = {}
        self.sources: dict[UUID, str] = {}

    def partition(self, place: Place) -> Partition:
        """The partition, made where nothing lies in it yet."""
        return self.partitions.setdefault(place, Partition())

    def append(self, place: Place, *, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]], life: int) -> int:
        """Write a record at the end; tells its offset."""
        partition, told = self.partition(place), dict(headers)
        event_id = UUID(told["ce_id"].decode()) if "ce_id" in told else None
        sequence = int(told.get("ce_sequence", b"0"))
        source = told["ce_source"].decode() if "ce_source" in told else None
        offset = partition.end
        partition.records.append(Logged(offset, key, tuple(headers), value, event_id, source, sequence))
        partition.end += 1
        if event_id is not None and source is not None and event_id not in self.seen:
            self.seen[event_id] = place
            self.sources[event_id] = source
            self.first.setdefault((place.topic, key.decode()), []).append(First(event_id, sequence, life))
        return offset

    def read(self, place: Place, offset: int, limit: int) -> list[Logged]:
        """Records from this offset on."""
        return [record for record in self.partition(place).records if record.offset >= offset][:limit]

    def repeat(self, place: Place, nth: int) -> bool:
        """Write a record again, as a producer does whose acknowledgement was lost; False where there is none."""
        partition = self.partition(place)
        if not partition.records:
            return False
        record = partition.records[nth % len(partition.records)]
        self.append(place, key=record.key, value=record.value, headers=record.headers, life=-1)
        return True

    def skip(self, place: Place) -> None:
        """Leave an offset out, as transactions' markers and compaction do."""
        self.partition(place).end += 1

    def forget(self, place: Place, before: int) -> set[UUID]:
        """Let retention take what lies before an offset; tells which events are in no record of this place any more."""
        partition = self.partition(place)
        gone = {record.event_id for record in partition.records if record.offset < before and record.event_id}
        partition.records = [record for record in partition.records if record.offset >= before]
        partition.start = max(partition.start, before)
        return gone - {record.event_id for record in partition.records if record.event_id}


class RecordBatch:
    """What a producer fills."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes, list[tuple[str, bytes]]]] = []

    def append(self, *, key: bytes, value: bytes, timestamp: None, headers: list[tuple[str, bytes]]) -> object | None:
        """None where there is no room left."""
        del timestamp
        if len(self.records) == ROOM:
            return None
        self.records.append((key, value, headers))
        return object()

    def record_count(self) -> int:
        """How many records are in it."""
        return len(self.records)


@dataclass(eq=False)
class Sending:
    """A batch on its way."""

    producer: "Producer"
    place: Place
    batch: RecordBatch
    told: "asyncio.Future[RecordMetadata]"


class Network:
    """What was sent and has not arrived. It keeps the order of each producer, also of one that is dead."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.under_way: list[Sending] = []

    def deliver(self, sending: Sending, *, acknowledge: BaseException | None = None) -> None:
        """Have a batch arrive; its sender hears of it, or in place of that of the trouble `acknowledge`."""
        self.under_way.remove(sending)
        place, base = sending.place, self.log.partition(sending.place).end
        for key, value, headers in sending.batch.records:
            self.log.append(place, key=key, value=value, headers=headers, life=sending.producer.life)
        if acknowledge is not None:
            fail(sending.told, acknowledge)
        elif not sending.told.done():
            sending.told.set_result(RecordMetadata(place.topic, place.part, None, base, None, 0, None))

    def lose(self, producer: "Producer", problem: BaseException) -> None:
        """Cut a producer off: nothing of what it has under way arrives, since nothing may arrive before it."""
        for sending in [sending for sending in self.under_way if sending.producer is producer]:
            self.under_way.remove(sending)
            fail(sending.told, problem)

    def oldest(self) -> list[Sending]:
        """Of each producer the batch that arrives next."""
        return list({id(sending.producer): sending for sending in reversed(self.under_way)}.values())


def fail(told: "asyncio.Future[RecordMetadata]", problem: BaseException) -> None:
    """Tell a sender of trouble, where it has not been told anything yet and whether or not it still asks."""
    if not told.done():
        told.set_exception(problem)
        told.exception()


class Producer:
    """As much of a Kafka producer as the relay uses. `life` is that of the database whose rows it sends."""

    def __init__(self, network: Network, life: int, born: Callable[[], "asyncio.Future[RecordMetadata]"]) -> None:
        self.life = life
        self._network = network
        self._born = born

    async def partitions_for(self, topic: str) -> set[int]:
        """Every topic has as many."""
        del topic
        return set(range(PARTITIONS))

    def create_batch(self) -> RecordBatch:
        """An empty batch."""
        return RecordBatch()

    async def send_batch(self, batch: RecordBatch, topic: str, *, partition: int) -> "asyncio.Future[RecordMetadata]":
        """Send it; the future tells when it has arrived."""
        sending = Sending(self, Place(topic, partition), batch, self._born())
        self._network.under_way.append(sending)
        return sending.told

    @property
    def waits(self) -> bool:
        """Whether something of its own has not been told of."""
        return any(sending.producer is self and not sending.told.done() for sending in self._network.under_way)
