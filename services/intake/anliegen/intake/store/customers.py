"""SQL of partners' customer records: which addresses stood in them, and which record of a customer is the latest."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from anliegen.events import Handle, HandleKind
from anliegen.kit import Transaction


async def insert_address(tx: Transaction, *, handle: Handle, customer_number: str) -> None:
    """Keep that this address stood in a record of this customer; known already is fine."""
    await tx.execute(
        "INSERT INTO customer_addresses (kind, value, customer_number) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        handle.kind.value, handle.value, customer_number,
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


async def has_another_customer(tx: Transaction, *, journeys: Collection[UUID], customer_number: str) -> bool:
    """Whether one of these journeys is that of a customer number other than this."""
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT 1 FROM handles WHERE journey_id = ANY ($1::uuid[]) AND kind = $2 AND value <> $3)",
        list(journeys), HandleKind.CUSTOMER_NUMBER.value, customer_number,
    )  # fmt: skip
    return found


async def upsert_record(
    tx: Transaction, *, customer_number: str, occurred_at: datetime, source: str, event_id: str
) -> bool:
    """Note that there is this record of the customer; tells whether it is the latest that we know."""
    touched = await tx.execute(
        """
        INSERT INTO customer_records AS known (customer_number, occurred_at, source, event_id) VALUES ($1, $2, $3, $4)
        ON CONFLICT (customer_number) DO UPDATE
        SET occurred_at = excluded.occurred_at, source = excluded.source, event_id = excluded.event_id
        WHERE (known.occurred_at, known.source, known.event_id)
            <= (excluded.occurred_at, excluded.source, excluded.event_id)
        """,
        customer_number, occurred_at, source, event_id,
    )  # fmt: skip
    return touched == 1
