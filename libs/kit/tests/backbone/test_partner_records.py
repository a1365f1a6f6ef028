"""What partner systems write: taken by the service itself, never read as one of our own events, never in the way."""

import pytest

from anliegen.events import ContactReceived, JourneysMerged
from anliegen.events.builders import build, envelope_for
from anliegen.events.codec import encode
from anliegen.kit import Service
from anliegen.kit.operations.actions import StillUnreadable, redrive
from anliegen.kit.operations.journal import Operator
from anliegen.kit.transaction import ProjectionPublishes

TOPIC = "anliegen.partner.toy"


@pytest.fixture
def service(toy, make_toy_service) -> Service:
    """The toy, which also keeps what a partner writes in its ledger."""
    service: Service = make_toy_service(toy)

    @service.handlers.on_partner_records(lambda settings: ("toy",))
    async def keep_records(records, tx):
        useless = []
        for record in records:
            text = (record.value or b"").decode()
            if text in toy.broken:
                raise RuntimeError("broken on purpose")
            if text in toy.refused:
                useless.append((record, ValueError("of no use")))
                continue
            await tx.execute(
                "INSERT INTO ledger (contact_id, journey_id, text) VALUES (gen_random_uuid(), gen_random_uuid(), $1)",
                text,
            )
            if text == "publish":
                tx.publish(build(JourneysMerged))
        return useless

    return service


@pytest.fixture
def write(postman):
    """A partner writes a record, with whatever headers and key."""

    async def deliver(value: bytes | None, *, key: bytes | None = None, headers=()) -> None:
        await postman.deliver_raw(TOPIC, key=key, headers=headers, value=value)

    return deliver


@pytest.fixture
def dead_letters(context):
    async def read():
        async with context.pool.acquire() as connection:
            return await connection.fetch("SELECT topic, key, payload, error_type, error FROM dead_letters ORDER BY id")

    return read


def test_topics_follow_from_the_settings(service, settings) -> None:
    handlers = service.handlers
    assert handlers.topics_under(settings) == sorted([*handlers.topics, TOPIC])
    assert TOPIC not in handlers.topics


async def test_record_without_envelope_and_key_is_taken(write, ledger, count) -> None:
    await write(b"hello")
    assert await ledger() == ["hello"]
    assert await count("inbox") == 0


async def test_record_in_our_own_envelope_is_not_our_own_event(write, ledger, toy) -> None:
    for event in (build(ContactReceived), build(JourneysMerged)):
        await write(encode(event), key=event.key.encode(), headers=envelope_for(event).to_headers())
    assert toy.calls == 0
    assert len(await ledger()) == 2


async def test_service_without_partners_reads_nothing_into_a_partners_record(toy, make_toy_service, context) -> None:
    from dataclasses import replace

    from anliegen.kit.testing.deliveries import Postman

    deaf = Postman(replace(context, service=make_toy_service(toy)))
    event = build(ContactReceived)
    await deaf.deliver_raw(TOPIC, key=event.key.encode(), headers=envelope_for(event).to_headers(), value=encode(event))
    assert toy.calls == 0


async def test_useless_record_is_kept_with_its_bytes_and_the_others_are_taken(write, ledger, toy, dead_letters) -> None:
    toy.refused.add("bad")
    await write(b"bad", key=b"\xff")
    await write(b"good")
    assert await ledger() == ["good"]
    [letter] = await dead_letters()
    assert (letter["topic"], letter["key"], letter["payload"]) == (TOPIC, b"\xff", b"bad")
    assert (letter["error_type"], letter["error"]) == ("ValueError", "of no use")


async def test_record_at_which_the_service_fails_is_kept_and_blocks_nobody(write, ledger, toy, dead_letters) -> None:
    toy.broken.add("bad")
    await write(b"bad")
    await write(b"publish")
    await write(b"good")
    assert await ledger() == ["good"]
    assert [letter["error_type"] for letter in await dead_letters()] == ["RuntimeError", ProjectionPublishes.__name__]


async def test_redriven_record_is_taken_once_today_s_code_has_a_use_for_it(write, toy, begin, ledger, count) -> None:
    toy.refused.add("odd")
    await write(b"odd")
    async with begin() as tx:
        letter_id = await tx.fetchval("SELECT id FROM dead_letters")
    with pytest.raises(StillUnreadable, match="of no use"):
        async with begin() as tx:
            await redrive(tx, letter_id=letter_id, operator=Operator("anna"))
    toy.refused.clear()
    async with begin() as tx:
        assert (await redrive(tx, letter_id=letter_id, operator=Operator("anna"))).settled_how == "redriven"
    assert await ledger() == ["odd"]
    assert await count("parked_events") == await count("inbox") == 0
