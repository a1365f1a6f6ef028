"""The read side: each event has its effect once, journeys wait alone, and nothing that came is lost."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from anliegen.events import ContactReceived, ContactTriaged, QuestionOpened
from anliegen.events.builders import build
from anliegen.kit.consumer import store
from anliegen.kit.consumer.batch import Batch, PositionLost, take
from anliegen.kit.consumer.records import Place
from anliegen.kit.testing import announced


def contact(text: str, journey=None) -> ContactReceived:
    return build(ContactReceived, text=text, journey_id=journey or uuid4())


async def test_an_event_has_its_effect_and_its_announcement(deliver, ledger, published) -> None:
    await deliver(contact("one"), contact("two"))
    assert await ledger() == ["one", "two"]
    assert len(await published(QuestionOpened)) == 2


async def test_second_delivery_changes_nothing(deliver, ledger, published) -> None:
    mail = await deliver(contact("one"))
    await deliver(*mail)
    await deliver(*mail, *mail)
    assert await ledger() == ["one"]
    assert len(await published()) == 1


async def test_a_repetition_despite_the_inbox_announces_the_same_ids(deliver, context) -> None:
    mail = await deliver(contact("one"))
    await deliver(*mail, despite_inbox=True)
    async with context.pool.acquire() as connection:
        ids = [row["event_id"] for row in await connection.fetch("SELECT event_id FROM outbox")]
    assert len(ids) == 2 and len(set(ids)) == 1


async def test_a_failing_event_parks_its_journey_and_no_other(deliver, toy, ledger, count) -> None:
    toy.broken.add("bad")
    unlucky, lucky = uuid4(), uuid4()
    await deliver(contact("a", lucky), contact("bad", unlucky), contact("later", unlucky), contact("b", lucky))
    assert sorted(await ledger()) == ["a", "b"]
    assert await count("parked_events") == 2
    await deliver(contact("even later", unlucky))
    assert await count("parked_events") == 3


async def test_the_time_to_an_effect_is_measured_when_it_is_there(deliver, toy, clock, retry_parked) -> None:
    def measured() -> tuple[float, float]:
        labels = {"service": "kit-toy", "type": ContactReceived.event_type}
        names = ("event_end_to_end_seconds_count", "event_end_to_end_seconds_sum")
        count, total = (REGISTRY.get_sample_value(name, labels) or 0.0 for name in names)
        return count, total

    count, total = measured()
    toy.broken = {"bad"}
    await deliver(contact("bad"), contact("good"))
    assert measured()[0] == count + 1
    toy.broken = set()
    clock.advance(timedelta(seconds=40))
    assert await retry_parked() == 1
    assert measured()[0] == count + 2
    assert measured()[1] >= total + 40, "what waited counts as late"


async def test_a_parked_journey_goes_on_in_order_once_it_can(deliver, toy, ledger, count, clock, retry_parked) -> None:
    toy.broken.add("bad")
    journey = uuid4()
    await deliver(contact("bad", journey), contact("second", journey), contact("third", journey))
    toy.broken.clear()
    assert await retry_parked() == 0, "it is not due yet"
    clock.advance(timedelta(seconds=2))
    assert await retry_parked() == 1
    assert await ledger() == ["bad", "second", "third"]
    assert await count("parked_keys") == 0
    await deliver(contact("fourth", journey))
    assert await ledger() == ["bad", "second", "third", "fourth"]


async def test_after_the_last_attempt_a_dead_letter_is_kept_and_the_journey_goes_on(
    deliver, toy, ledger, count, clock, retry_parked, context
) -> None:
    toy.broken.add("bad")
    journey = uuid4()
    await deliver(contact("bad", journey), contact("second", journey))
    for _ in range(6):
        clock.advance(timedelta(minutes=10))
        await retry_parked()
    assert await ledger() == ["second"]
    assert await count("parked_events") == await count("parked_keys") == 0
    async with context.pool.acquire() as connection:
        letter = await connection.fetchrow("SELECT * FROM dead_letters")
    assert letter["error_type"] == "RuntimeError" and b"bad" in letter["payload"] and letter["event_id"] is not None


async def test_a_refusal_is_an_outcome_and_parks_nothing(deliver, toy, ledger, count, context, published) -> None:
    toy.refused.add("no")
    journey = uuid4()
    await deliver(contact("no", journey), contact("yes", journey))
    assert await ledger() == ["yes"]
    assert await count("parked_keys") == 0
    async with context.pool.acquire() as connection:
        outcomes = [row["outcome"] for row in await connection.fetch("SELECT outcome FROM inbox ORDER BY outcome")]
    assert outcomes == ["too_late", None]
    assert len(await published()) == 1


@pytest.mark.parametrize("purged", [False, True])
async def test_a_refusal_at_a_retry_is_an_outcome_too(
    deliver, toy, ledger, count, context, clock, retry_parked, purged
) -> None:
    toy.broken.add("no")
    journey = uuid4()
    await deliver(contact("no", journey), contact("yes", journey))
    toy.broken.clear()
    if purged:  # it has waited for so long that the inbox has forgotten it
        async with context.pool.acquire() as connection:
            await connection.execute("DELETE FROM inbox")
    toy.refused.add("no")
    clock.advance(timedelta(seconds=5))
    await retry_parked()
    assert await ledger() == ["yes"]
    assert await count("parked_keys") == await count("dead_letters") == 0
    async with context.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM inbox WHERE outcome = 'too_late'") == 1


async def test_what_is_not_yet_possible_is_tried_again_soon(deliver, toy, ledger, clock, retry_parked) -> None:
    toy.not_yet.add("early")
    await deliver(contact("early"))
    toy.not_yet.clear()
    clock.advance(timedelta(milliseconds=250))
    assert await retry_parked() == 1
    assert await ledger() == ["early"]


async def test_waiting_for_another_topic_uses_up_no_attempts(
    deliver, toy, ledger, clock, retry_parked, count, context
) -> None:
    toy.not_yet.add("early")
    await deliver(contact("early"))
    for _ in range(3 * context.service.handlers.attempts):
        clock.advance(timedelta(minutes=1))
        await retry_parked()
    assert (await count("parked_keys"), await count("dead_letters")) == (1, 0)
    toy.not_yet.clear()
    toy.broken.add("early")
    for tried in range(context.service.handlers.attempts):
        assert await count("dead_letters") == 0, tried
        clock.advance(timedelta(minutes=6))
        await retry_parked()
    clock.advance(timedelta(minutes=6))
    await retry_parked()
    assert (await count("parked_keys"), await count("dead_letters")) == (0, 1)


@pytest.mark.parametrize(
    ("key", "change", "value"),
    [
        (None, {}, b"{}"),
        (b"k", {"ce_id": b"not a uuid"}, b"{}"),
        (b"k", {"ce_specversion": b"0.3"}, b"{}"),
        (b"\xff\xfe", {}, b"{}"),
        (b"k", {}, b"\xff\x00 not json"),
        (b"k", {}, None),
        (b"k", {"ce_time": b"yesterday"}, b"{}"),
    ],
)
async def test_bytes_that_cannot_be_read_are_kept_as_a_dead_letter(
    postman, context, ledger, deliver, key, change, value
):
    envelope = announced(contact("x")).envelope
    headers = [(name, change.get(name, content)) for name, content in envelope.to_headers()]
    await postman.deliver_raw("anliegen.intake.words", key=key, headers=[*headers, ("odd\x00", b"\xff")], value=value)
    async with context.pool.acquire() as connection:
        letter = await connection.fetchrow("SELECT key, payload, error FROM dead_letters")
    assert (letter["key"], letter["payload"]) == (key, value)
    await deliver(contact("fine"))
    assert await ledger() == ["fine"]


async def test_an_unknown_type_is_skipped(postman, count) -> None:
    headers = announced(contact("x")).envelope.to_headers()
    newer = [(name, b"intake.contact_dreamt.v1" if name == "ce_type" else value) for name, value in headers]
    await postman.deliver_raw("anliegen.intake.words", key=b"k", headers=newer, value=b"{}")
    assert await count("dead_letters") == await count("inbox") == 0


async def test_a_list_handler_keeps_the_order_within_a_journey(deliver, ledger) -> None:
    journey, other = uuid4(), uuid4()
    triaged = [build(ContactTriaged, journey_id=j) for j in (journey, other)]
    await deliver(triaged[0], triaged[1], contact("after", journey), contact("elsewhere", uuid4()))
    found = await ledger()
    assert found.index("triaged") < found.index("after")


async def test_a_twin_that_lost_the_position_changes_nothing(context, postman, ledger) -> None:
    place = Place("anliegen.intake.words", 0)
    records = [postman._record(announced(contact(text))) for text in ("one", "two")]
    await postman._batch(records)  # enters the position 0
    await take(context, Batch((records[0],), {place: (0, 1)}))
    with pytest.raises(PositionLost):
        await take(context, Batch(tuple(records), {place: (0, 2)}))
    assert await ledger() == ["one"]
    await take(context, Batch((records[1],), {place: (1, 2)}))
    assert await ledger() == ["one", "two"]


async def test_a_retry_and_a_delivery_at_the_same_moment_orphan_nothing(
    deliver, toy, context, clock, retry_parked, ledger, count
):
    toy.broken.add("bad")
    journey = uuid4()
    await deliver(contact("bad", journey))
    toy.broken.clear()
    clock.advance(timedelta(seconds=2))
    # The delivery waits for the stream while the retry worker finishes with the key, or the other way round.
    await asyncio.gather(retry_parked(), deliver(contact("beside", journey)), retry_parked())
    clock.advance(timedelta(seconds=2))
    await retry_parked()
    assert await ledger() == ["bad", "beside"]
    assert await count("parked_events") == await count("parked_keys") == 0


async def test_offsets_with_gaps_move_on_record_by_record(context, postman, toy, ledger) -> None:
    toy.broken.add("bad")
    place = Place("anliegen.intake.words", 0)
    found = [postman._record(announced(contact(text))) for text in ("bad", "x", "y")]
    records = tuple(
        type(r)(r.place, offset, r.key, r.headers, r.value, r.timestamp)
        for r, offset in zip(found, (3, 7, 8), strict=True)
    )
    async with context.pool.acquire() as connection:
        await store.insert_position(connection, group="kit-toy", place=place, cluster_id="test", offset=2)
    await take(context, Batch(records, {place: (2, 9)}))
    assert await ledger() == ["x", "y"]
    async with context.pool.acquire() as connection:
        assert await connection.fetchval("SELECT next_offset FROM consumer_position") == 9
