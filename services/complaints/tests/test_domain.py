"""What a complaint is and which ways it can go, without anything around it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from anliegen.complaints.domain import Complaint, Matter, follow_up_of, is_due, reason_for, waits
from anliegen.complaints.errors import ComplaintStillOpen
from anliegen.complaints.rules import POLICY, read_policy
from anliegen.complaints.states import CASE_STATUS, FollowUp, Reason, Resolution, Response, State, Wait
from anliegen.complaints.words import LANGUAGES, WORDS
from anliegen.events import FailureKind, Priority, PromiseState, Sentiment

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def matter(**fields: object) -> Matter:
    told: dict[str, object] = {
        "contact_id": uuid4(), "journey_id": uuid4(), "language": "de", "intent": "service",
        "priority": Priority.NORMAL, "tier": 1, "came_at": NOW, "country": "CH", "line": "general",
    }  # fmt: skip
    return Matter(**{**told, **fields})  # type: ignore[arg-type]


@pytest.fixture
def complaint() -> Complaint:
    return Complaint.received(concern_id=uuid4(), matter=matter(), policy=POLICY)


def test_every_state_is_a_status_for_the_others() -> None:
    assert set(CASE_STATUS) == set(State)


def test_every_code_that_customers_read_has_words_in_all_languages() -> None:
    assert set(WORDS["reasons"]) == POLICY.reasons
    assert set(WORDS["other_ways"]) == POLICY.other_ways
    assert set(WORDS["responses"]) == set(Response)
    for group in WORDS.values():
        for said in group.values():
            assert tuple(said) == LANGUAGES


def test_a_new_complaint_waits_for_its_decision_alone(complaint: Complaint) -> None:
    assert waits(complaint, POLICY) == {Wait.DECISION_DUE: NOW + 10 * DAY}
    assert not is_due(complaint, Wait.DECISION_DUE, at=NOW + 10 * DAY - timedelta(seconds=1), policy=POLICY)
    assert is_due(complaint, Wait.DECISION_DUE, at=NOW + 10 * DAY, policy=POLICY)


def test_what_is_open_cannot_be_reopened_and_what_is_withdrawn_was_no_failure(complaint: Complaint) -> None:
    with pytest.raises(ComplaintStillOpen):
        complaint.reopened_for(Reason.CUSTOMER_REJECTED, at=NOW, policy=POLICY)
    withdrawn = complaint.resolved(Resolution.WITHDRAWN, at=NOW)
    assert withdrawn.promise.state is PromiseState.WITHDRAWN
    again, failure = withdrawn.reopened_for(Reason.CUSTOMER_WROTE_AGAIN, at=NOW + DAY, policy=POLICY)
    assert (again.state, again.round_at, failure) == (State.REOPENED, NOW + DAY, None)


def test_too_late_a_contact_opens_another(complaint: Complaint) -> None:
    withdrawn = complaint.resolved(Resolution.WITHDRAWN, at=NOW)
    last = NOW + POLICY.reopening
    assert follow_up_of(withdrawn, matter(came_at=last), policy=POLICY) is FollowUp.REOPENS
    assert follow_up_of(withdrawn, matter(came_at=last + DAY), policy=POLICY) is FollowUp.OPENS_ANOTHER
    assert follow_up_of(withdrawn, matter(intent="praise"), policy=POLICY) is FollowUp.ADDED


def test_a_contact_after_a_transfer_opens_another_however_soon(complaint: Complaint) -> None:
    assert follow_up_of(complaint.transferred(at=NOW), matter(), policy=POLICY) is FollowUp.OPENS_ANOTHER


def test_a_contact_that_crossed_the_response_is_not_about_it(complaint: Complaint) -> None:
    answered = replace(complaint, state=State.COMMUNICATED, answered_at=NOW)
    before, after = matter(came_at=NOW - DAY), matter(came_at=NOW)
    assert reason_for(answered, before) is Reason.MESSAGES_CROSSED
    assert reason_for(answered, after) is Reason.CUSTOMER_WROTE_AGAIN
    assert reason_for(answered, matter(sentiment=Sentiment.POSITIVE)) is Reason.CUSTOMER_CONTENT


def test_the_first_acknowledgement_counts(complaint: Complaint) -> None:
    later = complaint.acknowledged(at=NOW + DAY)
    assert later.acknowledged(at=NOW + 2 * DAY) == later
    assert later.acknowledged(at=NOW).acknowledged_at == NOW


def test_a_broken_promise_is_a_failure_of_the_time_it_was_due(complaint: Complaint) -> None:
    late, failure = complaint.broken()
    assert late.overdue
    assert (failure.kind, failure.occurred_at) == (FailureKind.BROKEN_PROMISE, NOW + 10 * DAY)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("high_from = 5", "high_from = 8"),
        ("urgent = [48, 48, 24]", "urgent = [500, 48, 24]"),
        ("normal = [240, 240, 120]", "normal = [240, 240, 300]"),
    ],
)
def test_a_senseless_policy_is_refused(was: str, becomes: str) -> None:
    from importlib.resources import files

    text = (files("anliegen.complaints") / "rules" / "complaints.toml").read_text(encoding="utf-8")
    assert was in text
    with pytest.raises(ValueError, match=r"rise|waits longer"):
        read_policy(text.replace(was, becomes))
