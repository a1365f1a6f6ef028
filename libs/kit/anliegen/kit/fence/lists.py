"""SQL of a fence's list: which events a database announced and does not know, and the numbers it must not use again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from .store import Door


@dataclass(frozen=True, slots=True)
class Announced:
    """An event of ours as it lies in the log, without its content."""

    event_id: UUID
    type: str
    key: str
    sequence: int
    subject: str | None
    time: datetime
    causation_id: str | None
    correlation_id: str | None
    topic: str
    part: int
    offset: int

    @property
    def by_hand(self) -> bool:
        """Whether a person's command announced it. What an event caused is announced again by itself."""
        return self.causation_id is None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many events a fence lists, and how many of them followed from no other event."""

    events: int
    by_hand: int


async def list_unknown(door: Door, events: Sequence[Announced]) -> list[Announced]:
    """Those of these that this database never announced: their number is still to come, or is another event's.

    Another's: a command that came after the restore and before the look has drawn that number again. Its event waits
    in the outbox, since no relay leads before the look.
    """
    rows = await door.fetch(
        """
        SELECT nth FROM unnest($1::text[], $2::bigint[], $3::uuid[]) WITH ORDINALITY AS g (key, sequence, event_id, nth)
        LEFT JOIN streams USING (key)
        WHERE g.sequence > coalesce(last_sequence, 0)
           OR EXISTS (SELECT 1 FROM outbox AS o
                      WHERE o.key = g.key AND o.sequence = g.sequence AND o.event_id <> g.event_id)
        ORDER BY nth
        """,
        [event.key for event in events],
        [event.sequence for event in events],
        [event.event_id for event in events],
    )
    return [events[row["nth"] - 1] for row in rows]


async def insert_unknown(door: Door, *, fence_id: int, events: Sequence[Announced]) -> None:
    """Enter these into a fence's list; one that was announced twice stands there once."""
    await door.executemany(
        """
        INSERT INTO announced_unknown (fence_id, event_id, type, key, sequence, subject, time, causation_id,
                                       correlation_id, topic, part, "offset")
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING
        """,
        [
            (fence_id, e.event_id, e.type, e.key, e.sequence, e.subject, e.time, e.causation_id, e.correlation_id,
             e.topic, e.part, e.offset)
            for e in events
        ],
    )  # fmt: skip


async def count_unknown(door: Door, *, fence_id: int) -> Counts:
    """How long a fence's list is."""
    row = await door.fetchrow(
        """
        SELECT count(*) AS events, count(*) FILTER (WHERE causation_id IS NULL) AS by_hand
        FROM announced_unknown WHERE fence_id = $1
        """,
        fence_id,
    )
    assert row is not None
    return Counts(row["events"], row["by_hand"])


async def list_announced(
    door: Door,
    *,
    fence_id: int,
    by_hand: bool | None = None,
    after: tuple[datetime, UUID] | None = None,
    backwards: bool = False,
    limit: int,
) -> list[Announced]:
    """A fence's list by time; those that a person's command announced alone, or the others alone."""
    sign, order = ("<", "DESC") if backwards else (">", "ASC")
    rows = await door.fetch(
        f"""
        SELECT event_id, type, key, sequence, subject, time, causation_id, correlation_id, topic, part, "offset"
        FROM announced_unknown
        WHERE fence_id = $1 AND ($2::bool IS NULL OR (causation_id IS NULL) = $2)
          AND ($3::timestamptz IS NULL OR (time, event_id) {sign} ($3, $4::uuid))
        ORDER BY time {order}, event_id {order} LIMIT $5
        """,
        fence_id, by_hand, *(after or (None, None)), limit,
    )  # fmt: skip
    return [Announced(**row) for row in rows]


async def list_keys(door: Door, *, fence_id: int) -> list[str]:
    """The streams of a fence's events."""
    rows = await door.fetch("SELECT DISTINCT key FROM announced_unknown WHERE fence_id = $1", fence_id)
    return [row["key"] for row in rows]


async def raise_sequences(door: Door, *, fence_id: int) -> int:
    """Let the streams of a fence's events, which are locked, go on after the highest number announced; tells how many.

    Events that wait in the outbox under a number which others had heard for another event get new numbers, in their
    order.
    """
    raised: int = await door.fetchval(
        """
        WITH heard AS (
            SELECT key, min(sequence) AS lowest, max(sequence) - min(sequence) + 1 AS by
            FROM announced_unknown WHERE fence_id = $1 GROUP BY key
        ), moved AS (
            UPDATE outbox AS o
            SET sequence = o.sequence + h.by,
                headers = o.headers || jsonb_build_object('ce_sequence', (o.sequence + h.by)::text)
            FROM heard AS h WHERE o.key = h.key AND o.sequence >= h.lowest
        ), raised AS (
            UPDATE streams AS s SET last_sequence = greatest(s.last_sequence, h.lowest - 1) + h.by
            FROM heard AS h WHERE s.key = h.key RETURNING 1
        )
        SELECT count(*) FROM raised
        """,
        fence_id,
    )
    return raised
