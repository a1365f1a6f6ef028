"""What billing inquiry announces of money: what the billing system and everybody else have to take over."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from .base import CaseEvent, ContentReference, JourneyEvent, Money
from .intake_billing import InvoiceLine


class InvoiceFoundWrong(CaseEvent, type="billing_inquiry.invoice_found_wrong.v1"):
    """The invoice that an inquiry is about was wrong: a failure on our side, once however often it is corrected."""

    invoice_number: str = Field(max_length=60)
    """The invoice that was wrong."""


class InvoiceCorrected(JourneyEvent, type="billing_inquiry.invoice_corrected.v1", words=True):
    """A wrong invoice was reversed, a right one issued in its place and the difference credited, all at once.

    The billing system takes it over as it stands; telling it again as its own changes nothing.
    """

    correction_id: UUID
    """Names the correction."""
    customer_number: str = Field(max_length=40)
    """As the billing system gave it."""
    case_id: UUID | None = None
    """The inquiry that it answers."""
    reversed_invoice: str = Field(max_length=60)
    """The number of the invoice that is no longer owed."""
    invoice_number: str = Field(max_length=60)
    """The number of the corrected invoice."""
    issued_on: date
    """The date on the corrected invoice."""
    due_on: date
    """By when it is to be paid."""
    lines: tuple[InvoiceLine, ...]
    """All lines of the corrected invoice."""
    corrected_lines: tuple[Annotated[str, Field(max_length=60)], ...]
    """Which of them differ from the old invoice, by `line_id`."""
    total: Money
    """Of the corrected invoice."""
    difference: Money
    """What the customer owes less than before; negative where it is more."""
    open_amount: Money
    """What is left to pay on the corrected invoice."""
    account_credit: Money
    """What the customer has to their credit afterwards, not on any invoice."""
    document: ContentReference
    """The corrected invoice as PDF, in the object store."""
    reason: str = Field(max_length=40)
    """A code: `wrong_price` …"""
    corrected_by: str = Field(max_length=200)
    """The agent's id."""
    corrected_at: AwareDatetime
    """When it was corrected."""

    @property
    def subject(self) -> str:
        return str(self.case_id or self.journey_id)


class InvoiceCorrectionReversed(JourneyEvent, type="billing_inquiry.invoice_correction_reversed.v1"):
    """A correction was undone: the old invoice is owed again, the corrected one is not."""

    correction_id: UUID
    """Names the correction, as when it was made."""
    customer_number: str = Field(max_length=40)
    """As the billing system gave it."""
    case_id: UUID | None = None
    """The inquiry in which it was corrected."""
    reinstated_invoice: str = Field(max_length=60)
    """The number of the invoice that is owed again."""
    reversed_invoice: str = Field(max_length=60)
    """The number of the corrected invoice, which is no longer owed."""
    open_amount: Money
    """What is left to pay on the reinstated invoice."""
    reason: str = Field(max_length=200)
    """A code: `corrected_by_mistake` …"""
    reversed_by: str = Field(max_length=200)
    """The agent's id."""
    reversed_at: AwareDatetime
    """When it was undone."""

    @property
    def subject(self) -> str:
        return str(self.case_id or self.journey_id)
