"""SQL of the read side: position, inbox, parked keys, dead letters."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from ..database import Connection
from ..handlers import AnyDelivery
from ..telemetry.redaction import message_of
from .records import Place, Record


@dataclass(frozen=True, slots=True)
class ParkedKey:
    """A key whose events wait in order, since one of them could not be handled."""

    key: str
    attempts: int
    since: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """One event that waits behind its key."""

    ord: int
    event_id: UUID
    record: Record


async def load_positions(connection: Connection, *, group: str, places: Sequence[Place]) -> dict[Place, asyncpg.Record]:
    """Where this group goes on, for those of the partitions that it has seen before."""
    rows = await connection.fetch(
        """
        SELECT topic, part, cluster_id, next_offset FROM consumer_position
        WHERE grp = $1 AND (topic, part) IN (SELECT * FROM unnest($2::text[], $3::int[]))
        """,
        group, [place.topic for place in places], [place.part for place in places],
    )  # fmt: skip
    return {Place(row["topic"], row["part"]): row for row in rows}


async def insert_position(connection: Connection, *, group: str, place: Place, cluster_id: str, offset: int) -> None:
    """Enter a partition at its first sight; one that is there already is left alone."""
    await connection.execute(
        """
        INSERT INTO consumer_position (grp, topic, part, cluster_id, next_offset) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING
        """,
        group, place.topic, place.part, cluster_id, offset,
    )  # fmt: skip


async def advance_positions(connection: Connection, *, group: str, steps: Mapping[Place, tuple[int, int]]) -> int:
    """Move from the expected offset to the next one; tells how many partitions were still ours."""
    places = sorted(steps)
    status = await connection.execute(
        """
        UPDATE consumer_position AS p SET next_offset = s.next, updated_at = clock_timestamp()
        FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[]) AS s (topic, part, expected, next)
        WHERE p.grp = $1 AND p.topic = s.topic AND p.part = s.part AND p.next_offset = s.expected
        """,
        group,
        [place.topic for place in places],
        [place.part for place in places],
        [steps[place][0] for place in places],
        [steps[place][1] for place in places],
    )
    return int(status.rpartition(" ")[2])


async def replace_positions(
    connection: Connection, *, group: str, cluster_id: str, offsets: Mapping[Place, int]
) -> None:
    """Go on from these offsets of this cluster, whatever stood there."""
    places = sorted(offsets)
    await connection.execute(
        """
        UPDATE consumer_position AS p SET cluster_id = $2, next_offset = g.next, updated_at = clock_timestamp()
        FROM unnest($3::text[], $4::int[], $5::bigint[]) AS g (topic, part, next)
        WHERE p.grp = $1 AND p.topic = g.topic AND p.part = g.part
        """,
        group,
        cluster_id,
        [place.topic for place in places],
        [place.part for place in places],
        [offsets[place] for place in places],
    )


async def insert_inbox(connection: Connection, *, group: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """Enter these events; tells those that were not there yet."""
    # Sorted, so that two workers that enter the same events wait for each other in one order.
    rows = await connection.fetch(
        """
        INSERT INTO inbox (grp, event_id) SELECT $1, unnest($2::uuid[])
        ON CONFLICT DO NOTHING RETURNING event_id
        """,
        group, sorted(set(event_ids)),
    )  # fmt: skip
    return {row["event_id"] for row in rows}


async def upsert_inbox_outcome(connection: Connection, *, group: str, event_id: UUID, outcome: str) -> None:
    """Record that a rule refused this event, and which; one that waited for long may be purged from the inbox."""
    await connection.execute(
        """
        INSERT INTO inbox (grp, event_id, outcome) VALUES ($1, $2, $3)
        ON CONFLICT (grp, event_id) DO UPDATE SET outcome = excluded.outcome
        """,
        group, event_id, outcome,
    )  # fmt: skip


async def list_parked_keys(connection: Connection, *, group: str, keys: Sequence[str]) -> set[str]:
    """Those of these keys that are parked. Their rows are locked, so the retry worker cannot finish with one now."""
    rows = await connection.fetch(
        'SELECT key FROM parked_keys WHERE grp = $1 AND key = ANY($2::text[]) ORDER BY key COLLATE "C" FOR UPDATE',
        group, list(keys),
    )  # fmt: skip
    return {row["key"] for row in rows}


async def insert_parked_key(connection: Connection, *, group: str, key: str, reason: str, due: datetime) -> None:
    """Park a key; one that is parked already keeps its own due time, and is locked, so that nobody finishes with it."""
    await connection.execute(
        """
        INSERT INTO parked_keys (grp, key, attempts, due, reason) VALUES ($1, $2, 1, $3, $4)
        ON CONFLICT (grp, key) DO UPDATE SET due = parked_keys.due
        """,
        group, key, due, reason[:500],
    )  # fmt: skip


async def insert_parked_events(
    connection: Connection, *, group: str, waiting: Sequence[tuple[AnyDelivery, Record]]
) -> None:
    """Put these events behind their keys, in this order."""
    await connection.executemany(
        """
        INSERT INTO parked_events (grp, key, event_id, topic, part, "offset", headers, payload)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (grp, event_id) DO NOTHING
        """,
        [
            (group, delivery.envelope.key, delivery.envelope.id, record.place.topic, record.place.part, record.offset,
             encode_headers(record.headers), record.value)
            for delivery, record in waiting
        ],
    )  # fmt: skip


async def list_due_keys(connection: Connection, *, group: str, at: datetime, limit: int) -> list[str]:
    """Parked keys whose time has come, the longest waiting first."""
    rows = await connection.fetch(
        "SELECT key FROM parked_keys WHERE grp = $1 AND due <= $2 ORDER BY due LIMIT $3", group, at, limit
    )
    return [row["key"] for row in rows]


async def lock_parked_key(connection: Connection, *, group: str, key: str) -> ParkedKey | None:
    """The parked key, locked; None when somebody else has finished with it."""
    row = await connection.fetchrow(
        "SELECT key, attempts, since, reason FROM parked_keys WHERE grp = $1 AND key = $2 FOR UPDATE", group, key
    )
    return None if row is None else ParkedKey(row["key"], row["attempts"], row["since"], row["reason"])


async def list_parked_events(connection: Connection, *, group: str, key: str, limit: int) -> list[ParkedEvent]:
    """The oldest events behind a key, in their order."""
    rows = await connection.fetch(
        """
        SELECT ord, event_id, key, topic, part, "offset", headers, payload FROM parked_events
        WHERE grp = $1 AND key = $2 ORDER BY ord LIMIT $3
        """,
        group, key, limit,
    )  # fmt: skip
    return [ParkedEvent(row["ord"], row["event_id"], _record_of(row)) for row in rows]


async def delete_parked_event(connection: Connection, *, ord_: int) -> None:
    """The event has been handled, or was set aside."""
    await connection.execute("DELETE FROM parked_events WHERE ord = $1", ord_)


async def delete_parked_key_when_empty(connection: Connection, *, group: str, key: str) -> bool:
    """Let the key flow again once nothing waits behind it; its row must be locked. Tells whether it flows."""
    status = await connection.execute(
        """
        DELETE FROM parked_keys WHERE grp = $1 AND key = $2
        AND NOT EXISTS (SELECT 1 FROM parked_events WHERE grp = $1 AND key = $2)
        """,
        group, key,
    )  # fmt: skip
    return status == "DELETE 1"


async def update_parked_key(
    connection: Connection, *, group: str, key: str, attempts: int, due: datetime, reason: str
) -> None:
    """Try this key again later."""
    await connection.execute(
        "UPDATE parked_keys SET attempts = $3, due = $4, reason = $5 WHERE grp = $1 AND key = $2",
        group, key, attempts, due, reason[:500],
    )  # fmt: skip


async def postpone_parked_key(connection: Connection, *, group: str, key: str, due: datetime) -> None:
    """Try this key again later, for a reason that says nothing about it."""
    await connection.execute("UPDATE parked_keys SET due = $3 WHERE grp = $1 AND key = $2", group, key, due)


async def insert_dead_letter(
    connection: Connection,
    *,
    group: str,
    record: Record,
    event_id: UUID | None,
    problem: BaseException,
    attempts: int,
    version: str,
    first_failed_at: datetime | None = None,
) -> int:
    """Keep what could not be handled, bytes and all; nothing about it is refused. Tells the letter's number."""
    number: int = await connection.fetchval(
        """
        INSERT INTO dead_letters (grp, key, event_id, type, topic, part, "offset", headers, payload, error_type, error,
                                  attempts, first_failed_at, service_version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, coalesce($13, clock_timestamp()), $14)
        RETURNING id
        """,
        group, record.key, event_id, _storable(record.event_type), record.place.topic, record.place.part,
        record.offset, encode_headers(record.headers), record.value, type(problem).__name__,
        # Whoever sees the list of letters sees this, so it is what a log may say: an error can quote people's words.
        _storable(message_of(problem))[:2000], attempts, first_failed_at, version,
    )  # fmt: skip
    return number


def encode_headers(headers: Sequence[tuple[str, bytes]]) -> list[list[str]]:
    """Headers as [name, base64] pairs: a header may be binary."""
    return [[_storable(name), base64.b64encode(value or b"").decode()] for name, value in headers]


def decode_headers(pairs: Sequence[Sequence[str]] | None) -> tuple[tuple[str, bytes], ...]:
    """Headers as they were before `encode_headers`."""
    return tuple((name, base64.b64decode(value)) for name, value in pairs or ())


def _storable(text: str) -> str:
    # PostgreSQL takes no NUL in text, and nothing about a dead letter may be refused.
    return text.replace("\x00", "\N{SYMBOL FOR NULL}").encode(errors="replace").decode()


def _record_of(row: Any) -> Record:
    return Record(
        place=Place(row["topic"], row["part"]),
        offset=row["offset"],
        key=row["key"].encode(),
        headers=decode_headers(row["headers"]),
        value=row["payload"],
        timestamp=datetime.min.replace(tzinfo=UTC),
    )
