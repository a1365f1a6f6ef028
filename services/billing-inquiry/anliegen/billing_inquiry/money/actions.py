"""What is told about a customer's money: kept, and concluded from.

Who meets whom: everything here is done under the lock of the journey of the customer number, and what it decides on is
read after it. So a payment and a correction, two corrections, a correction and its reversal come one after the other,
and the ledger is concluded anew from all that is there each time: whoever is first, the same is owed in the end.
"""

from datetime import date
from typing import Any
from uuid import UUID

from anliegen.events import InvoiceIssued, PartnerCustomerEvent
from anliegen.kit import Transaction
from anliegen.kit.telemetry import metrics

from ..dunning import actions as dunning
from .domain import book
from .records import Invoice
from .store import goodwill, ledger
from .store import invoices as store

NOT_SAID = {"journey_id", "origin", "occurred_at"}
"""What the same fact may differ in when it is told again."""


async def take_up_invoice(tx: Transaction, event: InvoiceIssued) -> None:
    """An invoice was issued. One whose number is known stays as it is, whatever is said of it now."""
    said = event.model_dump(exclude=NOT_SAID)
    invoice = Invoice(**{**said, "journey_id": event.journey_id, "lines": event.lines})
    if await store.insert_invoice(tx, invoice=invoice):
        await goodwill.update_accounts(tx, journey_ids=await tx.members(event.journey_id), account=event.journey_id)
        await conclude(tx, journey_id=event.journey_id, on=invoice.issued_on)
        return
    known = await store.get_invoice(tx, invoice_number=invoice.invoice_number)
    if _content(known) != _content(invoice):
        await _contradict(
            tx,
            "invoice_issued",
            invoice.invoice_number,
            event.journey_id,
            event.model_dump(mode="json", exclude=NOT_SAID),
        )


async def take_up_fact(tx: Transaction, event: PartnerCustomerEvent, *, kind: str, name: str, on: date | None) -> None:
    """Something was told under this name. Told again it changes nothing; `on` is its day where it moves money."""
    journey_id, said = event.journey_id, event.model_dump(mode="json", exclude=NOT_SAID)
    before = await store.insert_fact(
        tx, kind=kind, name=name, journey_id=journey_id, said=said, occurred_at=event.occurred_at
    )
    if before is None:
        if on is not None:
            await conclude(tx, journey_id=journey_id, on=on)
    elif before != said:
        await _contradict(tx, kind, name, journey_id, said)


async def conclude(tx: Transaction, *, journey_id: UUID, on: date) -> None:
    """Book what is missing in this customer's ledger, and let dunning conclude from it. The journey is locked."""
    entries = book(await ledger.get_books(tx, journey_id=journey_id), on=on, journey_id=journey_id)
    if not entries:
        return
    await ledger.insert_entries(tx, journey_id=journey_id, entries=entries)
    touched = {entry.invoice_number for entry in entries if entry.invoice_number is not None}
    await store.update_version(tx, invoice_numbers=touched)
    await dunning.reconsider(tx, touched)


async def _contradict(tx: Transaction, kind: str, name: str, journey_id: UUID, said: dict[str, Any]) -> None:
    if await store.insert_contradiction(tx, kind=kind, name=name, journey_id=journey_id, said=said):
        tx.after_commit(metrics.billing_facts_contradicted.labels(tx.context.service.name, kind).inc)


def _content(invoice: Invoice) -> tuple[object, ...]:
    # What an invoice replaces and whom it is addressed to, the billing system may leave out when it tells ours back.
    return (
        invoice.journey_id, invoice.customer_number, invoice.currency, invoice.issued_on, invoice.due_on,
        invoice.period_from, invoice.period_until, invoice.total, invoice.lines,
    )  # fmt: skip
