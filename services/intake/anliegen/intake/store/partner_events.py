"""SQL of what partners told us: taken once, announced in order, remembered by source and id."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from anliegen.kit import Transaction

from ..domain.partners import Kept, Told

_COLUMNS = "source, event_id, partner, type, order_key, occurred_at, received_at, digest, data, attempts"


async def lock_partner(tx: Transaction, *, partner: str) -> None:
    """Let nobody else enter events of this partner until the transaction ends.

    So their numbers rise in the order in which they are committed, and nobody waits for another one's row.
    """
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('partner ' || $1, 9))", partner)


async def insert_events(tx: Transaction, *, told: Sequence[Told]) -> set[tuple[str, str]]:
    """Enter these events, in their order; tells source and id of those that were not there yet."""
    rows = await tx.fetch(
        """
        INSERT INTO partner_events (source, event_id, partner, type, order_key, occurred_at, received_at, digest, data,
                                    due)
        SELECT source, event_id, partner, type, order_key, occurred_at, $9, digest, data, $10
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bytea[],
                    $8::jsonb[]) WITH ORDINALITY
             AS given (source, event_id, partner, type, order_key, occurred_at, digest, data, nth)
        ORDER BY nth
        ON CONFLICT DO NOTHING RETURNING source, event_id
        """,
        [one.source for one in told],
        [one.event_id for one in told],
        [one.partner for one in told],
        [one.type for one in told],
        [one.order_key for one in told],
        [one.occurred_at for one in told],
        [one.digest for one in told],
        [dict(one.data) for one in told],
        tx.now,
        tx.wall,
    )
    return {(row["source"], row["event_id"]) for row in rows}


async def list_digests(tx: Transaction, *, told: Sequence[Told]) -> dict[tuple[str, str], bytes]:
    """What those of these events said that are there already."""
    rows = await tx.fetch(
        """
        SELECT source, event_id, digest FROM partner_events
        WHERE (source, event_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
        """,
        [one.source for one in told], [one.event_id for one in told],
    )  # fmt: skip
    return {(row["source"], row["event_id"]): row["digest"] for row in rows}


async def lock_next(tx: Transaction) -> Kept | None:
    """The oldest event that is due, locked; one that another worker has in hand is passed over.

    Of events with one order key only the first can be had: the others wait until it is announced.
    """
    row = await tx.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM partner_events AS mine
        WHERE state = 'received' AND due <= $1
          AND NOT EXISTS (SELECT 1 FROM partner_events AS other WHERE other.state = 'received'
              AND other.order_key = mine.order_key AND other.ord < mine.ord)
        ORDER BY ord LIMIT 1 FOR UPDATE SKIP LOCKED
        """,
        tx.wall,
    )
    return None if row is None else _kept(row)


async def count_waiting(tx: Transaction, *, most: int) -> tuple[int, datetime | None]:
    """How many events wait for being announced, counted up to `most`, and when the first of them came."""
    row = await tx.fetchrow(
        """
        SELECT (SELECT count(*) FROM (SELECT 1 FROM partner_events WHERE state = 'received' LIMIT $1) AS counted),
               (SELECT received_at FROM partner_events WHERE state = 'received' ORDER BY ord LIMIT 1)
        """,
        most,
    )
    assert row is not None
    return row["count"], row["received_at"]


async def find_last_received(tx: Transaction) -> datetime | None:
    """When the last of those that are kept came."""
    last: datetime | None = await tx.fetchval(
        """
        SELECT greatest((SELECT max(received_at) FROM partner_events WHERE state = 'announced'),
                        (SELECT received_at FROM partner_events WHERE state = 'received' ORDER BY ord DESC LIMIT 1))
        """
    )
    return last


async def update_announced(tx: Transaction, *, source: str, event_id: str) -> None:
    """Note that it was announced, and forget what it said."""
    await tx.execute(
        "UPDATE partner_events SET state = 'announced', data = NULL, code = NULL WHERE source = $1 AND event_id = $2",
        source, event_id,
    )  # fmt: skip


async def update_retry(tx: Transaction, *, source: str, event_id: str, code: str, due: datetime) -> None:
    """Note why it could not be announced, and when that is tried again."""
    await tx.execute(
        """
        UPDATE partner_events SET attempts = attempts + 1, code = $3, due = $4
        WHERE source = $1 AND event_id = $2 AND state = 'received'
        """,
        source, event_id, code, due,
    )  # fmt: skip


async def delete_old(tx: Transaction, *, older_than: timedelta, limit: int) -> int:
    """Forget events that were announced long ago; tells how many."""
    return await tx.execute(
        """
        DELETE FROM partner_events WHERE (source, event_id) IN (
            SELECT source, event_id FROM partner_events
            WHERE state = 'announced' AND received_at < $1 ORDER BY received_at LIMIT $2)
        """,
        tx.now - older_than, limit,
    )  # fmt: skip


def _kept(row: asyncpg.Record) -> Kept:
    told = Told(
        partner=row["partner"],
        source=row["source"],
        event_id=row["event_id"],
        type=row["type"],
        order_key=row["order_key"],
        occurred_at=row["occurred_at"],
        digest=row["digest"],
        data=row["data"],
    )
    return Kept(told, received_at=row["received_at"], attempts=row["attempts"])
