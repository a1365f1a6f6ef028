"""One complaint and what people do with it. Pure: time and ids come in as arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from anliegen.events import (
    CaseStatus,
    Failure,
    FailureKind,
    Money,
    Priority,
    Promise,
    PromiseState,
    Task,
)
from anliegen.kit import ids

from ..errors import (
    ComplaintSettled,
    ComplaintStillOpen,
    InvestigationsOpen,
    NotAssessed,
    NotDecided,
    ResponseDoesNotFit,
)
from ..rules import Policy, check_codes
from ..states import (
    BLAMELESS,
    CASE_STATUS,
    DECIDED,
    RESPONSES,
    SETTLED,
    UNDECIDED,
    WAITING_FOR_US,
    Outcome,
    Reason,
    Resolution,
    Response,
    State,
)
from .matters import Assessment, Decision, Matter, more_pressing, promise_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One complaint. `version` rises with every change that a reader can see."""

    case_id: UUID
    journey_id: UUID
    concern_id: UUID
    contact_id: UUID
    intent: str
    priority: Priority
    tier: int
    language: str
    country: str
    line: str
    remedy_sought: str | None = None
    invoice_number: str | None = None
    state: State = State.RECEIVED
    opened_at: datetime
    promise: Promise
    pack: str
    reopened: int = 0
    round_at: datetime
    """Since when it has been ours to decide: its receipt, or the last time it was reopened."""
    assignee: str | None = None
    acknowledged_at: datetime | None = None
    held_at: datetime | None = None
    """When the customer was told why it takes longer."""
    assessment: Assessment | None = None
    decision: Decision | None = None
    remedy: str | None = None
    amount: Money | None = None
    response: Response | None = None
    response_id: UUID | None = None
    answered_at: datetime | None = None
    resolution: Resolution | None = None
    settled_at: datetime | None = None
    continues: UUID | None = None
    version: int = 1

    task = Task.COMPLAINTS

    @classmethod
    def received(cls, *, concern_id: UUID, matter: Matter, policy: Policy, continues: UUID | None = None) -> Self:
        """A new complaint. Its id follows from the concern, at every door alike."""
        if matter.remedy_sought:
            check_codes(policy.remedies, matter.remedy_sought)
        case_id = ids.derived("case", str(concern_id), Task.COMPLAINTS.value)
        due_at = policy.decision_due(priority=matter.priority, tier=matter.tier, since=matter.came_at)
        return cls(
            case_id=case_id, journey_id=matter.journey_id, concern_id=concern_id, contact_id=matter.contact_id,
            intent=matter.intent, priority=matter.priority, tier=matter.tier, language=matter.language,
            country=matter.country, line=matter.line, remedy_sought=matter.remedy_sought,
            invoice_number=matter.invoice_number, opened_at=matter.came_at, round_at=matter.came_at,
            promise=promise_of(case_id, 0, due_at=due_at), pack=policy.pack, continues=continues,
        )  # fmt: skip

    @property
    def case_status(self) -> CaseStatus:
        """The status as every service understands it."""
        return CASE_STATUS[self.state]

    @property
    def overdue(self) -> bool:
        """Whether the customer waits for a decision longer than was promised."""
        return self.state in WAITING_FOR_US and self.promise.state is PromiseState.BROKEN

    @property
    def is_unanswered(self) -> bool:
        """Whether the customer has had no final response."""
        return self.answered_at is None and self.reopened == 0

    # What people do ---------------------------------------------------------------------------------------------------
    def taken_by(self, agent: str) -> Self:
        """Somebody works on it; another agent may take it over. Raises ComplaintSettled."""
        return self._open() if self.assignee == agent else self._open()._changed(assignee=agent)

    def about_invoice(self, invoice_number: str) -> Self:
        """It became known which invoice it is about, or that it is another one. Raises ComplaintSettled."""
        return self._open()._changed(invoice_number=invoice_number)

    def acknowledged(self, *, at: datetime) -> Self:
        """The customer knows that it was received; of several times the first counts."""
        if self.acknowledged_at is not None and self.acknowledged_at <= at:
            return self
        state = State.ACKNOWLEDGED if self.state is State.RECEIVED else self.state
        return self._changed(state=state, acknowledged_at=at)

    def assessed(self, assessment: Assessment, *, country: str, line: str, policy: Policy) -> Self:
        """It was assessed, for the first time or anew. Raises ComplaintSettled, NotAssessed where it is too late."""
        self._open()
        if self.state not in UNDECIDED:
            raise NotAssessed("The complaint is decided; reverse the decision first.")
        priority, tier = policy.graded(
            severity=assessment.severity, impact=assessment.impact, complexity=assessment.complexity,
            immediate_action=assessment.immediate_action,
        )  # fmt: skip
        state = self.state if self.state in {State.INVESTIGATING, State.WAITING} else State.ASSESSED
        # Who had to wait for the top staff already, by a failure of ours, is not sent back down.
        return self._changed(
            state=state, assessment=assessment, priority=priority, tier=max(tier, self.tier), country=country, line=line
        )

    def investigated(self) -> Self:
        """Somebody is asked to find something out. Raises ComplaintSettled, NotAssessed."""
        self._refuse_unassessed()
        return self._changed(state=self.state if self.state is State.WAITING else State.INVESTIGATING)

    def asked(self) -> Self:
        """The customer was asked something, and is waited for. Raises ComplaintSettled, NotAssessed."""
        self._refuse_unassessed()
        return self._changed(state=State.WAITING)

    def explained_delay(self, *, at: datetime) -> Self:
        """The customer was told why it takes longer; of several times the first counts. Raises ComplaintSettled."""
        self._open()
        if self.state not in UNDECIDED | DECIDED:
            raise ComplaintSettled("The final response has gone out already.")
        return self._changed(held_at=self.held_at or at)

    def decided(self, decision: Decision, *, open_investigations: int, policy: Policy) -> tuple[Self, Failure | None]:
        """It was decided, with reasons. Raises ComplaintSettled, NotAssessed, InvestigationsOpen, OtherWayMissing.

        Tells the failure, too: a complaint that is upheld, wholly or partly, is one of ours.
        """
        self._refuse_unassessed()
        if open_investigations:
            raise InvestigationsOpen(open=open_investigations)
        complaint = self._changed(state=State.DECIDED, decision=decision.checked(policy))
        if decision.outcome is Outcome.REJECTED:
            return complaint, None
        # It went wrong once, however often it is decided anew.
        failure_id = ids.derived("failure", self.case_id, "upheld")
        kind = FailureKind.UPHELD_COMPLAINT
        return complaint, Failure(
            failure_id=failure_id, kind=kind, occurred_at=self.opened_at, code=decision.reasons[0]
        )

    def undecided(self, *, reason: str, policy: Policy) -> Self:
        """The decision is taken back, and with it what was to be done. Raises NotDecided, CodeUnknown."""
        check_codes(policy.reversal_reasons, reason)
        if self.state not in DECIDED:
            raise NotDecided
        return self._changed(state=State.INVESTIGATING, decision=None, remedy=None, amount=None)

    def remedied(self, remedy: str, *, amount: Money | None, policy: Policy) -> Self:
        """What the decision promises was set going. Raises NotDecided, CodeUnknown."""
        check_codes(policy.remedies, remedy)
        if self.state not in DECIDED:
            raise NotDecided
        return self._changed(state=State.REMEDIED, remedy=remedy, amount=amount)

    def answered(self, response: Response, *, response_id: UUID, agent: str, at: datetime) -> Self:
        """The final response goes out. Raises NotDecided, ResponseDoesNotFit."""
        if self.state not in DECIDED or self.decision is None:
            raise NotDecided
        if response not in RESPONSES[self.decision.outcome]:
            raise ResponseDoesNotFit(fits=sorted(RESPONSES[self.decision.outcome]))
        return self._changed(
            state=State.COMMUNICATED, assignee=self.assignee or agent, response=response, response_id=response_id,
            answered_at=at, promise=self._promise_ends(PromiseState.KEPT, at),
        )  # fmt: skip

    def resolved(self, resolution: Resolution, *, at: datetime) -> Self:
        """It is settled: followed up, or withdrawn. Raises ComplaintSettled, NotDecided before the final response."""
        self._open()
        withdrawn = resolution is Resolution.WITHDRAWN
        if not withdrawn and self.state is not State.COMMUNICATED:
            raise NotDecided("A complaint is settled after its final response, or withdrawn.")
        state = State.WITHDRAWN if withdrawn else State.FOLLOWED_UP
        return self._changed(
            state=state, resolution=resolution, settled_at=at, promise=self._promise_ends(PromiseState.WITHDRAWN, at)
        )

    def transferred(self, *, at: datetime) -> Self:
        """Another task goes on with it. Raises ComplaintSettled."""
        self._open()
        promise = self._promise_ends(PromiseState.WITHDRAWN, at)
        return self._changed(state=State.TRANSFERRED, resolution=Resolution.TRANSFERRED, settled_at=at, promise=promise)

    def reopened_for(self, reason: Reason, *, at: datetime, policy: Policy) -> tuple[Self, Failure | None]:
        """It goes on with a new promise; where we failed the customer, one tier up and to somebody else.

        Tells the failure, too. A response that did not arrive has only to be sent again: its decision stands. Raises
        ComplaintStillOpen.
        """
        if self.state in WAITING_FOR_US or self.state is State.WAITING or self.state is State.TRANSFERRED:
            raise ComplaintStillOpen
        times = self.reopened + 1
        failure: Failure | None = None
        if self.state is not State.WITHDRAWN and reason not in BLAMELESS:
            kind = FailureKind.REJECTED_ANSWER if self.state is State.COMMUNICATED else FailureKind.REOPENED_CASE
            failure_id = ids.derived("failure", self.case_id, "reopened", times)
            failure = Failure(failure_id=failure_id, kind=kind, occurred_at=at, code=reason)
        tier = min(self.tier + 1, 3) if failure else self.tier
        undelivered = reason is Reason.RESPONSE_NOT_DELIVERED
        kept: Mapping[str, object] = (
            {"state": State.DECIDED if self.remedy is None else State.REMEDIED}
            if undelivered
            else {"state": State.REOPENED, "decision": None, "remedy": None, "amount": None, "round_at": at,
                  "held_at": None}
        )  # fmt: skip
        complaint = self._changed(
            **kept, tier=tier, reopened=times, assignee=None if failure else self.assignee, response=None,
            response_id=None, answered_at=None, resolution=None, settled_at=None, pack=policy.pack,
            promise=promise_of(
                self.case_id, times, due_at=policy.decision_due(priority=self.priority, tier=tier, since=at)
            ),
        )  # fmt: skip
        return complaint, failure

    # What time and the customer do ------------------------------------------------------------------------------------
    def broken(self) -> tuple[Self, Failure]:
        """The promised time passed without a final response: the promise is broken, which is our failure."""
        promise = self.promise.model_copy(update={"state": PromiseState.BROKEN})
        failure = Failure(
            failure_id=ids.derived("failure", promise.promise_id), kind=FailureKind.BROKEN_PROMISE,
            occurred_at=promise.due_at, code="decision_overdue",
        )  # fmt: skip
        return self._changed(promise=promise), failure

    def closed(self) -> Self:
        """Nobody came back to the settled complaint."""
        return self._changed(state=State.CLOSED)

    def followed_up(self, matter: Matter) -> Self:
        """Another contact belongs to it; who was waited for has written. What was promised stays."""
        state = State.INVESTIGATING if self.state is State.WAITING else self.state
        return self._changed(
            state=state, priority=more_pressing(self.priority, matter.priority), tier=max(self.tier, matter.tier)
        )

    def touched(self) -> Self:
        """Something that belongs to it changed."""
        return self._changed()

    def _open(self) -> Self:
        if self.state in SETTLED:
            raise ComplaintSettled
        return self

    def _refuse_unassessed(self) -> None:
        self._open()
        if self.assessment is None or self.state not in UNDECIDED:
            raise NotAssessed

    def _promise_ends(self, state: PromiseState, at: datetime) -> Promise:
        if self.promise.state is not PromiseState.OPEN:
            return self.promise
        ends = state if at < self.promise.due_at else PromiseState.BROKEN
        return self.promise.model_copy(update={"state": ends})

    def _changed(self, **changes: object) -> Self:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]
