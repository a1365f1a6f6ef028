"""What is done about refunds: ask for one, confirm or refuse it, take it back.

All of it is under the lock of the invoice's journey, as everything about the customer's money is. So of two refunds at
once the second sees what the first left to the customer's credit; a payment that is returned between asking and
confirming is seen by the confirmation, which is refused then. Two confirmations: the second is refused.
"""

from uuid import UUID

from anliegen.events import Money, RefundBooked, RefundReversed, RefundWaits
from anliegen.kit import Transaction, ids
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
from .domain import CurrencyDiffers, Refund, State, check_amount, refundable


async def ask_for_refund(
    tx: Transaction, *, invoice_number: str, case_id: UUID, amount: Money, reason: str, agent: str
) -> Refund:
    """Pay this back, or have a second person confirm it first where it is much.

    Raises DunningNotFound, InquiryNotFound, InquiryOfSomebodyElse, CurrencyDiffers, RefundTooLarge.
    """
    refund = await preview_refund(
        tx, invoice_number=invoice_number, case_id=case_id, amount=amount, reason=reason, agent=agent
    )
    await store.insert_refund(tx, refund=refund)
    if refund.state is State.WAITING:
        tx.publish(RefundWaits(**_told(refund), asked_by=agent))
    else:
        await _book(tx, refund)
    return refund


async def preview_refund(
    tx: Transaction, *, invoice_number: str, case_id: UUID, amount: Money, reason: str, agent: str
) -> Refund:
    """The refund as it would be, booked or waiting. Nothing is stored. Raises as `ask_for_refund` does."""
    debt = (await dunning.load_standing(tx, invoice_number=invoice_number)).debt
    inquiry = await inquiries.get_inquiry(tx, case_id=case_id)
    if inquiry.journey_id not in await tx.members(debt.journey_id):
        raise InquiryOfSomebodyElse
    if amount.currency != debt.currency:
        raise CurrencyDiffers
    check_amount(amount.amount, credit=await _credit(tx, debt.journey_id, debt.currency))
    waits = needs_second_person({amount.currency: amount.amount}, FOUR_EYES.refund)
    return Refund(
        refund_id=ids.uuid7(tx.wall), journey_id=debt.journey_id, case_id=case_id, invoice_number=invoice_number,
        currency=amount.currency, amount=amount.amount, reason=reason,
        state=State.WAITING if waits else State.BOOKED, asked_by=agent, asked_at=tx.now, pack=FOUR_EYES.pack,
    )  # fmt: skip


async def confirm_refund(tx: Transaction, *, refund_id: UUID, agent: str, expected: ExpectedVersion) -> Refund:
    """A second person agrees.

    Raises RefundNotFound, PreconditionFailed, NotWaiting, SecondPersonNeeded, RefundTooLarge.
    """
    waiting = await _load(tx, refund_id=refund_id, expected=expected)
    credit = await _credit(tx, waiting.journey_id, waiting.currency)
    refund = waiting.confirmed(by=agent, at=tx.now, credit=credit)
    await store.update_refund(tx, refund=refund)
    await _book(tx, refund)
    return refund


async def refuse_refund(
    tx: Transaction, *, refund_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> Refund:
    """It is not to be. Raises RefundNotFound, PreconditionFailed, NotWaiting."""
    refund = (await _load(tx, refund_id=refund_id, expected=expected)).refused(by=agent, at=tx.now, reason=reason)
    await store.update_refund(tx, refund=refund)
    return refund


async def reverse_refund(
    tx: Transaction, *, refund_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> Refund:
    """It was not paid out, or came back: it is to the customer's credit again, and pays what is owed.

    Raises RefundNotFound, PreconditionFailed, RefundOver.
    """
    refund = (await _load(tx, refund_id=refund_id, expected=expected)).reversed(by=agent, at=tx.now, reason=reason)
    await store.update_refund(tx, refund=refund)
    booked = _entry(tx, refund)
    back = Entry(
        entry_id=ids.derived("reversal", booked.entry_id), currency=booked.currency, kind=Kind.REFUND,
        amount=-booked.amount, invoice_number=None, reverses=booked.entry_id, cause=booked.cause,
        effective_on=tx.now.date(),
    )  # fmt: skip
    await ledger.insert_entries(tx, journey_id=refund.journey_id, entries=[back])
    tx.publish(RefundReversed(**_told(refund), reversed_by=agent))
    await money.conclude(tx, journey_id=refund.journey_id, on=tx.now.date())
    return refund


async def _load(tx: Transaction, *, refund_id: UUID, expected: ExpectedVersion) -> Refund:
    # The journey of a refund never changes, so it may be read before the lock.
    await tx.lock((await store.get_refund(tx, refund_id=refund_id)).journey_id)
    refund = await store.get_refund(tx, refund_id=refund_id)
    expected.check(refund.version)
    return refund


async def _credit(tx: Transaction, journey_id: UUID, currency: str) -> int:
    return refundable(await ledger.get_books(tx, journey_id=journey_id), currency)


async def _book(tx: Transaction, refund: Refund) -> None:
    await ledger.insert_entries(tx, journey_id=refund.journey_id, entries=[_entry(tx, refund)])
    tx.publish(RefundBooked(**_told(refund), asked_by=refund.asked_by, confirmed_by=refund.decided_by))
    await money.conclude(tx, journey_id=refund.journey_id, on=tx.now.date())
    amount = Money(amount=refund.amount, currency=refund.currency)
    await tell_customer(
        tx, journey_id=refund.journey_id, case_id=refund.case_id, about=refund.refund_id,
        words=Words(
            template="refund_booked", values={"invoice_number": refund.invoice_number, "amount": str(amount)}
        ),
    )  # fmt: skip


def _entry(tx: Transaction, refund: Refund) -> Entry:
    return Entry(
        entry_id=ids.derived("entry", Kind.REFUND, refund.refund_id), currency=refund.currency, kind=Kind.REFUND,
        amount=refund.amount, invoice_number=None, cause=str(refund.refund_id), effective_on=tx.now.date(),
    )  # fmt: skip


def _told(refund: Refund) -> dict[str, object]:
    return {
        "journey_id": refund.journey_id, "refund_id": refund.refund_id, "invoice_number": refund.invoice_number,
        "amount": Money(amount=refund.amount, currency=refund.currency), "reason": refund.reason,
    }  # fmt: skip
