"""The partner door over Kafka: `anliegen.partner.<name>`, binary and structured."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from cloudevents.core.bindings import kafka as sdk
from cloudevents.core.v1.event import CloudEvent

from anliegen.events import CustomerRecordChanged, JourneysMerged
from anliegen.events.builders import build, envelope_for
from anliegen.events.codec import encode
from anliegen.intake import announcer
from anliegen.intake.resources import resources_of
from anliegen.intake.settings import IntakeSettings
from anliegen.kit.consumer.loop import Consumer
from anliegen.kit.operations.actions import StillUnreadable, redrive
from anliegen.kit.operations.journal import Operator

TOPIC = "anliegen.partner.erp"
Published = Callable[..., Awaitable[list[Any]]]
Tell = Callable[..., Awaitable[httpx.Response]]
Count = Callable[[], Awaitable[int]]
Event = Callable[..., dict[str, Any]]


def as_sdk(event: dict[str, Any]) -> CloudEvent:
    attributes = {name: value for name, value in event.items() if name not in {"data", "time"}}
    return CloudEvent({**attributes, "time": datetime(2026, 3, 2, 8, 14, 7, tzinfo=UTC)}, event.get("data"))


@pytest.fixture
def write(postman: Any) -> Callable[..., Awaitable[None]]:
    """Write what the SDK made to a partner's topic."""

    async def write(message: sdk.KafkaMessage, topic: str = TOPIC) -> None:
        key = message.key.encode() if isinstance(message.key, str) else message.key
        await postman.deliver_raw(topic, key=key, headers=tuple(message.headers.items()), value=message.value)

    return write


@pytest.fixture
def dead_letters(context: Any) -> Callable[[], Awaitable[list[Any]]]:
    async def read() -> list[Any]:
        async with context.pool.acquire() as connection:
            return list(await connection.fetch("SELECT * FROM dead_letters ORDER BY id"))

    return read


Write = Callable[..., Awaitable[None]]
Letters = Callable[[], Awaitable[list[Any]]]


async def test_one_event_by_both_doors_and_in_both_modes_is_one_event(
    write: Write, tell: Tell, customer_event: Event, announce_all: Count, published: Published, dead_letters: Letters
) -> None:
    event = customer_event("order 17/ä")
    await write(sdk.to_structured_event(as_sdk(event)))
    await write(sdk.to_binary_event(as_sdk({**event, "partitionkey": "k", "traceparent": "00-1-2-03"})))
    assert (await tell(event)).json() == {"accepted": 0, "repeated": 1}
    await tell(customer_event("by the door first"))
    await write(sdk.to_binary_event(as_sdk(customer_event("by the door first"))))
    assert await announce_all() == 2
    told = [e.origin.event_id for e in await published(CustomerRecordChanged)]
    assert told == ["order 17/ä", "by the door first"]
    assert await dead_letters() == []


async def test_what_is_of_no_use_is_a_dead_letter_and_blocks_nothing(
    write: Write, customer_event: Event, announce_all: Count, dead_letters: Letters
) -> None:
    good = as_sdk(customer_event())
    useless = [
        sdk.KafkaMessage({}, None, b"hello"),
        sdk.KafkaMessage({"content-type": b"application/cloudevents-batch+json"}, None, b"[]"),
        sdk.KafkaMessage({"content-type": b"application/cloudevents+json"}, None, b"{"),
        sdk.to_binary_event(as_sdk(customer_event(type="partner.moon_landed.v1"))),
        sdk.to_structured_event(as_sdk(customer_event(source="urn:example:crm"))),
        sdk.to_binary_event(as_sdk(customer_event(data={"customer_number": 5, "secret words": 1}))),
        sdk.to_binary_event(CloudEvent(dict(good.get_attributes()), None)),
        sdk.KafkaMessage(dict(sdk.to_binary_event(good).headers), None, b'{"secret words": 1, "secret words": 2}'),
    ]
    for message in useless:
        await write(message)
    await write(sdk.to_binary_event(good))
    assert await announce_all() == 1
    letters = await dead_letters()
    assert [letter["payload"] for letter in letters] == [message.value for message in useless]
    assert [letter["error_type"] for letter in letters] == [
        "FormatUnknown", "FormatUnknown", "JsonUnreadable", *["EventRefused"] * 4, "EventUnreadable",
    ]  # fmt: skip
    assert "/data/customer_number: string_type" in letters[5]["error"]
    assert "/data/…: given_twice" in letters[7]["error"]
    assert all("secret" not in letter["error"] for letter in letters)


async def test_another_event_with_a_known_id_is_a_dead_letter(
    write: Write, customer_event: Event, announce_all: Count, published: Published, dead_letters: Letters
) -> None:
    await write(sdk.to_binary_event(as_sdk(customer_event())))
    await write(sdk.to_binary_event(as_sdk(customer_event(data={"customer_number": "C2"}))))
    await announce_all()
    assert [e.customer_number for e in await published(CustomerRecordChanged)] == ["CH471102"]
    assert [letter["error_type"] for letter in await dead_letters()] == ["EventDiffers"]


async def test_a_partner_cannot_speak_for_a_service_of_ours(
    postman: Any, published: Published, dead_letters: Letters, database: Any
) -> None:
    forged = build(JourneysMerged)
    await postman.deliver_raw(
        TOPIC, key=forged.key.encode(), headers=tuple(envelope_for(forged).to_headers()), value=encode(forged)
    )
    assert (await database.snapshot("journey_links"))["journey_links"] == []
    assert await published() == []
    assert len(await dead_letters()) == 1


async def test_a_partner_that_is_not_registered_is_not_believed(
    write: Write, customer_event: Event, announce_all: Count, dead_letters: Letters
) -> None:
    await write(sdk.to_binary_event(as_sdk(customer_event())), topic="anliegen.partner.nobody")
    assert await announce_all() == 0
    assert [letter["error_type"] for letter in await dead_letters()] == ["NotThisPartner"]


async def test_a_dead_letter_is_taken_once_the_partner_may_tell_it(
    write: Write, customer_event: Event, announce_all: Count, published: Published, dead_letters: Letters,
    context: Any, begin: Any,
) -> None:  # fmt: skip
    event = customer_event(source="urn:example:mute", time=None)
    message = sdk.KafkaMessage({"content-type": b"application/cloudevents+json"}, None, json.dumps(event).encode())
    await write(message, topic="anliegen.partner.mute")
    [letter] = await dead_letters()
    operator = Operator(name="admin-1", reason="now registered")
    with pytest.raises(StillUnreadable, match="type_not_allowed"):
        async with begin() as tx:
            await redrive(tx, letter_id=letter["id"], operator=operator)
    resources = resources_of(context)
    partners = {**resources.settings.partners, "mute": {"sources": ["urn:example:mute"], "types": ["*"]}}
    resources.settings = IntakeSettings(**{**resources.settings.model_dump(), "partners": partners})
    async with begin() as tx:
        await redrive(tx, letter_id=letter["id"], operator=operator)
    assert await announce_all() == 1
    [changed] = await published(CustomerRecordChanged)
    assert (changed.origin.partner, changed.occurred_at) == ("mute", context.clock.now())


def test_every_registered_partner_is_heard(service: Any, settings: Any) -> None:
    topics = service.handlers.topics_under(settings)
    assert [t for t in topics if "partner" in t] == [f"anliegen.partner.{name}" for name in ("crm", "erp", "mute")]


class TestOnRealKafka:
    """With the broker that the demo runs on."""

    @pytest.fixture
    def settings_overrides(self, settings_overrides: dict[str, Any], kafka: str) -> dict[str, Any]:
        partners = {"erp": settings_overrides["partners"]["erp"]}
        return {**settings_overrides, "kafka_bootstrap": kafka, "partners": partners}

    async def test_records_are_heard_and_announced_within_moments(
        self, context: Any, kafka: str, customer_event: Event, published: Published, dead_letters: Letters
    ) -> None:
        async def numbers() -> list[str]:
            # Other tests may have left records in the log.
            ours = await published(CustomerRecordChanged)
            return [e.customer_number for e in ours if e.origin.event_id.startswith("of this test ")]

        parts = [asyncio.create_task(part) for part in (Consumer(context).run(), announcer.run(context))]
        producer = AIOKafkaProducer(bootstrap_servers=kafka)
        await producer.start()
        try:
            for n in range(20):
                event = as_sdk(
                    {**customer_event(f"of this test {n}", data={"customer_number": f"C{n}"}), "partitionkey": "k"}
                )
                made = (sdk.to_binary_event if n % 2 else sdk.to_structured_event)(event)
                for _ in range(2):
                    await producer.send_and_wait(
                        TOPIC, value=made.value, key=str(made.key).encode(), headers=list(made.headers.items())
                    )
            await producer.send_and_wait(TOPIC, value=json.dumps({"no": "event"}).encode())
            async with asyncio.timeout(30):
                while len(await numbers()) < 20 or not await dead_letters():
                    await asyncio.sleep(0.05)
        finally:
            await producer.stop()
            for part in parts:
                part.cancel()
            with contextlib.suppress(BaseException):
                await asyncio.gather(*parts, return_exceptions=True)
        assert await numbers() == [f"C{n}" for n in range(20)], "one key, one order"
        assert len(await dead_letters()) == 1
