"""What an inquiry is, which ways it can go, and what was promised about it. Pure: time and ids come in as arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from anliegen.events import (
    CaseStatus,
    Failure,
    FailureKind,
    Priority,
    Promise,
    PromiseKind,
    PromiseState,
    Sentiment,
    Task,
)
from anliegen.kit import ids
from anliegen.kit.errors import Conflict, Invalid, NotFound

from .rules import ServiceLevels
from .states import BLAMELESS, CASE_STATUS, SETTLED, WAITING_FOR_US, FollowUp, Reason, Resolution, State, Wait

TOP_TIER = 3


class InquiryNotFound(NotFound):
    """There is no inquiry with this id, or it is not yours to see."""


class InquirySettled(Conflict):
    """The inquiry is settled. Where the customer needs more, reopen it first."""


class InquiryStillOpen(Conflict):
    """The inquiry was not answered yet, so there is nothing to reopen."""


class ContactUnknown(Invalid):
    """There is no contact with this id, or it was not understood yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One contact as far as billing inquiry needs it: whose it is and in which language; never its words."""

    contact_id: UUID
    journey_id: UUID
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What a contact brings to billing inquiry, as triage or an agent understood it at `came_at`."""

    contact: Contact
    intent: str
    priority: Priority
    tier: int
    came_at: datetime
    sentiment: Sentiment = Sentiment.NEUTRAL
    invoice_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """That somebody answered. The words travel in the reply."""

    answer_id: UUID
    reply_id: UUID
    contact_id: UUID
    answered_by: str
    answered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """A question on an invoice, a reminder or a payment. `version` rises with every change that a reader can see."""

    case_id: UUID
    journey_id: UUID
    concern_id: UUID
    contact_id: UUID
    intent: str
    priority: Priority
    tier: int
    language: str
    invoice_number: str | None = None
    state: State = State.OPEN
    opened_at: datetime
    promise: Promise
    pack: str
    reopened: int = 0
    assignee: str | None = None
    answer_id: UUID | None = None
    answered_at: datetime | None = None
    resolution: Resolution | None = None
    settled_at: datetime | None = None
    continues: UUID | None = None
    version: int = 1

    task = Task.BILLING_INQUIRY

    @classmethod
    def asked(cls, *, concern_id: UUID, matter: Matter, levels: ServiceLevels, continues: UUID | None = None) -> Self:
        """A new inquiry. Its id follows from the concern, at every door alike."""
        case_id = ids.derived("case", str(concern_id), Task.BILLING_INQUIRY.value)
        due_at = levels.answer_due(priority=matter.priority, tier=matter.tier, since=matter.came_at)
        return cls(
            case_id=case_id,
            journey_id=matter.contact.journey_id,
            concern_id=concern_id,
            contact_id=matter.contact.contact_id,
            intent=matter.intent,
            priority=matter.priority,
            tier=matter.tier,
            language=matter.contact.language,
            invoice_number=matter.invoice_number,
            opened_at=matter.came_at,
            promise=_promise(case_id, 0, due_at=due_at),
            pack=levels.pack,
            continues=continues,
        )

    @property
    def case_status(self) -> CaseStatus:
        """The status as every service understands it."""
        return CASE_STATUS[self.state]

    @property
    def overdue(self) -> bool:
        """Whether the customer waits for an answer longer than was promised."""
        return self.state in WAITING_FOR_US and self.promise.state is PromiseState.BROKEN

    @property
    def is_unanswered(self) -> bool:
        """Whether the customer has had no answer at all."""
        return self.answered_at is None and self.reopened == 0

    # What people do ---------------------------------------------------------------------------------------------------
    def taken_by(self, agent: str) -> Self:
        """Somebody works on it; another agent may take it over. Raises InquirySettled."""
        self._refuse_settled()
        if self.assignee == agent and self.state is State.IN_PROGRESS:
            return self
        state = State.IN_PROGRESS if self.state in WAITING_FOR_US else self.state
        return self._changed(state=state, assignee=agent)

    def about_invoice(self, invoice_number: str) -> Self:
        """It became known which invoice it is about, or that it is another one. Raises InquirySettled."""
        self._refuse_settled()
        return self if self.invoice_number == invoice_number else self._changed(invoice_number=invoice_number)

    def answered(self, *, answer_id: UUID, agent: str, at: datetime) -> Self:
        """The customer has an answer, the first or a further one. Raises InquirySettled."""
        self._refuse_settled()
        return self._changed(
            state=State.ANSWERED,
            assignee=self.assignee or agent,
            answer_id=answer_id,
            answered_at=at,
            promise=self._promise_ends(PromiseState.KEPT, at),
        )

    def resolved(self, resolution: Resolution, *, at: datetime) -> Self:
        """It is settled. Raises InquirySettled where it was already."""
        self._refuse_settled()
        withdrawn = resolution is Resolution.WITHDRAWN
        promise = self._promise_ends(PromiseState.WITHDRAWN if withdrawn else PromiseState.KEPT, at)
        state = State.WITHDRAWN if withdrawn else State.RESOLVED
        return self._changed(state=state, resolution=resolution, settled_at=at, promise=promise)

    def reopened_for(self, reason: Reason, *, at: datetime, levels: ServiceLevels) -> tuple[Self, Failure | None]:
        """It goes on with a new promise; where we failed the customer, one tier up and to somebody else.

        Tells the failure, too: an answer that was rejected, or a case that was thought to be settled. Raises
        InquiryStillOpen.
        """
        if self.state in WAITING_FOR_US:
            raise InquiryStillOpen
        times = self.reopened + 1
        failure: Failure | None = None
        if self.state is not State.WITHDRAWN and reason not in BLAMELESS:
            kind = FailureKind.REJECTED_ANSWER if self.state is State.ANSWERED else FailureKind.REOPENED_CASE
            failure_id = ids.derived("failure", self.case_id, "reopened", times)
            failure = Failure(failure_id=failure_id, kind=kind, occurred_at=at, code=reason)
        tier = min(self.tier + 1, TOP_TIER) if failure else self.tier
        due_at = levels.answer_due(priority=self.priority, tier=tier, since=at)
        inquiry = self._changed(
            state=State.REOPENED,
            tier=tier,
            reopened=times,
            assignee=None if failure else self.assignee,
            answer_id=None,
            answered_at=None,
            resolution=None,
            settled_at=None,
            promise=_promise(self.case_id, times, due_at=due_at),
            pack=levels.pack,
        )
        return inquiry, failure

    # What time does ---------------------------------------------------------------------------------------------------
    def waits(self, levels: ServiceLevels) -> Mapping[Wait, datetime]:
        """What will happen by itself, and when; at most one thing at a time."""
        if self.state in WAITING_FOR_US and self.promise.state is PromiseState.OPEN:
            return {Wait.ANSWER_DUE: self.promise.due_at}
        if self.state is State.ANSWERED and self.answered_at is not None:
            return {Wait.NO_OBJECTION: self.answered_at + levels.no_objection}
        if self.state is State.RESOLVED and self.settled_at is not None:
            return {Wait.CLOSING: self.settled_at + levels.closing}
        return {}

    def is_due(self, wait: Wait, *, at: datetime, levels: ServiceLevels) -> bool:
        """Whether the time for this has come."""
        due_at = self.waits(levels).get(wait)
        return due_at is not None and due_at <= at

    def broken(self) -> tuple[Self, Failure]:
        """The promised time passed without an answer: the promise is broken, which is our failure."""
        promise = self.promise.model_copy(update={"state": PromiseState.BROKEN})
        failure = Failure(
            failure_id=ids.derived("failure", promise.promise_id),
            kind=FailureKind.BROKEN_PROMISE,
            occurred_at=promise.due_at,
            code="answer_overdue",
        )
        return self._changed(promise=promise), failure

    def closed(self) -> Self:
        """Nobody came back to the resolved inquiry."""
        return self._changed(state=State.CLOSED)

    # What the customer does -------------------------------------------------------------------------------------------
    def follow_up(self, matter: Matter, *, levels: ServiceLevels) -> FollowUp:
        """What another contact about this inquiry brings about."""
        if self.state in WAITING_FOR_US or matter.intent in levels.thanks:
            return FollowUp.ADDED
        if self.settled_at is not None and matter.came_at > self.settled_at + levels.reopening:
            return FollowUp.OPENS_ANOTHER
        return FollowUp.REOPENS

    def followed_up(self, matter: Matter) -> Self:
        """Another contact belongs to it, which may make it more pressing. What was promised stays."""
        return self._changed(priority=more_pressing(self.priority, matter.priority), tier=max(self.tier, matter.tier))

    def reason_for(self, matter: Matter) -> Reason:
        """Why a contact reopens it: one that came before the answer cannot be about it."""
        crossed = self.answered_at is not None and matter.came_at < self.answered_at
        if crossed:
            return Reason.MESSAGES_CROSSED
        return Reason.CUSTOMER_CONTENT if matter.sentiment is Sentiment.POSITIVE else Reason.CUSTOMER_WROTE_AGAIN

    def _refuse_settled(self) -> None:
        if self.state in SETTLED:
            raise InquirySettled

    def _promise_ends(self, state: PromiseState, at: datetime) -> Promise:
        if self.promise.state is not PromiseState.OPEN:
            return self.promise
        ends = state if at < self.promise.due_at else PromiseState.BROKEN
        return self.promise.model_copy(update={"state": ends})

    def _changed(self, **changes: object) -> Self:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]


def reply_id_of(case_id: UUID, answer_id: UUID) -> UUID:
    """The id of the reply that brings this answer."""
    return ids.derived("reply", case_id, answer_id)


def more_pressing(one: Priority, other: Priority) -> Priority:
    """The more pressing of two priorities; one that is not known here counts least."""
    order = (Priority.UNKNOWN, Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.URGENT)
    return max(one, other, key=order.index)


def _promise(case_id: UUID, times: int, *, due_at: datetime) -> Promise:
    promise_id = ids.derived("promise", case_id, times)
    return Promise(promise_id=promise_id, kind=PromiseKind.ANSWER, due_at=due_at)
