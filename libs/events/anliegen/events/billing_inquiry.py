"""What billing inquiry announces: questions on invoices and reminders, and their answers."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from .base import CaseEvent, JourneyEvent, Money, ReplyRequested


class InquiryOpened(CaseEvent, type="billing_inquiry.inquiry_opened.v1"):
    """A question on an invoice, a reminder or a payment became a case."""

    concern_id: UUID
    """The concern it came from."""
    intent: str = Field(max_length=100)
    """What the customer wants, a code of triage's rule pack."""
    priority: str = Field(default="normal", max_length=20)
    """As triage set it: `low`, `normal`, `high` or `urgent`."""
    tier: int = 1
    """Which people should see it: 1 is everybody, 3 the top staff."""
    invoice_number: str | None = Field(default=None, max_length=60)
    """As the customer or an agent named it."""
    continues: UUID | None = None
    """The case that this one goes on from: settled too long ago to reopen it, or handed over by another task."""


class InquiryFollowedUp(CaseEvent, type="billing_inquiry.inquiry_followed_up.v1"):
    """The customer came back to an open inquiry."""


class InquiryTaken(CaseEvent, type="billing_inquiry.inquiry_taken.v1"):
    """A person took the inquiry and works on it."""

    taken_by: str = Field(max_length=200)
    """Who took it: the agent's id."""


class InvoiceNamed(CaseEvent, type="billing_inquiry.invoice_named.v1"):
    """It became known which invoice the inquiry is about."""

    invoice_number: str = Field(max_length=60)
    """As an agent named it."""


class InquiryAnswered(CaseEvent, type="billing_inquiry.inquiry_answered.v1"):
    """A person answered; the customer may accept or reject it."""

    answer_id: UUID
    """Names the answer; its words travel in the reply."""
    answered_by: str = Field(max_length=200)
    """Who answered: the agent's id."""


class InquiryResolved(CaseEvent, type="billing_inquiry.inquiry_resolved.v1"):
    """The inquiry is settled."""

    resolution: str = Field(max_length=40)
    """`accepted`, `no_objection` or `withdrawn`."""


class InquiryClosed(CaseEvent, type="billing_inquiry.inquiry_closed.v1"):
    """Nobody came back to the settled inquiry."""


class InquiryReopened(CaseEvent, type="billing_inquiry.inquiry_reopened.v1"):
    """The customer was not served by the answer."""

    reason: str = Field(max_length=40)
    """A code: `customer_rejected` …"""


class InquiryAnswerOverdue(CaseEvent, type="billing_inquiry.answer_overdue.v1"):
    """The promised time passed without an answer: a failure on our side."""


class GoodwillProposed(JourneyEvent, type="billing_inquiry.goodwill_proposed.v1"):
    """Billing inquiry proposes to make something good within a correction. Whether it is given, complaints decides."""

    proposal_id: UUID
    """Names the proposal: one that comes twice is decided once."""
    case_id: UUID
    """The inquiry in which it was proposed."""
    invoice_number: str | None = Field(default=None, max_length=60)
    """The invoice that was wrong."""
    kind: str = Field(max_length=40)
    """What is proposed: `credit_next_period`."""
    amount: Money
    """What is proposed, reckoned by billing's own rules."""
    product_value: Money
    """What the product or service costs that went wrong, in the same currency."""
    severity: int = Field(ge=1, le=4)
    """How bad it was: 1 annoying, 4 the product was worth nothing."""
    failures: int = Field(default=1, ge=0)
    """How many the customer suffered within the window."""
    reason: str = Field(max_length=40)
    """A code of the goodwill policy: `wrong_invoice` …"""
    proposed_by: str = Field(max_length=200)
    """Who proposes: the agent's id."""
    proposer_roles: tuple[Annotated[str, Field(max_length=40)], ...] = ()
    """The proposer's roles, on which their competence to decide rests: `agent`, `supervisor` …"""
    proposer_tier: int = Field(default=1, ge=1, le=3)
    """Which agents the proposer is one of: 1 is everybody, 3 the top staff."""
    proposed_at: AwareDatetime
    """When it was proposed."""

    @property
    def subject(self) -> str:
        return str(self.case_id)


class GoodwillProposalWithdrawn(JourneyEvent, type="billing_inquiry.goodwill_proposal_withdrawn.v1"):
    """What the proposal rested on does not hold any more. What becomes of the goodwill, complaints decides."""

    proposal_id: UUID
    """Names the proposal."""
    case_id: UUID
    """The inquiry in which it was proposed."""
    invoice_number: str | None = Field(default=None, max_length=60)
    """The invoice, as in the proposal."""
    reason: str = Field(max_length=40)
    """A code: `correction_reversed` …"""
    withdrawn_by: str = Field(max_length=200)
    """Who withdrew it: the agent's id."""
    withdrawn_at: AwareDatetime
    """When."""

    @property
    def subject(self) -> str:
        return str(self.case_id)


class BillingReplyRequested(ReplyRequested, type="billing_inquiry.reply_requested.v1", words=True):
    """Billing inquiry asks intake to bring words to the customer."""
