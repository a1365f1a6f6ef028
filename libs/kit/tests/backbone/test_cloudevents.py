"""What our relay put into a real Kafka is a CloudEvent for the official SDK."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer
from cloudevents.core.bindings import kafka as sdk

from anliegen.events import ContactReceived
from anliegen.events.builders import build, envelope_for
from anliegen.events.codec import encode
from anliegen.kit.relay import Relay

TOPIC = "anliegen.intake.words"


@pytest.fixture
def settings_overrides(kafka) -> dict[str, object]:
    return {"kafka_bootstrap": kafka}


async def test_sdk_reads_what_the_relay_wrote(context, begin, kafka) -> None:
    event, cause = build(ContactReceived, text="Grüezi – wo bleibt mein Paket?"), envelope_for(build(ContactReceived))
    relay = asyncio.create_task(Relay(context).run())
    reader = AIOKafkaConsumer(TOPIC, bootstrap_servers=kafka, auto_offset_reset="earliest", group_id=None)
    await reader.start()
    try:
        async with begin(cause=cause) as tx:
            await tx.lock(event.key)
            event_id = tx.publish(event)
        async with asyncio.timeout(20):
            async for record in reader:
                if record.key == event.key.encode():
                    break
    finally:
        await reader.stop()
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)
    seen = sdk.from_kafka_event(sdk.KafkaMessage(dict(record.headers), record.key, record.value))
    assert seen.get_attributes() == {
        "specversion": "1.0",
        "id": str(event_id),
        "source": "/anliegen/kit-toy",
        "type": event.event_type,
        "subject": event.subject,
        "time": tx.now,
        "datacontenttype": "application/json",
        "dataschema": f"urn:anliegen:schema:{event.event_type}",
        "partitionkey": event.key,
        "sequence": "1",
        "correlationid": str(cause.id),
        "causationid": str(cause.id),
    }
    assert seen.get_data() == event.model_dump(mode="json", exclude_none=True)
    assert record.value == encode(event)
