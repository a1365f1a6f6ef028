"""What people at the desk do with complaints, what it announces, and what time brings about."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from anliegen.complaints import store
from anliegen.complaints.domain import Decision
from anliegen.complaints.errors import (
    ComplaintSettled,
    InvestigationsOpen,
    NoPrivateWay,
    NotAssessed,
    NotDecided,
    NotPublic,
    OtherWayMissing,
    ResponseDoesNotFit,
    WorkNotFound,
)
from anliegen.complaints.rules import CodeUnknown
from anliegen.complaints.states import Outcome, Resolution, Response, State
from anliegen.events import (
    CaseStatus,
    ComplaintAnswered,
    ComplaintDecided,
    ComplaintsReplyRequested,
    ContactReceived,
    DecisionOverdue,
    DecisionReversed,
    FailureKind,
    Money,
    PromiseState,
    Task,
)
from anliegen.events.builders import build

DAY = timedelta(days=1)
UPHELD = Decision(outcome=Outcome.UPHELD, reasons=("our_mistake",))
REJECTED = Decision(outcome=Outcome.REJECTED, reasons=("as_agreed",), other_ways=("ombudsman", "second_look"))


async def test_complaint_goes_its_whole_way_with_its_history(
    open_complaint: Any, assess: Any, do: Any, load: Any, begin: Any, clock: Any, run_timers: Any, published: Any
) -> None:
    complaint = await open_complaint()
    case_id = complaint.case_id
    await do("take_complaint", case_id)
    await do("acknowledge_complaint", case_id)
    await assess(case_id)
    due_at = clock.now() + DAY
    await do("assign_investigation", case_id, kind="hear_staff", owner="bea", due_at=due_at)
    with pytest.raises(InvestigationsOpen):
        await do("decide_complaint", case_id, decision=UPHELD)
    async with begin() as tx:
        (investigation,) = await store.list_investigations(tx, case_id=case_id)
    await do("finish_investigation", case_id, investigation_id=investigation.investigation_id)
    await do("decide_complaint", case_id, decision=UPHELD)
    await do("remedy_complaint", case_id, remedy="refund", amount=Money(amount=4250, currency="CHF"))
    await do("answer_complaint", case_id, response=Response.ACCEPT, answer="Es tut uns leid.", language=None)
    await do("plan_prevention", case_id, cause="training", measure="train_staff", owner="carl", due_at=due_at)
    async with begin() as tx:
        (prevention,) = await store.list_preventions(tx, case_id=case_id)
    await do("finish_prevention", case_id, prevention_id=prevention.prevention_id)
    clock.advance(28 * DAY)
    await run_timers()
    assert (await load(case_id)).resolution is Resolution.NO_OBJECTION
    clock.advance(14 * DAY)
    await run_timers()
    closed = await load(case_id)
    assert closed.state is State.CLOSED
    async with begin() as tx:
        steps = await store.list_steps(tx, case_id=case_id)
    assert [step.step for step in steps] == [
        "received", "taken", "acknowledged", "assessed", "investigation_assigned", "investigation_done", "decided",
        "remedied", "communicated", "prevention_planned", "prevention_done", "followed_up", "closed",
    ]  # fmt: skip
    assert [step.version for step in steps] == list(range(1, closed.version + 1)), "no change without a step"
    (decided,) = await published(ComplaintDecided)
    assert decided.failure.kind is FailureKind.UPHELD_COMPLAINT
    (answered,) = await published(ComplaintAnswered)
    assert (answered.status, answered.promise.state) == (CaseStatus.WAITING_FOR_CUSTOMER, PromiseState.KEPT)


async def test_severity_says_who_looks_and_how_soon(open_complaint: Any, assess: Any) -> None:
    for grid, expected in [
        ({"severity": 1, "impact": 1, "complexity": 1}, ("low", 1)),
        ({"severity": 2, "impact": 2, "complexity": 2}, ("normal", 2)),
        ({"severity": 3, "impact": 2, "complexity": 1}, ("high", 1)),
        ({"severity": 4, "impact": 3, "complexity": 3}, ("urgent", 3)),
        ({"severity": 1, "impact": 1, "complexity": 1, "immediate_action": True}, ("urgent", 3)),
    ]:
        assessed = await assess((await open_complaint(tier=1)).case_id, **grid)
        assert (assessed.priority, assessed.tier) == expected


async def test_rejection_names_reason_and_another_way(
    open_complaint: Any, assess: Any, do: Any, published: Any
) -> None:
    case_id = (await open_complaint()).case_id
    with pytest.raises(NotAssessed):
        await do("decide_complaint", case_id, decision=REJECTED)
    await assess(case_id)
    bare = Decision(outcome=Outcome.REJECTED, reasons=("as_agreed",))
    with pytest.raises(OtherWayMissing):
        await do("decide_complaint", case_id, decision=bare)
    with pytest.raises(CodeUnknown):
        await do("decide_complaint", case_id, decision=Decision(outcome=Outcome.UPHELD, reasons=("because",)))
    await do("decide_complaint", case_id, decision=REJECTED)
    (decided,) = await published(ComplaintDecided)
    assert decided.failure is None
    with pytest.raises(ResponseDoesNotFit):
        await do("answer_complaint", case_id, response=Response.ACCEPT, answer="Ja.", language=None)
    await do("answer_complaint", case_id, response=Response.REJECT, answer="Leider nein.", language="fr")
    (reply,) = await published(ComplaintsReplyRequested)
    assert (reply.template, reply.language) == ("complaint_response", "fr")
    assert "convenu" in reply.values["reasons"]
    assert reply.values["other_ways"].count("- ") == 2


async def test_decision_is_taken_back_with_a_reason_and_taken_anew(
    open_complaint: Any, assess: Any, do: Any, published: Any
) -> None:
    case_id = (await open_complaint()).case_id
    await assess(case_id)
    with pytest.raises(NotDecided):
        await do("reverse_decision", case_id, reason="new_evidence")
    await do("decide_complaint", case_id, decision=UPHELD)
    await do("remedy_complaint", case_id, remedy="apology", amount=None)
    back = await do("reverse_decision", case_id, reason="new_evidence")
    assert (back.state, back.decision, back.remedy) == (State.INVESTIGATING, None, None)
    (reversed_,) = await published(DecisionReversed)
    assert reversed_.reason == "new_evidence"
    await do("decide_complaint", case_id, decision=UPHELD)
    first, second = await published(ComplaintDecided)
    assert first.failure.failure_id == second.failure.failure_id, "it went wrong once"
    await do("answer_complaint", case_id, response=Response.OFFER, answer="Ja.", language=None)
    with pytest.raises(NotDecided):
        await do("reverse_decision", case_id, reason="new_evidence")


async def test_late_decision_breaks_the_promise_once(
    open_complaint: Any, assess: Any, do: Any, clock: Any, run_timers: Any, published: Any
) -> None:
    case_id = (await open_complaint(priority="normal", tier=1)).case_id
    await assess(case_id)
    clock.advance(11 * DAY)
    await do("decide_complaint", case_id, decision=UPHELD)
    await run_timers()
    (overdue,) = await published(DecisionOverdue)
    assert overdue.failure.kind is FailureKind.BROKEN_PROMISE


async def test_public_complaint_is_answered_in_public_and_settled_in_private(
    deliver: Any, open_complaint: Any, triaged: Any, assess: Any, do: Any, published: Any, load: Any
) -> None:
    private = await open_complaint()
    with pytest.raises(NotPublic):
        await do("answer_in_public", private.case_id, answer="Danke.", language=None)
    review = await open_complaint()
    await deliver(build(ContactReceived, contact_id=review.contact_id, journey_id=review.journey_id, channel="review"))
    await do("answer_in_public", review.case_id, answer="Das tut uns leid, bitte schreiben Sie uns.", language=None)
    await assess(review.case_id)
    await do("decide_complaint", review.case_id, decision=UPHELD)
    with pytest.raises(NoPrivateWay):
        await do("answer_complaint", review.case_id, response=Response.OFFER, answer="50 Franken", language=None)
    assert (await load(review.case_id)).state is State.DECIDED
    mail = triaged(review.journey_id, case_id=review.case_id)
    await deliver(mail)
    await do("answer_complaint", review.case_id, response=Response.OFFER, answer="50 Franken", language=None)
    public, settled = await published(ComplaintsReplyRequested)
    assert (public.template, public.contact_id) == ("complaint_public_answer", review.contact_id)
    assert (settled.template, settled.contact_id) == ("complaint_response", mail.contact_id)


async def test_settled_and_transferred_complaints_are_left_alone(open_complaint: Any, do: Any, published: Any) -> None:
    case_id = (await open_complaint()).case_id
    moved = await do("transfer_complaint", case_id, to_task=Task.BILLING_INQUIRY)
    assert moved.case_status is CaseStatus.TRANSFERRED
    with pytest.raises(ComplaintSettled):
        await do("take_complaint", case_id)
    assert moved.promise.state is PromiseState.WITHDRAWN


async def test_work_on_somebody_elses_complaint_is_not_found(open_complaint: Any, do: Any) -> None:
    case_id = (await open_complaint()).case_id
    with pytest.raises(WorkNotFound):
        await do("finish_investigation", case_id, investigation_id=uuid4())
    with pytest.raises(WorkNotFound):
        await do("finish_prevention", case_id, prevention_id=uuid4())
