"""The life of an inquiry, decided without a database: every way it can go, and what becomes of its promises."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from anliegen.billing_inquiry.domain import (
    Contact,
    Inquiry,
    InquirySettled,
    InquiryStillOpen,
    Matter,
    more_pressing,
)
from anliegen.billing_inquiry.rules import SERVICE_LEVELS, read_pack
from anliegen.billing_inquiry.states import (
    BLAMELESS,
    CASE_STATUS,
    SETTLED,
    WAITING_FOR_US,
    FollowUp,
    Reason,
    Resolution,
    State,
    Wait,
)
from anliegen.events import CaseStatus, Failure, FailureKind, Priority, PromiseState, Sentiment

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PACK = (files("anliegen.billing_inquiry") / "rules" / "service_levels.toml").read_text(encoding="utf-8")


def matter(
    at: datetime = MONDAY, *, intent: str = "invoice_question", priority: Priority = Priority.NORMAL, tier: int = 1
) -> Matter:
    contact = Contact(contact_id=uuid4(), journey_id=UUID(int=1), language="de")
    return Matter(contact=contact, intent=intent, priority=priority, tier=tier, came_at=at)


def asked(at: datetime = MONDAY, *, priority: Priority = Priority.NORMAL, tier: int = 1) -> Inquiry:
    return Inquiry.asked(concern_id=uuid4(), matter=matter(at, priority=priority, tier=tier), levels=SERVICE_LEVELS)


def answered(at: datetime = MONDAY + HOUR) -> Inquiry:
    return asked().answered(answer_id=uuid4(), agent="agent-1", at=at)


def test_every_state_has_a_status_that_every_service_understands() -> None:
    assert set(CASE_STATUS) == set(State)
    assert CaseStatus.UNKNOWN not in CASE_STATUS.values()
    assert len(set(CASE_STATUS.values())) == len(State)
    assert CASE_STATUS[State.ANSWERED] is CaseStatus.WAITING_FOR_CUSTOMER


def test_inquiry_is_promised_an_answer_by_priority_and_tier() -> None:
    assert asked().promise.due_at == MONDAY + 24 * HOUR
    assert asked(priority=Priority.URGENT, tier=3).promise.due_at == MONDAY + 2 * HOUR
    assert asked(priority=Priority.UNKNOWN).promise.due_at == asked().promise.due_at
    assert asked().pack == "billing_inquiry_service_levels/1"


def test_answer_in_time_keeps_the_promise() -> None:
    inquiry = answered(MONDAY + 24 * HOUR - timedelta(microseconds=1))
    assert inquiry.promise.state is PromiseState.KEPT
    assert inquiry.waits(SERVICE_LEVELS) == {Wait.NO_OBJECTION: inquiry.answered_at + 14 * DAY}  # type: ignore[operator]


def test_answer_at_the_promised_minute_is_too_late() -> None:
    assert answered(MONDAY + 24 * HOUR).promise.state is PromiseState.BROKEN


def test_broken_promise_is_a_failure_at_the_time_it_was_due() -> None:
    late, failure = asked().broken()
    assert (late.promise.state, late.overdue) == (PromiseState.BROKEN, True)
    assert (failure.kind, failure.occurred_at) == (FailureKind.BROKEN_PROMISE, MONDAY + 24 * HOUR)
    assert late.waits(SERVICE_LEVELS) == {}
    assert late.answered(answer_id=uuid4(), agent="agent-1", at=MONDAY + 2 * DAY).promise.state is PromiseState.BROKEN


def test_withdrawal_withdraws_the_promise() -> None:
    inquiry = asked().resolved(Resolution.WITHDRAWN, at=MONDAY + HOUR)
    assert (inquiry.state, inquiry.promise.state) == (State.WITHDRAWN, PromiseState.WITHDRAWN)


def test_taking_again_changes_nothing_and_taking_over_changes_the_assignee() -> None:
    taken = asked().taken_by("agent-1")
    assert (taken.state, taken.assignee, taken.version) == (State.IN_PROGRESS, "agent-1", 2)
    assert taken.taken_by("agent-1") == taken
    assert taken.taken_by("agent-2").assignee == "agent-2"


@pytest.mark.parametrize("resolution", Resolution)
def test_settled_inquiry_takes_no_command_but_reopening(resolution: Resolution) -> None:
    settled = answered().resolved(resolution, at=MONDAY + 2 * HOUR)
    for command in (
        lambda: settled.taken_by("agent-1"),
        lambda: settled.about_invoice("R-1"),
        lambda: settled.answered(answer_id=uuid4(), agent="agent-1", at=MONDAY + DAY),
        lambda: settled.resolved(Resolution.ACCEPTED, at=MONDAY + DAY),
    ):
        with pytest.raises(InquirySettled):
            command()
    assert settled.reopened_for(Reason.CUSTOMER_REJECTED, at=MONDAY + DAY, levels=SERVICE_LEVELS)[0].state == "reopened"


def test_inquiry_without_an_answer_cannot_be_reopened() -> None:
    with pytest.raises(InquiryStillOpen):
        asked().reopened_for(Reason.CUSTOMER_REJECTED, at=MONDAY, levels=SERVICE_LEVELS)


def test_rejected_answer_is_a_failure_and_goes_one_tier_up_with_a_new_promise() -> None:
    inquiry, failure = answered().reopened_for(Reason.CUSTOMER_REJECTED, at=MONDAY + DAY, levels=SERVICE_LEVELS)
    assert failure is not None
    assert (failure.kind, failure.code) == (FailureKind.REJECTED_ANSWER, "customer_rejected")
    assert (inquiry.state, inquiry.tier, inquiry.assignee) == (State.REOPENED, 2, None)
    assert inquiry.promise.state is PromiseState.OPEN
    assert inquiry.promise.promise_id != answered().promise.promise_id
    assert inquiry.promise.due_at == MONDAY + 2 * DAY


def test_top_tier_stays_the_top_tier() -> None:
    top = asked(tier=3).answered(answer_id=uuid4(), agent="agent-1", at=MONDAY)
    assert top.reopened_for(Reason.CUSTOMER_REJECTED, at=MONDAY, levels=SERVICE_LEVELS)[0].tier == 3


@pytest.mark.parametrize("resolution", [Resolution.ACCEPTED, Resolution.NO_OBJECTION])
def test_reopening_what_was_thought_settled_is_a_failure_of_its_own_kind(resolution: Resolution) -> None:
    settled = answered().resolved(resolution, at=MONDAY + DAY)
    for inquiry in (settled, settled.closed()):
        _, failure = inquiry.reopened_for(Reason.CUSTOMER_WROTE_AGAIN, at=MONDAY + 2 * DAY, levels=SERVICE_LEVELS)
        assert failure is not None
        assert failure.kind is FailureKind.REOPENED_CASE


def test_customer_who_changes_their_mind_is_not_our_failure() -> None:
    withdrawn = asked().resolved(Resolution.WITHDRAWN, at=MONDAY + HOUR)
    inquiry, failure = withdrawn.reopened_for(Reason.CUSTOMER_WROTE_AGAIN, at=MONDAY + DAY, levels=SERVICE_LEVELS)
    assert (failure, inquiry.tier) == (None, 1)


@pytest.mark.parametrize("reason", sorted(BLAMELESS))
def test_answer_against_which_nothing_speaks_was_not_rejected(reason: Reason) -> None:
    inquiry, failure = answered().reopened_for(reason, at=MONDAY + DAY, levels=SERVICE_LEVELS)
    assert (failure, inquiry.tier, inquiry.assignee) == (None, 1, "agent-1")


def test_message_from_before_the_answer_crossed_it() -> None:
    inquiry = answered(MONDAY + 2 * HOUR)
    assert inquiry.reason_for(matter(MONDAY + HOUR)) is Reason.MESSAGES_CROSSED
    assert inquiry.reason_for(matter(MONDAY + 3 * HOUR)) is Reason.CUSTOMER_WROTE_AGAIN


def test_glad_message_after_the_answer_rejects_nothing() -> None:
    glad = replace(matter(MONDAY + 3 * HOUR), sentiment=Sentiment.POSITIVE)
    assert answered(MONDAY + 2 * HOUR).reason_for(glad) is Reason.CUSTOMER_CONTENT


def test_follow_up_adds_reopens_or_opens_another() -> None:
    settled = answered().resolved(Resolution.NO_OBJECTION, at=MONDAY + 8 * DAY)
    last = MONDAY + 68 * DAY
    assert asked().follow_up(matter(), levels=SERVICE_LEVELS) is FollowUp.ADDED
    assert answered().follow_up(matter(MONDAY + DAY), levels=SERVICE_LEVELS) is FollowUp.REOPENS
    assert settled.follow_up(matter(last), levels=SERVICE_LEVELS) is FollowUp.REOPENS
    assert settled.follow_up(matter(last + HOUR), levels=SERVICE_LEVELS) is FollowUp.OPENS_ANOTHER


@pytest.mark.parametrize("intent", ["praise", "smalltalk"])
def test_thanks_do_not_reopen(intent: str) -> None:
    thanks = matter(MONDAY + DAY, intent=intent)
    assert answered().follow_up(thanks, levels=SERVICE_LEVELS) is FollowUp.ADDED


def test_follow_up_makes_it_more_pressing_and_never_less() -> None:
    inquiry = asked(priority=Priority.HIGH, tier=2)
    assert inquiry.followed_up(matter(priority=Priority.URGENT, tier=3)).tier == 3
    calm = inquiry.followed_up(matter(priority=Priority.LOW, tier=1))
    assert (calm.priority, calm.tier, calm.promise) == (Priority.HIGH, 2, inquiry.promise)
    assert more_pressing(Priority.UNKNOWN, Priority.LOW) is Priority.LOW


@pytest.mark.parametrize(
    ("now", "broken"),
    [
        ("urgent = [4, 4, 2]", "urgent = [4, 5, 2]"),
        ("high = [8, 8, 4]", "high = [2, 2, 1]"),
        ("low = [48, 48, 24]", ""),
        ("no_objection = 14", "no_objection = 0"),
        ('owner = "Head of billing inquiry"', 'owner = ""'),
        ("version = 1", "version = 1\nunknown = 1"),
    ],
)
def test_pack_that_makes_no_sense_is_refused(now: str, broken: str) -> None:
    assert read_pack(PACK) == SERVICE_LEVELS
    assert now in PACK
    with pytest.raises(ValueError):
        read_pack(PACK.replace(now, broken))


class LifeOfAnInquiry(RuleBasedStateMachine):
    """Commands, contacts and the passing of time in any order; what time does is done before whatever comes next."""

    def __init__(self) -> None:
        super().__init__()
        self.now = MONDAY
        self.promises: dict[UUID, list[PromiseState]] = {}
        self.failures: list[Failure] = []

    @initialize(priority=st.sampled_from(Priority), tier=st.integers(1, 3))
    def ask(self, priority: Priority, tier: int) -> None:
        self.inquiry = asked(self.now, priority=priority, tier=tier)
        self.note(self.inquiry)

    def note(self, inquiry: Inquiry, failure: Failure | None = None) -> None:
        history = self.promises.setdefault(inquiry.promise.promise_id, [])
        if not history or history[-1] is not inquiry.promise.state:
            history.append(inquiry.promise.state)
        if failure:
            self.failures.append(failure)
        self.inquiry = inquiry

    @rule(hours=st.integers(0, 24 * 40))
    def time_passes(self, hours: int) -> None:
        end = self.now + hours * HOUR
        while waits := {w: due for w, due in self.inquiry.waits(SERVICE_LEVELS).items() if due <= end}:
            ((wait, due),) = waits.items()
            self.now = max(self.now, due)
            if wait is Wait.ANSWER_DUE:
                self.note(*self.inquiry.broken())
            elif wait is Wait.NO_OBJECTION:
                self.note(self.inquiry.resolved(Resolution.NO_OBJECTION, at=self.now))
            else:
                self.note(self.inquiry.closed())
        self.now = end

    @precondition(lambda self: self.inquiry.state not in SETTLED)
    @rule(agent=st.sampled_from(["agent-1", "agent-2"]))
    def take(self, agent: str) -> None:
        self.note(self.inquiry.taken_by(agent))
        assert self.inquiry.assignee == agent

    @precondition(lambda self: self.inquiry.state not in SETTLED)
    @rule(number=st.sampled_from(["R-1", "R-2"]))
    def name_invoice(self, number: str) -> None:
        self.note(self.inquiry.about_invoice(number))
        assert self.inquiry.invoice_number == number

    @precondition(lambda self: self.inquiry.state not in SETTLED)
    @rule()
    def answer(self) -> None:
        self.note(self.inquiry.answered(answer_id=uuid4(), agent="agent-1", at=self.now))

    @precondition(lambda self: self.inquiry.state not in SETTLED)
    @rule(resolution=st.sampled_from([Resolution.ACCEPTED, Resolution.WITHDRAWN]))
    def resolve(self, resolution: Resolution) -> None:
        self.note(self.inquiry.resolved(resolution, at=self.now))

    @precondition(lambda self: self.inquiry.state not in WAITING_FOR_US)
    @rule(reason=st.sampled_from(Reason))
    def reopen(self, reason: Reason) -> None:
        self.note(*self.inquiry.reopened_for(reason, at=self.now, levels=SERVICE_LEVELS))

    @rule(
        ago=st.integers(0, 5),
        intent=st.sampled_from(["invoice_question", "praise"]),
        priority=st.sampled_from(Priority),
    )
    def follow_up(self, ago: int, intent: str, priority: Priority) -> None:
        brought = matter(self.now - ago * HOUR, intent=intent, priority=priority)
        effect = self.inquiry.follow_up(brought, levels=SERVICE_LEVELS)
        if effect is FollowUp.OPENS_ANOTHER:
            assert self.inquiry.state in SETTLED
            return
        inquiry = self.inquiry.followed_up(brought)
        if effect is FollowUp.REOPENS:
            reason = self.inquiry.reason_for(brought)
            self.note(*inquiry.reopened_for(reason, at=self.now, levels=SERVICE_LEVELS))
        else:
            self.note(inquiry)

    @invariant()
    def state_and_its_facts_agree(self) -> None:
        inquiry = self.inquiry
        assert inquiry.case_status in CaseStatus
        assert (inquiry.state in SETTLED) == (inquiry.settled_at is not None) == (inquiry.resolution is not None)
        assert inquiry.state is not State.ANSWERED or inquiry.answered_at is not None
        assert inquiry.state not in WAITING_FOR_US or inquiry.answered_at is None
        assert inquiry.state is not State.IN_PROGRESS or inquiry.assignee is not None
        assert 1 <= inquiry.tier <= 3

    @invariant()
    def whoever_waits_is_waited_for(self) -> None:
        waits = self.inquiry.waits(SERVICE_LEVELS)
        assert len(waits) <= 1
        assert all(due > self.now for due in waits.values()), "what time brings about was done"
        if self.inquiry.state in WAITING_FOR_US:
            assert self.inquiry.overdue or Wait.ANSWER_DUE in waits

    @invariant()
    def every_promise_ends_once_and_every_broken_one_is_a_failure(self) -> None:
        assert len(self.promises) == self.inquiry.reopened + 1
        for history in self.promises.values():
            assert history[0] is PromiseState.OPEN
            assert len(history) <= 2, "a promise that has ended stays so"
        broken = sum(history[-1] is PromiseState.BROKEN for history in self.promises.values())
        assert broken == sum(failure.kind is FailureKind.BROKEN_PROMISE for failure in self.failures)
        open_ones = [promise for promise, history in self.promises.items() if history[-1] is PromiseState.OPEN]
        assert open_ones in ([], [self.inquiry.promise.promise_id])
        assert bool(open_ones) == (self.inquiry.state in WAITING_FOR_US and not self.inquiry.overdue)

    @invariant()
    def every_failure_counts_once(self) -> None:
        assert len({failure.failure_id for failure in self.failures}) == len(self.failures)


TestLifeOfAnInquiry = LifeOfAnInquiry.TestCase
