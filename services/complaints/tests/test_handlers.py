"""What complaints hears: once or twice, in whatever order the topics come."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from anliegen.complaints.domain import Complaint, reply_id_of
from anliegen.complaints.states import Resolution, Response, State
from anliegen.events import (
    CaseStatus,
    ComplaintFollowedUp,
    ComplaintOpened,
    ComplaintReopened,
    Concern,
    ContactTriaged,
    FailureKind,
    JourneysMerged,
    JourneysSplit,
    PromiseState,
    ReplyFailed,
    ReplySent,
    Task,
)
from anliegen.events.builders import build
from anliegen.kit.clock import FixedClock
from anliegen.kit.testing import announced, interleavings

Deliver = Callable[..., Awaitable[Any]]
Triaged = Callable[..., ContactTriaged]
Read = Callable[..., Awaitable[list[Any]]]
Open = Callable[..., Awaitable[Complaint]]
Load = Callable[[UUID], Awaitable[Complaint]]
Answer = Callable[[UUID], Awaitable[Complaint]]
DAY = timedelta(days=1)


async def test_concern_opens_a_complaint_with_a_promise(
    deliver: Deliver, triaged: Triaged, case_of: Callable[[ContactTriaged], UUID], load: Load, published: Read
) -> None:
    event = triaged(priority="urgent", tier=2)
    await deliver(event)
    complaint = await load(case_of(event))
    assert (complaint.state, complaint.journey_id, complaint.contact_id) == (
        "received",
        event.journey_id,
        event.contact_id,
    )
    (opened,) = await published(ComplaintOpened)
    assert (opened.status, opened.priority, opened.tier) == (CaseStatus.OPENED, "urgent", 2)
    assert (opened.case_id, opened.concern_id) == (complaint.case_id, event.concerns[0].concern_id)
    assert opened.promise is not None
    assert opened.promise.state is PromiseState.OPEN
    assert opened.promise.due_at == event.decided_at + timedelta(hours=48)


async def test_each_concern_opens_its_own_complaint_and_other_tasks_none(deliver: Deliver, published: Read) -> None:
    tasks = [Task.COMPLAINTS, Task.HELPDESK, Task.COMPLAINTS]
    concerns = tuple(build(Concern, ordinal=n, task=task) for n, task in enumerate(tasks))
    await deliver(build(ContactTriaged, concerns=concerns))
    opened = await published(ComplaintOpened)
    assert [event.concern_id for event in opened] == [concerns[0].concern_id, concerns[2].concern_id]


async def test_second_delivery_changes_nothing(
    deliver: Deliver, triaged: Triaged, database: Any, published: Read, open_complaint: Open, answer: Answer
) -> None:
    complaint = await open_complaint()
    answered = await answer(complaint.case_id)
    assert answered.response_id is not None
    reply_id = reply_id_of(complaint.case_id, answered.response_id)
    fields = {"journey_id": complaint.journey_id, "case_id": complaint.case_id, "reply_id": reply_id}
    failed = build(ReplyFailed, task=Task.COMPLAINTS, **fields)
    mail = await deliver(triaged(), triaged(complaint.journey_id, case_id=complaint.case_id), failed)
    before, announcements = await database.snapshot(), await published()
    # First as Kafka repeats them, then as after a restore: the inbox has forgotten them, too.
    await deliver(*mail, one_by_one=True)
    await deliver(*mail, one_by_one=True, despite_inbox=True)
    assert await database.snapshot() == before
    assert await published() == announcements
    assert not (await database.snapshot("parked_keys"))["parked_keys"], "a repetition is no trouble either"


async def test_topics_in_any_order(
    deliver: Deliver,
    triaged: Triaged,
    database: Any,
    open_complaint: Open,
    answer: Answer,
    clock: FixedClock,
    run_timers: Any,
) -> None:
    results = []
    journeys = [UUID(int=n) for n in range(1, 4)]
    for order in range(22):
        complaint = await open_complaint(journeys[0])
        answered = await answer(complaint.case_id)
        assert answered.response_id is not None
        reply_id = reply_id_of(complaint.case_id, answered.response_id)
        merged = build(JourneysMerged, link_id=UUID(int=9), journey_a=journeys[0], journey_b=journeys[1])
        things = [
            merged,
            build(JourneysSplit, link_id=merged.link_id, journey_a=journeys[0], journey_b=journeys[1]),
            build(
                ReplyFailed,
                journey_id=journeys[0],
                task=Task.COMPLAINTS,
                case_id=complaint.case_id,
                reply_id=reply_id,
            ),
            triaged(journeys[0], case_id=complaint.case_id, intent="praise"),
            triaged(journeys[1], case_id=complaint.case_id, intent="praise"),
            triaged(journeys[2]),
        ]
        await deliver(*list(interleavings(map(announced, things)))[order], one_by_one=True)
        await run_timers()
        tables = await database.snapshot(
            "complaints",
            "complaint_contacts",
            "contacts",
            without=("case_id", "concern_id", "contact_id", "promise_id"),
        )
        assert not (await database.snapshot("parked_keys"))["parked_keys"]
        results.append(tables)
        await database.empty()
    assert len(results) == 22
    assert all(result == results[0] for result in results)
    states = [row["state"] for row in sorted(results[0]["complaints"], key=lambda row: row["version"])]
    assert states == ["received", "decided"]
    assert len(results[0]["complaint_contacts"]) == 4


async def test_follow_up_is_added_to_an_open_complaint(
    deliver: Deliver, triaged: Triaged, open_complaint: Open, load: Load, published: Read
) -> None:
    complaint = await open_complaint()
    event = triaged(complaint.journey_id, case_id=complaint.case_id, priority="high")
    await deliver(event)
    (followed_up,) = await published(ComplaintFollowedUp)
    assert followed_up.contact_id == event.contact_id
    after = await load(complaint.case_id)
    assert (after.state, after.priority, after.version) == (State.RECEIVED, "high", complaint.version + 1)


async def test_follow_up_to_an_answer_reopens_it(
    deliver: Deliver, triaged: Triaged, open_complaint: Open, load: Load, published: Read, answer: Answer
) -> None:
    complaint = await open_complaint()
    await answer(complaint.case_id)
    event = triaged(complaint.journey_id, case_id=complaint.case_id)
    await deliver(event)
    (reopened,) = await published(ComplaintReopened)
    assert (reopened.status, reopened.reason) == (CaseStatus.REOPENED, "customer_wrote_again")
    assert reopened.contact_id == event.contact_id
    assert reopened.failure.kind is FailureKind.REJECTED_ANSWER
    assert (await load(complaint.case_id)).tier == 3, "one above that of its assessment"


async def test_follow_up_to_a_settled_complaint_reopens_it_until_it_is_too_late(
    deliver: Deliver,
    triaged: Triaged,
    open_complaint: Open,
    load: Load,
    published: Read,
    answer: Answer,
    clock: FixedClock,
    run_timers: Any,
    case_of: Callable[[ContactTriaged], UUID],
) -> None:
    soon, late = await open_complaint(), await open_complaint()
    for complaint in (soon, late):
        await answer(complaint.case_id)
    clock.advance(28 * DAY)
    await run_timers()
    clock.advance(30 * DAY)
    await run_timers()
    await deliver(triaged(soon.journey_id, case_id=soon.case_id))
    (reopened,) = await published(ComplaintReopened)
    assert reopened.failure.kind is FailureKind.REOPENED_CASE
    clock.advance(160 * DAY)
    event = triaged(late.journey_id, case_id=late.case_id)
    await deliver(event)
    assert (await load(late.case_id)).state is State.CLOSED
    assert (await load(case_of(event))).continues == late.case_id
    assert (await published(ComplaintOpened))[-1].continues == late.case_id


async def test_case_that_another_task_handed_over_opens_a_complaint_that_goes_on_from_it(
    deliver: Deliver, triaged: Triaged, case_of: Callable[[ContactTriaged], UUID], load: Load
) -> None:
    handed_over = uuid4()
    event = triaged(case_id=handed_over)
    await deliver(event)
    complaint = await load(case_of(event))
    assert (complaint.state, complaint.continues) == (State.RECEIVED, handed_over)


async def test_answer_that_did_not_reach_the_customer_is_no_answer(
    deliver: Deliver,
    open_complaint: Open,
    published: Read,
    answer: Answer,
    load: Load,
    clock: FixedClock,
    run_timers: Any,
) -> None:
    complaint = await open_complaint()
    answered = await answer(complaint.case_id)
    clock.advance(28 * DAY)
    await run_timers()
    assert (await load(complaint.case_id)).resolution is Resolution.NO_OBJECTION
    assert answered.response_id is not None
    reply_id = reply_id_of(complaint.case_id, answered.response_id)
    fields = {"journey_id": complaint.journey_id, "case_id": complaint.case_id, "reply_id": reply_id}
    await deliver(build(ReplyFailed, task=Task.COMPLAINTS, **fields))
    (reopened,) = await published(ComplaintReopened)
    assert (reopened.reason, reopened.failure) == ("response_not_delivered", None)
    assert (await load(complaint.case_id)).assignee == "anna"


async def test_failed_replies_that_do_not_count_change_nothing(
    deliver: Deliver, open_complaint: Open, answer: Answer, load: Load
) -> None:
    complaint = await open_complaint()
    answered = await answer(complaint.case_id)
    assert answered.response_id
    fields: dict[str, Any] = {
        "journey_id": complaint.journey_id,
        "task": Task.COMPLAINTS,
        "case_id": complaint.case_id,
        "reply_id": reply_id_of(complaint.case_id, answered.response_id),
    }
    await deliver(
        build(ReplyFailed, **fields | {"reply_id": uuid4()}),
        build(ReplyFailed, **fields | {"task": Task.CLAIMS}),
        build(ReplyFailed, **fields | {"case_id": None}),
        build(ReplyFailed, **fields | {"case_id": uuid4()}),
        build(ReplyFailed, **fields | {"journey_id": uuid4()}),
    )
    assert await load(complaint.case_id) == answered


async def test_confirmation_by_intake_acknowledges_in_either_order(
    deliver: Deliver, triaged: Triaged, case_of: Callable[[ContactTriaged], UUID], load: Load, clock: FixedClock
) -> None:
    for first in (0, 1):
        event = triaged()
        about = {"journey_id": event.journey_id, "contact_id": event.contact_id, "case_id": None, "task": None}
        sent = build(ReplySent, template="acknowledgement", sent_at=clock.now(), **about)
        other = build(ReplySent, template="helpdesk_answer", sent_at=clock.now(), **about)
        for mail in [(event, other, sent), (other, sent, event)][first]:
            await deliver(mail)
        complaint = await load(case_of(event))
        assert (complaint.state, complaint.acknowledged_at) == (State.ACKNOWLEDGED, clock.now())


async def test_response_that_was_not_delivered_is_only_sent_again(
    deliver: Deliver, open_complaint: Open, answer: Answer, load: Load, do: Any
) -> None:
    complaint = await open_complaint()
    answered = await answer(complaint.case_id)
    assert answered.response_id is not None
    reply_id = reply_id_of(complaint.case_id, answered.response_id)
    fields = {"journey_id": complaint.journey_id, "case_id": complaint.case_id, "reply_id": reply_id}
    await deliver(build(ReplyFailed, task=Task.COMPLAINTS, **fields))
    again = await load(complaint.case_id)
    assert (again.state, again.decision) == (State.DECIDED, answered.decision)
    await do("answer_complaint", complaint.case_id, response=Response.ACCEPT, answer="Nochmals.", language=None)
    assert (await load(complaint.case_id)).state is State.COMMUNICATED
