"""Rows as the kit itself writes them, made quickly by the database, so that there is something to measure."""

import json
from datetime import UTC, datetime
from uuid import UUID

from anliegen.events import ContactReceived, codec, registry
from anliegen.events.builders import build, envelope_for

from .servers import Servers
from .texts import TEXTS

JOURNEY = UUID(int=0xA1)
CONTACT = UUID(int=0xA2)
EVENT = UUID(int=0xA3)

# Event n of `$2`, from `$1` on, belongs to journey n % $3; ids follow from the numbers, so they can be told again.
FILL = """
WITH raised AS (
    INSERT INTO streams (key, last_sequence)
    SELECT md5('journey' || j)::uuid::text, $2::bigint / $3::bigint + 1
    FROM generate_series(0, least($3::bigint, $2::bigint) - 1) AS j
    ON CONFLICT (key) DO UPDATE SET last_sequence = greatest(streams.last_sequence, excluded.last_sequence)
)
INSERT INTO outbox (event_id, topic, key, type, sequence, headers, payload)
SELECT r.event_id, $4, r.journey, $5, r.sequence,
       replace(replace($6, $8, r.journey), $10, r.event_id::text)::jsonb
           || jsonb_build_object('ce_sequence', r.sequence::text),
       convert_to(replace(replace($7, $8, r.journey), $9, md5('contact' || n)::uuid::text), 'UTF8')
FROM generate_series($1::bigint, $1::bigint + $2::bigint - 1) AS n,
     LATERAL (SELECT md5('event' || n)::uuid AS event_id, md5('journey' || n % $3::bigint)::uuid::text AS journey,
                     n / $3::bigint + 1 AS sequence) AS r
ORDER BY n
"""


def _sample() -> tuple[str, str, str, str]:
    """Topic, type, headers and payload of a contact of usual length, with ids that are to be replaced."""
    now = datetime.now(UTC)
    event = build(ContactReceived, journey_id=JOURNEY, contact_id=CONTACT, text=TEXTS[5], at=now)
    envelope = envelope_for(event, id=EVENT, time=now)
    topic = registry.topic_of(ContactReceived)
    return topic, ContactReceived.event_type, json.dumps(envelope.attributes()), codec.encode(event).decode()


async def fill_outbox(servers: Servers, *, service: str, events: int, first: int = 0, journeys: int = 20_000) -> None:
    """Put so many events into a service's outbox, as contacts of so many journeys, in the order of their numbers."""
    topic, event_type, headers, payload = _sample()
    async with servers.connected(service) as connection:
        await connection.execute(
            FILL, first, events, min(journeys, events), topic, event_type, headers, payload, str(JOURNEY), str(CONTACT),
            str(EVENT), timeout=600,
        )  # fmt: skip
        await connection.execute("VACUUM ANALYZE outbox")


async def sample_records(servers: Servers, *, service: str, limit: int = 1_000) -> list[str]:
    """Headers, key and value of records in the outbox, each as one line, for tools that send lines."""
    async with servers.connected(service) as connection:
        rows = await connection.fetch(
            "SELECT headers::text AS headers, key, payload FROM outbox ORDER BY seq LIMIT $1", limit
        )
    return [f"{row['headers']}{row['key']}{row['payload'].decode()}".replace("\n", " ") for row in rows]
