"""What payment methods take and show over HTTP: an account goes in whole and comes out masked."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from .domain import Details, Kind, PaymentMethod, State, by_invoice, card, sepa_mandate
from .mirror import Current, Whose

Reason = Annotated[str, Field(pattern=r"^[a-z][a-z_]*$", max_length=60, examples=["not_the_customer"])]


class Body(BaseModel):
    """What callers send. A refused value may be an account, and is not repeated in the answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class MandateGiven(Body):
    """A SEPA mandate."""

    kind: Literal["sepa_mandate"]
    iban: str = Field(min_length=15, max_length=42, examples=["DE89 3704 0044 0532 0130 00"])
    bic: str | None = Field(default=None, min_length=8, max_length=11)
    holder: str = Field(min_length=1, max_length=200)
    signed_on: date


class CardGiven(Body):
    """A card, by the reference of the card service."""

    kind: Literal["card"]
    token: str = Field(min_length=8, max_length=200, examples=["pm_1QxYzaB2c3D4"])
    last_digits: str = Field(pattern=r"^\d{4}$")


class InvoiceGiven(Body):
    """The customer transfers each invoice."""

    kind: Literal["invoice"]


class ChangePaymentMethod(Body):
    """How the customer of an inquiry pays from now on."""

    inquiry_id: UUID
    method: MandateGiven | CardGiven | InvoiceGiven = Field(discriminator="kind")

    @property
    def details(self) -> Details:
        """What is collected by, checked. Raises IbanWrong, IbanOutsideSepa, BicWrong, CardNumberGiven."""
        given = self.method
        if isinstance(given, MandateGiven):
            return sepa_mandate(iban=given.iban, bic=given.bic, holder=given.holder, signed_on=given.signed_on)
        if isinstance(given, CardGiven):
            return card(token=given.token, last_digits=given.last_digits)
        return by_invoice()


class GiveReason(Body):
    """Why, as a code."""

    reason: Reason


class PaymentMethodView(BaseModel):
    """A payment method, without what it is collected by."""

    method_id: UUID
    journey_id: UUID
    inquiry_id: UUID
    kind: Kind
    account: str = Field(description="Masked.")
    bic: str | None
    signed_on: date | None
    mandate_reference: str | None
    state: State
    asked_by: str
    asked_at: datetime
    decided_by: str | None = Field(description="The second person, where one was needed.")
    decided_at: datetime | None
    replaces: UUID | None
    reversed_by: str | None
    reversed_at: datetime | None
    reason: str | None
    pack: str = Field(description="The rule pack that says whether a second person is needed.")
    version: int = Field(description="As in the ETag.")

    @classmethod
    def of(cls, method: PaymentMethod) -> Self:
        """The view of a payment method."""
        own = {name: getattr(method, name) for name in cls.model_fields if hasattr(method, name)}
        shown = {name: getattr(method.details, name) for name in ("kind", "account", "bic", "signed_on")}
        return cls(**own | shown | {"inquiry_id": method.case_id})


class RecordedView(BaseModel):
    """What the billing system told last."""

    method: str = Field(description="Its own code.")
    account: str = Field(description="Masked.")
    recorded_on: date
    told_at: datetime


class CurrentPaymentMethodView(BaseModel):
    """How a customer pays now."""

    whose: Whose = Field(description="Whose word counts.")
    why: str
    ours: PaymentMethodView | None = Field(description="What is in force here.")
    billing_system: RecordedView | None

    @classmethod
    def of(cls, current: Current) -> Self:
        """The view of both, joined."""
        recorded = current.recorded
        names = RecordedView.model_fields
        return cls(
            whose=current.whose,
            why=current.why,
            ours=PaymentMethodView.of(current.ours) if current.ours else None,
            billing_system=RecordedView(**{name: getattr(recorded, name) for name in names}) if recorded else None,
        )
