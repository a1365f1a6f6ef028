"""SQL of refunds. Whoever changes one holds the lock of the invoice's journey."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import asyncpg

from anliegen.kit import Transaction

from .domain import Refund, RefundNotFound, State

COLUMNS = """
    refund_id, journey_id, case_id, invoice_number, currency, amount, reason, state, asked_by, asked_at, pack,
    decided_by, decided_at, reversed_by, reversed_at, reversal_reason, version, of_purchase
"""


async def insert_refund(tx: Transaction, *, refund: Refund) -> None:
    """Record what was asked for."""
    await tx.execute(
        f"""
        INSERT INTO refunds ({COLUMNS})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
        """,
        *asdict(refund).values(),
    )


async def update_refund(tx: Transaction, *, refund: Refund) -> None:
    """Store what changed."""
    await tx.execute(
        """
        UPDATE refunds SET state = $2, decided_by = $3, decided_at = $4, reversed_by = $5, reversed_at = $6,
            reversal_reason = $7, version = $8
        WHERE refund_id = $1
        """,
        refund.refund_id, refund.state, refund.decided_by, refund.decided_at, refund.reversed_by, refund.reversed_at,
        refund.reversal_reason, refund.version,
    )  # fmt: skip


async def get_refund(tx: Transaction, *, refund_id: UUID) -> Refund:
    """The refund of this id. Raises RefundNotFound."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM refunds WHERE refund_id = $1", refund_id)
    if row is None:
        raise RefundNotFound
    return _refund(row)


async def list_refunds(tx: Transaction, *, invoice_number: str) -> list[Refund]:
    """Every refund about this invoice, the oldest first."""
    rows = await tx.fetch(
        f"SELECT {COLUMNS} FROM refunds WHERE invoice_number = $1 ORDER BY asked_at, refund_id", invoice_number
    )
    return [_refund(row) for row in rows]


async def get_paid_back(tx: Transaction, *, journey_ids: Sequence[UUID], currency: str, since: datetime) -> int:
    """What one agent alone paid back to this person since then, in minor units; what was taken back does not count."""
    paid: int = await tx.fetchval(
        """
        SELECT coalesce(sum(amount), 0)::bigint FROM refunds
        WHERE journey_id = ANY ($1::uuid[]) AND state = 'booked' AND decided_by IS NULL
            AND currency = $2 AND asked_at > $3
        """,
        journey_ids, currency, since,
    )  # fmt: skip
    return paid


async def list_given_back(tx: Transaction, *, journey_id: UUID) -> dict[str, int]:
    """What went back of purchases of this customer, by invoice number, in minor units."""
    rows = await tx.fetch(
        """
        SELECT invoice_number, sum(amount)::bigint AS amount FROM refunds
        WHERE journey_id = $1 AND of_purchase AND state = 'booked' GROUP BY invoice_number
        """,
        journey_id,
    )
    return {row["invoice_number"]: row["amount"] for row in rows}


def _refund(row: asyncpg.Record) -> Refund:
    return Refund(**dict(row) | {"state": State(row["state"])})
