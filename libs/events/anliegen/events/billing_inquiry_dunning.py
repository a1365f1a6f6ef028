"""What billing inquiry announces of dunning: the biller prints and posts the reminders, and asks for what they cost."""

from datetime import date
from uuid import UUID

from pydantic import AwareDatetime, Field

from .base import JourneyEvent, Money, Part


class DunningEvent(JourneyEvent):
    """A fact about the dunning of one invoice."""

    invoice_number: str = Field(max_length=60)
    """As the billing system gave it."""


class DunningStepReached(DunningEvent, type="billing_inquiry.dunning_step_reached.v1"):
    """An unpaid invoice came to a reminder, or to be handed over: the biller sends it."""

    step: str = Field(max_length=60)
    """The reminder's name in the pack: `payment_reminder`, `first_dunning` … or `hand_over`."""
    level: int
    """Counted from 1 within a round."""
    round: int
    """Raised whenever the invoice became open again."""
    open_amount: Money
    """What is owed on the invoice, without what follows."""
    fee: Money
    """Fees of this round up to this step."""
    interest: Money
    """Interest on arrears up to this day."""
    lump_sum: Money
    """Once, of a business in default (§ 288(5) BGB)."""
    asked: Money
    """The sum of these."""
    default_since: date | None = None
    """The first day of default, where the customer is in default."""
    pay_by: date | None = None
    """The new deadline; none where the claim is handed over."""
    pack: str = Field(max_length=100)
    """The rule pack and version it rests on."""
    interest_provisional: bool = False
    """The base rate of this half-year was not known yet and the last one was carried on; a later step reckons anew."""


class DunningHeld(DunningEvent, type="billing_inquiry.dunning_held.v1"):
    """No reminder goes out until this is settled."""

    reason: str = Field(max_length=40)
    """A code: `inquiry`, `complaint`, `claim`, `plan`, `promise_to_pay` or `manual`."""
    case_id: UUID | None = None
    """The case, plan or promise that holds."""
    ends_at: AwareDatetime | None = None
    """When the hold ends by itself."""


class DunningReleased(DunningEvent, type="billing_inquiry.dunning_released.v1"):
    """Nothing holds it any more, and something is owed still."""

    next_step_at: AwareDatetime | None = None
    """When the next reminder is due."""


class DunningCleared(DunningEvent, type="billing_inquiry.dunning_cleared.v1"):
    """Nothing is owed any more: what was asked for beside the amount is not asked for any longer."""

    level: int
    """How far it had come; 0 where no reminder was sent."""


class Instalment(Part):
    """A part of what was agreed."""

    due_on: date
    """Until when it is paid."""
    amount: Money


class PaymentAgreed(DunningEvent, type="billing_inquiry.payment_agreed.v1"):
    """A plan of instalments or a promise to pay was agreed with the customer; dunning is held while it is kept."""

    agreement_id: UUID
    """Names the agreement."""
    kind: str = Field(max_length=40)
    """`plan` or `promise_to_pay`."""
    case_id: UUID
    """The inquiry in which it was agreed."""
    instalments: tuple[Instalment, ...]
    """What is to be paid, and when; a promise to pay has one."""
    agreed_by: str = Field(max_length=200)
    """The agent's id."""
    pack: str = Field(max_length=100)
    """The rule pack and version it rests on."""


class PaymentAgreementEnded(DunningEvent, type="billing_inquiry.payment_agreement_ended.v1"):
    """A plan or a promise to pay is over."""

    agreement_id: UUID
    """Names the agreement."""
    kind: str = Field(max_length=40)
    """`plan` or `promise_to_pay`."""
    outcome: str = Field(max_length=40)
    """`kept`, `broken` (dunning goes on) or `cancelled`."""
    paid: Money
    """What was paid of it."""
