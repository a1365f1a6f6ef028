"""What callers of billing inquiry send, and what they get."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from anliegen.events import CaseStatus, Priority, PromiseState

from .domain import Inquiry
from .states import Resolution, State

KnownPriority = Literal["urgent", "high", "normal", "low"]
Tier = Annotated[int, Field(ge=1, le=3)]
InvoiceNumber = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]


class Body(BaseModel):
    """What callers send."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoteInquiry(Body):
    """An inquiry that an agent heard in a contact."""

    contact_id: UUID
    intent: str = Field(pattern=r"^[a-z][a-z_]*$", max_length=100, examples=["invoice_question"])
    priority: KnownPriority = "normal"
    tier: Tier = 1
    invoice_number: InvoiceNumber | None = None


class NameInvoice(Body):
    """Which invoice it is about."""

    invoice_number: InvoiceNumber = Field(examples=["R-2026-004711"])


class AnswerInquiry(Body):
    """An answer in the agent's own words, which reach the customer on the customer's channel."""

    answer: Words = Field(examples=["The invoice is right: it has the set-up fee of 49.00 CHF in it."])
    language: str | None = Field(default=None, pattern=r"^[a-z]{2}$", description="The answer's, ISO 639-1.")


class ResolveInquiry(Body):
    """How the inquiry was settled."""

    resolution: Literal["accepted", "withdrawn"]


class ReopenInquiry(Body):
    """Why the inquiry goes on."""

    reason: Literal["customer_rejected", "customer_wrote_again", "answer_was_wrong"]


class PromiseView(BaseModel):
    """By when the customer was promised an answer, and what became of that."""

    promise_id: UUID
    due_at: datetime
    state: PromiseState
    pack: str = Field(description="The rule pack and version that it rests on.")


class AnswerView(BaseModel):
    """An answer. Its words stand in the journey."""

    answer_id: UUID
    reply_id: UUID
    contact_id: UUID
    answered_by: str
    answered_at: datetime


class InquiryView(BaseModel):
    """An inquiry. What the customer wrote stands in the journey, under the ids of the contacts."""

    inquiry_id: UUID = Field(description="The id of the case.")
    journey_id: UUID
    contact_id: UUID = Field(description="The contact that brought it.")
    intent: str
    priority: Priority
    tier: int
    language: str
    invoice_number: str | None = Field(description="As it was named by the customer or an agent.")
    status: State
    case_status: CaseStatus = Field(description="The status as every task understands it.")
    opened_at: datetime
    promise: PromiseView
    overdue: bool = Field(description="The customer waits for an answer longer than was promised.")
    reopened: int = Field(description="How often it was reopened.")
    assignee: str | None
    answered_at: datetime | None
    resolution: Resolution | None
    settled_at: datetime | None
    continues: UUID | None = Field(
        description="The case that this inquiry goes on from: a settled one, or another task's."
    )
    version: int = Field(description="As in the ETag.")

    @classmethod
    def of(cls, inquiry: Inquiry, **more: object) -> Self:
        """The view of an inquiry."""
        own = {name: getattr(inquiry, name) for name in cls.model_fields if hasattr(inquiry, name)}
        promise = PromiseView(**inquiry.promise.model_dump(exclude={"kind"}), pack=inquiry.pack)
        return cls(**own | {"inquiry_id": inquiry.case_id, "status": inquiry.state, "promise": promise} | more)


class InquiryDetail(InquiryView):
    """An inquiry with the contacts about it and the answers to it, the oldest first."""

    contact_ids: list[UUID]
    answers: list[AnswerView]
