"""What billing inquiry announces of payment methods and refunds: the biller collects and pays out."""

from datetime import date
from uuid import UUID

from pydantic import Field

from .base import JourneyEvent, Money


class PaymentMethodEvent(JourneyEvent):
    """A fact about how a customer pays. The account is masked: its whole travels with people's words."""

    method_id: UUID
    """Names the payment method."""
    kind: str = Field(max_length=40)
    """`sepa_mandate`, `card` or `invoice`."""
    account: str = Field(max_length=40)
    """`DE89 … 3000`, `… 4242`, or nothing."""


class PaymentMethodWaits(PaymentMethodEvent, type="billing_inquiry.payment_method_waits.v1"):
    """A change of the payment method waits for a second person."""

    asked_by: str = Field(max_length=200)
    """The agent's id."""


class PaymentMethodChanged(PaymentMethodEvent, type="billing_inquiry.payment_method_changed.v1"):
    """The customer pays so from now on."""

    replaces: UUID | None = None
    """The payment method before."""
    asked_by: str = Field(max_length=200)
    """The agent's id."""
    confirmed_by: str | None = Field(default=None, max_length=200)
    """The second person, where one was needed."""


class PaymentMethodReversed(PaymentMethodEvent, type="billing_inquiry.payment_method_reversed.v1"):
    """A change was taken back."""

    reason: str = Field(max_length=60)
    """A code: `not_the_customer`, `mistyped` …"""
    reversed_by: str = Field(max_length=200)
    """The agent's id."""
    restored: UUID | None = None
    """The payment method that is in force again; none: the customer pays by invoice."""


class PaymentDetailsChanged(JourneyEvent, type="billing_inquiry.payment_details_changed.v1", words=True):
    """The whole account of a payment method that is in force, for the biller alone."""

    method_id: UUID
    """Names the payment method."""
    kind: str = Field(max_length=40)
    """`sepa_mandate`, `card` or `invoice`."""
    iban: str | None = Field(default=None, max_length=34)
    """The account, without blanks."""
    bic: str | None = Field(default=None, max_length=11)
    """Its bank (ISO 9362)."""
    holder: str | None = Field(default=None, max_length=200)
    """Whose account it is."""
    signed_on: date | None = None
    """When the mandate was signed."""
    mandate_reference: str | None = Field(default=None, max_length=35)
    """How the mandate is named to the bank."""
    sequence: str | None = Field(default=None, max_length=4)
    """Of a mandate: `FRST` before its first collection, `RCUR` where it was in force before."""
    token: str | None = Field(default=None, max_length=200)
    """The card service's reference."""


class RefundEvent(JourneyEvent):
    """A fact about money that goes back to a customer."""

    refund_id: UUID
    """Names the refund."""
    invoice_number: str = Field(max_length=60)
    """The invoice that was overpaid."""
    amount: Money
    """What goes back."""
    reason: str = Field(max_length=60)
    """A code: `overpaid`, `returned_goods` …"""


class RefundWaits(RefundEvent, type="billing_inquiry.refund_waits.v1"):
    """A refund waits for a second person."""

    asked_by: str = Field(max_length=200)
    """The agent's id."""


class RefundBooked(RefundEvent, type="billing_inquiry.refund_booked.v1"):
    """The refund is booked: the biller pays it out."""

    asked_by: str = Field(max_length=200)
    """The agent's id."""
    confirmed_by: str | None = Field(default=None, max_length=200)
    """The second person, where one was needed."""


class RefundReversed(RefundEvent, type="billing_inquiry.refund_reversed.v1"):
    """A refund was taken back before it was paid out, or came back."""

    reversed_by: str = Field(max_length=200)
    """The agent's id."""
