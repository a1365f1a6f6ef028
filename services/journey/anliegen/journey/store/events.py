"""SQL of the events: everything that was ever heard."""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from anliegen.kit import Transaction

from ..domain import Beat, StoredEvent, understood

CHUNK = 1_000
_COLUMNS = """
    event_id, journey_id, other_journey_id, key, source, type, sequence, time, subject, correlation_id, causation_id,
    case_id, contact_id, words, topic, partition, "offset", payload
"""


async def insert_events(tx: Transaction, *, events: Sequence[StoredEvent]) -> set[UUID]:
    """Keep these events in one statement; tells which of them are new."""
    rows = await tx.fetch(
        """
        INSERT INTO events (event_id, journey_id, other_journey_id, key, source, type, sequence, time, subject,
                            correlation_id, causation_id, case_id, contact_id, words, topic, partition, "offset",
                            payload)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                             $8::timestamptz[], $9::text[], $10::text[], $11::uuid[], $12::uuid[], $13::uuid[],
                             $14::boolean[], $15::text[], $16::int[], $17::bigint[], $18::bytea[])
        ON CONFLICT (event_id) DO NOTHING
        RETURNING event_id
        """,
        [e.event_id for e in events], [e.journey_id for e in events], [e.other_journey_id for e in events],
        [e.key for e in events], [e.source for e in events], [e.type for e in events], [e.sequence for e in events],
        [e.time for e in events], [e.subject for e in events], [e.correlation_id for e in events],
        [e.causation_id for e in events], [e.case_id for e in events], [e.contact_id for e in events],
        [e.words for e in events], [e.topic for e in events], [e.partition for e in events], [e.offset for e in events],
        [e.payload for e in events],
    )  # fmt: skip
    return {row["event_id"] for row in rows}


async def list_beats(tx: Transaction, *, journey_ids: Sequence[UUID]) -> list[Beat]:
    """What the order of these journeys' events rests on, merges and splits of them included."""
    rows = await tx.fetch(
        """
        SELECT event_id, key, source, type, sequence, time, causation_id, case_id FROM events
        WHERE journey_id = ANY($1::uuid[]) OR other_journey_id = ANY($1::uuid[])
        """,
        journey_ids,
    )
    return [Beat(**row) for row in rows]


async def list_events(tx: Transaction, *, event_ids: Collection[UUID]) -> dict[UUID, StoredEvent]:
    """These events by id."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} FROM events WHERE event_id = ANY($1::uuid[])", list(event_ids))
    return {row["event_id"]: _event(row) for row in rows}


async def list_events_beyond(
    tx: Transaction, *, journey_ids: Sequence[UUID], seen: Sequence[tuple[str, str, int]]
) -> list[StoredEvent]:
    """The events of these journeys beyond what was seen of each key and source (key, source, sequence)."""
    rows = await tx.fetch(
        """
        SELECT event_id, journey_id, other_journey_id, e.key, e.source, type, sequence, time, subject, correlation_id,
               causation_id, case_id, contact_id, words, topic, partition, "offset", payload
        FROM events AS e
        LEFT JOIN unnest($2::text[], $3::text[], $4::bigint[]) AS seen (key, source, low)
               ON seen.key = e.key AND seen.source = e.source
        WHERE (journey_id = ANY($1::uuid[]) OR other_journey_id = ANY($1::uuid[]))
          AND e.sequence > coalesce(seen.low, 0)
        ORDER BY e.key, e.source, e.sequence, e.event_id
        """,
        journey_ids, [key for key, _, _ in seen], [source for _, source, _ in seen], [low for _, _, low in seen],
    )  # fmt: skip
    return [_event(row) for row in rows]


async def list_sequences(tx: Transaction, *, journey_ids: Sequence[UUID]) -> list[tuple[str, str, list[int]]]:
    """What is there of each key and source: all sequences, rising."""
    rows = await tx.fetch(
        """
        SELECT key, source, array_agg(sequence ORDER BY sequence) AS sequences FROM events
        WHERE journey_id = ANY($1::uuid[]) OR other_journey_id = ANY($1::uuid[])
        GROUP BY key, source ORDER BY key, source
        """,
        journey_ids,
    )
    return [(row["key"], row["source"], row["sequences"]) for row in rows]


async def has_events(tx: Transaction, *, journey_ids: Sequence[UUID]) -> bool:
    """Whether anything was ever heard of these journeys."""
    return bool(
        await tx.fetchval(
            """
            SELECT EXISTS (SELECT 1 FROM events
                           WHERE journey_id = ANY($1::uuid[]) OR other_journey_id = ANY($1::uuid[]))
            """,
            journey_ids,
        )
    )


async def list_members_as_of(tx: Transaction, *, journey_id: UUID, as_of: datetime) -> list[UUID]:
    """Every journey that was linked to this one at that time, itself among them, sorted."""
    rows = await tx.fetch(
        """
        WITH RECURSIVE person (id) AS (
            SELECT $1::uuid
            UNION
            SELECT CASE WHEN link.a = person.id THEN link.b ELSE link.a END
            FROM person JOIN journey_links AS link ON link.a = person.id OR link.b = person.id
            WHERE link.made_at <= $2 AND (link.removed_at IS NULL OR link.removed_at > $2)
        )
        SELECT id FROM person ORDER BY id
        """,
        journey_id, as_of,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def lock_events(tx: Transaction) -> None:
    """Keep new events out until this transaction ends; the consumer waits and goes on."""
    await tx.execute("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")


async def list_in_order(tx: Transaction) -> AsyncIterator[list[StoredEvent]]:
    """Every event, in chunks; those of one source and key in the order of their sequence."""
    after: tuple[Any, ...] = ("", "", -1, UUID(int=0))
    while True:
        rows = await tx.fetch(
            f"""
            SELECT {_COLUMNS} FROM events WHERE (key, source, sequence, event_id) > ($1, $2, $3, $4)
            ORDER BY key, source, sequence, event_id LIMIT $5
            """,
            *after, CHUNK,
        )  # fmt: skip
        if not rows:
            return
        yield [_event(row) for row in rows]
        last = rows[-1]
        after = (last["key"], last["source"], last["sequence"], last["event_id"])


def _event(row: asyncpg.Record) -> StoredEvent:
    return StoredEvent(**row, event=understood(row["type"], row["payload"]))


async def insert_hint(connection: asyncpg.Connection, *, channel: str, text: str) -> None:
    """Tell whoever listens on this channel, at once: the connection is the announcer's own, outside any transaction."""
    await connection.execute("SELECT pg_notify($1, $2)", channel, text, timeout=5)
