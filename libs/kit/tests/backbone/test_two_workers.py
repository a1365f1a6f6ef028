"""Two workers of one service at the same parked key: what one has settled, the other leaves alone."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from anliegen.events import ContactReceived, JourneysMerged
from anliegen.events.builders import build
from anliegen.kit.consumer import store
from anliegen.kit.retry import retry_due_keys


@pytest.fixture
def journey():
    return uuid4()


@pytest.fixture
async def two_parked(deliver, toy, clock, journey):
    """The first event of a journey has failed, the second waits behind it, and the journey is due."""
    toy.broken.add("first")
    await deliver(*(build(ContactReceived, text=text, journey_id=journey) for text in ("first", "second")))
    toy.broken.clear()
    clock.advance(timedelta(seconds=2))


@pytest.fixture
def retry_twice(context, begin, journey):
    """Two workers try the journey at the same time: both stand before its stream when they are let go."""

    async def retry() -> None:
        async with begin() as tx:
            await tx.lock(journey)
            both = asyncio.gather(retry_due_keys(context), retry_due_keys(context))
            await asyncio.sleep(0.2)
        await both

    return retry


async def test_a_refusal_that_two_workers_meet_settles_one_event(two_parked, toy, retry_twice, ledger, count) -> None:
    toy.refused.add("first")
    await retry_twice()
    assert await ledger() == ["second"]
    assert await count("parked_events") == await count("parked_keys") == 0


async def test_the_failure_of_an_event_that_another_worker_has_settled_is_not_the_next_one_s(
    two_parked, toy, context, clock, retry_twice, ledger, count
) -> None:
    async with context.pool.acquire() as connection:
        await connection.execute("UPDATE parked_keys SET attempts = 3")  # one more, and it is set aside
    toy.broken |= {"first", "second"}
    await retry_twice()
    async with context.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM dead_letters") == 1
        assert await connection.fetchval("SELECT attempts FROM parked_keys") == 1


async def test_whoever_comes_second_locks_what_the_next_event_needs(
    deliver, toy, clock, context, begin, journey, count
) -> None:
    other = uuid4()
    a, b = sorted((journey, other))
    toy.broken.add("first")
    await deliver(build(ContactReceived, text="first", journey_id=a), build(JourneysMerged, journey_a=a, journey_b=b))
    toy.broken.clear()
    clock.advance(timedelta(seconds=2))

    async def retry_until_it_flows() -> None:
        while await count("parked_keys"):
            await retry_due_keys(context)

    async with begin() as tx:
        await tx.lock(b)
        async with begin() as quicker:
            await quicker.lock(a)
            retrying = asyncio.create_task(retry_until_it_flows())
            await asyncio.sleep(0.2)  # it has read that "first" waits, and stands before the stream
            (first, _) = await store.list_parked_events(quicker.connection, group="kit-toy", key=str(a), limit=2)
            await store.delete_parked_event(quicker.connection, ord_=first.ord)
        await asyncio.sleep(0.2)
        assert await count("journey_links") == 0, "a link was made while somebody worked on the other journey"
    await retrying
    assert await count("journey_links") == 1
    assert await count("parked_events") == 0
