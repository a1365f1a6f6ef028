"""SQL of the streams and the outbox: one lock per key, and announcements selected from the locked row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from .database import Connection

OWN_VALUES = 7
Write = tuple[str, tuple[Any, ...]]
"""A statement and its values."""
WRITES_AT_ONCE = 4
"""As many as one statement takes in: each number of them is another statement to be planned."""


@dataclass(frozen=True, slots=True)
class OutgoingRow:
    """One event on its way into the outbox. `headers` is JSON text without the sequence, which the row gives itself."""

    event_id: UUID
    topic: str
    key: str
    type: str
    headers: str
    payload: bytes


async def lock_streams(connection: Connection, *, keys: Sequence[str]) -> None:
    """Lock these streams until the transaction ends; `keys` are sorted and each is there once.

    Each row is made where it is missing and locked where it is there, one after the other in the given order. So nobody
    ever waits for a lower key while holding a higher one, made or found, and no circle can close.
    """
    if len(keys) == 1:
        found = await connection.fetchval("SELECT 1 FROM streams WHERE key = $1 FOR UPDATE", keys[0])
        if found:
            return
    # A row that is there is locked, though the condition keeps it from being written.
    await connection.execute(
        """
        INSERT INTO streams (key) SELECT unnest($1::text[])
        ON CONFLICT (key) DO UPDATE SET last_sequence = streams.last_sequence WHERE false
        """,
        keys,
    )


async def insert_outbox(connection: Connection, *, rows: Sequence[OutgoingRow]) -> int:
    """Write these events in their order and raise the sequences of their streams; tells how many were written.

    The rows are selected from the locked streams: a row whose stream is missing would not be written, so the caller
    compares the number.
    """
    # The identity is drawn after the lock and in the order of the list (INSERT … SELECT … ORDER BY draws it last).
    status = await connection.execute(
        """
        WITH given AS (
            SELECT *, row_number() OVER (PARTITION BY key ORDER BY nth) AS step
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
                 WITH ORDINALITY AS g (event_id, topic, key, type, headers, payload, nth)
        ), raised AS (
            UPDATE streams SET last_sequence = last_sequence + n.steps
            FROM (SELECT key, max(step) AS steps FROM given GROUP BY key) AS n
            WHERE streams.key = n.key
            RETURNING streams.key, streams.last_sequence - n.steps AS before
        )
        INSERT INTO outbox (event_id, topic, key, type, sequence, headers, payload)
        SELECT event_id, topic, key, type, before + step,
               headers::jsonb || jsonb_build_object('ce_sequence', (before + step)::text), payload
        FROM given JOIN raised USING (key)
        ORDER BY nth
        """,
        [row.event_id for row in rows],
        [row.topic for row in rows],
        [row.key for row in rows],
        [row.type for row in rows],
        [row.headers for row in rows],
        [row.payload for row in rows],
    )
    return int(status.rpartition(" ")[2])


async def write_at_once(
    connection: Connection, *, key: str, writes: Sequence[Write], rows: Sequence[OutgoingRow]
) -> int:
    """Lock one stream, run these statements and write these events, all of that key, as one statement that commits
    by itself; tells how many events were written."""
    status = await connection.execute(
        _at_once(tuple(query for query, _ in writes), tuple(len(values) for _, values in writes)),
        key,
        len(rows),
        [row.event_id for row in rows],
        [row.topic for row in rows],
        [row.type for row in rows],
        [row.headers for row in rows],
        [row.payload for row in rows],
        *(value for _, values in writes for value in values),
    )
    return int(status.rpartition(" ")[2])


@lru_cache(maxsize=200)
def _at_once(queries: tuple[str, ...], counts: tuple[int, ...]) -> str:
    """The text of `write_at_once` for these statements, whose values come after its own."""
    parts, before = [], OWN_VALUES
    for ordinal, (query, count) in enumerate(zip(queries, counts, strict=True)):
        parts.append(f", write_{ordinal} AS ({_moved(query, by=before)})")
        before += count
    # The events wait for `held`, so their numbers are drawn under the lock, like those of `insert_outbox`.
    return f"""
        WITH held AS (
            INSERT INTO streams AS s (key, last_sequence) VALUES ($1, $2)
            ON CONFLICT (key) DO UPDATE SET last_sequence = s.last_sequence + excluded.last_sequence
            RETURNING s.last_sequence - $2 AS before
        ){"".join(parts)}
        INSERT INTO outbox (event_id, topic, key, type, sequence, headers, payload)
        SELECT event_id, topic, $1, type, before + nth,
               headers::jsonb || jsonb_build_object('ce_sequence', (before + nth)::text), payload
        FROM held, unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::bytea[])
             WITH ORDINALITY AS given (event_id, topic, type, headers, payload, nth)
        ORDER BY nth
        """


def _moved(query: str, *, by: int) -> str:
    """The query with its values counted from `by` on."""
    return re.sub(r"\$(\d+)", lambda found: f"${int(found[1]) + by}", query)
