"""What refunds take and show over HTTP."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from anliegen.events import Money

from .domain import Refund, State

Reason = Annotated[str, Field(pattern=r"^[a-z][a-z_]*$", max_length=60, examples=["returned_goods"])]


class Body(BaseModel):
    """What callers send."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AskForRefund(Body):
    """How much goes back, in minor units: of what is to the customer's credit, or of what was paid for a purchase."""

    invoice_number: str = Field(min_length=1, max_length=60)
    inquiry_id: UUID
    amount: Annotated[int, Field(gt=0, le=10**15)]
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    reason: Reason
    of_purchase: bool = Field(
        default=False,
        description="What was bought is given back: what was paid on the invoice goes back, and is credited.",
    )

    @property
    def money(self) -> Money:
        """The amount with its currency."""
        return Money(amount=self.amount, currency=self.currency)


class GiveReason(Body):
    """Why, as a code."""

    reason: Reason


class RefundView(BaseModel):
    """A refund."""

    refund_id: UUID
    journey_id: UUID
    inquiry_id: UUID
    invoice_number: str
    amount: Money
    reason: str
    state: State
    asked_by: str
    asked_at: datetime
    decided_by: str | None = Field(description="The second person, where one was needed.")
    decided_at: datetime | None
    reversed_by: str | None
    reversed_at: datetime | None
    reversal_reason: str | None
    of_purchase: bool
    pack: str = Field(description="The rule pack that says whether a second person is needed.")
    version: int = Field(description="As in the ETag.")

    @classmethod
    def of(cls, refund: Refund) -> Self:
        """The view of a refund."""
        own = {name: getattr(refund, name) for name in cls.model_fields if hasattr(refund, name)}
        amount = Money(amount=refund.amount, currency=refund.currency)
        return cls(**own | {"inquiry_id": refund.case_id, "amount": amount})
