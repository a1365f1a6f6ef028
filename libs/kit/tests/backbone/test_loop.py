"""The consumer's loop without Kafka: what it keeps of partitions, what it measures, what the client may say."""

import asyncio
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError, NoOffsetForPartitionError
from aiokafka.structs import ConsumerRecord

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit.consumer import loop
from anliegen.kit.consumer.loop import Consumer
from anliegen.kit.consumer.pace import Pace
from anliegen.kit.consumer.records import Place
from anliegen.kit.kafka import Spells
from anliegen.kit.telemetry import metrics
from anliegen.kit.testing import announced

PLACE = Place("anliegen.intake.words", 0)


class Kafka:
    """As much of the client as measuring asks for."""

    def highwater(self, _partition: TopicPartition) -> int:
        return 1

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(*PLACE)}

    def seek(self, _partition: TopicPartition, _offset: int) -> None:
        pass


@pytest.fixture
async def consumer(context, monkeypatch):
    consumer = Consumer(context)
    consumer._kafka = Kafka()
    consumer._next = {PLACE: 0}

    async def reload(_places):
        return None

    monkeypatch.setattr(consumer, "_reload", reload)
    yield consumer
    if consumer._committing is not None:
        consumer._committing.cancel()


def polled(at: datetime) -> dict[TopicPartition, list[ConsumerRecord]]:
    mail = announced(build(ContactReceived, text="x", journey_id=uuid4())).envelope
    record = ConsumerRecord(
        topic=PLACE.topic,
        partition=0,
        offset=0,
        timestamp=int(at.timestamp() * 1000),
        timestamp_type=0,
        key=b"k",
        value=b"{}",
        checksum=None,
        serialized_key_size=1,
        serialized_value_size=2,
        headers=tuple(mail.to_headers()),
    )
    return {TopicPartition(*PLACE): [record]}


def lag_seconds() -> float | None:
    return metrics.REGISTRY.get_sample_value(
        "kafka_consumer_lag_seconds", {"service": "kit-toy", "topic": PLACE.topic, "partition": "0"}
    )


async def test_partitions_that_were_lost_while_a_batch_was_under_way_do_not_come_back(consumer, monkeypatch) -> None:
    async def take(*_, **__):
        await consumer.on_partitions_revoked([])

    consumer._idle.set()
    monkeypatch.setattr(loop, "take", take)
    assert await consumer._take(polled(datetime.now(UTC)), insist=False)
    assert consumer._next == {}
    consumer._measure(progress=True)


async def test_the_age_of_what_waits_is_its_own_and_is_forgotten_with_the_partition(consumer, monkeypatch) -> None:
    async def take(*_, **__):
        raise ConnectionRefusedError

    consumer._lag._seen[PLACE] = time.time() - 7200  # the last record was taken two hours ago
    monkeypatch.setattr(loop, "take", take)
    assert not await consumer._take(polled(datetime.now(UTC) - timedelta(seconds=5)), insist=False)
    consumer._measure(progress=True)
    assert 4 < lag_seconds() < 60
    await consumer.on_partitions_revoked([])
    assert lag_seconds() is None


async def test_a_record_that_comes_after_idle_hours_is_not_hours_old(consumer) -> None:
    consumer._lag._seen[PLACE] = time.time() - 7200
    consumer._next = {PLACE: 1}
    consumer._measure(progress=True)
    consumer._kafka.highwater = lambda _partition: 2
    consumer._measure(progress=True)
    assert lag_seconds() < 60


async def test_a_database_that_is_away_restarts_no_worker(consumer, monkeypatch, context) -> None:
    async def take(*_, **__):
        raise ConnectionRefusedError

    async def poll():
        if len(polls) == 3:
            raise EndOfTest
        polls.append(1)
        return polled(datetime.now(UTC))

    polls: list[int] = []
    monkeypatch.setattr(loop, "take", take)
    monkeypatch.setattr(consumer, "_poll", poll)
    monkeypatch.setattr("anliegen.kit.backoff.delay", lambda *_, **__: 0.0)
    context.health.last_progress = time.monotonic() - 3600
    with pytest.raises(EndOfTest):
        await consumer._loop()
    assert context.health.lag == 1
    assert context.health.why_not_alive() is None


async def test_a_worker_to_whom_nothing_comes_is_restarted_only_where_kafka_is_there(
    consumer, monkeypatch, context
) -> None:
    class Away(Kafka):
        async def end_offsets(self, _partitions: object) -> None:
            raise KafkaConnectionError

    class There(Kafka):
        async def end_offsets(self, _partitions: object) -> None:
            """It answers."""

        async def position(self, _partition: object) -> int:
            return 0

    async def nothing_comes() -> dict[TopicPartition, list[ConsumerRecord]]:
        polls.append(1)
        if len(polls) == 3:
            raise EndOfTest
        context.health.last_progress -= 3600
        return {}

    monkeypatch.setattr(consumer, "_poll", nothing_comes)
    for consumer._kafka, is_alive in ((Away(), True), (There(), False)):
        polls: list[int] = []
        with pytest.raises(EndOfTest):
            await consumer._loop()
        assert (context.health.why_not_alive() is None) is is_alive
    # Where the consumer fails and is built anew, what waited is as unknown as before it first asked.
    context.health.consumes_anew()
    assert context.health.why_not_alive() is None


@pytest.mark.parametrize("problem", [CommitFailedError(), IllegalStateError("x"), KeyError((1, 1)), ValueError("x")])
async def test_whatever_the_client_says_to_a_commit_the_next_one_is_told(consumer, monkeypatch, problem) -> None:
    async def take(*_, **__):
        return None

    async def commit(offsets: dict[TopicPartition, int]) -> None:
        commits.append(offsets)
        if len(commits) == 1:
            raise problem

    commits: list[dict[TopicPartition, int]] = []
    consumer._kafka.commit = commit
    monkeypatch.setattr(loop, "take", take)
    monkeypatch.setattr(loop, "COMMIT_SECONDS", 0.0)
    for following in (1, 2):
        [(partition, [record])] = polled(datetime.now(UTC)).items()
        assert await consumer._take({partition: [replace(record, offset=following - 1)]}, insist=False)
        await consumer._committing  # what it raised would be an error of the event loop's, of which nobody knows whose
        assert commits[-1] == {TopicPartition(*PLACE): following}


async def test_a_partition_without_an_offset_does_not_keep_the_loop_from_others(consumer) -> None:
    class WithoutOffset(Kafka):
        async def getmany(self, **_: object) -> None:
            raise NoOffsetForPartitionError(TopicPartition(*PLACE))

    async def poll_for_ever() -> None:
        while True:
            assert await consumer._poll() == {}

    consumer._kafka = WithoutOffset()
    consumer._settled.set()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(poll_for_ever(), timeout=0.2)


class EndOfTest(Exception):
    pass


def test_the_client_library_says_the_same_once_in_a_while() -> None:
    spells = Spells()

    def said(message: str, level: int = logging.ERROR) -> bool:
        return spells.filter(logging.LogRecord("aiokafka", level, "", 1, message, ("now",), None))

    assert said("Unable connect to %s") and not said("Unable connect to %s")
    assert said("Unable to update metadata from %s")
    assert said("hello", logging.INFO) and said("hello", logging.INFO)


async def test_slow_handlers_get_as_many_records_as_take_a_second(consumer, monkeypatch):
    sizes: list[int] = []
    slow = [1.0]
    now = [0.0]

    async def getmany(*, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        sizes.append(max_records)
        ((partition, [record]),) = polled(datetime.now(UTC)).items()
        return {partition: [replace(record, offset=consumer._next[PLACE] + n) for n in range(max_records)]}

    async def take(_context, batch, *, insist):
        now[0] += len(batch.records) * slow[0]

    consumer._kafka.getmany = getmany
    monkeypatch.setattr(loop, "take", take)
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    for slow[0] in (0.01, 0.01, 0.001, 0.001, 0.001, 0.0001):  # seconds a record
        assert await consumer._finish(await consumer._poll(), insist=False)
    assert sizes == [500, 100, 200, 400, 500, 500]


async def test_batch_that_failed_slowly_is_tried_again_in_smaller_ones(consumer, monkeypatch):
    now = [0.0]

    async def take(_context, _batch, *, insist):
        now[0] += 60.0
        raise TimeoutError

    monkeypatch.setattr(loop, "take", take)
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    assert not await consumer._finish(polled(datetime.now(UTC)), insist=False)
    assert consumer._pace.size == Pace.FEWEST


@pytest.mark.parametrize(("waiting", "rests"), [(0, True), (99, True), (100, False)])
async def test_a_consumer_rests_after_a_round_unless_it_knows_that_a_lot_waits(
    consumer, monkeypatch, waiting: int, rests: bool
) -> None:
    rounds: list[int] = []

    async def breathe(count: int) -> None:
        rounds.append(count)

    async def take(*_, **__):
        return None

    async def poll():
        if polls:
            raise EndOfTest
        polls.append(1)
        return polled(datetime.now(UTC))

    polls: list[int] = []
    monkeypatch.setattr(Kafka, "highwater", lambda *_: 1 + waiting)
    monkeypatch.setattr("anliegen.kit.backoff.breathe", breathe)
    monkeypatch.setattr(loop, "take", take)
    monkeypatch.setattr(consumer, "_poll", poll)
    with pytest.raises(EndOfTest):
        await consumer._loop()
    assert rounds == ([0, 1] if rests else [0])


async def test_consumer_that_never_comes_to_ask_is_seen(context, monkeypatch):
    async def refuse(_settings):
        raise ConnectionError("Kafka is away")

    monkeypatch.setattr(loop.kafka, "get_cluster_id", refuse)
    monkeypatch.setattr(metrics.consumer_last_poll, "_last", {})
    with pytest.raises(ConnectionError):
        await Consumer(context).run()
    [(group, moment)] = metrics.consumer_last_poll._last.items()
    assert group == (context.service.name,)
    assert moment.at <= time.time()
