"""What callers of the helpdesk send, and what they get."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from anliegen.events import CaseStatus, Priority, PromiseState

from .domain import Question
from .states import Resolution, State

KnownPriority = Literal["urgent", "high", "normal", "low"]
Tier = Annotated[int, Field(ge=1, le=3)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]


class Body(BaseModel):
    """What callers send."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoteQuestion(Body):
    """A question that an agent heard in a contact."""

    contact_id: UUID
    intent: str = Field(pattern=r"^[a-z][a-z_]*$", max_length=100, examples=["opening_hours"])
    priority: KnownPriority = "normal"
    tier: Tier = 1


class AnswerQuestion(Body):
    """An answer in the agent's own words, which reach the customer on the customer's channel."""

    answer: Words = Field(examples=["Over the holidays we are open from 10 to 16 o'clock."])
    language: str | None = Field(default=None, pattern=r"^[a-z]{2}$", description="The answer's, ISO 639-1.")


class ResolveQuestion(Body):
    """How the question was settled."""

    resolution: Literal["accepted", "withdrawn"]


class ReopenQuestion(Body):
    """Why the question goes on."""

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


class QuestionView(BaseModel):
    """A question. What the customer wrote stands in the journey, under the ids of the contacts."""

    question_id: UUID = Field(description="The id of the case.")
    journey_id: UUID
    contact_id: UUID = Field(description="The contact that brought it.")
    intent: str
    priority: Priority
    tier: int
    language: str
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
        description="The case that this question goes on from: a settled one, or another task's."
    )
    version: int = Field(description="As in the ETag.")

    @classmethod
    def of(cls, question: Question, **more: object) -> Self:
        """The view of a question."""
        own = {name: getattr(question, name) for name in cls.model_fields if hasattr(question, name)}
        promise = PromiseView(**question.promise.model_dump(exclude={"kind"}), pack=question.pack)
        return cls(**own | {"question_id": question.case_id, "status": question.state, "promise": promise} | more)


class QuestionDetail(QuestionView):
    """A question with the contacts about it and the answers to it, the oldest first."""

    contact_ids: list[UUID]
    answers: list[AnswerView]
