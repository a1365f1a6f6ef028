"""What readers of a journey get."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from .projection import ASSURANCES


class EntryView(BaseModel):
    """One event of a timeline. `data` is what it says; of some events a customer sees only a part."""

    event_id: UUID
    at: datetime = Field(description="Its place in time: when it happened, and never before what caused it.")
    time: datetime = Field(description="When its service says it happened.")
    type: str = Field(description="Such as `helpdesk.question_answered.v1`; further types are possible.")
    service: str
    journey_id: UUID | None = Field(description="The identity it came in under.")
    sequence: int = Field(description="Its number among what its service said of this journey.")
    case_id: UUID | None
    contact_id: UUID | None
    causation_id: UUID | None = Field(description="The event that caused it.")
    correlation_id: str | None = Field(description="The contact or request that began it all.")
    data: Any = None


class HandleView(BaseModel):
    """An address or number the person is known by."""

    kind: str
    value: str
    assurance: str = Field(description="`none`, `claimed` or `verified`.")
    first_seen_at: datetime
    last_seen_at: datetime

    @classmethod
    def of(cls, row: dict[str, Any]) -> "HandleView":
        """The view of a row."""
        return cls.model_validate(row | {"assurance": ASSURANCES[row["assurance"]]})


class ContactView(BaseModel):
    """A contact, in the person's own words."""

    contact_id: UUID
    channel: str | None = None
    received_at: datetime | None = Field(default=None, description="Null where its words have not arrived yet.")
    subject_line: str | None = None
    text: str | None = None
    language: str | None = None
    automatic: bool | None = None
    decided_by: str | None = None
    review_asked_at: datetime | None = None
    concerns: list[dict[str, Any]] | None = Field(default=None, description="What it is about, as triage decided.")


class CaseView(BaseModel):
    """One matter being worked on."""

    case_id: UUID
    task: str
    service: str
    status: str
    opened_at: datetime
    changed_at: datetime
    last_type: str = Field(description="The type of the latest event about it.")


class PromiseView(BaseModel):
    """Something the customer was told would happen by a time."""

    promise_id: UUID
    case_id: UUID
    task: str
    kind: str
    state: str = Field(description="`open`, `kept`, `broken` or `withdrawn`.")
    promised_at: datetime
    due_at: datetime
    changed_at: datetime


class FailureView(BaseModel):
    """Something that went wrong for the customer on our side."""

    failure_id: UUID
    case_id: UUID
    task: str
    kind: str
    code: str
    occurred_at: datetime


class AnswerView(BaseModel):
    """Words that went to the customer, or were to."""

    reply_id: UUID
    contact_id: UUID
    case_id: UUID | None = None
    task: str | None = None
    template: str
    answer: str | None = Field(default=None, description="The free words of an answer.")
    requested_at: datetime | None = None
    sent_at: datetime | None = None
    sent_on: str | None = None
    language: str | None = None
    failed_at: datetime | None = None
    failure_code: str | None = None


class MoodView(BaseModel):
    """How the person sounds."""

    latest: str | None = Field(description="`negative`, `neutral` or `positive`; null before the first contact.")
    history: list[str] = Field(description="Of the last contacts, the oldest first.")
    flags: list[str] = Field(description="What makes the person's matters special, such as `legal`.")


class PromisesView(BaseModel):
    """The promise ledger."""

    open: list[PromiseView]
    kept: int
    broken: int


class BriefingView(BaseModel):
    """The story so far, for whoever speaks to the person next."""

    journey_id: UUID
    members: list[UUID] = Field(description="All journeys of the person, this one among them.")
    as_of: datetime
    names: list[str]
    languages: list[str]
    handles: list[HandleView]
    contact_count: int
    channels: list[str] = Field(description="The channels the person used, in the order of first use.")
    contacts: list[ContactView] = Field(description="The last ones, the oldest first.")
    cases: list[CaseView]
    promises: PromisesView
    failures: list[FailureView]
    answers: list[AnswerView] = Field(description="The last ones, the oldest first.")
    mood: MoodView | None = Field(description="For staff only.")


class FoundView(BaseModel):
    """A journey that knows a handle."""

    journey_id: UUID
    root: UUID = Field(description="The person behind it: the smallest of the linked journeys' ids.")
    members: list[UUID]
    handle: HandleView
