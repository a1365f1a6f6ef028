"""SQL of dead letters, as people look at them and settle them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from ..consumer.records import Place, Record
from ..consumer.store import decode_headers
from ..errors import NotFound
from ..transaction import Transaction

RELAY = "relay"
"""The group of letters that never reached Kafka: the relay could not publish them."""
CONTENT_DAYS = 30
"""How long the bytes of a settled letter are kept: they may be people's words."""

_COLUMNS = """
    id, grp AS "group", key, event_id, type, topic, part, "offset", octet_length(payload) AS size, error_type, error,
    attempts, first_failed_at, service_version, died_at, settled_at, settled_how, settled_by, settled_reason
"""
_FITS = """
    ($1::text[] IS NULL OR type = ANY ($1)) AND ($2::text IS NULL OR key = convert_to($2, 'UTF8'))
    AND ($3::text[] IS NULL OR error_type = ANY ($3)) AND ($4::timestamptz IS NULL OR died_at >= $4)
    AND ($5::timestamptz IS NULL OR died_at < $5)
"""


class DeadLetterNotFound(NotFound):
    """There is no dead letter of this number."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was given up on, without its bytes. `size` is that of its payload, in bytes."""

    id: int
    group: str
    key: bytes | None
    event_id: UUID | None
    """None where the record could not be read."""
    type: str | None
    topic: str | None
    part: int | None
    offset: int | None
    size: int | None
    error_type: str | None
    error: str | None
    attempts: int | None
    first_failed_at: datetime | None
    service_version: str | None
    died_at: datetime
    settled_at: datetime | None
    settled_how: str | None
    settled_by: str | None
    settled_reason: str | None

    @property
    def version(self) -> int:
        """A letter changes once in its life, when it is settled."""
        return 1 if self.settled_at is None else 2

    @property
    def about(self) -> str:
        """How the audit record names it."""
        return f"dead-letter/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which letters are meant; what is None does not matter. Several values mean "any of these"."""

    types: Sequence[str] | None = None
    key: str | None = None
    error_types: Sequence[str] | None = None
    since: datetime | None = None
    """Died then or later."""
    until: datetime | None = None
    """Died before."""

    @property
    def is_empty(self) -> bool:
        """Whether every letter is meant."""
        return not (self.types or self.key or self.error_types or self.since or self.until)

    @property
    def values(self) -> tuple[Any, ...]:
        """The parameters $1 to $5."""
        return self.types or None, self.key, self.error_types or None, self.since, self.until


async def list_letters(
    tx: Transaction, *, wanted: Filter, settled: bool | None, before: int | None, backwards: bool = False, limit: int
) -> list[DeadLetter]:
    """Letters, the newest first; `settled` None for all; `backwards` reads from `before` to newer ones."""
    sign, order = (">", "ASC") if backwards else ("<", "DESC")
    rows = await tx.fetch(
        f"""
        SELECT {_COLUMNS} FROM dead_letters WHERE {_FITS} AND ($6::boolean IS NULL OR (settled_at IS NOT NULL) = $6)
        AND ($7::bigint IS NULL OR id {sign} $7) ORDER BY id {order} LIMIT $8
        """,
        *wanted.values, settled, before, limit,
    )  # fmt: skip
    return [DeadLetter(**row) for row in rows]


async def list_unsettled(tx: Transaction, *, wanted: Filter, after: int, limit: int) -> list[int]:
    """The numbers of unsettled letters beyond `after`, the oldest first: those of one key died in its order."""
    rows = await tx.fetch(
        f"SELECT id FROM dead_letters WHERE settled_at IS NULL AND {_FITS} AND id > $6 ORDER BY id LIMIT $7",
        *wanted.values, after, limit,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def get_letter(tx: Transaction, *, letter_id: int, lock: bool = False) -> DeadLetter:
    """One letter, locked where asked. Raises DeadLetterNotFound."""
    query = f"SELECT {_COLUMNS} FROM dead_letters WHERE id = $1"
    row = await tx.fetchrow(query + " FOR UPDATE" if lock else query, letter_id)
    if row is None:
        raise DeadLetterNotFound
    return DeadLetter(**row)


async def get_record(tx: Transaction, *, letter_id: int) -> Record:
    """The letter's bytes, as they lay in Kafka or were to lie there. Raises DeadLetterNotFound."""
    row = await tx.fetchrow(
        'SELECT topic, part, "offset", key, headers, payload FROM dead_letters WHERE id = $1', letter_id
    )
    if row is None:
        raise DeadLetterNotFound
    return record_of(row)


def record_of(row: asyncpg.Record) -> Record:
    """The record in a row that keeps one."""
    return Record(
        place=Place(row["topic"] or "", row["part"] or 0),
        offset=row["offset"] or 0,
        key=row["key"],
        headers=decode_headers(row["headers"]),
        value=row["payload"],
        timestamp=datetime.min.replace(tzinfo=UTC),
    )


async def has_come_again(tx: Transaction, *, group: str, event_id: UUID, since: datetime) -> bool:
    """Whether the event was taken anew after this time: its first entry was purged, and Kafka was read again."""
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT 1 FROM inbox WHERE grp = $1 AND event_id = $2 AND received_at > $3)",
        group, event_id, since,
    )  # fmt: skip
    return found


async def update_settled(tx: Transaction, *, letter_id: int, how: str, by: str, reason: str | None) -> None:
    """Settle a letter; it must be locked."""
    await tx.execute(
        """
        UPDATE dead_letters SET settled_at = clock_timestamp(), settled_how = $2, settled_by = $3, settled_reason = $4
        WHERE id = $1
        """,
        letter_id, how, by, reason,
    )  # fmt: skip


async def insert_into_outbox(tx: Transaction, *, letter_id: int, sequence: int, headers: dict[str, str]) -> None:
    """Give a letter of the relay back to the outbox, as it was: id, key and sequence stay the event's own."""
    await tx.execute(
        """
        INSERT INTO outbox (event_id, topic, key, type, sequence, headers, payload)
        SELECT event_id, topic, convert_from(key, 'UTF8'), type, $2, $3, payload FROM dead_letters WHERE id = $1
        """,
        letter_id, sequence, headers,
    )  # fmt: skip


async def delete_old_content(connection: asyncpg.Connection | Any, *, days: int = CONTENT_DAYS, limit: int) -> int:
    """Forget the bytes of letters that were settled long ago; who settled them and why stays. Tells how many."""
    status: str = await connection.execute(
        """
        UPDATE dead_letters SET payload = NULL, headers = NULL WHERE id = ANY (ARRAY(
            SELECT id FROM dead_letters WHERE settled_at < clock_timestamp() - make_interval(days => $1)
            AND (payload IS NOT NULL OR headers IS NOT NULL) LIMIT $2))
        """,
        days, limit,
    )  # fmt: skip
    return int(status.rpartition(" ")[2])
