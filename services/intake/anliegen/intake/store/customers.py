"""SQL of partners' customer records: which addresses stood in them, and which record of a customer is the latest."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from anliegen.events import Handle, HandleKind
from anliegen.kit import Transaction

from ..domain.identity import journey_id_of


async def upsert_handles(tx: Transaction, *, secret: bytes, handles: Collection[Handle]) -> dict[Handle, UUID]:
    """The journeys of these handles. Rows are made where there are none, in one order: nobody waits in a ring."""
    wanted = sorted(handles, key=lambda handle: (handle.kind.value, handle.value))
    while True:
        rows = await tx.fetch(
            """
            WITH given AS (
                SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[]) AS g (kind, value, journey_id)
            ), made AS (
                INSERT INTO handles (kind, value, generation, journey_id, first_seen_at)
                SELECT kind, value, 0, journey_id, $4 FROM given ORDER BY kind COLLATE "C", value COLLATE "C"
                ON CONFLICT DO NOTHING RETURNING kind, value, journey_id
            )
            SELECT kind, value, journey_id FROM made
            UNION ALL
            SELECT kind, value, handles.journey_id FROM handles JOIN given USING (kind, value)
            """,
            [handle.kind.value for handle in wanted], [handle.value for handle in wanted],
            [journey_id_of(secret, handle, generation=0) for handle in wanted], tx.now,
        )  # fmt: skip
        # A row that was committed while we waited for it is not in this statement's snapshot, but in the next one's.
        if len(rows) == len(wanted):
            return {Handle(kind=HandleKind(row["kind"]), value=row["value"]): row["journey_id"] for row in rows}


async def update_verified(tx: Transaction, *, handles: Collection[Handle]) -> None:
    """Note that somebody made sure whose these handles are."""
    await tx.execute(
        """
        UPDATE handles SET verified_at = $3
        WHERE verified_at IS NULL AND (kind, value) IN (SELECT * FROM unnest($1::text[], $2::text[]))
        """,
        [handle.kind.value for handle in handles], [handle.value for handle in handles], tx.now,
    )  # fmt: skip


async def insert_addresses(tx: Transaction, *, handles: Sequence[Handle], customer_number: str) -> None:
    """Keep that these addresses stood in a record of this customer; known already is fine."""
    await tx.execute(
        """
        INSERT INTO customer_addresses (kind, value, customer_number)
        SELECT kind, value, $3 FROM unnest($1::text[], $2::text[]) AS given (kind, value) ON CONFLICT DO NOTHING
        """,
        [handle.kind.value for handle in handles], [handle.value for handle in handles], customer_number,
    )  # fmt: skip


async def list_customers(tx: Transaction, *, handles: Sequence[Handle]) -> dict[Handle, dict[str, UUID]]:
    """The customers in whose records these addresses stood: their numbers, and the journeys of these."""
    rows = await tx.fetch(
        """
        SELECT a.kind, a.value, a.customer_number, h.journey_id
        FROM customer_addresses AS a JOIN handles AS h ON h.kind = $3 AND h.value = a.customer_number
        WHERE (a.kind, a.value) IN (SELECT * FROM unnest($1::text[], $2::text[]))
        """,
        [handle.kind.value for handle in handles], [handle.value for handle in handles],
        HandleKind.CUSTOMER_NUMBER.value,
    )  # fmt: skip
    found: dict[Handle, dict[str, UUID]] = {handle: {} for handle in handles}
    for row in rows:
        handle = Handle(kind=HandleKind(row["kind"]), value=row["value"])
        found[handle][row["customer_number"]] = row["journey_id"]
    return found


async def list_other_customers(tx: Transaction, *, journeys: Collection[UUID], customer_number: str) -> set[UUID]:
    """Those of these journeys that are of a customer number other than this."""
    rows = await tx.fetch(
        "SELECT journey_id FROM handles WHERE journey_id = ANY ($1::uuid[]) AND kind = $2 AND value <> $3",
        list(journeys), HandleKind.CUSTOMER_NUMBER.value, customer_number,
    )  # fmt: skip
    return {row["journey_id"] for row in rows}


async def upsert_record(
    tx: Transaction, *, customer_number: str, occurred_at: datetime, source: str, event_id: str, email: str | None
) -> bool:
    """Note that there is this record of the customer; tells whether it is the latest that we know."""
    touched = await tx.execute(
        """
        INSERT INTO customer_records AS known (customer_number, occurred_at, source, event_id, email)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (customer_number) DO UPDATE
        SET occurred_at = excluded.occurred_at, source = excluded.source, event_id = excluded.event_id,
            email = excluded.email
        WHERE (known.occurred_at, known.source, known.event_id)
            <= (excluded.occurred_at, excluded.source, excluded.event_id)
        """,
        customer_number, occurred_at, source, event_id, email,
    )  # fmt: skip
    return touched == 1


async def find_address(tx: Transaction, *, customer_number: str) -> str | None:
    """The mail address in the latest record of this customer, where it stood in no other customer's records."""
    found: str | None = await tx.fetchval(
        """
        SELECT email FROM customer_records AS mine WHERE customer_number = $1 AND NOT EXISTS (
            SELECT 1 FROM customer_addresses AS a
            WHERE a.kind = $2 AND a.value = mine.email AND a.customer_number <> mine.customer_number)
        """,
        customer_number, HandleKind.EMAIL.value,
    )  # fmt: skip
    return found
