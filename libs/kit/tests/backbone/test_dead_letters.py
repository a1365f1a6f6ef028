"""Dead letters: put back once, for the group that gave up on them, or discarded; who did it is written down."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from anliegen.events import ContactReceived, QuestionOpened, codec
from anliegen.events.builders import build
from anliegen.kit import Handlers
from anliegen.kit.consumer import store
from anliegen.kit.errors import PreconditionFailed
from anliegen.kit.operations import actions, journal, letters
from anliegen.kit.operations.actions import discard, redrive, redrive_many
from anliegen.kit.operations.journal import Operator
from anliegen.kit.operations.letters import Filter
from anliegen.kit.relay import Relay, Row, RowTooLarge
from anliegen.kit.testing import announced
from anliegen.kit.versions import ExpectedVersion

ANNA = Operator("anna", "mended in 1.2")
BEN = Operator("ben")
TOPIC = "anliegen.intake.words"


def contact(text: str, journey=None) -> ContactReceived:
    return build(ContactReceived, text=text, journey_id=journey or uuid4())


@pytest.fixture
def bury(deliver, toy, clock, retry_parked, context):
    """Deliver these, fail at the first until it is given up on; tells the numbers of all letters."""

    async def give_up(*things) -> list[int]:
        toy.broken.add(getattr(things[0], "event", things[0]).text)
        await deliver(*things)
        for _ in range(4):
            clock.advance(timedelta(minutes=10))
            await retry_parked()
        toy.broken.clear()
        return await unsettled(context)

    return give_up


async def unsettled(context) -> list[int]:
    async with context.pool.acquire() as connection:
        return [r["id"] for r in await connection.fetch("SELECT id FROM dead_letters WHERE settled_at IS NULL")]


@pytest.fixture
def deliver_unreadable(postman):
    """Deliver an event whose payload today's code cannot read; tells what it is when it can be read."""

    async def deliver(event):
        mail = announced(event)
        await postman.deliver_raw(
            TOPIC, key=mail.envelope.key.encode(), headers=mail.envelope.to_headers(), value=b"\xff no json"
        )
        return mail

    return deliver


async def mend(context, letter_id: int, mail) -> None:
    """The same as newer code would do: what could not be read now can."""
    async with context.pool.acquire() as connection:
        await connection.execute(
            "UPDATE dead_letters SET payload = $2 WHERE id = $1", letter_id, codec.encode(mail.event)
        )


async def test_a_redriven_event_takes_effect_once_after_what_came_later(
    bury, begin, retry_parked, ledger, count, published
) -> None:
    journey = uuid4()
    (letter_id,) = await bury(contact("bad", journey), contact("second", journey))
    assert await ledger() == ["second"]
    async with begin() as tx:
        letter = await redrive(tx, letter_id=letter_id, operator=ANNA)
    assert (letter.settled_how, letter.settled_by, letter.settled_reason) == ("redriven", "anna", "mended in 1.2")
    assert await retry_parked() == 1
    assert await ledger() == ["second", "bad"]
    assert len(await published(QuestionOpened)) == 2
    assert await count("parked_events") == await count("parked_keys") == 0
    assert await retry_parked() == 0


async def test_a_redriven_event_waits_behind_what_its_key_waits_for(
    bury, begin, deliver, toy, clock, retry_parked, ledger
) -> None:
    journey = uuid4()
    (letter_id,) = await bury(contact("bad", journey))
    toy.broken.add("held up")
    await deliver(contact("held up", journey), contact("behind", journey))
    async with begin() as tx:
        await redrive(tx, letter_id=letter_id, operator=ANNA)
    toy.broken.clear()
    clock.advance(timedelta(seconds=5))
    await retry_parked()
    assert await ledger() == ["held up", "behind", "bad"]


async def test_what_fails_again_becomes_a_new_letter(bury, begin, toy, clock, retry_parked, context, ledger) -> None:
    (letter_id,) = await bury(contact("bad"))
    async with begin() as tx:
        await redrive(tx, letter_id=letter_id, operator=ANNA)
    toy.broken.add("bad")
    for _ in range(4):
        clock.advance(timedelta(minutes=10))
        await retry_parked()
    (again,) = await unsettled(context)
    assert again > letter_id
    toy.broken.clear()
    async with begin() as tx:
        assert (await redrive(tx, letter_id=again, operator=ANNA)).settled_how == "redriven"
    await retry_parked()
    assert await ledger() == ["bad"]


async def test_a_letter_is_settled_once(bury, begin, count) -> None:
    (letter_id,) = await bury(contact("bad"))
    async with begin() as tx:
        await discard(tx, letter_id=letter_id, operator=Operator("anna", "a test mail"))
    for again in (redrive, discard):
        with pytest.raises(actions.LetterSettled):
            async with begin() as tx:
                await again(tx, letter_id=letter_id, operator=BEN)
        with pytest.raises(PreconditionFailed):
            async with begin() as tx:
                await again(tx, letter_id=letter_id, operator=BEN, version=ExpectedVersion(frozenset({1})))
    assert await count("parked_events") == 0
    with pytest.raises(letters.DeadLetterNotFound):
        async with begin() as tx:
            await redrive(tx, letter_id=letter_id + 1, operator=BEN)


async def test_what_nobody_can_read_stays_until_code_can(
    deliver_unreadable, begin, context, retry_parked, ledger, count
) -> None:
    mail = await deliver_unreadable(contact("odd"))
    (letter_id,) = await unsettled(context)
    with pytest.raises(actions.StillUnreadable) as refusal:
        async with begin() as tx:
            await redrive(tx, letter_id=letter_id, operator=ANNA)
    assert "intake.contact_received.v1" in refusal.value.detail
    assert await unsettled(context) == [letter_id]
    assert await count("inbox") == await count("operator_actions") == 0
    await mend(context, letter_id, mail)
    async with begin() as tx:
        assert (await redrive(tx, letter_id=letter_id, operator=ANNA)).settled_how == "redriven"
    await retry_parked()
    assert await ledger() == ["odd"]


async def test_bytes_that_came_twice_take_effect_once(
    deliver_unreadable, begin, context, retry_parked, deliver, ledger
) -> None:
    """The relay may publish an event twice; where it could not be read, there are two letters of one event."""
    event = contact("odd")
    mail = await deliver_unreadable(event)
    async with context.pool.acquire() as connection:
        await connection.execute(
            'INSERT INTO dead_letters (grp, key, type, topic, part, "offset", headers, payload) '
            'SELECT grp, key, type, topic, part, "offset" + 1, headers, payload FROM dead_letters'
        )
    numbers = await unsettled(context)
    for letter_id in numbers:
        await mend(context, letter_id, mail)
    done = await redrive_many(context, wanted=Filter(types=[event.event_type]), operator=ANNA)
    assert (done.redriven, done.repeated, done.refused, done.following) == (1, 1, [], None)
    await retry_parked()
    await deliver(mail)
    assert await ledger() == ["odd"]
    async with begin() as tx:
        assert [(await letters.get_letter(tx, letter_id=n)).settled_how for n in numbers] == ["redriven", "repeated"]


async def test_what_was_sent_again_in_a_form_that_can_be_read_is_not_taken_twice(
    deliver_unreadable, begin, context, deliver, retry_parked, ledger
) -> None:
    mail = await deliver_unreadable(contact("odd"))
    (letter_id,) = await unsettled(context)
    await deliver(mail)
    await mend(context, letter_id, mail)
    async with begin() as tx:
        assert (await redrive(tx, letter_id=letter_id, operator=ANNA)).settled_how == "repeated"
    await retry_parked()
    assert await ledger() == ["odd"]


async def test_an_event_that_was_read_from_kafka_again_is_not_taken_twice(
    bury, begin, deliver, context, ledger, retry_parked
) -> None:
    """Its entry in the inbox had been purged, and somebody moved the position back."""
    event = announced(contact("bad"))
    (letter_id,) = await bury(event)
    async with context.pool.acquire() as connection:
        await connection.execute("DELETE FROM inbox")
    await deliver(event)
    assert await ledger() == ["bad"]
    async with begin() as tx:
        assert (await redrive(tx, letter_id=letter_id, operator=ANNA)).settled_how == "repeated"
    await retry_parked()
    assert await ledger() == ["bad"]


async def test_a_letter_older_than_its_entry_in_the_inbox_is_known_again(
    bury, begin, deliver, context, ledger, retry_parked
) -> None:
    event = announced(contact("bad"))
    (letter_id,) = await bury(event)
    async with context.pool.acquire() as connection:
        await connection.execute("DELETE FROM inbox")
    async with begin() as tx:
        assert (await redrive(tx, letter_id=letter_id, operator=ANNA)).settled_how == "redriven"
    await retry_parked()
    await deliver(event)
    assert await ledger() == ["bad"]


async def test_an_event_that_nobody_hears_any_more_is_not_dropped_in_silence(bury, begin, context, count) -> None:
    (letter_id,) = await bury(contact("bad"))
    context.service = replace(context.service, handlers=Handlers("kit-toy"))
    with pytest.raises(actions.HeardByNobody):
        async with begin() as tx:
            await redrive(tx, letter_id=letter_id, operator=ANNA)
    assert await count("parked_events") == 0
    assert await unsettled(context) == [letter_id]


async def test_a_letter_of_another_consumer_is_left_alone(bury, begin, context) -> None:
    (letter_id,) = await bury(contact("bad"))
    async with context.pool.acquire() as connection:
        await connection.execute("UPDATE dead_letters SET grp = 'elsewhere'")
    with pytest.raises(actions.GroupUnknown):
        async with begin() as tx:
            await redrive(tx, letter_id=letter_id, operator=ANNA)


async def test_a_letter_of_the_relay_is_announced_again_as_it_was(begin, context, count) -> None:
    journey = uuid4()
    for _ in range(3):
        async with begin() as tx:
            await tx.lock(journey)
            tx.publish(contact("x", journey))
    async with context.pool.acquire() as connection:
        before = await connection.fetchrow("SELECT * FROM outbox ORDER BY seq LIMIT 1")
        relay = Relay(context)
        relay._connection = connection
        row = Row(*(before[name] for name in ("seq", "event_id", "topic", "key", "headers", "payload")))
        await relay._bury(RowTooLarge(row))
    (letter_id,) = await unsettled(context)
    async with begin() as tx:
        letter = await redrive(tx, letter_id=letter_id, operator=ANNA)
    assert (letter.group, letter.settled_how) == ("relay", "redriven")
    async with context.pool.acquire() as connection:
        after = await connection.fetchrow("SELECT * FROM outbox ORDER BY seq DESC LIMIT 1")
    assert after["seq"] > before["seq"] + 2, "it goes out after what was written since"
    for name in ("event_id", "topic", "key", "type", "sequence", "headers", "payload"):
        assert after[name] == before[name], name
    assert await count("outbox") == 3
    async with begin() as tx:
        assert await tx.fetchval("SELECT last_sequence FROM streams WHERE key = $1", str(journey)) == 3


async def test_many_are_redriven_in_the_order_in_which_they_died(
    deliver, toy, clock, retry_parked, context, ledger, begin
) -> None:
    journey = uuid4()
    toy.broken |= {"one", "two", "three"}
    await deliver(*(contact(text, journey) for text in ("one", "two", "three")))
    for _ in range(14):
        clock.advance(timedelta(minutes=10))
        await retry_parked()
    numbers = await unsettled(context)
    assert len(numbers) == 3
    toy.broken.clear()
    wanted = Filter(key=str(journey), error_types=["RuntimeError"])
    first = await redrive_many(context, wanted=wanted, operator=ANNA, limit=2)
    assert (first.redriven, first.following) == (2, numbers[1])
    rest = await redrive_many(context, wanted=wanted, operator=ANNA, after=first.following, limit=2)
    assert (rest.redriven, rest.following) == (1, None)
    await retry_parked()
    assert await ledger() == ["one", "two", "three"]
    async with begin() as tx:
        done = await journal.list_actions(tx, limit=10)
    assert [(a.who, a.did, a.about, a.reason) for a in done] == [
        ("anna", "redriven", f"dead-letter/{number}", "mended in 1.2") for number in reversed(numbers)
    ]


async def test_a_letter_that_is_refused_holds_up_no_other(
    deliver_unreadable, bury, context, begin, retry_parked, ledger
) -> None:
    await deliver_unreadable(contact("odd"))
    odd, _ = await bury(contact("bad"))
    done = await redrive_many(context, wanted=Filter(types=[ContactReceived.event_type]), operator=ANNA)
    assert (done.redriven, [(r.letter_id, r.code) for r in done.refused]) == (1, [(odd, "still_unreadable")])
    await retry_parked()
    assert await ledger() == ["bad"]
    assert await unsettled(context) == [odd]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), 1),
        (Filter(types=["intake.contact_received.v1", "x"]), 1),
        (Filter(types=["x"]), 0),
        (Filter(error_types=["RuntimeError"]), 1),
        (Filter(error_types=["ValueError"]), 0),
        (Filter(key="somebody else"), 0),
    ],
)
async def test_letters_are_found_by_what_they_are(bury, begin, wanted, found) -> None:
    await bury(contact("bad"))
    async with begin() as tx:
        assert len(await letters.list_letters(tx, wanted=wanted, settled=False, before=None, limit=9)) == found
        assert await letters.list_letters(tx, wanted=wanted, settled=True, before=None, limit=9) == []
        assert len(await letters.list_unsettled(tx, wanted=wanted, after=0, limit=9)) == found


async def test_letters_are_found_by_when_they_died(bury, begin) -> None:
    (letter_id,) = await bury(contact("bad"))
    async with begin() as tx:
        died = (await letters.get_letter(tx, letter_id=letter_id)).died_at
        for wanted, found in (
            (Filter(since=died), 1), (Filter(until=died), 0),
            (Filter(since=died + timedelta(seconds=1)), 0), (Filter(until=died + timedelta(seconds=1)), 1),
        ):  # fmt: skip
            assert len(await letters.list_unsettled(tx, wanted=wanted, after=0, limit=9)) == found


async def test_what_is_said_of_an_error_quotes_nobody(deliver, toy, clock, retry_parked, context, begin) -> None:
    handlers = Handlers("kit-toy", attempts=1)

    @handlers.on(ContactReceived)
    async def enter_contact(event: ContactReceived, tx) -> None:
        raise LookupError(f"nothing known of '{event.text}', +41 79 123 45 67")

    context.service = replace(context.service, handlers=handlers)
    await deliver(contact("my secret illness"))
    clock.advance(timedelta(minutes=1))
    await retry_parked()
    async with begin() as tx:
        (letter,) = await letters.list_letters(tx, wanted=Filter(), settled=None, before=None, limit=9)
    assert letter.error == "nothing known of '…', [masked]"


async def test_what_was_settled_long_ago_is_forgotten_and_who_did_it_is_not(bury, begin, context) -> None:
    (old,) = await bury(contact("one"))
    async with begin() as tx:
        await discard(tx, letter_id=old, operator=ANNA)
    (new,) = await bury(contact("two"))
    async with begin() as tx:
        await discard(tx, letter_id=new, operator=ANNA)
    (waiting,) = await bury(contact("three"))
    async with context.pool.acquire() as connection:
        await connection.execute(
            "UPDATE dead_letters SET settled_at = settled_at - interval '31 days' WHERE id = $1", old
        )
        await connection.execute("UPDATE dead_letters SET died_at = died_at - interval '99 days'")
        assert await letters.delete_old_content(connection, limit=10) == 1
        assert await letters.delete_old_content(connection, limit=10) == 0
    async with begin() as tx:
        assert (await letters.get_record(tx, letter_id=old)).value is None
        assert (await letters.get_letter(tx, letter_id=old)).settled_by == "anna"
        for kept in (new, waiting):
            assert (await letters.get_record(tx, letter_id=kept)).value


async def test_the_record_of_what_was_done_cannot_be_changed(bury, begin) -> None:
    (letter_id,) = await bury(contact("bad"))
    async with begin() as tx:
        await discard(tx, letter_id=letter_id, operator=ANNA)
    for statement in ("UPDATE operator_actions SET who = 'ben'", "DELETE FROM operator_actions"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with begin() as tx:
                await tx.execute(statement)


async def test_who_looked_at_peoples_words_is_written_down(bury, begin) -> None:
    (letter_id,) = await bury(contact("bad"))
    async with begin() as tx:
        record = await actions.read_letter(tx, letter_id=letter_id, operator=BEN)
        assert b"bad" in record.value
        (done,) = await journal.list_actions(tx, about=f"dead-letter/{letter_id}", limit=9)
    assert (done.who, done.did) == ("ben", "read")


# At the same moment ---------------------------------------------------------------------------------------------------
async def test_two_administrators_redrive_one_letter_once(bury, begin, context, retry_parked, ledger, count) -> None:
    (letter_id,) = await bury(contact("bad"))

    async def press(operator: Operator) -> str:
        try:
            async with begin() as tx:
                return str((await redrive(tx, letter_id=letter_id, operator=operator)).settled_how)
        except actions.LetterSettled:
            return "settled"

    assert sorted(await asyncio.gather(press(ANNA), press(BEN))) == ["redriven", "settled"]
    assert await count("parked_events") == 1
    await asyncio.gather(retry_parked(), retry_parked())
    assert await ledger() == ["bad"]


async def test_a_redrive_waits_for_a_discard_and_is_refused(bury, begin, count) -> None:
    (letter_id,) = await bury(contact("bad"))

    async def press() -> None:
        async with begin() as tx:
            await redrive(tx, letter_id=letter_id, operator=BEN)

    async with begin() as tx:
        await discard(tx, letter_id=letter_id, operator=ANNA)
        pressing = asyncio.create_task(press())
        await asyncio.sleep(0.2)
        assert not pressing.done()
    with pytest.raises(actions.LetterSettled):
        await pressing
    assert await count("parked_events") == 0


async def test_a_redrive_waits_for_whoever_works_on_the_stream(bury, begin) -> None:
    journey = uuid4()
    (letter_id,) = await bury(contact("bad", journey))

    async def press() -> None:
        async with begin() as tx:
            await redrive(tx, letter_id=letter_id, operator=ANNA)

    async with begin() as tx:
        await tx.lock(journey)
        pressing = asyncio.create_task(press())
        await asyncio.sleep(0.2)
        assert not pressing.done()
    await pressing


async def test_a_redrive_waits_for_the_retry_worker_that_finishes_with_the_key(
    bury, begin, deliver, toy, clock, retry_parked, ledger, count
) -> None:
    """It would be orphaned behind a key that flows: the worker has seen that nothing waits any more."""
    journey = uuid4()
    (letter_id,) = await bury(contact("bad", journey))
    toy.broken.add("held up")
    await deliver(contact("held up", journey))
    toy.broken.clear()

    async def press() -> None:
        async with begin() as tx:
            await redrive(tx, letter_id=letter_id, operator=ANNA)

    async with begin() as tx:  # the worker, in the steps of `retry.py`
        await tx.lock(journey)
        assert await store.lock_parked_key(tx.connection, group="kit-toy", key=str(journey))
        (waiting,) = await store.list_parked_events(tx.connection, group="kit-toy", key=str(journey), limit=2)
        pressing = asyncio.create_task(press())
        await asyncio.sleep(0.2)
        await store.delete_parked_event(tx.connection, ord_=waiting.ord)
        assert await store.delete_parked_key_when_empty(tx.connection, group="kit-toy", key=str(journey))
        assert not pressing.done()
    await pressing
    clock.advance(timedelta(seconds=5))
    await retry_parked()
    assert await ledger() == ["bad"]
    assert await count("parked_events") == await count("parked_keys") == 0


@pytest.mark.parametrize("redrive_first", [True, False])
async def test_a_redrive_and_a_consumer_of_the_same_event_do_not_wait_for_each_other(
    deliver_unreadable, begin, context, deliver, retry_parked, ledger, redrive_first
) -> None:
    """The consumer enters the inbox before it locks the stream; in the other order these two would deadlock."""
    journey = uuid4()
    mail = await deliver_unreadable(contact("odd", journey))
    (letter_id,) = await unsettled(context)
    await mend(context, letter_id, mail)

    async def press() -> str:
        async with begin() as tx:
            return str((await redrive(tx, letter_id=letter_id, operator=ANNA)).settled_how)

    works = [press(), deliver(mail)] if redrive_first else [deliver(mail), press()]
    async with begin() as tx:  # a command works on the journey meanwhile
        await tx.lock(journey)
        both = []
        for work in works:
            both.append(asyncio.create_task(work))
            await asyncio.sleep(0.3)
    done = await asyncio.gather(*both)
    await retry_parked()
    assert await ledger() == ["odd"]
    assert ("redriven" if redrive_first else "repeated") in done
