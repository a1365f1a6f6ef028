"""SQL of parked keys, as people look at them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from ..consumer.records import Record
from ..consumer.store import decode_headers
from ..errors import NotFound
from ..transaction import Transaction
from .letters import record_of

# The number of a key: it has none of its own, and pages of a list need one beside the time.
_NUMBER = "substr(encode(sha256(convert_to(key, 'UTF8')), 'hex'), 1, 32)::uuid"
_KEYS = f"""
    SELECT key, {_NUMBER} AS number, since, attempts, due, reason,
           (SELECT count(*) FROM parked_events AS e WHERE e.grp = k.grp AND e.key = k.key) AS waiting, first.event_id,
           first.headers
    FROM parked_keys AS k LEFT JOIN LATERAL (
        SELECT event_id, headers FROM parked_events AS e WHERE e.grp = k.grp AND e.key = k.key ORDER BY ord LIMIT 1
    ) AS first ON true
"""
_EVENT = "ord, event_id, topic, part, \"offset\", convert_to(key, 'UTF8') AS key, headers, payload"


class ParkedKeyNotFound(NotFound):
    """Nothing is parked under this key: it may flow again already."""


class ParkedEventNotFound(NotFound):
    """This event does not wait behind this key: it may have been handled already."""


@dataclass(frozen=True, slots=True)
class ParkedKey:
    """A key whose events wait. `reason` is the code or class of what failed last; `due_at` when it is tried again."""

    key: str
    number: UUID
    since: datetime
    attempts: int
    due_at: datetime
    reason: str | None
    waiting: int
    oldest_id: UUID | None
    oldest_type: str | None

    @property
    def about(self) -> str:
        """How the audit record names it."""
        return f"parked-key/{self.key}"


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """One event that waits; `ord` counts up in the order in which they are handled."""

    ord: int
    event_id: UUID
    record: Record


async def list_keys(
    tx: Transaction, *, group: str, after: tuple[datetime, UUID] | None, backwards: bool = False, limit: int
) -> list[ParkedKey]:
    """Parked keys, the longest waiting first, beyond an edge; `backwards` reads the other way."""
    sign, order = ("<", "DESC") if backwards else (">", "ASC")
    at, number = after or (None, None)
    rows = await tx.fetch(
        f"""
        {_KEYS} WHERE grp = $1 AND ($2::timestamptz IS NULL OR (since, {_NUMBER}) {sign} ($2, $3::uuid))
        ORDER BY since {order}, {_NUMBER} {order} LIMIT $4
        """,
        group, at, number, limit,
    )  # fmt: skip
    return [_key_of(row) for row in rows]


async def get_key(tx: Transaction, *, group: str, key: str) -> ParkedKey:
    """One parked key. Raises ParkedKeyNotFound."""
    row = await tx.fetchrow(f"{_KEYS} WHERE grp = $1 AND key = $2", group, key)
    if row is None:
        raise ParkedKeyNotFound
    return _key_of(row)


async def list_events(
    tx: Transaction, *, group: str, key: str, after: int | None, backwards: bool = False, limit: int
) -> list[ParkedEvent]:
    """The events behind a key in their order, beyond an edge; `backwards` reads the other way."""
    sign, order = ("<", "DESC") if backwards else (">", "ASC")
    rows = await tx.fetch(
        f"""
        SELECT {_EVENT} FROM parked_events WHERE grp = $1 AND key = $2 AND ($3::bigint IS NULL OR ord {sign} $3)
        ORDER BY ord {order} LIMIT $4
        """,
        group, key, after, limit,
    )  # fmt: skip
    return [ParkedEvent(row["ord"], row["event_id"], record_of(row)) for row in rows]


async def get_event(tx: Transaction, *, group: str, key: str, event_id: UUID) -> ParkedEvent:
    """One event behind a key. Raises ParkedEventNotFound."""
    row = await tx.fetchrow(
        f"SELECT {_EVENT} FROM parked_events WHERE grp = $1 AND key = $2 AND event_id = $3", group, key, event_id
    )
    if row is None:
        raise ParkedEventNotFound
    return ParkedEvent(row["ord"], row["event_id"], record_of(row))


async def update_due(tx: Transaction, *, group: str, key: str, due: datetime) -> bool:
    """Let a key be tried from this time on, or from an earlier one that it has. False where nothing is parked."""
    found = await tx.execute("UPDATE parked_keys SET due = least(due, $3) WHERE grp = $1 AND key = $2", group, key, due)
    return found > 0


def _key_of(row: asyncpg.Record) -> ParkedKey:
    types = [value.decode(errors="replace") for name, value in decode_headers(row["headers"]) if name == "ce_type"]
    return ParkedKey(
        key=row["key"],
        number=row["number"],
        since=row["since"],
        attempts=row["attempts"],
        due_at=row["due"],
        reason=row["reason"],
        waiting=row["waiting"],
        oldest_id=row["event_id"],
        oldest_type=types[0] if types else None,
    )
