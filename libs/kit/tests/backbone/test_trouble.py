"""Trouble that looks like the infrastructure's but comes from one event, and trouble in the middle of something."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit.consumer import batch, store
from anliegen.kit.consumer.batch import take
from anliegen.kit.consumer.loop import Consumer
from anliegen.kit.database import connect
from anliegen.kit.retry import retry_due_keys
from anliegen.kit.settings import address_for
from anliegen.kit.testing import announced
from anliegen.kit.ticker import fire_due_timers


def contact(text: str, journey=None) -> ContactReceived:
    return build(ContactReceived, text=text, journey_id=journey or uuid4())


async def test_trouble_that_passes_parks_nothing(deliver, toy, count, ledger) -> None:
    toy.gone.add("bad")
    with pytest.raises(FileNotFoundError):
        await deliver(contact("bad"), contact("beside"))
    assert await count("parked_keys") == await count("inbox") == 0
    assert await ledger() == []


async def test_trouble_that_comes_from_one_event_parks_its_key_in_the_end(postman, context, toy, count, ledger) -> None:
    toy.gone.add("bad")
    records = [postman._record(announced(contact(text))) for text in ("before", "bad", "after")]
    await take(context, await postman._batch(records), insist=True)
    assert await ledger() == ["before", "after"]
    assert await count("parked_events") == 1


async def test_a_handler_that_never_ends_parks_its_key_in_the_end(
    postman, context, toy, count, ledger, monkeypatch
) -> None:
    monkeypatch.setattr(batch, "DEADLINE_SECONDS", 0.5)
    toy.endless.add("bad")
    records = [postman._record(announced(contact(text))) for text in ("before", "bad", "after")]
    together = await postman._batch(records)
    with pytest.raises(TimeoutError):
        await take(context, together)
    await take(context, together, insist=True)
    assert await ledger() == ["before", "after"]
    assert await count("parked_events") == 1


async def test_the_consumer_insists_after_a_while(postman, context, toy, ledger, monkeypatch) -> None:
    monkeypatch.setattr("anliegen.kit.backoff.delay", lambda *_, **__: 0.0)
    toy.gone.add("bad")
    together = await postman._batch([postman._record(announced(contact(text))) for text in ("bad", "after")])
    consumer, polls = Consumer(context), 0

    async def poll():
        nonlocal polls
        polls += 1
        return {"": []} if polls < 10 else await asyncio.sleep(3600)

    async def reload(_places):
        return None

    monkeypatch.setattr(consumer, "_poll", poll)
    monkeypatch.setattr(consumer, "_reload", reload)
    monkeypatch.setattr(consumer, "_batch_of", lambda _: together if not toy.calls or polls <= 5 else None)
    monkeypatch.setattr(consumer, "_commit_soon", lambda _: None)
    monkeypatch.setattr(consumer, "_measure", lambda **_: None)
    looping = asyncio.create_task(consumer._loop())
    async with asyncio.timeout(10):
        while await ledger() != ["after"]:
            await asyncio.sleep(0.02)
    looping.cancel()
    await asyncio.gather(looping, return_exceptions=True)
    assert polls >= 5


async def test_a_parked_key_that_meets_passing_trouble_holds_up_no_other(
    deliver, toy, clock, retry_parked, ledger, count
) -> None:
    toy.broken |= {"one", "two"}
    await deliver(contact("one"))
    clock.advance(timedelta(milliseconds=1))
    await deliver(contact("two"))
    toy.broken.clear()
    toy.gone.add("one")
    clock.advance(timedelta(seconds=5))
    for _ in range(30):
        clock.advance(timedelta(minutes=1))
        await retry_parked()
    assert await ledger() == ["two"]
    assert await count("dead_letters") == 0, "nobody has found fault with the event itself"
    toy.gone.clear()
    clock.advance(timedelta(minutes=1))
    await retry_parked()
    assert await ledger() == ["two", "one"]


async def test_a_retry_waits_for_whoever_works_on_the_stream(deliver, toy, clock, begin, retry_parked, ledger) -> None:
    """A handler decides on what it reads, the second time like the first: nobody may change it meanwhile."""
    toy.broken.add("bad")
    journey = uuid4()
    await deliver(contact("bad", journey))
    toy.broken.clear()
    clock.advance(timedelta(seconds=2))
    before = toy.calls
    async with begin() as tx:
        await tx.lock(journey)
        retrying = asyncio.create_task(retry_parked())
        await asyncio.sleep(0.3)
        assert toy.calls == before
    assert await retrying == 1
    assert await ledger() == ["bad"]


async def test_a_key_that_was_parked_while_its_next_event_waited_holds_that_event(deliver, begin, count, clock) -> None:
    journey = uuid4()
    async with begin() as tx:
        await tx.lock(journey)
        delivering = asyncio.create_task(deliver(contact("next", journey)))
        await asyncio.sleep(0.3)
        await store.insert_parked_key(tx.connection, group="kit-toy", key=str(journey), reason="x", due=clock.now())
    await delivering
    assert await count("parked_events") == 1


async def test_a_key_is_not_let_go_while_an_event_waits_behind_it(deliver, toy, begin, count) -> None:
    toy.broken.add("bad")
    journey = uuid4()
    await deliver(contact("bad", journey))
    async with begin() as tx:
        assert not await store.delete_parked_key_when_empty(tx.connection, group="kit-toy", key=str(journey))
    assert await count("parked_keys") == 1


async def test_a_timer_that_meets_passing_trouble_holds_up_no_other(begin, clock, context, toy) -> None:
    first, second = uuid4(), uuid4()
    async with begin() as tx:
        for subject, hours in ((first, 1), (second, 2)):
            await tx.set_timer("toy_due", key=subject, subject=subject, due_at=clock.now() + timedelta(hours=hours))
    toy.gone.add(str(first))
    clock.advance(timedelta(hours=3))
    await fire_due_timers(context)
    assert toy.fired == [second]
    toy.gone.clear()
    clock.advance(timedelta(minutes=10))
    await fire_due_timers(context)
    assert toy.fired == [second, first]


@pytest.mark.parametrize("found_parked", [True, False])
async def test_parking_behind_a_key_that_a_retry_is_about_to_finish_orphans_nothing(
    deliver, toy, context, clock, begin, postman, count, make_toy_service, found_parked
) -> None:
    """Projections lock no stream, so the parked key's own row has to hold up the retry worker."""
    toy.broken.add("bad")
    journey = uuid4()
    await deliver(contact("bad", journey))
    toy.broken.clear()
    clock.advance(timedelta(seconds=2))
    context.service = make_toy_service(toy, projection=True)
    later = announced(contact("later", journey))
    record = postman._record(later)
    delivery = batch.read(record, context.service.handlers)
    async with begin() as tx:  # a worker that puts the next event of this key behind it
        if found_parked:
            assert await store.list_parked_keys(tx.connection, group="kit-toy", keys=[str(journey)])
        else:  # it was not parked when this worker looked; then the event failed here
            await store.insert_parked_key(tx.connection, group="kit-toy", key=str(journey), reason="x", due=clock.now())
        await store.insert_parked_events(tx.connection, group="kit-toy", waiting=[(delivery, record)])
        retrying = asyncio.create_task(retry_due_keys(context))
        await asyncio.sleep(0.3)
    await retrying
    assert await count("parked_events") == await count("parked_keys") == 0


async def test_what_went_wrong_is_told_even_where_rolling_back_fails(begin, monkeypatch) -> None:
    with pytest.raises(LookupError, match="the reason"):
        async with begin() as tx, begin() as other:
            pid = await tx.fetchval("SELECT pg_backend_pid()")
            monkeypatch.setattr(type(tx.connection), "is_closed", lambda _: False)  # it has not been noticed yet
            await other.execute("SELECT pg_terminate_backend($1)", pid)
            await asyncio.sleep(0.1)
            raise LookupError("the reason")
    monkeypatch.undo()
    async with begin() as tx:
        assert await tx.fetchval("SELECT 1") == 1


async def test_a_batch_that_does_not_end_is_given_up_at_shutdown(postman, context, toy, monkeypatch) -> None:
    toy.endless.add("bad")
    together = await postman._batch([postman._record(announced(contact("bad")))])
    consumer = Consumer(context)

    async def poll():
        return {"": []}

    monkeypatch.setattr(consumer, "_poll", poll)
    monkeypatch.setattr(consumer, "_batch_of", lambda _: together)
    context.settings = context.settings.model_copy(update={"shutdown_seconds": 0.5})
    looping = asyncio.create_task(consumer._loop())
    while not toy.calls:
        await asyncio.sleep(0.01)
    looping.cancel()
    async with asyncio.timeout(3):
        await asyncio.gather(looping, return_exceptions=True)
        await context.pool.close()
    async with connect(address_for(context.settings.database_url, "kit_toy", "kit_toy"), application="t") as connection:
        assert await connection.fetchval("SELECT count(*) FROM inbox") == 0
