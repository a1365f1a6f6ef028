"""The look: what lies on our own topics beyond what the database remembers, and whether the database knows it.

A transaction that announces raises the stream's `last_sequence`, so an event whose number is higher was announced by a
database that is gone: this one was restored to an earlier time. What was sent twice, by a relay that died before it
deleted or by one that did not know yet that another leads, has a number that is known.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from anliegen.events import EnvelopeMalformed
from anliegen.events.envelope import from_headers

from .. import failpoints, kafka
from ..service import Context
from ..telemetry import metrics
from . import lists, store
from .lists import Announced
from .store import Fence, Place

log = structlog.get_logger(__name__)

THE_KIT = "anliegen"
"""Who set a fence that nobody set."""
RESTORED = "This database does not know events that it announced: it was restored to an earlier time."
RECORDS = 2_000
POLL_MILLISECONDS = 1_000
STALLED_SECONDS = 30.0
AGAIN_SECONDS = 0.5


async def pass_gate(context: Context, connection: asyncpg.Connection) -> None:
    """Return once this database knows everything that it announced, where need be after a person has released it.

    `connection` is the relay's own: whoever leads has looked at the very database it leads for.
    """
    service, gate = context.service.name, context.gate
    while True:
        standing = await store.get_standing(connection)
        _tell(context, standing.fence)
        await look(context, connection)
        fence = await store.find_open_fence(connection)
        _tell(context, fence)
        if fence is None:
            break
        gate.shut.set()
        # One that is set just now has no list yet; and after a release it is looked again.
        while fence is not None and fence.listed_at is not None:
            await asyncio.sleep(AGAIN_SECONDS)
            fence = await store.find_open_fence(connection)
    await store.upsert_looked_at(connection, incarnation=standing.incarnation)
    gate.shut.clear()
    gate.passed.set()
    log.debug("gate_passed", service=service)


def _tell(context: Context, fence: Fence | None) -> None:
    was, now = context.health.fenced, None if fence is None else fence.reason
    service = context.service.name
    metrics.fenced.labels(service).set(0 if fence is None else 1)
    if fence is not None and was is None:
        log.error("fenced", service=service, fence_id=fence.fence_id, fenced_by=fence.fenced_by)
    if fence is None and was is not None:
        log.warning("fence_released", service=service)
    context.health.fenced = now


async def look(context: Context, connection: asyncpg.Connection) -> None:
    """Compare the service's own topics with its database, from where that was done last; set a fence where need be.

    What was found is written down piece by piece, so a look that breaks off goes on where it was.
    """
    topics = context.service.topics
    if topics:
        cluster_id, partitions = await kafka.describe(context.settings, topics)
        places = [Place(topic, part) for topic, count in partitions.items() for part in range(count)]
        async with open_log(context) as log_of_events:
            starts, ends = await _span(log_of_events, places, cluster_id, connection)
            async for read, positions in _read(log_of_events, starts, ends):
                await _compare(context, connection, read, cluster_id, positions)
    async with connection.transaction():
        await store.lock_fences(connection)
        await store.update_listed(connection)


@asynccontextmanager
async def open_log(context: Context) -> AsyncIterator[AIOKafkaConsumer]:
    """A client that reads where it is told to, and belongs to no group."""
    client = AIOKafkaConsumer(
        **kafka.client_options(context.settings),
        client_id=f"anliegen-{context.service.name}-look",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=200,
    )
    try:
        await kafka.start(client)
        yield client
    finally:
        await client.stop()


async def _span(
    client: AIOKafkaConsumer, places: Iterable[Place], cluster_id: str, connection: asyncpg.Connection
) -> tuple[dict[Place, int], dict[Place, int]]:
    """From where to where to read, by place; the starts are entered, for the relay to raise them.

    On a topic where Kafka is behind, all that this database still has is announced again: what Kafka has lost, somebody
    may not have heard.
    """
    partitions = [TopicPartition(*place) for place in places]
    beginnings, ends = await kafka.in_one_go(limits(client, partitions))
    known = await store.load_positions(connection)
    starts: dict[Place, int] = {}
    behind: set[str] = set()
    for partition in partitions:
        place, beginning, end = Place(*partition), beginnings[partition], ends[partition]
        cluster, position = known.get(place, (cluster_id, beginning))
        if cluster != cluster_id or position > end:
            # Kafka is the one that went back, or another took its place.
            log.error(
                "kafka_is_behind", topic=place.topic, part=place.part, announced_up_to=position, cluster=cluster,
                found_up_to=end, found_cluster=cluster_id,
            )  # fmt: skip
            position = beginning
            behind.add(place.topic)
        starts[place] = max(position, beginning)
    entered = {place: start for place, start in starts.items() if known.get(place) != (cluster_id, start)}
    if entered:
        # Together: once the positions are right again, nobody would see that something has to be announced again.
        async with connection.transaction():
            if behind:
                events = await store.announce_again(connection, topics=sorted(behind))
                log.warning("announced_again", topics=sorted(behind), events=events)
            await store.upsert_positions(connection, cluster_id=cluster_id, positions=entered)
    return starts, {Place(*partition): end for partition, end in ends.items()}


async def limits(
    client: AIOKafkaConsumer, partitions: list[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Beginning and end of each of these partitions."""
    # Else it would find out about one topic after the other, and rest for 100 ms after each.
    await client._client.set_topics({partition.topic for partition in partitions})
    return await client.beginning_offsets(partitions), await client.end_offsets(partitions)


async def _read(
    client: AIOKafkaConsumer, starts: Mapping[Place, int], ends: Mapping[Place, int]
) -> AsyncIterator[tuple[list[ConsumerRecord], dict[Place, int]]]:
    """The records between, in portions, each with the offsets that it reaches."""
    unread = {TopicPartition(*place): ends[place] for place, start in starts.items() if start < ends[place]}
    if not unread:
        return
    client.assign(list(unread))
    for partition in unread:
        client.seek(partition, starts[Place(*partition)])
    progress = time.monotonic()
    while unread:
        found = await client.getmany(*unread, timeout_ms=POLL_MILLISECONDS, max_records=RECORDS)
        reached = {partition: await client.position(partition) for partition in unread}
        moved = {Place(*p): offset for p, offset in reached.items() if offset > starts[Place(*p)]}
        if found:
            progress = time.monotonic()
            yield [record for records in found.values() for record in records], moved
        elif time.monotonic() - progress > STALLED_SECONDS:
            raise TimeoutError(f"Kafka gives nothing of {', '.join(f'{p.topic}[{p.partition}]' for p in unread)}")
        unread = {partition: end for partition, end in unread.items() if reached[partition] < end}


async def _compare(
    context: Context,
    connection: asyncpg.Connection,
    records: Iterable[ConsumerRecord],
    cluster_id: str,
    positions: Mapping[Place, int],
) -> None:
    source = context.service.source
    events = [event for record in records if (event := _announced(record, source)) is not None]
    unknown = await lists.list_unknown(connection, events)
    async with connection.transaction():
        if unknown:
            await store.lock_fences(connection)
            fence = await store.insert_fence(connection, by=THE_KIT, reason=RESTORED)
            await lists.insert_unknown(connection, fence_id=fence.fence_id, events=unknown)
        await store.upsert_positions(connection, cluster_id=cluster_id, positions=positions)
    failpoints.reach("fence.compared")


def _announced(record: ConsumerRecord, source: str) -> Announced | None:
    """The event in a record; None where it is not ours."""
    try:
        envelope = from_headers(record.headers, record.key)
    except EnvelopeMalformed:
        return None
    if envelope.source != source:
        return None
    return Announced(
        event_id=envelope.id,
        type=envelope.type,
        key=envelope.key,
        sequence=envelope.sequence,
        subject=envelope.subject,
        time=envelope.time,
        causation_id=envelope.causationid,
        correlation_id=envelope.correlationid,
        topic=record.topic,
        part=record.partition,
        offset=record.offset,
    )
