"""Relay and consumer on the real Kafka: what was committed arrives, once and in order, whoever stops in between."""

import asyncio
import contextlib
from collections import defaultdict
from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.consumer.fetcher import Fetcher
from prometheus_client import REGISTRY

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.events.codec import encode
from anliegen.kit import kafka, relay
from anliegen.kit.consumer.loop import Consumer, PositionOutOfRange
from anliegen.kit.relay import LeadershipLost, Relay
from anliegen.kit.telemetry import metrics
from anliegen.kit.testing import announced
from anliegen.kit.testing.logs import skip_the_past
from anliegen.kit.worker import run_parts


@pytest.fixture
def settings_overrides(kafka) -> dict[str, object]:
    return {"kafka_bootstrap": kafka}


@pytest.fixture
async def at_the_end(context):
    """Positions at the end of what earlier tests left in the log."""
    await skip_the_past(context)


@contextlib.asynccontextmanager
async def running(*parts):
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def write(begin, journeys, texts) -> None:
    for text in texts:
        async with begin() as tx:
            await tx.lock(*journeys)
            for journey in journeys:
                tx.publish(build(ContactReceived, journey_id=journey, text=f"{journeys.index(journey)}:{text}"))


async def until(condition, *, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


def in_order(texts: list[str]) -> dict[str, list[int]]:
    found = defaultdict(list)
    for text in texts:
        journey, _, n = text.partition(":")
        found[journey].append(int(n))
    return found


async def test_what_is_committed_arrives_once_and_in_order(context, begin, ledger, count, at_the_end) -> None:
    journeys = [uuid4() for _ in range(7)]

    async def all_there() -> bool:
        return len(await ledger()) >= 7 * 30

    async with running(Relay(context).run(), Consumer(context).run()):
        await write(begin, journeys, range(30))
        await until(all_there)
        await asyncio.sleep(0.2)
        assert REGISTRY.get_sample_value("outbox_relay_leads", {"service": "kit-toy"}) == 1
    assert REGISTRY.get_sample_value("outbox_relay_leads", {"service": "kit-toy"}) == 0
    assert in_order(await ledger()) == {str(n): list(range(30)) for n in range(7)}
    async with context.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox WHERE topic = 'anliegen.intake.words'") == 0


async def test_consumers_and_relays_that_stop_and_start_lose_and_double_nothing(
    context, begin, ledger, at_the_end
) -> None:
    journeys = [uuid4() for _ in range(5)]
    writing = asyncio.create_task(write(begin, journeys, range(80)))

    async def all_there() -> bool:
        return len(await ledger()) >= 5 * 80

    for pause in (0.3, 0.5, 0.7):
        async with running(Relay(context).run(), Consumer(context).run()):
            await asyncio.sleep(pause)
    await writing
    async with running(Relay(context).run(), Consumer(context).run()):
        await until(all_there)
        await asyncio.sleep(0.3)
    assert in_order(await ledger()) == {str(n): list(range(80)) for n in range(5)}


async def test_one_relay_leads_and_another_takes_over(context, begin, count) -> None:
    first, second = Relay(context), Relay(context)

    async def empty() -> bool:
        return await count("outbox") == 0

    async def one_leads() -> bool:
        return first.leads or second.leads

    async with running(first.run(), second.run()) as (task, other):
        await until(one_leads)
        await asyncio.sleep(0.3)
        assert first.leads != second.leads
        leader, standby = (task, second) if first.leads else (other, first)
        leader.cancel()
        await write(begin, [uuid4()], range(3))

        async def taken_over() -> bool:
            return standby.leads and await empty()

        await until(taken_over)


async def test_a_position_of_another_cluster_stops_the_consumer(context, at_the_end) -> None:
    async with context.pool.acquire() as connection:
        await connection.execute("UPDATE consumer_position SET cluster_id = 'another'")
    with pytest.raises(PositionOutOfRange):
        async with asyncio.timeout(20):
            await Consumer(context).run()


async def test_a_worker_with_all_parts_delivers_within_a_moment(context, begin, ledger, at_the_end) -> None:
    async def ready() -> bool:
        parts = context.health.parts
        return context.health.last_poll is not None and "relay" in parts and parts["relay"].running

    async def there() -> bool:
        return len(await ledger()) == 1

    async with running(run_parts(context)):
        await until(ready)
        await write(begin, [uuid4()], [1])
        await until(there, seconds=5)


async def test_a_worker_measures_what_is_the_services_own(context) -> None:
    measured = asyncio.Event()

    async def measure(tx) -> None:
        assert await tx.fetchval("SELECT 1") == 1
        measured.set()

    own = replace(context, service=replace(context.service, measures=(measure,)))
    async with running(run_parts(own)), asyncio.timeout(30):
        await measured.wait()


async def test_an_event_whose_hint_was_lost_is_published_all_the_same(context, begin, count, monkeypatch) -> None:
    async def empty() -> bool:
        return await count("outbox") == 0

    resting = Relay(context)

    async def leads() -> bool:
        return resting.leads

    monkeypatch.setattr(context.notifier, "hint", lambda: None)
    async with running(resting.run()):
        await until(leads)
        await asyncio.sleep(0.3)
        await write(begin, [uuid4()], [1])
        await until(empty, seconds=10.0)  # two by what is promised, and what a busy machine adds


async def test_a_relay_that_loses_its_connection_while_it_rests_knows_at_once(context, monkeypatch) -> None:
    monkeypatch.setattr(relay, "HINT_SECONDS", 60.0)
    resting = Relay(context)
    task = asyncio.create_task(resting.run())

    async def rests() -> bool:
        return resting.leads and not resting._woken.is_set()

    await until(rests)
    await asyncio.sleep(0.3)
    resting._connection.terminate()
    with pytest.raises(LeadershipLost):
        async with asyncio.timeout(10):
            await task


async def test_a_consumer_at_rest_looks_at_its_partitions_now_and_then(context, at_the_end, monkeypatch) -> None:
    looks = 0
    look = Fetcher._get_actions_per_node

    def counted(self, assignment):
        nonlocal looks
        looks += 1
        return look(self, assignment)

    async def polled() -> bool:
        return context.health.last_poll is not None

    monkeypatch.setattr(Fetcher, "_get_actions_per_node", counted)
    async with running(Consumer(context).run()):
        await until(polled)
        looks = 0
        await asyncio.sleep(3.0)
    # One after each answer to "anything new?"; by itself the client looks five times a second.
    assert looks <= 4


async def test_marks_that_a_transaction_leaves_in_the_log_are_nothing_that_waits(context, ledger, at_the_end) -> None:
    options = kafka.client_options(context.settings)
    told = announced(build(ContactReceived, journey_id=uuid4(), text="of a transaction"))
    topic = "anliegen.intake.words"

    async def passed() -> bool:
        return lag_of_all(topic) == 0 and await ledger() != []

    async with running(Consumer(context).run()):
        async with AIOKafkaProducer(**options, transactional_id=f"partner-{uuid4()}") as partner:
            for commits in (True, False):
                await partner.begin_transaction()
                envelope = told.envelope if commits else announced(build(ContactReceived, text="taken back")).envelope
                await partner.send_and_wait(
                    topic, encode(told.event), key=envelope.key.encode(), headers=envelope.to_headers(), partition=0
                )
                await (partner.commit_transaction() if commits else partner.abort_transaction())
        await until(passed)
        context.health.last_progress -= 3600

        # The mark behind what was taken back may come after the last measurement: the next one sees that none waits.
        async def alive() -> bool:
            return context.health.why_not_alive() is None

        await until(alive)
    assert await ledger() == ["of a transaction"]


def lag_of_all(topic: str) -> float:
    samples = next(iter(metrics.consumer_lag_records.collect())).samples
    return sum(one.value for one in samples if one.labels["topic"] == topic and one.labels["service"] == "kit-toy")
