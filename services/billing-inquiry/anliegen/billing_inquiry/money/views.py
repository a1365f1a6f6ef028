"""What callers of invoices, accounts and corrections send, and what they get. Amounts are whole minor units."""

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from anliegen.events import ContentReference, InvoiceLine, Money

from .domain import Entry, Kind
from .drafts import Draft, LineChange
from .records import Contradiction, Correction, Invoice

Number = Annotated[str, Field(min_length=1, max_length=60)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z_]*$", max_length=40)]


class Body(BaseModel):
    """What callers send."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CorrectLine(Body):
    """How a line should have been; what is left out stays. Its tax is reckoned anew from net and rate."""

    line_id: Number
    net: Annotated[int, Field(ge=-(2**53), le=2**53)] | None = None
    tax_rate: Annotated[int, Field(ge=0, le=100_000)] | None = Field(default=None, description="Basis points.")
    text: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    quantity: Annotated[str, Field(min_length=1, max_length=40)] | None = None


class ProposeGoodwill(Body):
    """How bad it was; the amount is reckoned, and whether it is given, complaints decides."""

    severity: Annotated[int, Field(ge=1, le=4)] = 2
    failures: Annotated[int, Field(ge=0, le=100)] = 1


class CorrectInvoice(Body):
    """Which lines were wrong, and why."""

    lines: Annotated[tuple[CorrectLine, ...], Field(min_length=1, max_length=100)]
    reason: Code = Field(examples=["wrong_price"])
    inquiry_id: UUID | None = Field(
        default=None,
        description="The inquiry that is answered with it; left out, the customer's newest contact becomes one.",
    )
    goodwill: ProposeGoodwill | None = Field(default=ProposeGoodwill(), description="null proposes none.")
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = None
    tell: bool = Field(default=True, description="Send words and document; false where the customer hears it now.")

    @property
    def changes(self) -> tuple[LineChange, ...]:
        """The lines as the domain has them."""
        return tuple(LineChange(**line.model_dump()) for line in self.lines)


class ReverseCorrection(Body):
    """Why the correction is undone."""

    reason: Code = Field(examples=["corrected_by_mistake"])
    tell: bool = Field(default=True, description="Send words; false where the customer hears it now.")


class InvoiceView(BaseModel):
    """An invoice, and what is open on it now."""

    invoice_number: str
    journey_id: UUID
    customer_number: str
    currency: str
    issued_on: date
    due_on: date
    period_from: date | None
    period_until: date | None
    total: int
    open_amount: int
    replaces: str | None
    in_force: bool = Field(description="Whether it is owed: it was neither cancelled nor corrected.")
    document: ContentReference | None
    version: int = Field(description="As in the ETag.")

    @classmethod
    def of(cls, invoice: Invoice, *, open_amount: Money, in_force: bool, **more: object) -> Self:
        """The view of an invoice."""
        own = {name: getattr(invoice, name) for name in cls.model_fields if hasattr(invoice, name)}
        return cls(**own | {"open_amount": open_amount.amount, "in_force": in_force} | more)


class CorrectionView(BaseModel):
    """A correction, and whether it was undone."""

    correction_id: UUID
    old_number: str
    new_number: str
    inquiry_id: UUID | None = Field(description="Null where the customer has no contact that could be answered.")
    reason: str
    corrected_lines: list[str]
    proposal_id: UUID | None = Field(description="The goodwill that was proposed; complaints decides it.")
    proposed: int | None
    corrected_by: str
    corrected_at: datetime
    reversed_by: str | None
    reversed_at: datetime | None
    reversal_reason: str | None
    version: int = Field(description="As in the ETag.")

    @classmethod
    def of(cls, correction: Correction) -> Self:
        """The view of a correction."""
        own = {name: getattr(correction, name) for name in cls.model_fields if hasattr(correction, name)}
        return cls(**own | {"inquiry_id": correction.case_id})


class InvoiceDetail(InvoiceView):
    """An invoice with its lines, and its corrections, the oldest first."""

    lines: list[InvoiceLine]
    corrections: list[CorrectionView]


class CorrectionPreview(BaseModel):
    """What a correction would come to. Nothing was changed."""

    reverses: str
    invoice_number: str
    lines: list[InvoiceLine]
    corrected_lines: list[str]
    due_on: date
    currency: str
    total: int
    difference: int = Field(description="What is credited; negative where the customer owes more.")
    open_amount: int = Field(description="What would be left to pay on the corrected invoice.")
    account_credit: int = Field(description="What the customer would have to their credit afterwards.")
    goodwill: int | None = Field(description="What would be proposed for the next period.")

    @classmethod
    def of(cls, draft: Draft, *, goodwill: bool) -> Self:
        """The view of a draft."""
        invoice = draft.invoice
        return cls(
            reverses=invoice.replaces or "", invoice_number=invoice.invoice_number, lines=list(invoice.lines),
            corrected_lines=list(draft.corrected_lines), due_on=invoice.due_on, currency=invoice.currency,
            total=invoice.total, difference=draft.difference.amount, open_amount=draft.open_amount.amount,
            account_credit=draft.account_credit.amount,
            goodwill=draft.goodwill.amount if goodwill and draft.goodwill else None,
        )  # fmt: skip


class ContradictionView(BaseModel):
    """What the billing system told under a name that had another content before."""

    contradiction_id: UUID
    kind: str = Field(description="`invoice_issued`, `payment_received` …", examples=["invoice_issued"])
    name: str = Field(description="The number of the invoice, or the id of the payment.", examples=["2026-03-004711"])
    journey_id: UUID
    said: dict[str, Any] = Field(description="What was told later, as it was told. What was told first counts.")
    found_at: datetime

    @classmethod
    def of(cls, contradiction: Contradiction) -> Self:
        """The view of a contradiction."""
        return cls.model_validate(contradiction, from_attributes=True)


class EntryView(BaseModel):
    """One entry of the ledger; more than nothing is owed by the customer."""

    entry_id: UUID
    kind: Kind
    currency: str
    amount: int
    invoice_number: str | None
    reverses: UUID | None
    cause: str
    effective_on: date

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The view of an entry."""
        return cls.model_validate(entry, from_attributes=True)


class BalanceView(BaseModel):
    """What is owed in one currency: `balance` is the sum of what is open and of the account's own."""

    currency: str
    balance: int
    open_on_invoices: int
    account: int = Field(description="Below nothing it is to the customer's credit.")


class AccountView(BaseModel):
    """The statement of a customer's account: sums by currency, and the latest entries."""

    customer_number: str
    journey_id: UUID
    balances: list[BalanceView]
    entries: list[EntryView] = Field(description="The last 200, in the order in which they were booked.")
