"""What agreements take and show over HTTP."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from anliegen.events import Money

from .domain import Agreement, Instalment, Kind, State
from .rules import AGREEMENT_RULES


class Body(BaseModel):
    """What callers send."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InstalmentGiven(Body):
    """A part, in minor units of the invoice's currency."""

    due_on: date
    amount: Annotated[int, Field(gt=0, le=10**15)]


class MakeAgreement(Body):
    """A plan of `count` equal instalments from `first_on` on, or with instalments as they are named; or a promise."""

    kind: Literal["plan", "promise_to_pay"]
    inquiry_id: UUID = Field(description="The inquiry in which it is agreed; its contact is told.")
    instalments: tuple[InstalmentGiven, ...] = Field(default=(), max_length=120)
    count: int | None = Field(default=None, ge=1, le=120)
    first_on: date | None = None

    @model_validator(mode="after")
    def _refuse_both(self) -> Self:
        evenly = self.count is not None and self.first_on is not None
        if evenly == bool(self.instalments) or (self.count is None) != (self.first_on is None):
            raise ValueError("either instalments, or count and first_on")
        return self


class CancelAgreement(Body):
    """Why it is taken back, as a code."""

    reason: Annotated[str, Field(pattern=r"^[a-z][a-z_]*$", max_length=60, examples=["customer_wishes"])]


class InstalmentView(BaseModel):
    """A part of what was agreed."""

    due_on: date
    amount: Money
    paid: bool


class AgreementView(BaseModel):
    """A plan or a promise to pay."""

    agreement_id: UUID
    kind: Kind
    invoice_number: str
    journey_id: UUID
    inquiry_id: UUID
    state: State
    amount: Money
    paid: Money
    instalments: list[InstalmentView]
    agreed_at: datetime
    agreed_by: str
    ended_at: datetime | None
    ended_by: str | None
    ended_because: str | None
    missed_at: datetime | None = Field(description="When the next unpaid instalment counts as missed.")
    pack: str
    version: int = Field(description="As in the ETag.")

    @classmethod
    def of(cls, agreement: Agreement) -> Self:
        """The view of an agreement."""
        names = set(cls.model_fields) - {"inquiry_id", "amount", "paid", "instalments", "missed_at"}
        active = agreement.state is State.ACTIVE
        return cls(
            **{name: getattr(agreement, name) for name in names},
            inquiry_id=agreement.case_id,
            amount=Money(amount=agreement.amount, currency=agreement.currency),
            paid=Money(amount=agreement.paid, currency=agreement.currency),
            instalments=[
                InstalmentView(
                    due_on=one.due_on,
                    amount=Money(amount=one.amount, currency=agreement.currency),
                    paid=agreement.paid >= agreement.owed_by(number),
                )
                for number, one in enumerate(agreement.instalments, start=1)
            ],
            missed_at=agreement.missed_at(AGREEMENT_RULES) if active else None,
        )


def instalments_of(body: MakeAgreement) -> tuple[Instalment, ...]:
    """The instalments that were named one by one."""
    return tuple(Instalment(one.due_on, one.amount) for one in body.instalments)
