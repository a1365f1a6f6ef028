"""Every way that a complaint can go: a table of what each deed leads to, and random walks that hold to it.

The table is written out here and not read from the code, so that a rule that is lost there is missed here.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anliegen.complaints.domain import Assessment, Complaint, Decision, Matter
from anliegen.complaints.rules import POLICY
from anliegen.complaints.states import Outcome, Reason, Resolution, Response, State
from anliegen.events import FailureKind, Priority, PromiseState
from anliegen.kit.errors import Problem

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)
S = State
UNDECIDED = {S.RECEIVED, S.ACKNOWLEDGED, S.ASSESSED, S.INVESTIGATING, S.WAITING, S.REOPENED}
DECIDED = {S.DECIDED, S.REMEDIED}
OPEN = UNDECIDED | DECIDED | {S.COMMUNICATED}
ANSWERED = {S.COMMUNICATED, S.FOLLOWED_UP, S.CLOSED}
ENDED = {S.FOLLOWED_UP, S.CLOSED, S.WITHDRAWN, S.TRANSFERRED}
ORDER = [Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.URGENT]


def stays(states: set[State]) -> dict[State, State]:
    return {state: state for state in states}


def leads_to(state: State, *from_: State) -> dict[State, State]:
    return dict.fromkeys(from_, state)


WAYS: dict[str, dict[State, State]] = {
    "take": stays(OPEN),
    "acknowledge": stays(set(S)) | {S.RECEIVED: S.ACKNOWLEDGED},
    "assess": leads_to(S.ASSESSED, *UNDECIDED) | stays({S.INVESTIGATING, S.WAITING}),
    # These three only once it is assessed.
    "investigate": leads_to(S.INVESTIGATING, *UNDECIDED) | stays({S.WAITING}),
    "ask": leads_to(S.WAITING, *UNDECIDED),
    "decide": leads_to(S.DECIDED, *UNDECIDED),
    "hold": stays(UNDECIDED | DECIDED),
    "undecide": leads_to(S.INVESTIGATING, *DECIDED),
    "remedy": leads_to(S.REMEDIED, *DECIDED),
    "answer": leads_to(S.COMMUNICATED, *DECIDED),
    "settle": {S.COMMUNICATED: S.FOLLOWED_UP},
    "withdraw": leads_to(S.WITHDRAWN, *OPEN),
    "transfer": leads_to(S.TRANSFERRED, *OPEN),
    "reopen": leads_to(S.REOPENED, *ANSWERED, S.WITHDRAWN),
    "follow_up": stays(UNDECIDED | DECIDED) | {S.WAITING: S.INVESTIGATING},
    "close": {S.FOLLOWED_UP: S.CLOSED},
}
NEED_ASSESSMENT = {"investigate", "ask", "decide"}
REFUSED_BY_CALLER = {"follow_up", "close"}
"""What handlers and timers ask for where it is due alone, so that the complaint itself refuses nothing."""


@dataclass
class Walk:
    """A complaint on its way, and what has to be true of it."""

    complaint: Complaint
    now: datetime = NOW
    failures: dict[UUID, Any] = field(default_factory=dict)

    def do(self, deed: str, pick: int) -> None:
        before, self.now = self.complaint, self.now + pick * DAY / 2
        allowed = before.state in WAYS[deed] and not (deed in NEED_ASSESSMENT and before.assessment is None)
        if not allowed and deed in REFUSED_BY_CALLER:
            return
        fits = deed != "answer" or before.decision is None or self.response(pick) in FITTING[before.decision.outcome]
        try:
            after = getattr(self, deed)(before, pick)
        except Problem:
            assert not allowed or not fits, f"{deed} was refused in {before.state}"
            return
        assert allowed and fits, f"{deed} was done in {before.state}"
        assert after.state is WAYS[deed][before.state]
        assert after == before or after.version == before.version + 1
        self.complaint = after
        self.check(before, after, deed)

    @staticmethod
    def check(before: Complaint, after: Complaint, deed: str) -> None:
        assert after.tier >= before.tier, "nobody is sent back down"
        if deed == "follow_up":
            assert ORDER.index(after.priority) >= ORDER.index(before.priority)
        assert (after.settled_at is not None) == (after.state in ENDED)
        assert (after.resolution is not None) == (after.state in ENDED)
        if after.state in UNDECIDED:
            assert (after.decision, after.remedy, after.response, after.answered_at) == (None,) * 4
        if after.state in DECIDED | ANSWERED:
            assert after.decision is not None and after.assessment is not None
        if after.state in ANSWERED:
            assert after.response is not None and after.answered_at is not None
        assert (after.promise.state is PromiseState.OPEN) <= (after.state in UNDECIDED | DECIDED)
        if before.acknowledged_at is not None:
            assert after.acknowledged_at is not None and after.acknowledged_at <= before.acknowledged_at
        if before.held_at is not None and deed != "reopen":
            assert after.held_at == before.held_at, "the first holding reply of a round counts"
        assert after.opened_at == before.opened_at and after.round_at >= before.round_at

    def failed(self, failure: Any) -> None:
        """The same failure is told in the same words."""
        assert self.failures.setdefault(failure.failure_id, failure).kind is failure.kind

    # Deeds ------------------------------------------------------------------------------------------------------------
    def take(self, complaint: Complaint, pick: int) -> Complaint:
        return complaint.taken_by(f"agent-{pick % 2}")

    def acknowledge(self, complaint: Complaint, pick: int) -> Complaint:
        return complaint.acknowledged(at=self.now - pick * DAY)

    def assess(self, complaint: Complaint, pick: int) -> Complaint:
        assessment = Assessment(
            severity=1 + pick % 4, complexity=1 + pick % 3, impact=1 + (pick // 2) % 4, immediate_action=pick == 7
        )
        return complaint.assessed(assessment, country="CH", line="general", policy=POLICY)

    def investigate(self, complaint: Complaint, pick: int) -> Complaint:
        return complaint.investigated()

    def ask(self, complaint: Complaint, pick: int) -> Complaint:
        return complaint.asked()

    def hold(self, complaint: Complaint, pick: int) -> Complaint:
        return complaint.explained_delay(at=self.now)

    def decide(self, complaint: Complaint, pick: int) -> Complaint:
        outcome = list(Outcome)[pick % 3]
        other = ("ombudsman",) if outcome is Outcome.REJECTED else ()
        reason = "as_agreed" if outcome is Outcome.REJECTED else "our_mistake"
        decision = Decision(outcome=outcome, reasons=(reason,), other_ways=other)
        after, failure = complaint.decided(decision, open_investigations=0, policy=POLICY)
        assert (failure is None) == (outcome is Outcome.REJECTED), "partly upheld is a failure, too"
        if failure is not None:
            self.failed(failure)
            assert (failure.kind, failure.occurred_at) == (FailureKind.UPHELD_COMPLAINT, complaint.opened_at)
        return after

    def undecide(self, complaint: Complaint, pick: int) -> Complaint:
        return complaint.undecided(reason=min(POLICY.reversal_reasons), policy=POLICY)

    def remedy(self, complaint: Complaint, pick: int) -> Complaint:
        return complaint.remedied(min(POLICY.remedies), amount=None, policy=POLICY)

    @staticmethod
    def response(pick: int) -> Response:
        return list(Response)[pick % 3]

    def answer(self, complaint: Complaint, pick: int) -> Complaint:
        after = complaint.answered(self.response(pick), response_id=uuid4(), agent="anna", at=self.now)
        if complaint.promise.state is PromiseState.OPEN:
            kept = self.now < complaint.promise.due_at
            assert after.promise.state is (PromiseState.KEPT if kept else PromiseState.BROKEN)
        assert after.assignee is not None
        return after

    def settle(self, complaint: Complaint, pick: int) -> Complaint:
        return complaint.resolved(Resolution.ACCEPTED, at=self.now)

    def withdraw(self, complaint: Complaint, pick: int) -> Complaint:
        return complaint.resolved(Resolution.WITHDRAWN, at=self.now)

    def transfer(self, complaint: Complaint, pick: int) -> Complaint:
        return complaint.transferred(at=self.now)

    def reopen(self, complaint: Complaint, pick: int) -> Complaint:
        reason = list(Reason)[pick % len(Reason)]
        if reason is Reason.RESPONSE_NOT_DELIVERED:
            reason = Reason.CUSTOMER_REJECTED
        after, failure = complaint.reopened_for(reason, at=self.now, policy=POLICY)
        blameless = complaint.state is S.WITHDRAWN or reason in {Reason.MESSAGES_CROSSED, Reason.CUSTOMER_CONTENT}
        assert (failure is None) == blameless
        if failure is not None:
            assert after.assignee is None, "somebody else looks at it"
            assert after.tier == min(complaint.tier + 1, 3)
            kind = FailureKind.REJECTED_ANSWER if complaint.state is S.COMMUNICATED else FailureKind.REOPENED_CASE
            assert failure.kind is kind
            self.failed(failure)
        assert (after.round_at, after.promise.state) == (self.now, PromiseState.OPEN)
        return after

    def follow_up(self, complaint: Complaint, pick: int) -> Complaint:
        return complaint.followed_up(matter(priority=ORDER[pick % 4], tier=1 + pick % 3))

    def close(self, complaint: Complaint, pick: int) -> Complaint:
        return complaint.closed()


FITTING = {
    Outcome.UPHELD: {Response.ACCEPT, Response.OFFER},
    Outcome.PARTLY: {Response.ACCEPT, Response.OFFER},
    Outcome.REJECTED: {Response.REJECT, Response.OFFER},
}


def matter(**fields: Any) -> Matter:
    told: dict[str, Any] = {
        "contact_id": uuid4(), "journey_id": uuid4(), "language": "de", "intent": "service",
        "priority": Priority.NORMAL, "tier": 1, "came_at": NOW, "country": "CH", "line": "general",
    }  # fmt: skip
    return Matter(**told | fields)


def begun() -> Complaint:
    return Complaint.received(concern_id=uuid4(), matter=matter(), policy=POLICY)


DEEDS = st.lists(st.tuples(st.sampled_from(sorted(WAYS)), st.integers(0, 9)), max_size=25)
# Most walks go at least as far as a decision: the way there alone is long.
ASSESSED = [("assess", 1)]
WAYS_IN = [[], ASSESSED, [*ASSESSED, ("ask", 0)], [*ASSESSED, ("decide", 0)], [*ASSESSED, ("decide", 0), ("answer", 0)]]
BEGINNINGS = st.sampled_from(WAYS_IN)


@settings(max_examples=600, deadline=None)
@given(BEGINNINGS, DEEDS)
def test_a_complaint_goes_the_ways_of_the_table_and_no_others(beginning: list[Any], deeds: list[Any]) -> None:
    walk = Walk(begun())
    for deed, pick in [*beginning, *deeds]:
        walk.do(deed, pick)


def answered() -> Complaint:
    walk = Walk(begun())
    for deed, pick in (("assess", 1), ("decide", 0), ("remedy", 0), ("answer", 0)):
        walk.do(deed, pick)
    return walk.complaint


@pytest.mark.parametrize(("remedied", "state"), [(True, S.REMEDIED), (False, S.DECIDED)])
def test_a_response_that_did_not_arrive_is_sent_again_by_the_same_people(remedied: bool, state: State) -> None:
    walk = Walk(begun())
    deeds = [("assess", 1), ("take", 1), ("decide", 0), *([("remedy", 0)] if remedied else []), ("answer", 0)]
    for deed, pick in deeds:
        walk.do(deed, pick)
    again, failure = walk.complaint.reopened_for(Reason.RESPONSE_NOT_DELIVERED, at=walk.now, policy=POLICY)
    assert (again.state, failure, again.assignee) == (state, None, "agent-1")
    assert again.decision == walk.complaint.decision and again.answered_at is None
    assert again.round_at == walk.complaint.round_at


def test_assessing_anew_never_lowers_the_tier_and_is_refused_after_a_decision() -> None:
    mild = Assessment(severity=1, complexity=1, impact=1, immediate_action=False)
    raised, _ = answered().reopened_for(Reason.CUSTOMER_REJECTED, at=NOW + DAY, policy=POLICY)
    again = raised.assessed(mild, country="CH", line="general", policy=POLICY)
    assert (raised.tier, again.tier) == (3, 3)
    with pytest.raises(Problem):
        answered().assessed(mild, country="CH", line="general", policy=POLICY)
