"""Correct an invoice in one go, and undo it.

Who meets whom, and who goes first: everything is done under the lock of the customer's journey, and of the inquiry's
where one is answered, both in one call.
- A payment arrives during a correction: whoever is second finds what the first left. A payment for the old invoice pays
  the corrected one; a correction after the payment moves over what was paid, and what is too much is the account's.
- Two corrections of one invoice: the second one's `If-Match` is stale (412), and the invoice not in force (409).
- A correction and its reversal: the reversal needs the correction's ETag, so it comes after it. After it, the old
  invoice is owed again, and may be corrected again under another number.
- What was paid between a correction and its reversal pays the old invoice again, since allocation is concluded anew.
- A repeated command answers what the first one answered, by its Idempotency-Key; under another key it is refused.
- The document is written before the lock. Where anything that it says is different under the lock, nothing is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from anliegen.events import (
    ContentReference,
    Failure,
    FailureKind,
    GoodwillProposalWithdrawn,
    GoodwillProposed,
    InvoiceCorrected,
    InvoiceCorrectionReversed,
    InvoiceFoundWrong,
    Priority,
)
from anliegen.kit import Transaction, ids
from anliegen.kit.cases import refuse_own
from anliegen.kit.versions import ANY_VERSION, ExpectedVersion

from .. import actions as inquiries
from .. import store as inquiry_store
from ..agreements.domain import InquiryOfSomebodyElse
from ..domain import Contact, Matter
from ..dunning import actions as dunning
from .actions import conclude
from .drafts import Draft, LineChange, draft_correction
from .records import ChangedMeanwhile, Correction, CorrectionNotInForce, Invoice
from .rules import RULES
from .store import invoices as store
from .store import ledger
from .tell import tell_customer

CORRECTED_TEMPLATE = "invoice_corrected"
REVERSED_TEMPLATE = "invoice_correction_reversed"
WITHDRAWN_FOR = "correction_reversed"
INTENT = "wrong_invoice"
"""What an inquiry is about that an agent opens by putting an invoice right."""
MOST_ROLES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an agent wants corrected."""

    invoice_number: str
    changes: Sequence[LineChange]
    reason: str
    case_id: UUID | None = None
    """The inquiry that is answered; without one, the newest contact of the customer becomes one and is answered."""
    goodwill: bool = True
    severity: int = 2
    failures: int = 1
    language: str | None = None
    tell: bool = True
    """Send the answer and the document; not where the customer hears it at this moment."""


async def preview_correction(tx: Transaction, wish: Wish) -> Draft:
    """What a correction would come to; nothing is changed.

    Raises as `draft_correction`, InvoiceNotFound, OwnCase, InquiryNotFound, InquiryOfSomebodyElse.
    """
    invoice = await store.get_invoice(tx, invoice_number=wish.invoice_number)
    await refuse_own(tx, invoice.journey_id)
    if wish.case_id is not None:
        # Whoever asked hears the answer and gets the document.
        inquiry = await inquiry_store.get_inquiry(tx, case_id=wish.case_id)
        if inquiry.journey_id not in await tx.members(invoice.journey_id):
            raise InquiryOfSomebodyElse
    books = await ledger.get_books(tx, journey_id=invoice.journey_id)
    return draft_correction(books, invoice, wish.changes, rules=RULES, today=tx.now.date())


async def correct_invoice(
    tx: Transaction, wish: Wish, *, seen: Draft | None, document: ContentReference | None, agent: str,
    roles: frozenset[str], tier: int, expected: ExpectedVersion,
) -> Correction:  # fmt: skip
    """Reverse the wrong invoice, issue the right one, credit the difference, propose goodwill, tell the customer.

    `seen` is the draft that the document was written from. Raises InvoiceNotFound, PreconditionFailed,
    InvoiceNotInForce, LineUnknown, NothingCorrected, ChangedMeanwhile, InquiryNotFound, InquiryOfSomebodyElse,
    InquirySettled.
    """
    old = await store.get_invoice(tx, invoice_number=wish.invoice_number)
    contact = None
    if wish.case_id is not None:
        answered = (await inquiry_store.get_inquiry(tx, case_id=wish.case_id)).journey_id
    else:
        contact = await inquiry_store.find_newest_contact(tx, journey_ids=await tx.members(old.journey_id))
        answered = contact.journey_id if contact else old.journey_id
    await tx.lock(old.journey_id, answered)
    expected.check((await store.get_invoice(tx, invoice_number=wish.invoice_number)).version)
    draft = await preview_correction(tx, wish)
    if draft != seen or document is None:
        raise ChangedMeanwhile
    right = replace(draft.invoice, document=document)
    correction_id = ids.uuid7(tx.wall)
    if contact is not None:
        wish = replace(wish, case_id=await _open_inquiry(tx, contact, old))
    proposal_id = ids.derived("proposal", correction_id) if wish.goodwill and draft.goodwill else None
    correction = Correction(
        correction_id=correction_id, journey_id=old.journey_id, old_number=old.invoice_number,
        new_number=right.invoice_number, case_id=wish.case_id, reason=wish.reason,
        corrected_lines=draft.corrected_lines, proposal_id=proposal_id,
        proposed=draft.goodwill.amount if proposal_id and draft.goodwill else None, corrected_by=agent,
        corrected_at=tx.now,
    )  # fmt: skip
    await store.insert_invoice(tx, invoice=right)
    await store.insert_correction(tx, correction=correction)
    await conclude(tx, journey_id=old.journey_id, on=right.issued_on)
    tx.publish(
        InvoiceCorrected(
            journey_id=old.journey_id, correction_id=correction_id, customer_number=old.customer_number,
            case_id=wish.case_id, reversed_invoice=old.invoice_number, invoice_number=right.invoice_number,
            issued_on=right.issued_on, due_on=right.due_on, lines=right.lines, corrected_lines=draft.corrected_lines,
            total=right.money(right.total), difference=draft.difference, open_amount=draft.open_amount,
            account_credit=draft.account_credit, document=document, reason=wish.reason, corrected_by=agent,
            corrected_at=tx.now,
        )
    )  # fmt: skip
    if proposal_id is not None and draft.goodwill is not None:
        tx.publish(
            GoodwillProposed(
                journey_id=old.journey_id, proposal_id=proposal_id, case_id=wish.case_id or correction_id,
                invoice_number=right.invoice_number, kind="credit_next_period", amount=draft.goodwill,
                product_value=old.money(old.total), severity=wish.severity, failures=wish.failures,
                reason="wrong_invoice", proposed_by=agent, proposer_roles=tuple(sorted(roles))[:MOST_ROLES],
                proposer_tier=tier, proposed_at=tx.now,
            )
        )  # fmt: skip
    if wish.case_id is not None:
        await _tell_of_failure(tx, wish.case_id, old)
        await _answer(tx, wish, draft, document=document, agent=agent)
    return correction


async def reverse_correction(
    tx: Transaction, *, correction_id: UUID, reason: str, agent: str, expected: ExpectedVersion, tell: bool = True
) -> Correction:
    """Undo it: the old invoice is owed again, the goodwill proposal is withdrawn, and the customer told.

    Raises CorrectionNotFound, PreconditionFailed, CorrectionNotInForce.
    """
    await tx.lock((await store.get_correction(tx, correction_id=correction_id)).journey_id)
    before = await store.get_correction(tx, correction_id=correction_id)
    await refuse_own(tx, before.journey_id)
    expected.check(before.version)
    books = await ledger.get_books(tx, journey_id=before.journey_id)
    if before.reversed_at is not None or not books.charges[before.new_number].in_force:
        raise CorrectionNotInForce
    undone = replace(before, reversed_by=agent, reversed_at=tx.now, reversal_reason=reason, version=before.version + 1)
    await store.update_correction_reversed(tx, correction=undone)
    await conclude(tx, journey_id=before.journey_id, on=tx.now.date())
    old = await store.get_invoice(tx, invoice_number=before.old_number)
    left = await ledger.list_open_amounts(tx, invoice_numbers=[old.invoice_number])
    tx.publish(
        InvoiceCorrectionReversed(
            journey_id=old.journey_id, correction_id=correction_id, customer_number=old.customer_number,
            case_id=before.case_id, reinstated_invoice=old.invoice_number, reversed_invoice=before.new_number,
            open_amount=left[old.invoice_number], reason=reason, reversed_by=agent, reversed_at=tx.now,
        )
    )  # fmt: skip
    if before.proposal_id is not None:
        tx.publish(
            GoodwillProposalWithdrawn(
                journey_id=old.journey_id, proposal_id=before.proposal_id, case_id=before.case_id or correction_id,
                invoice_number=before.new_number, reason=WITHDRAWN_FOR, withdrawn_by=agent, withdrawn_at=tx.now,
            )
        )  # fmt: skip
    if tell:
        standing = await dunning.get_standing(tx, invoice_number=old.invoice_number)
        values = {
            "invoice_number": old.invoice_number, "reversed_number": before.new_number,
            "open_amount": str(left[old.invoice_number]), "due_on": standing.dunning.due_on.isoformat(),
        }  # fmt: skip
        await tell_customer(
            tx, journey_id=old.journey_id, case_id=before.case_id, about=correction_id,
            words=inquiries.Words(template=REVERSED_TEMPLATE, values=values),
        )  # fmt: skip
    return undone


async def _open_inquiry(tx: Transaction, contact: Contact, invoice: Invoice) -> UUID:
    """What an agent puts right without a case is a case all the same: the customer hears of it, and it is counted."""
    matter = Matter(
        contact=contact, intent=INTENT, priority=Priority.NORMAL, tier=1, came_at=tx.now,
        invoice_number=invoice.invoice_number,
    )  # fmt: skip
    return (await inquiries.open_inquiry(tx, concern_id=ids.uuid7(tx.wall), matter=matter)).case_id


async def _tell_of_failure(tx: Transaction, case_id: UUID, invoice: Invoice) -> None:
    # It counts in the case, wherever failures of the person are counted. Nobody suffered what nobody knew of.
    inquiry = await inquiry_store.get_inquiry(tx, case_id=case_id)
    failure = Failure(
        failure_id=ids.derived("failure", "wrong invoice", invoice.invoice_number), kind=FailureKind.WRONG_INVOICE,
        occurred_at=tx.now, code=INTENT,
    )  # fmt: skip
    tx.publish(InvoiceFoundWrong.about(inquiry, invoice_number=invoice.invoice_number, failure=failure))


async def _answer(tx: Transaction, wish: Wish, draft: Draft, *, document: ContentReference, agent: str) -> None:
    assert wish.case_id is not None
    values = {
        "invoice_number": draft.invoice.invoice_number, "old_number": wish.invoice_number,
        "total": str(draft.invoice.money(draft.invoice.total)), "difference": str(draft.difference),
        "open_amount": str(draft.open_amount), "account_credit": str(draft.account_credit),
        "due_on": draft.invoice.due_on.isoformat(),
    }  # fmt: skip
    words = inquiries.Words(template=CORRECTED_TEMPLATE, values=values, attachments=(document,), sent=wish.tell)
    await inquiries.answer_inquiry(
        tx, case_id=wish.case_id, answer=words, language=wish.language, agent=agent, expected=ANY_VERSION
    )
