"""What callers of complaints get."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from anliegen.events import CaseStatus, Money, Priority, PromiseState

from ..domain import Complaint
from ..states import Outcome, Resolution, Response, State


class DecisionPromiseView(BaseModel):
    """By when the customer was promised a decision, and what became of that."""

    promise_id: UUID
    due_at: datetime
    state: PromiseState
    pack: str = Field(description="The rule pack and version that it rests on.")


class AssessmentView(BaseModel):
    """How bad, how hard, how many."""

    model_config = ConfigDict(from_attributes=True)

    severity: int
    complexity: int
    impact: int
    immediate_action: bool


class ComplaintDecisionView(BaseModel):
    """What was decided."""

    model_config = ConfigDict(from_attributes=True)

    outcome: Outcome
    reasons: list[str]
    other_ways: list[str]


class ComplaintView(BaseModel):
    """A complaint. What the customer wrote stands in the journey, under the ids of the contacts."""

    complaint_id: UUID = Field(description="The id of the case.")
    journey_id: UUID
    contact_id: UUID = Field(description="The contact that brought it.")
    intent: str
    priority: Priority
    tier: int
    language: str
    country: str
    line: str
    remedy_sought: str | None
    invoice_number: str | None
    status: State
    case_status: CaseStatus = Field(description="The status as every task understands it.")
    opened_at: datetime
    promise: DecisionPromiseView
    overdue: bool = Field(description="The customer waits for a decision longer than was promised.")
    reopened: int = Field(description="How often it was reopened.")
    assignee: str | None
    acknowledged_at: datetime | None
    held_at: datetime | None = Field(description="When the customer was told why it takes longer.")
    assessment: AssessmentView | None
    decision: ComplaintDecisionView | None
    remedy: str | None
    amount: Money | None
    response: Response | None
    answered_at: datetime | None
    resolution: Resolution | None
    settled_at: datetime | None
    continues: UUID | None = Field(
        description="The case that this complaint goes on from: a settled one, or another task's."
    )
    version: int = Field(description="As in the ETag.")

    @classmethod
    def of(cls, complaint: Complaint, **more: object) -> Self:
        """The view of a complaint."""
        own = {name: getattr(complaint, name) for name in cls.model_fields if hasattr(complaint, name)}
        promise = DecisionPromiseView(**complaint.promise.model_dump(exclude={"kind"}), pack=complaint.pack)
        assessed = AssessmentView.model_validate(complaint.assessment) if complaint.assessment else None
        decided = ComplaintDecisionView.model_validate(complaint.decision) if complaint.decision else None
        told = {"complaint_id": complaint.case_id, "status": complaint.state, "promise": promise}
        return cls(**own | told | {"assessment": assessed, "decision": decided} | more)


class StepView(BaseModel):
    """One step of the history."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    step: str
    state: State
    done_by: str | None = Field(description="The agent's id; none where time or the customer did it.")
    done_at: datetime
    reason: str | None


class InvestigationView(BaseModel):
    """Something that somebody finds out."""

    model_config = ConfigDict(from_attributes=True)

    investigation_id: UUID
    kind: str
    owner: str
    due_at: datetime
    done_at: datetime | None


class PreventionView(BaseModel):
    """A root cause, and what is done about it."""

    model_config = ConfigDict(from_attributes=True)

    prevention_id: UUID
    cause: str
    measure: str
    owner: str
    due_at: datetime
    done_at: datetime | None


class ResponseView(BaseModel):
    """A final response. Its words stand in the journey."""

    model_config = ConfigDict(from_attributes=True)

    response_id: UUID
    reply_id: UUID
    contact_id: UUID
    response: Response
    language: str
    answered_by: str
    answered_at: datetime


class ComplaintDetail(ComplaintView):
    """A complaint with all that belongs to it, the oldest first."""

    contact_ids: list[UUID]
    steps: list[StepView]
    investigations: list[InvestigationView]
    preventions: list[PreventionView]
    responses: list[ResponseView]
