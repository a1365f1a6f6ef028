"""SQL of agreements. Whoever changes one holds the lock of the journey of the invoice's customer."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from anliegen.kit import Transaction

from .domain import Agreement, AgreementNotFound, Instalment, Kind, State

COLUMNS = """
    agreement_id, kind, invoice_number, journey_id, case_id, currency, open_at_start, due_dates, amounts, agreed_at,
    agreed_by, pack, state, paid, reminded, ended_at, ended_by, version, ended_because
"""


async def insert_agreement(tx: Transaction, *, agreement: Agreement) -> None:
    """Record what was agreed."""
    await tx.execute(
        f"""
        INSERT INTO payment_agreements ({COLUMNS})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
        """,
        agreement.agreement_id, agreement.kind, agreement.invoice_number, agreement.journey_id, agreement.case_id,
        agreement.currency, agreement.open_at_start, [one.due_on for one in agreement.instalments],
        [one.amount for one in agreement.instalments], agreement.agreed_at, agreement.agreed_by, agreement.pack,
        agreement.state, agreement.paid, agreement.reminded, agreement.ended_at, agreement.ended_by, agreement.version,
        agreement.ended_because,
    )  # fmt: skip


async def update_agreement(tx: Transaction, *, agreement: Agreement) -> None:
    """Store what changed."""
    await tx.execute(
        """
        UPDATE payment_agreements SET state = $2, paid = $3, reminded = $4, ended_at = $5, ended_by = $6, version = $7,
            ended_because = $8
        WHERE agreement_id = $1
        """,
        agreement.agreement_id, agreement.state, agreement.paid, agreement.reminded, agreement.ended_at,
        agreement.ended_by, agreement.version, agreement.ended_because,
    )  # fmt: skip


async def get_agreement(tx: Transaction, *, agreement_id: UUID) -> Agreement:
    """The agreement of this id. Raises AgreementNotFound."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM payment_agreements WHERE agreement_id = $1", agreement_id)
    if row is None:
        raise AgreementNotFound
    return _agreement(row)


async def find_agreement_in_force(tx: Transaction, *, invoice_number: str) -> Agreement | None:
    """The one active agreement about this invoice."""
    row = await tx.fetchrow(
        f"SELECT {COLUMNS} FROM payment_agreements WHERE invoice_number = $1 AND state = 'active'", invoice_number
    )
    return _agreement(row) if row else None


async def list_agreements(tx: Transaction, *, invoice_numbers: Sequence[str]) -> list[Agreement]:
    """Everything that was agreed about these invoices, the oldest first."""
    rows = await tx.fetch(
        f"""
        SELECT {COLUMNS} FROM payment_agreements WHERE invoice_number = ANY ($1::text[])
        ORDER BY agreed_at, agreement_id
        """,
        invoice_numbers,
    )
    return [_agreement(row) for row in rows]


async def find_newest_contact_id(tx: Transaction, *, case_id: UUID, journey_ids: Sequence[UUID]) -> UUID | None:
    """The newest contact of the inquiry that came under one of these journeys."""
    contact_id: UUID | None = await tx.fetchval(
        """
        SELECT contact_id FROM inquiry_contacts JOIN contacts USING (contact_id)
        WHERE case_id = $1 AND journey_id = ANY ($2::uuid[]) ORDER BY came_at DESC, contact_id LIMIT 1
        """,
        case_id, journey_ids,
    )  # fmt: skip
    return contact_id


def _agreement(row: asyncpg.Record) -> Agreement:
    values = dict(row)
    pairs = zip(values.pop("due_dates"), values.pop("amounts"), strict=True)
    values |= {"kind": Kind(values["kind"]), "state": State(values["state"])}
    return Agreement(instalments=tuple(Instalment(due_on, amount) for due_on, amount in pairs), **values)
