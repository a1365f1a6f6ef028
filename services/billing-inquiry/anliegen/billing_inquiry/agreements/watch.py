"""What becomes of an agreement as money comes and time goes. Called whenever an invoice is reconsidered."""

from datetime import date
from typing import Any

from anliegen.events import BillingReplyRequested, Money, PaymentAgreementEnded, Task
from anliegen.kit import Transaction, ids

from . import store
from .domain import Agreement, State
from .rules import AGREEMENT_RULES

LOOK = "payment_agreement_look"
"""The kind of the timer that looks at an agreement when time brings something."""


async def review_agreement(tx: Transaction, *, invoice_number: str, open_amount: int) -> Agreement | None:
    """Look how the agreement on this invoice stands, remind of its next instalment, end it; None where there is none.

    The lock of the invoice's journey is held.
    """
    before = await store.find_agreement_in_force(tx, invoice_number=invoice_number)
    if before is None:
        return None
    agreement = before.reviewed(open_amount=open_amount, now=tx.now, rules=AGREEMENT_RULES)
    reminder_at = agreement.reminder_at(AGREEMENT_RULES)
    if agreement.state is State.ACTIVE and reminder_at is not None and reminder_at <= tx.now:
        await _remind(tx, agreement)
        agreement = agreement.reminded_of_next()
    if agreement != before:
        await store.update_agreement(tx, agreement=agreement)
    await set_look(tx, agreement)
    if agreement.state is not State.ACTIVE:
        await announce_end(tx, agreement)
    return agreement


async def set_look(tx: Transaction, agreement: Agreement) -> None:
    """Have time look at it again, or no more."""
    due_at = agreement.next_look_at(AGREEMENT_RULES, now=tx.now)
    if due_at is None:
        await tx.cancel_timer(LOOK, subject=agreement.agreement_id)
    else:
        told = {"invoice_number": agreement.invoice_number}
        await tx.set_timer(LOOK, key=agreement.journey_id, subject=agreement.agreement_id, due_at=due_at, payload=told)


async def announce_end(tx: Transaction, agreement: Agreement) -> None:
    """Say that it is over, to the customer, too, where an instalment was missed or somebody here took it back."""
    tx.publish(
        PaymentAgreementEnded(
            journey_id=agreement.journey_id, invoice_number=agreement.invoice_number,
            agreement_id=agreement.agreement_id, kind=agreement.kind, outcome=agreement.state,
            paid=Money(amount=agreement.paid, currency=agreement.currency),
        )
    )  # fmt: skip
    contact_id = await store.find_newest_contact_id(
        tx, case_id=agreement.case_id, journey_ids=await tx.members(agreement.journey_id)
    )
    if contact_id is None:
        return
    said: dict[str, Any] = {
        "journey_id": agreement.journey_id, "reply_id": ids.derived("reply", agreement.agreement_id, agreement.state),
        "case_id": agreement.case_id, "task": Task.BILLING_INQUIRY, "contact_id": contact_id,
        "values": {"invoice_number": agreement.invoice_number},
    }  # fmt: skip
    if agreement.state is State.BROKEN:
        tx.publish(BillingReplyRequested(template="payment_agreement_broken", **said))
    elif agreement.state is State.CANCELLED:
        tx.publish(BillingReplyRequested(template="payment_agreement_cancelled", **said))


async def _remind(tx: Transaction, agreement: Agreement) -> None:
    upcoming = agreement.next_instalment
    contact_id = await store.find_newest_contact_id(
        tx, case_id=agreement.case_id, journey_ids=await tx.members(agreement.journey_id)
    )
    # After the journeys were split the contact may be a stranger's: then nobody is told.
    if upcoming is None or contact_id is None:
        return
    number, instalment = upcoming
    amount = Money(amount=agreement.owed_by(number) - agreement.paid, currency=agreement.currency)
    tx.publish(
        BillingReplyRequested(
            journey_id=agreement.journey_id, reply_id=ids.derived("reply", agreement.agreement_id, number),
            case_id=agreement.case_id, task=Task.BILLING_INQUIRY, contact_id=contact_id, template="instalment_due",
            values=_values(agreement.invoice_number, amount, instalment.due_on),
        )
    )  # fmt: skip


def _values(invoice_number: str, amount: Money, due_on: date) -> dict[str, str]:
    return {"invoice_number": invoice_number, "amount": str(amount), "due_on": due_on.isoformat()}
