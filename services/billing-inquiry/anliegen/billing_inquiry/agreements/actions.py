"""What is done about agreements: make one, see what it would be, take it back.

All of it is under the lock of the invoice's journey, as dunning is (`dunning/actions.py`). A payment that comes at the
same moment is before or after: an agreement is made about what is owed then, and its instalments have to fit that. Of
two agreements on one invoice the second is refused. A payment that comes before time noticed that an instalment was
missed keeps the agreement: `reconsider` reads what is owed first.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from anliegen.events import BillingReplyRequested, Money, PaymentAgreed, Task
from anliegen.events import Instalment as AgreedInstalment
from anliegen.kit import Transaction, ids
from anliegen.kit.cases import refuse_own
from anliegen.kit.versions import ExpectedVersion

from .. import store as inquiries
from ..dunning import actions as dunning
from ..dunning.domain import HoldReason
from . import store
from .domain import (
    Agreement,
    AgreementInForce,
    InquiryOfSomebodyElse,
    Instalment,
    Kind,
    check_instalments,
    equal_instalments,
    today_of,
)
from .rules import AGREEMENT_RULES
from .watch import announce_end, set_look


async def agree(
    tx: Transaction, *, kind: Kind, invoice_number: str, case_id: UUID, instalments: Sequence[Instalment], agent: str,
    expected: ExpectedVersion,
) -> Agreement:  # fmt: skip
    """Agree on these instalments; dunning is held from now on, and the customer is told.

    Raises DunningNotFound, PreconditionFailed, InquiryNotFound, InquiryOfSomebodyElse, AgreementInForce,
    NothingToAgree, InstalmentsWrong.
    """
    agreement = await preview_agreement(
        tx, kind=kind, invoice_number=invoice_number, case_id=case_id, instalments=instalments, agent=agent,
        expected=expected,
    )  # fmt: skip
    await store.insert_agreement(tx, agreement=agreement)
    await set_look(tx, agreement)
    agreed = tuple(
        AgreedInstalment(due_on=one.due_on, amount=Money(amount=one.amount, currency=agreement.currency))
        for one in agreement.instalments
    )
    tx.publish(
        PaymentAgreed(
            journey_id=agreement.journey_id, invoice_number=invoice_number, agreement_id=agreement.agreement_id,
            kind=kind, case_id=case_id, instalments=agreed, agreed_by=agent, pack=agreement.pack,
        )
    )  # fmt: skip
    contact_id = await store.find_newest_contact_id(
        tx, case_id=case_id, journey_ids=await tx.members(agreement.journey_id)
    )
    if contact_id is not None:
        first = agreement.instalments[0]
        values = {
            "invoice_number": invoice_number,
            "amount": str(Money(amount=agreement.amount, currency=agreement.currency)),
            "count": str(len(agreed)),
            "first_amount": str(Money(amount=first.amount, currency=agreement.currency)),
            "due_on": first.due_on.isoformat(),
            "last_on": agreement.instalments[-1].due_on.isoformat(),
        }
        tx.publish(
            BillingReplyRequested(
                journey_id=agreement.journey_id, reply_id=ids.derived("reply", agreement.agreement_id, "agreed"),
                case_id=case_id, task=Task.BILLING_INQUIRY, contact_id=contact_id, template="payment_agreed",
                values=values,
            )
        )  # fmt: skip
    await dunning.reconsider(tx, [invoice_number])
    return await store.get_agreement(tx, agreement_id=agreement.agreement_id)


async def preview_agreement(
    tx: Transaction, *, kind: Kind, invoice_number: str, case_id: UUID, instalments: Sequence[Instalment], agent: str,
    expected: ExpectedVersion,
) -> Agreement:  # fmt: skip
    """The agreement as it would be made. Nothing is stored. Raises as `agree` does."""
    standing = await dunning.load_standing(tx, invoice_number=invoice_number, expected=expected)
    debt = standing.debt
    await refuse_own(tx, debt.journey_id)
    inquiry = await inquiries.get_inquiry(tx, case_id=case_id)
    # Else what a customer owes would be told to whoever asks about the invoice.
    if inquiry.journey_id not in await tx.members(debt.journey_id):
        raise InquiryOfSomebodyElse
    if await store.find_agreement_in_force(tx, invoice_number=invoice_number) is not None:
        raise AgreementInForce
    check_instalments(
        kind, instalments, open_amount=debt.open_amount, currency=debt.currency, today=today_of(tx.now),
        rules=AGREEMENT_RULES,
    )  # fmt: skip
    return Agreement(
        agreement_id=ids.uuid7(tx.wall), kind=kind, invoice_number=invoice_number, journey_id=debt.journey_id,
        case_id=case_id, currency=debt.currency, open_at_start=debt.open_amount, instalments=tuple(instalments),
        agreed_at=tx.now, agreed_by=agent, pack=AGREEMENT_RULES.pack,
    )  # fmt: skip


async def spread_evenly(tx: Transaction, *, invoice_number: str, count: int, first_on: date) -> tuple[Instalment, ...]:
    """What is owed in so many equal instalments. Raises DunningNotFound, InstalmentsWrong."""
    standing = await dunning.load_standing(tx, invoice_number=invoice_number)
    return equal_instalments(max(standing.debt.open_amount, 0), count=count, first_on=first_on)


async def preview_cancellation(
    tx: Transaction, *, agreement_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> Agreement:
    """The agreement as it would be taken back. Nothing is stored.

    Raises AgreementNotFound, PreconditionFailed, AgreementOver.
    """
    # The journey of an agreement never changes, so it may be read before the lock.
    await tx.lock((await store.get_agreement(tx, agreement_id=agreement_id)).journey_id)
    before = await store.get_agreement(tx, agreement_id=agreement_id)
    await refuse_own(tx, before.journey_id)
    expected.check(before.version)
    return before.cancelled(at=tx.now, by=agent, reason=reason)


async def cancel_agreement(
    tx: Transaction, *, agreement_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> Agreement:
    """Take an agreement back; dunning goes on after some days. Raises as `preview_cancellation` does."""
    agreement = await preview_cancellation(tx, agreement_id=agreement_id, reason=reason, agent=agent, expected=expected)
    await store.update_agreement(tx, agreement=agreement)
    await set_look(tx, agreement)
    await announce_end(tx, agreement)
    await dunning.follow_case(
        tx, case_id=agreement_id, journey_id=agreement.journey_id, reason=HoldReason(agreement.kind), unsettled=False,
        invoice_number=agreement.invoice_number, sequence=agreement.version,
    )  # fmt: skip
    return agreement
