"""What the billing system tells as a partner: invoices, payments, credits, reminders, in any order and repeated."""

from datetime import date
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from .base import Part
from .partners import PartnerCustomerEvent

SMALLEST, LARGEST = -(2**53), 2**53
"""Amounts in one invoice or payment, in minor units: what every JSON reader takes exactly, with room for sums."""
Amount = Annotated[int, Field(ge=SMALLEST, le=LARGEST)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$", max_length=3)]
Number = Annotated[str, StringConstraints(min_length=1, max_length=60)]


class InvoiceLine(Part):
    """One line of an invoice; all amounts are minor units of the invoice's currency."""

    line_id: Number
    """Names the line within its invoice."""
    text: str = Field(max_length=500)
    """What is charged, as the customer reads it."""
    quantity: str = Field(default="1", max_length=40)
    """How much of it, as the customer reads it: `3`, `12.5 GB`."""
    net: Amount
    """Without tax; negative for a discount."""
    tax_rate: int = Field(ge=0, le=100_000)
    """Basis points: 1900 are 19 %."""
    tax: Amount
    """The tax, rounded as the billing system rounds."""
    gross: Amount
    """Net and tax together."""

    @field_validator("gross")
    @classmethod
    def _is_the_sum(cls, gross: int, info: ValidationInfo) -> int:
        if {"net", "tax"} <= info.data.keys() and gross != info.data["net"] + info.data["tax"]:
            raise ValueError("gross is not net plus tax")
        return gross


class InvoiceIssued(PartnerCustomerEvent, type="intake.invoice_issued.v1", words=True):
    """The billing system issued an invoice. It is never changed: what was wrong is put right by another one."""

    invoice_number: Number
    """The invoice's own number, one of a kind in the billing system."""
    issued_on: date
    """The date on the invoice."""
    due_on: date
    """By when it is to be paid."""
    period_from: date | None = None
    """The first day of what is charged."""
    period_until: date | None = None
    """The last day of what is charged."""
    currency: Currency
    """ISO 4217, of all amounts in it."""
    lines: tuple[InvoiceLine, ...] = Field(min_length=1, max_length=500)
    """What is charged."""
    total: Amount
    """The sum of the lines' gross amounts, minor units; negative for a credit note."""
    replaces: str | None = Field(default=None, max_length=60)
    """The invoice that this one replaces, where the billing system corrected it itself."""
    recipient: tuple[Annotated[str, Field(max_length=100)], ...] = Field(default=(), max_length=8)
    """Name and postal address as on the invoice, line by line."""
    business: bool = False
    """Whether the customer is a business, which owes higher interest (§ 288(2) BGB)."""
    told_of_default: bool = False
    """Whether the invoice says what follows after 30 days (§ 286(3) BGB)."""

    @field_validator("lines")
    @classmethod
    def _differ(cls, lines: tuple[InvoiceLine, ...]) -> tuple[InvoiceLine, ...]:
        if len({line.line_id for line in lines}) != len(lines):
            raise ValueError("two lines have one line_id")
        return lines

    @field_validator("total")
    @classmethod
    def _is_the_sum(cls, total: int, info: ValidationInfo) -> int:
        if "lines" in info.data and total != sum(line.gross for line in info.data["lines"]):
            raise ValueError("the total is not the sum of the lines")
        return total


class InvoiceCancelled(PartnerCustomerEvent, type="intake.invoice_cancelled.v1"):
    """The billing system took an invoice back as a whole."""

    invoice_number: Number
    """The invoice that is no longer owed."""
    cancelled_on: date
    """When it was taken back."""
    reason: str | None = Field(default=None, max_length=100)
    """A code of the billing system."""


class PaymentAllocation(Part):
    """How much of a payment is for which invoice."""

    invoice_number: Number
    """The invoice, which may come later than the payment."""
    amount: Positive
    """Minor units of the payment's currency."""


class PaymentReceived(PartnerCustomerEvent, type="intake.payment_received.v1"):
    """The customer paid."""

    payment_id: Number
    """The billing system's name for the payment."""
    received_on: date
    """The value date."""
    currency: Currency
    """ISO 4217."""
    amount: Positive
    """Minor units."""
    allocations: tuple[PaymentAllocation, ...] = Field(default=(), max_length=100)
    """Which invoices it is for, where the customer said so; the rest goes to those that were due first."""

    @field_validator("allocations")
    @classmethod
    def _fit(cls, allocations: tuple[PaymentAllocation, ...], info: ValidationInfo) -> tuple[PaymentAllocation, ...]:
        if len({one.invoice_number for one in allocations}) != len(allocations):
            raise ValueError("an invoice is named twice")
        if "amount" in info.data and sum(one.amount for one in allocations) > info.data["amount"]:
            raise ValueError("more is allocated than was paid")
        return allocations


class PaymentReturned(PartnerCustomerEvent, type="intake.payment_returned.v1"):
    """A payment was taken back by the bank or the customer: the whole of it."""

    payment_id: Number
    """The payment that was returned."""
    returned_on: date
    """The value date."""
    reason: str | None = Field(default=None, max_length=100)
    """A code of the bank or the billing system: `insufficient_funds` …"""


class CreditIssued(PartnerCustomerEvent, type="intake.credit_issued.v1"):
    """The billing system gave a credit, on an invoice or on the customer's account."""

    credit_id: Number
    """The billing system's name for the credit."""
    issued_on: date
    """From when on it counts."""
    currency: Currency
    """ISO 4217."""
    amount: Positive
    """What the customer owes less, in minor units."""
    invoice_number: Annotated[str, Field(max_length=60)] | None = None
    """The invoice it is for; none where it is for the account."""
    reason: str | None = Field(default=None, max_length=100)
    """A code of the billing system."""


class ReminderSent(PartnerCustomerEvent, type="intake.reminder_sent.v1"):
    """The billing system sent a reminder of an invoice."""

    reminder_id: Number
    """The billing system's name for the reminder."""
    invoice_number: Number
    """What it reminds of."""
    level: int = Field(ge=1, le=20)
    """1 is the first."""
    sent_on: date
    """When it was sent."""


class PaymentMethodRecorded(PartnerCustomerEvent, type="intake.payment_method_recorded.v1"):
    """How the customer pays from now on, as the billing system has it; never a whole account or card number."""

    method: str = Field(pattern=r"^[a-z][a-z_]*$", max_length=40)
    """A code: `invoice`, `sepa_direct_debit`, `card` …"""
    shown_as: str | None = Field(default=None, max_length=60)
    """What a customer recognises it by: `DE89 … 3000`."""
    recorded_on: date
    """From when on."""
