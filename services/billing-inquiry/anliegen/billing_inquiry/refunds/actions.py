"""What is done about refunds: ask for one, confirm or refuse it, take it back.

All of it is under the lock of the invoice's journey, as everything about the customer's money is. So of two refunds at
once the second sees what the first left to the customer's credit; a payment that is returned between asking and
confirming is seen by the confirmation, which is refused then. Two confirmations: the second is refused.
"""

from datetime import timedelta
from uuid import UUID

from anliegen.events import Money, RefundBooked, RefundReversed, RefundWaits
from anliegen.kit import Transaction, ids
from anliegen.kit.cases import refuse_own
from anliegen.kit.versions import ExpectedVersion

from .. import store as inquiries
from ..actions import Words
from ..agreements.domain import InquiryOfSomebodyElse
from ..dunning import actions as dunning
from ..four_eyes import FOUR_EYES, needs_second_person
from ..money import actions as money
from ..money.domain import Entry, Kind
from ..money.store import ledger
from ..money.tell import tell_customer
from . import store
from .domain import CurrencyDiffers, Refund, State, check_amount, refundable, refundable_of_purchase


async def ask_for_refund(
    tx: Transaction, *, invoice_number: str, case_id: UUID, amount: Money, reason: str, agent: str,
    of_purchase: bool = False,
) -> Refund:  # fmt: skip
    """Pay this back, or have a second person confirm it first where it is much. Raises as `preview_refund` does."""
    refund = await preview_refund(
        tx, invoice_number=invoice_number, case_id=case_id, amount=amount, reason=reason, agent=agent,
        of_purchase=of_purchase,
    )  # fmt: skip
    await store.insert_refund(tx, refund=refund)
    if refund.state is State.WAITING:
        tx.publish(RefundWaits(**_told(refund), asked_by=agent))
    else:
        await _book(tx, refund)
    return refund


async def preview_refund(
    tx: Transaction, *, invoice_number: str, case_id: UUID, amount: Money, reason: str, agent: str,
    of_purchase: bool = False,
) -> Refund:  # fmt: skip
    """The refund as it would be, booked or waiting. Nothing is stored.

    `of_purchase`: the customer gives back what was bought, so what was paid on this invoice goes back, with a credit of
    the same amount, and nothing is corrected first. Raises DunningNotFound, InquiryNotFound, InquiryOfSomebodyElse,
    CurrencyDiffers, RefundTooLarge.
    """
    debt = (await dunning.load_standing(tx, invoice_number=invoice_number)).debt
    await refuse_own(tx, debt.journey_id)
    inquiry = await inquiries.get_inquiry(tx, case_id=case_id)
    if inquiry.journey_id not in await tx.members(debt.journey_id):
        raise InquiryOfSomebodyElse
    if amount.currency != debt.currency:
        raise CurrencyDiffers
    together = await store.get_paid_back(
        tx, journey_ids=await tx.members(debt.journey_id), currency=amount.currency,
        since=tx.now - timedelta(days=FOUR_EYES.refund_together_days),
    )  # fmt: skip
    waits = needs_second_person({amount.currency: amount.amount + together}, FOUR_EYES.refund)
    refund = Refund(
        refund_id=ids.uuid7(tx.wall), journey_id=debt.journey_id, case_id=case_id, invoice_number=invoice_number,
        currency=amount.currency, amount=amount.amount, reason=reason,
        state=State.WAITING if waits else State.BOOKED, asked_by=agent, asked_at=tx.now, pack=FOUR_EYES.pack,
        of_purchase=of_purchase,
    )  # fmt: skip
    check_amount(refund.amount, credit=await _most(tx, refund))
    return refund


async def preview_confirmation(tx: Transaction, *, refund_id: UUID, agent: str, expected: ExpectedVersion) -> Refund:
    """It as a second person would confirm it. Nothing is stored.

    Raises RefundNotFound, PreconditionFailed, NotWaiting, SecondPersonNeeded, RefundTooLarge.
    """
    waiting = await _load(tx, refund_id=refund_id, expected=expected)
    return waiting.confirmed(by=agent, at=tx.now, credit=await _most(tx, waiting))


async def confirm_refund(tx: Transaction, *, refund_id: UUID, agent: str, expected: ExpectedVersion) -> Refund:
    """A second person agrees. Raises as `preview_confirmation` does."""
    refund = await preview_confirmation(tx, refund_id=refund_id, agent=agent, expected=expected)
    await store.update_refund(tx, refund=refund)
    await _book(tx, refund)
    return refund


async def preview_refusal(
    tx: Transaction, *, refund_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> Refund:
    """It as it would be refused. Nothing is stored. Raises RefundNotFound, PreconditionFailed, NotWaiting."""
    return (await _load(tx, refund_id=refund_id, expected=expected)).refused(by=agent, at=tx.now, reason=reason)


async def refuse_refund(
    tx: Transaction, *, refund_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> Refund:
    """It is not to be. Raises as `preview_refusal` does."""
    refund = await preview_refusal(tx, refund_id=refund_id, reason=reason, agent=agent, expected=expected)
    await store.update_refund(tx, refund=refund)
    return refund


async def preview_reversal(
    tx: Transaction, *, refund_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> Refund:
    """It as it would be taken back. Nothing is stored. Raises RefundNotFound, PreconditionFailed, RefundOver."""
    return (await _load(tx, refund_id=refund_id, expected=expected)).reversed(by=agent, at=tx.now, reason=reason)


async def reverse_refund(
    tx: Transaction, *, refund_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> Refund:
    """It was not paid out, or came back: it is to the customer's credit again, and pays what is owed.

    Of a purchase the credit is taken back with it. Raises as `preview_reversal` does.
    """
    refund = await preview_reversal(tx, refund_id=refund_id, reason=reason, agent=agent, expected=expected)
    await store.update_refund(tx, refund=refund)
    back = [
        Entry(
            entry_id=ids.derived("reversal", booked.entry_id), currency=booked.currency, kind=booked.kind,
            amount=-booked.amount, invoice_number=None, reverses=booked.entry_id, cause=booked.cause,
            effective_on=tx.now.date(),
        )
        for booked in _entries(tx, refund)
    ]  # fmt: skip
    await ledger.insert_entries(tx, journey_id=refund.journey_id, entries=back)
    tx.publish(RefundReversed(**_told(refund), reversed_by=agent))
    await money.conclude(tx, journey_id=refund.journey_id, on=tx.now.date())
    return refund


async def _load(tx: Transaction, *, refund_id: UUID, expected: ExpectedVersion) -> Refund:
    # The journey of a refund never changes, so it may be read before the lock.
    await tx.lock((await store.get_refund(tx, refund_id=refund_id)).journey_id)
    refund = await store.get_refund(tx, refund_id=refund_id)
    await refuse_own(tx, refund.journey_id)
    expected.check(refund.version)
    return refund


async def _most(tx: Transaction, refund: Refund) -> int:
    """How much of this may go back now."""
    books = await ledger.get_books(tx, journey_id=refund.journey_id)
    given_back = await store.list_given_back(tx, journey_id=refund.journey_id)
    if refund.of_purchase:
        return refundable_of_purchase(books, refund.invoice_number, given_back=given_back)
    return refundable(books, refund.currency, given_back=given_back)


async def _book(tx: Transaction, refund: Refund) -> None:
    await ledger.insert_entries(tx, journey_id=refund.journey_id, entries=_entries(tx, refund))
    tx.publish(RefundBooked(**_told(refund), asked_by=refund.asked_by, confirmed_by=refund.decided_by))
    await money.conclude(tx, journey_id=refund.journey_id, on=tx.now.date())
    amount = Money(amount=refund.amount, currency=refund.currency)
    await tell_customer(
        tx, journey_id=refund.journey_id, case_id=refund.case_id, about=refund.refund_id,
        words=Words(
            template="refund_booked", values={"invoice_number": refund.invoice_number, "amount": str(amount)}
        ),
    )  # fmt: skip


def _entries(tx: Transaction, refund: Refund) -> list[Entry]:
    booked = [(Kind.CREDIT, -refund.amount)] if refund.of_purchase else []
    return [
        Entry(
            entry_id=ids.derived("entry", "refund", kind, refund.refund_id) if kind is Kind.CREDIT
            else ids.derived("entry", kind, refund.refund_id),
            currency=refund.currency, kind=kind, amount=amount, invoice_number=None, cause=str(refund.refund_id),
            effective_on=tx.now.date(),
        )
        for kind, amount in [*booked, (Kind.REFUND, refund.amount)]
    ]  # fmt: skip


def _told(refund: Refund) -> dict[str, object]:
    return {
        "journey_id": refund.journey_id, "refund_id": refund.refund_id, "invoice_number": refund.invoice_number,
        "amount": Money(amount=refund.amount, currency=refund.currency), "reason": refund.reason,
    }  # fmt: skip
