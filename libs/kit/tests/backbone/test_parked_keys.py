"""Parked keys by hand: tried now, or let go on without the event that holds them up; and what alarms look at."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit.consumer import store
from anliegen.kit.operations import actions, gauges, journal, letters, parked
from anliegen.kit.operations.actions import redrive, retry_now, set_aside
from anliegen.kit.operations.journal import Operator
from anliegen.kit.operations.letters import Filter
from anliegen.kit.telemetry.metrics import REGISTRY
from anliegen.kit.testing import announced

ANNA = Operator("anna", "the address is broken for good")


def contact(text: str, journey=None):
    return announced(build(ContactReceived, text=text, journey_id=journey or uuid4()))


@pytest.fixture
def hold_up(deliver, toy):
    """Deliver these behind a first one that fails; tells the mail."""

    async def fail(journey, *texts: str) -> list:
        toy.broken.add("bad")
        return await deliver(*(contact(text, journey) for text in ("bad", *texts)))

    return fail


async def test_a_key_that_is_due_later_is_tried_now(hold_up, toy, begin, clock, retry_parked, ledger) -> None:
    journey = uuid4()
    await hold_up(journey, "second")
    clock.advance(timedelta(seconds=5))
    await retry_parked()
    toy.broken.clear()
    assert await retry_parked() == 0, "it is not due yet"
    async with begin() as tx:
        found = await retry_now(tx, key=str(journey), operator=ANNA)
    assert (found.due_at, found.waiting, found.oldest_type) == (clock.wall(), 2, "intake.contact_received.v1")
    assert await retry_parked() == 1
    assert await ledger() == ["bad", "second"]
    with pytest.raises(parked.ParkedKeyNotFound):
        async with begin() as tx:
            await retry_now(tx, key=str(journey), operator=ANNA)


async def test_a_key_that_is_due_sooner_is_not_put_off(hold_up, begin, clock) -> None:
    journey = uuid4()
    await hold_up(journey)
    async with begin() as tx:
        due = (await parked.get_key(tx, group="kit-toy", key=str(journey))).due_at
    clock.advance(timedelta(hours=1))
    async with begin() as tx:
        assert (await retry_now(tx, key=str(journey), operator=ANNA)).due_at == due


async def test_a_journey_goes_on_without_the_event_that_is_set_aside(
    hold_up, begin, retry_parked, ledger, clock, count
) -> None:
    journey = uuid4()
    mail = await hold_up(journey, "second", "third")
    async with begin() as tx:
        letter = await set_aside(tx, key=str(journey), event_id=mail[0].envelope.id, operator=ANNA)
    assert (letter.event_id, letter.error_type, letter.attempts) == (mail[0].envelope.id, "SetAside", 1)
    assert "RuntimeError" in letter.error and "address" not in letter.error
    assert await retry_parked() == 1
    assert await ledger() == ["second", "third"]
    assert await count("parked_keys") == await count("parked_events") == 0
    async with begin() as tx:
        (done,) = await journal.list_actions(tx, about=letter.about, limit=9)
    assert (done.who, done.did, done.reason) == ("anna", "set aside", ANNA.reason)


async def test_what_was_set_aside_can_be_redriven(hold_up, toy, begin, retry_parked, ledger) -> None:
    journey = uuid4()
    mail = await hold_up(journey, "second")
    async with begin() as tx:
        letter = await set_aside(tx, key=str(journey), event_id=mail[0].envelope.id, operator=ANNA)
    await retry_parked()
    toy.broken.clear()
    async with begin() as tx:
        await redrive(tx, letter_id=letter.id, operator=ANNA)
    await retry_parked()
    assert await ledger() == ["second", "bad"]


async def test_setting_the_last_event_aside_lets_the_key_flow(hold_up, begin, count, deliver, ledger) -> None:
    journey = uuid4()
    (mail,) = await hold_up(journey)
    async with begin() as tx:
        await set_aside(tx, key=str(journey), event_id=mail.envelope.id, operator=ANNA)
    assert await count("parked_keys") == 0
    await deliver(contact("second", journey))
    assert await ledger() == ["second"]


async def test_only_the_oldest_event_is_set_aside(hold_up, begin, count) -> None:
    journey = uuid4()
    mail = await hold_up(journey, "second")
    for event_id in (mail[1].envelope.id, uuid4()):
        with pytest.raises(actions.OldestMoved):
            async with begin() as tx:
                await set_aside(tx, key=str(journey), event_id=event_id, operator=ANNA)
    with pytest.raises(parked.ParkedKeyNotFound):
        async with begin() as tx:
            await set_aside(tx, key="elsewhere", event_id=mail[0].envelope.id, operator=ANNA)
    assert await count("dead_letters") == 0
    assert await count("parked_events") == 2


async def test_setting_aside_waits_for_the_worker_that_handles_the_event_just_now(
    hold_up, toy, begin, count, ledger
) -> None:
    """What the worker has handled is no dead letter, even if somebody pressed while it was at it."""
    journey = uuid4()
    mail = await hold_up(journey, "second")

    async def press() -> None:
        async with begin() as tx:
            await set_aside(tx, key=str(journey), event_id=mail[0].envelope.id, operator=ANNA)

    async with begin() as tx:  # the worker, in the steps of `retry.py`
        await tx.lock(journey)
        assert await store.lock_parked_key(tx.connection, group="kit-toy", key=str(journey))
        oldest, _ = await store.list_parked_events(tx.connection, group="kit-toy", key=str(journey), limit=2)
        pressing = asyncio.create_task(press())
        await asyncio.sleep(0.2)
        assert not pressing.done()
        await store.delete_parked_event(tx.connection, ord_=oldest.ord)
    with pytest.raises(actions.OldestMoved):
        await pressing
    assert await count("dead_letters") == 0


async def test_set_aside_twice_at_the_same_moment_sets_one_event_aside(hold_up, begin, count) -> None:
    journey = uuid4()
    mail = await hold_up(journey, "second")

    async def press() -> bool:
        try:
            async with begin() as tx:
                await set_aside(tx, key=str(journey), event_id=mail[0].envelope.id, operator=ANNA)
        except actions.OldestMoved:
            return False
        return True

    assert sorted(await asyncio.gather(press(), press())) == [False, True]
    assert (await count("dead_letters"), await count("parked_events")) == (1, 1)


async def test_a_redrive_and_setting_aside_of_one_key_at_the_same_moment_lose_nothing(
    hold_up, toy, begin, count, clock, retry_parked, ledger
) -> None:
    """The one empties the key, the other puts an event behind it: whichever is first, nothing is orphaned."""
    journey = uuid4()
    mail = await hold_up(journey, "second")
    async with begin() as tx:
        letter = await set_aside(tx, key=str(journey), event_id=mail[0].envelope.id, operator=ANNA)
    toy.broken.add("second")
    clock.advance(timedelta(seconds=5))
    await retry_parked()

    async def press(what, **values) -> None:
        async with begin() as tx:
            await what(tx, operator=ANNA, **values)

    await asyncio.gather(
        press(set_aside, key=str(journey), event_id=mail[1].envelope.id), press(redrive, letter_id=letter.id)
    )
    toy.broken.clear()
    clock.advance(timedelta(hours=1))
    await retry_parked()
    assert await ledger() == ["bad"]
    assert await count("parked_keys") == await count("parked_events") == 0
    async with begin() as tx:
        (left,) = await letters.list_letters(tx, wanted=Filter(), settled=False, before=None, limit=9)
    assert left.event_id == mail[1].envelope.id


async def test_keys_are_listed_the_longest_waiting_first_page_by_page(hold_up, begin) -> None:
    journeys = [uuid4() for _ in range(5)]
    for journey in journeys:
        await hold_up(journey, "second")
    async with begin() as tx:
        # The same time for all: then the number decides, and no page shows a key twice or leaves one out.
        await tx.execute(
            "UPDATE parked_keys SET since = now() WHERE key = ANY ($1::text[])", [str(j) for j in journeys]
        )
        seen: list[str] = []
        after = None
        while page := await parked.list_keys(tx, group="kit-toy", after=after, limit=2):
            seen += [one.key for one in page]
            after = (page[-1].since, page[-1].number)
        assert sorted(seen) == sorted(map(str, journeys))
        back = await parked.list_keys(tx, group="kit-toy", after=after, backwards=True, limit=9)
        assert [one.key for one in back] == seen[-2::-1]
        assert {one.waiting for one in back} == {2}


async def test_events_are_shown_in_the_order_in_which_they_wait(hold_up, begin) -> None:
    journey = uuid4()
    mail = await hold_up(journey, "second", "third")
    async with begin() as tx:
        first, second = await parked.list_events(tx, group="kit-toy", key=str(journey), after=None, limit=2)
        (third,) = await parked.list_events(tx, group="kit-toy", key=str(journey), after=second.ord, limit=2)
        assert [one.event_id for one in (first, second, third)] == [one.envelope.id for one in mail]
        record = await actions.read_parked(tx, key=str(journey), event_id=second.event_id, operator=ANNA)
        assert b"second" in record.value
        (done,) = await journal.list_actions(tx, limit=9)
        assert done.about == f"parked-key/{journey}/{second.event_id}"
        with pytest.raises(parked.ParkedEventNotFound):
            await actions.read_parked(tx, key=str(journey), event_id=uuid4(), operator=ANNA)


# Projections lock no streams: the parked key's own row keeps order ----------------------------------------------------
@pytest.fixture
def as_projection(context, toy, make_toy_service):
    context.service = make_toy_service(toy, projection=True)


async def test_a_projections_letters_are_redriven(
    as_projection, hold_up, toy, begin, retry_parked, ledger, count
) -> None:
    journey = uuid4()
    mail = await hold_up(journey)
    async with begin() as tx:
        letter = await set_aside(tx, key=str(journey), event_id=mail[0].envelope.id, operator=ANNA)
    toy.broken.clear()
    async with begin() as tx:
        assert (await redrive(tx, letter_id=letter.id, operator=ANNA)).settled_how == "redriven"
    await retry_parked()
    assert await ledger() == ["bad"]
    assert await count("parked_keys") == await count("streams") == 0


async def test_a_redrive_behind_a_key_that_a_projections_worker_finishes_with_is_not_orphaned(
    as_projection, hold_up, toy, begin, clock, retry_parked, ledger, count
) -> None:
    journey = uuid4()
    mail = await hold_up(journey, "second")
    async with begin() as tx:
        letter = await set_aside(tx, key=str(journey), event_id=mail[0].envelope.id, operator=ANNA)
    toy.broken.clear()

    async def press() -> None:
        async with begin() as tx:
            await redrive(tx, letter_id=letter.id, operator=ANNA)

    async with begin() as tx:  # the worker, in the steps of `retry.py`
        assert await store.lock_parked_key(tx.connection, group="kit-toy", key=str(journey))
        (waiting,) = await store.list_parked_events(tx.connection, group="kit-toy", key=str(journey), limit=2)
        pressing = asyncio.create_task(press())
        await asyncio.sleep(0.2)
        await store.delete_parked_event(tx.connection, ord_=waiting.ord)
        assert await store.delete_parked_key_when_empty(tx.connection, group="kit-toy", key=str(journey))
    await pressing
    clock.advance(timedelta(seconds=5))
    await retry_parked()
    assert await ledger() == ["bad"]
    assert await count("parked_events") == await count("parked_keys") == 0


async def test_setting_aside_waits_for_a_projections_worker(as_projection, hold_up, begin, count) -> None:
    journey = uuid4()
    mail = await hold_up(journey, "second")

    async def press() -> None:
        async with begin() as tx:
            await set_aside(tx, key=str(journey), event_id=mail[0].envelope.id, operator=ANNA)

    async with begin() as tx:  # the worker, in the steps of `retry.py`
        assert await store.lock_parked_key(tx.connection, group="kit-toy", key=str(journey))
        oldest, _ = await store.list_parked_events(tx.connection, group="kit-toy", key=str(journey), limit=2)
        pressing = asyncio.create_task(press())
        await asyncio.sleep(0.2)
        await store.delete_parked_event(tx.connection, ord_=oldest.ord)
    with pytest.raises(actions.OldestMoved):
        await pressing
    assert await count("dead_letters") == 0


# Alarms ---------------------------------------------------------------------------------------------------------------
GAUGES = (
    "parked_keys", "parked_keys_oldest_seconds", "parked_keys_exhausted", "events_parked", "dead_letters_unsettled",
)  # fmt: skip


async def gauged(context) -> dict[str, float | None]:
    await gauges.measure(context)
    return {name: REGISTRY.get_sample_value(name, {"service": "kit-toy"}) for name in GAUGES}


async def test_alarms_see_what_is_held_up_and_what_was_given_up(hold_up, context, begin) -> None:
    assert set((await gauged(context)).values()) == {0.0}
    journey = uuid4()
    mail = await hold_up(journey, "second", "third")
    async with begin() as tx:
        await tx.execute("UPDATE parked_keys SET since = clock_timestamp() - interval '90 s'")
    found = await gauged(context)
    assert found.pop("parked_keys_oldest_seconds") == pytest.approx(90, abs=10)
    assert found == {
        "parked_keys": 1, "parked_keys_exhausted": 0, "events_parked": 3, "dead_letters_unsettled": 0
    }  # fmt: skip
    async with begin() as tx:
        letter = await set_aside(tx, key=str(journey), event_id=mail[0].envelope.id, operator=ANNA)
    assert (await gauged(context))["dead_letters_unsettled"] == 1
    async with begin() as tx:
        await actions.discard(tx, letter_id=letter.id, operator=ANNA)
    assert (await gauged(context))["dead_letters_unsettled"] == 0


@pytest.mark.parametrize(("policy", "exhausted"), [("stay", 1), ("dead_letter", 0)])
async def test_a_key_that_stays_after_its_last_attempt_sounds_an_alarm(
    context, toy, make_toy_service, hold_up, clock, retry_parked, policy, exhausted
) -> None:
    context.service = make_toy_service(toy, policy=policy, attempts=3)
    await hold_up(uuid4())
    seen = []
    for _ in range(4):
        seen.append((await gauged(context))["parked_keys_exhausted"])
        clock.advance(timedelta(minutes=10))
        await retry_parked()
    assert seen == [0, 0, exhausted, exhausted]
    assert (await gauged(context))["dead_letters_unsettled"] == 1 - exhausted
