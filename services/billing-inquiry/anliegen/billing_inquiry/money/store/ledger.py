"""SQL of the ledger: what it is concluded from, and its entries, which are added and never changed."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from anliegen.events import Money
from anliegen.kit import Transaction

from ..domain import Books, Charge, Entry, Fund, Kind
from .goodwill import list_credits


async def get_books(tx: Transaction, *, journey_id: UUID) -> Books:
    """Everything that is known of the money of this customer."""
    told: dict[str, list[dict[str, Any]]] = {}
    for row in await tx.fetch("SELECT kind, said FROM billing_facts WHERE journey_id = $1", journey_id):
        told.setdefault(row["kind"], []).append(row["said"])
    return Books(
        charges=await _list_charges(tx, journey_id=journey_id, told=told),
        funds=[*_funds(told), *await _list_goodwill(tx, journey_id=journey_id)],
        entries=await list_entries(tx, journey_id=journey_id),
    )


async def list_entries(tx: Transaction, *, journey_id: UUID, invoice_number: str | None = None) -> list[Entry]:
    """The entries of a customer, or of one invoice, in the order in which they were booked."""
    rows = await tx.fetch(
        """
        SELECT entry_id, currency, kind, amount, invoice_number, reverses, cause, effective_on FROM entries
        WHERE journey_id = $1 AND ($2::text IS NULL OR invoice_number = $2) ORDER BY ord
        """,
        journey_id, invoice_number,
    )  # fmt: skip
    return [Entry(**{**dict(row), "kind": Kind(row["kind"])}) for row in rows]


async def insert_entries(tx: Transaction, *, journey_id: UUID, entries: Sequence[Entry]) -> None:
    """Book these, in this order."""
    await tx.execute(
        """
        INSERT INTO entries (entry_id, journey_id, currency, kind, amount, invoice_number, reverses, cause,
            effective_on, booked_at)
        SELECT e.entry_id, $1, e.currency, e.kind, e.amount, e.invoice_number, e.reverses, e.cause, e.day, $2
        FROM unnest($3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::uuid[], $9::text[], $10::date[])
            WITH ORDINALITY AS e (entry_id, currency, kind, amount, invoice_number, reverses, cause, day, place)
        ORDER BY e.place
        """,
        journey_id, tx.now, [one.entry_id for one in entries], [one.currency for one in entries],
        [one.kind for one in entries], [one.amount for one in entries], [one.invoice_number for one in entries],
        [one.reverses for one in entries], [one.cause for one in entries], [one.effective_on for one in entries],
    )  # fmt: skip


async def list_open_amounts(tx: Transaction, *, invoice_numbers: Iterable[str]) -> dict[str, Money]:
    """What is open on these invoices, as far as they are known."""
    rows = await tx.fetch(
        """
        SELECT invoice_number, i.currency, coalesce(sum(e.amount), 0)::bigint AS amount
        FROM invoices AS i LEFT JOIN entries AS e USING (invoice_number)
        WHERE invoice_number = ANY ($1::text[]) GROUP BY invoice_number, i.currency
        """,
        sorted(set(invoice_numbers)),
    )
    return {row["invoice_number"]: Money(amount=row["amount"], currency=row["currency"]) for row in rows}


async def _list_charges(
    tx: Transaction, *, journey_id: UUID, told: dict[str, list[dict[str, Any]]]
) -> dict[str, Charge]:
    rows = await tx.fetch(
        """
        SELECT i.invoice_number, i.currency, i.total, i.issued_on, i.due_on,
            (SELECT new_number FROM corrections AS c WHERE c.old_number = i.invoice_number AND reversed_at IS NULL)
                AS corrected_by,
            EXISTS (SELECT FROM corrections AS c WHERE c.old_number = i.invoice_number) AS was_corrected,
            EXISTS (SELECT FROM corrections AS c WHERE c.new_number = i.invoice_number AND reversed_at IS NOT NULL)
                AS correction_undone,
            (SELECT min(later.invoice_number) FROM invoices AS later
                WHERE later.replaces = i.invoice_number AND later.journey_id = i.journey_id
                  AND NOT EXISTS (SELECT FROM corrections AS c WHERE c.new_number = later.invoice_number))
                AS replaced_by
        FROM invoices AS i WHERE i.journey_id = $1
        """,
        journey_id,
    )
    cancelled = {said["invoice_number"] for said in told.get("invoice_cancelled", ())}
    return {row["invoice_number"]: Charge(**dict(row), cancelled=row["invoice_number"] in cancelled) for row in rows}


def _funds(told: dict[str, list[dict[str, Any]]]) -> list[Fund]:
    returned = {said["payment_id"]: _day(said["returned_on"]) for said in told.get("payment_returned", ())}
    payments = [
        Fund(
            name=said["payment_id"], kind=Kind.PAYMENT, currency=said["currency"], amount=said["amount"],
            day=_day(said["received_on"]), ended_on=returned.get(said["payment_id"]),
            intended=tuple((one["invoice_number"], one["amount"]) for one in said["allocations"]),
        )
        for said in told.get("payment_received", ())
    ]  # fmt: skip
    credited = [
        Fund(
            name=said["credit_id"], kind=Kind.CREDIT, currency=said["currency"], amount=said["amount"],
            day=_day(said["issued_on"]),
            intended=((said["invoice_number"], said["amount"]),) if said["invoice_number"] else (),
        )
        for said in told.get("credit_issued", ())
    ]  # fmt: skip
    return [*payments, *credited]


async def _list_goodwill(tx: Transaction, *, journey_id: UUID) -> list[Fund]:
    return [
        Fund(
            name=str(one.goodwill_id), kind=Kind.GOODWILL, currency=one.currency, amount=one.amount,
            day=one.effective_on, ended_on=one.ended_on,
        )
        for one in await list_credits(tx, account=journey_id)
        if one.currency is not None and one.amount is not None and one.effective_on is not None
    ]  # fmt: skip


def _day(text: str) -> date:
    return date.fromisoformat(text)
