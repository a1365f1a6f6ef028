"""SQL of a customer's money. Whoever changes it holds the lock of the journey of the customer number."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from anliegen.events import ContentReference, InvoiceLine
from anliegen.kit import Transaction, ids

from ..records import Contradiction, Correction, CorrectionNotFound, Invoice, InvoiceNotFound

INVOICE = """
    invoice_number, journey_id, customer_number, currency, issued_on, due_on, period_from, period_until, total,
    replaces, recipient, business, told_of_default, document, version
"""
CORRECTION = """
    correction_id, journey_id, old_number, new_number, case_id, reason, corrected_lines, proposal_id, proposed,
    corrected_by, corrected_at, reversed_by, reversed_at, reversal_reason, version
"""


# What was told --------------------------------------------------------------------------------------------------------
async def insert_fact(
    tx: Transaction, *, kind: str, name: str, journey_id: UUID, said: dict[str, Any], occurred_at: datetime
) -> dict[str, Any] | None:
    """Keep what was told under this name; where something was told before, tell what that was."""
    if await tx.execute(
        """
        INSERT INTO billing_facts (kind, name, journey_id, said, occurred_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING
        """,
        kind, name, journey_id, said, occurred_at,
    ):  # fmt: skip
        return None
    before: dict[str, Any] = await tx.fetchval(
        "SELECT said FROM billing_facts WHERE kind = $1 AND name = $2", kind, name
    )
    return before


async def list_facts(tx: Transaction, *, journey_ids: Sequence[UUID], kind: str) -> list[dict[str, Any]]:
    """What was told of this kind, the oldest first."""
    rows = await tx.fetch(
        """
        SELECT said FROM billing_facts WHERE journey_id = ANY ($1::uuid[]) AND kind = $2 ORDER BY occurred_at, name
        """,
        journey_ids, kind,
    )  # fmt: skip
    return [row["said"] for row in rows]


async def insert_contradiction(
    tx: Transaction, *, kind: str, name: str, journey_id: UUID, said: dict[str, Any]
) -> bool:
    """Keep what contradicts what was told before; tells whether that is new."""
    told = ids.derived("contradiction", kind, name, *(f"{key}={said[key]}" for key in sorted(said)))
    return bool(
        await tx.execute(
            """
            INSERT INTO billing_contradictions (contradiction_id, kind, name, journey_id, said, found_at)
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
            """,
            told, kind, name, journey_id, said, tx.now,
        )
    )  # fmt: skip


async def list_contradictions(
    tx: Transaction, *, kinds: Sequence[str] | None, journey_ids: Sequence[UUID] | None, backwards: bool,
    after: tuple[datetime, UUID] | None, limit: int,
) -> list[Contradiction]:  # fmt: skip
    """At most `limit` contradictions, those found last first, or against that order where `backwards`."""
    moment, contradiction_id = after or (None, None)
    beyond, order = (">", "ASC") if backwards else ("<", "DESC")
    rows = await tx.fetch(
        f"""
        SELECT contradiction_id, kind, name, journey_id, said, found_at FROM billing_contradictions
        WHERE ($1::text[] IS NULL OR kind = ANY ($1)) AND ($2::uuid[] IS NULL OR journey_id = ANY ($2))
          AND ($3::timestamptz IS NULL OR (found_at, contradiction_id) {beyond} ($3, $4::uuid))
        ORDER BY found_at {order}, contradiction_id {order} LIMIT $5
        """,
        kinds, journey_ids, moment, contradiction_id, limit,
    )  # fmt: skip
    return [Contradiction(**dict(row)) for row in rows]


# Invoices -------------------------------------------------------------------------------------------------------------
async def insert_invoice(tx: Transaction, *, invoice: Invoice) -> bool:
    """Store an issued invoice with its lines; tells whether its number is new. One that is there stays as it is."""
    document = invoice.document.model_dump(mode="json") if invoice.document else None
    if not await tx.execute(
        f"""
        INSERT INTO invoices ({INVOICE})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING
        """,
        invoice.invoice_number, invoice.journey_id, invoice.customer_number, invoice.currency, invoice.issued_on,
        invoice.due_on, invoice.period_from, invoice.period_until, invoice.total, invoice.replaces,
        list(invoice.recipient), invoice.business, invoice.told_of_default, document, invoice.version,
    ):  # fmt: skip
        return False
    lines = invoice.lines
    await tx.execute(
        """
        INSERT INTO invoice_lines (invoice_number, position, line_id, text, quantity, net, tax_rate, tax, gross)
        SELECT $1, * FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::int[], $8::bigint[],
            $9::bigint[])
        """,
        invoice.invoice_number, list(range(1, len(lines) + 1)), [one.line_id for one in lines],
        [one.text for one in lines], [one.quantity for one in lines], [one.net for one in lines],
        [one.tax_rate for one in lines], [one.tax for one in lines], [one.gross for one in lines],
    )  # fmt: skip
    return True


async def get_invoice(tx: Transaction, *, invoice_number: str) -> Invoice:
    """The invoice of this number. Raises InvoiceNotFound."""
    row = await tx.fetchrow(f"SELECT {INVOICE} FROM invoices WHERE invoice_number = $1", invoice_number)
    if row is None:
        raise InvoiceNotFound
    lines = await tx.fetch(
        """
        SELECT line_id, text, quantity, net, tax_rate, tax, gross FROM invoice_lines
        WHERE invoice_number = $1 ORDER BY position
        """,
        invoice_number,
    )
    return _invoice(row, tuple(InvoiceLine(**dict(line)) for line in lines))


async def list_invoices(
    tx: Transaction, *, journey_ids: Sequence[UUID] | None, customer_number: str | None, backwards: bool,
    after: tuple[str, UUID] | None, limit: int,
) -> list[Invoice]:  # fmt: skip
    """At most `limit` invoices without their lines, the latest first, or against that order where `backwards`."""
    day, place = (date.fromisoformat(after[0]), after[1]) if after else (None, None)
    beyond, order = (">", "ASC") if backwards else ("<", "DESC")
    rows = await tx.fetch(
        f"""
        SELECT {INVOICE} FROM invoices
        WHERE ($1::uuid[] IS NULL OR journey_id = ANY ($1)) AND ($2::text IS NULL OR customer_number = $2)
          AND ($3::date IS NULL OR (issued_on, md5(invoice_number)::uuid) {beyond} ($3, $4::uuid))
        ORDER BY issued_on {order}, md5(invoice_number)::uuid {order} LIMIT $5
        """,
        journey_ids, customer_number, day, place, limit,
    )  # fmt: skip
    return [_invoice(row, ()) for row in rows]


async def find_account(tx: Transaction, *, customer_number: str) -> UUID | None:
    """The journey of a customer number of which invoices or payments are known."""
    found: UUID | None = await tx.fetchval(
        """
        SELECT journey_id FROM invoices WHERE customer_number = $1
        UNION ALL SELECT journey_id FROM billing_facts WHERE said ->> 'customer_number' = $1 LIMIT 1
        """,
        customer_number,
    )
    return found


async def update_version(tx: Transaction, *, invoice_numbers: Iterable[str]) -> None:
    """Something was booked on these invoices: what a reader has seen of them is stale."""
    await tx.execute(
        "UPDATE invoices SET version = version + 1 WHERE invoice_number = ANY ($1::text[])", sorted(invoice_numbers)
    )


# Corrections ----------------------------------------------------------------------------------------------------------
async def insert_correction(tx: Transaction, *, correction: Correction) -> None:
    """Store a correction."""
    await tx.execute(
        f"""
        INSERT INTO corrections ({CORRECTION})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        """,
        correction.correction_id, correction.journey_id, correction.old_number, correction.new_number,
        correction.case_id, correction.reason, list(correction.corrected_lines), correction.proposal_id,
        correction.proposed, correction.corrected_by, correction.corrected_at, correction.reversed_by,
        correction.reversed_at, correction.reversal_reason, correction.version,
    )  # fmt: skip


async def update_correction_reversed(tx: Transaction, *, correction: Correction) -> None:
    """Store that a correction was undone."""
    await tx.execute(
        """
        UPDATE corrections SET reversed_by = $2, reversed_at = $3, reversal_reason = $4, version = $5
        WHERE correction_id = $1
        """,
        correction.correction_id, correction.reversed_by, correction.reversed_at, correction.reversal_reason,
        correction.version,
    )  # fmt: skip


async def get_correction(tx: Transaction, *, correction_id: UUID) -> Correction:
    """The correction of this id. Raises CorrectionNotFound."""
    row = await tx.fetchrow(f"SELECT {CORRECTION} FROM corrections WHERE correction_id = $1", correction_id)
    if row is None:
        raise CorrectionNotFound
    return _correction(row)


async def find_correction_of_proposal(tx: Transaction, *, proposal_id: UUID) -> Correction | None:
    """The correction within which this goodwill was proposed, where it was proposed here."""
    row = await tx.fetchrow(f"SELECT {CORRECTION} FROM corrections WHERE proposal_id = $1", proposal_id)
    return _correction(row) if row else None


async def list_corrections(tx: Transaction, *, invoice_number: str) -> list[Correction]:
    """The corrections of an invoice, and the one that it came from, the oldest first."""
    rows = await tx.fetch(
        f"""
        SELECT {CORRECTION} FROM corrections WHERE old_number = $1 OR new_number = $1
        ORDER BY corrected_at, correction_id
        """,
        invoice_number,
    )
    return [_correction(row) for row in rows]


def _invoice(row: asyncpg.Record, lines: tuple[InvoiceLine, ...]) -> Invoice:
    values = dict(row)
    document = values.pop("document")
    values["recipient"] = tuple(values["recipient"])
    return Invoice(**values, lines=lines, document=ContentReference.model_validate(document) if document else None)


def _correction(row: asyncpg.Record) -> Correction:
    return Correction(**{**dict(row), "corrected_lines": tuple(row["corrected_lines"])})
