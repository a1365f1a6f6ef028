"""What the helpdesk hears: once or twice, in whatever order the topics come."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import (
    CaseStatus,
    Concern,
    ContactTriaged,
    FailureKind,
    JourneysMerged,
    JourneysSplit,
    PromiseState,
    QuestionFollowedUp,
    QuestionOpened,
    QuestionReopened,
    ReplyFailed,
    Task,
)
from anliegen.events.builders import build
from anliegen.helpdesk import actions
from anliegen.helpdesk.domain import Question, reply_id_of
from anliegen.helpdesk.states import Resolution, State
from anliegen.kit.clock import FixedClock
from anliegen.kit.testing import announced, interleavings
from anliegen.kit.versions import ANY_VERSION

Deliver = Callable[..., Awaitable[Any]]
Triaged = Callable[..., ContactTriaged]
Read = Callable[..., Awaitable[list[Any]]]
Open = Callable[..., Awaitable[Question]]
Load = Callable[[UUID], Awaitable[Question]]
Answer = Callable[[UUID], Awaitable[Question]]
DAY = timedelta(days=1)


@pytest.fixture
def answer(begin: Any) -> Answer:
    async def give(case_id: UUID) -> Question:
        async with begin() as tx:
            return await actions.answer_question(
                tx, case_id=case_id, answer="Ja.", language=None, agent="agent-1", expected=ANY_VERSION
            )

    return give


async def test_concern_opens_a_question_with_a_promise(
    deliver: Deliver, triaged: Triaged, case_of: Callable[[ContactTriaged], UUID], load: Load, published: Read
) -> None:
    event = triaged(priority="urgent", tier=2)
    await deliver(event)
    question = await load(case_of(event))
    assert (question.state, question.journey_id, question.contact_id) == ("open", event.journey_id, event.contact_id)
    (opened,) = await published()
    assert isinstance(opened, QuestionOpened)
    assert (opened.status, opened.priority, opened.tier) == (CaseStatus.OPENED, "urgent", 2)
    assert (opened.case_id, opened.concern_id) == (question.case_id, event.concerns[0].concern_id)
    assert opened.promise is not None
    assert opened.promise.state is PromiseState.OPEN
    assert opened.promise.due_at == event.decided_at + timedelta(hours=2)


async def test_each_concern_opens_its_own_question_and_others_tasks_open_none(
    deliver: Deliver, published: Read
) -> None:
    tasks = [Task.HELPDESK, Task.BILLING_INQUIRY, Task.HELPDESK]
    concerns = tuple(build(Concern, ordinal=n, task=task) for n, task in enumerate(tasks))
    await deliver(build(ContactTriaged, concerns=concerns))
    opened = await published(QuestionOpened)
    assert [event.concern_id for event in opened] == [concerns[0].concern_id, concerns[2].concern_id]


async def test_second_delivery_changes_nothing(
    deliver: Deliver, triaged: Triaged, database: Any, published: Read, open_question: Open, answer: Answer
) -> None:
    question = await open_question()
    answered = await answer(question.case_id)
    assert answered.answer_id is not None
    reply_id = reply_id_of(question.case_id, answered.answer_id)
    fields = {"journey_id": question.journey_id, "case_id": question.case_id, "reply_id": reply_id}
    failed = build(ReplyFailed, task=Task.HELPDESK, **fields)
    mail = await deliver(triaged(), triaged(question.journey_id, case_id=question.case_id), failed)
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
    open_question: Open,
    answer: Answer,
    clock: FixedClock,
    run_timers: Any,
) -> None:
    results = []
    journeys = [UUID(int=n) for n in range(1, 4)]
    for order in range(22):
        question = await open_question(journeys[0])
        answered = await answer(question.case_id)
        assert answered.answer_id is not None
        reply_id = reply_id_of(question.case_id, answered.answer_id)
        merged = build(JourneysMerged, link_id=UUID(int=9), journey_a=journeys[0], journey_b=journeys[1])
        things = [
            merged,
            build(JourneysSplit, link_id=merged.link_id, journey_a=journeys[0], journey_b=journeys[1]),
            build(
                ReplyFailed,
                journey_id=journeys[0],
                task=Task.HELPDESK,
                case_id=question.case_id,
                reply_id=reply_id,
            ),
            triaged(journeys[0], case_id=question.case_id, intent="praise"),
            triaged(journeys[1], case_id=question.case_id, intent="praise"),
            triaged(journeys[2]),
        ]
        await deliver(*list(interleavings(map(announced, things)))[order], one_by_one=True)
        await run_timers()
        tables = await database.snapshot(
            "questions", "question_contacts", "contacts", without=("case_id", "concern_id", "contact_id", "promise_id")
        )
        assert not (await database.snapshot("parked_keys"))["parked_keys"]
        results.append(tables)
        await database.empty()
    assert len(results) == 22
    assert all(result == results[0] for result in results)
    states = sorted(row["state"] for row in results[0]["questions"])
    assert states == ["open", "reopened"]
    assert len(results[0]["question_contacts"]) == 4


async def test_follow_up_is_added_to_an_open_question(
    deliver: Deliver, triaged: Triaged, open_question: Open, load: Load, published: Read
) -> None:
    question = await open_question()
    event = triaged(question.journey_id, case_id=question.case_id, priority="high")
    await deliver(event)
    (followed_up,) = await published(QuestionFollowedUp)
    assert followed_up.contact_id == event.contact_id
    after = await load(question.case_id)
    assert (after.state, after.priority, after.version) == (State.OPEN, "high", question.version + 1)


async def test_follow_up_to_an_answer_reopens_it(
    deliver: Deliver, triaged: Triaged, open_question: Open, load: Load, published: Read, answer: Answer
) -> None:
    question = await open_question()
    await answer(question.case_id)
    event = triaged(question.journey_id, case_id=question.case_id)
    await deliver(event)
    (reopened,) = await published(QuestionReopened)
    assert (reopened.status, reopened.reason) == (CaseStatus.REOPENED, "customer_wrote_again")
    assert reopened.contact_id == event.contact_id
    assert reopened.failure.kind is FailureKind.REJECTED_ANSWER
    assert (await load(question.case_id)).tier == 2


async def test_follow_up_to_a_settled_question_reopens_it_until_it_is_too_late(
    deliver: Deliver,
    triaged: Triaged,
    open_question: Open,
    load: Load,
    published: Read,
    answer: Answer,
    clock: FixedClock,
    run_timers: Any,
    case_of: Callable[[ContactTriaged], UUID],
) -> None:
    soon, late = await open_question(), await open_question()
    for question in (soon, late):
        await answer(question.case_id)
    clock.advance(7 * DAY)
    await run_timers()
    clock.advance(30 * DAY)
    await run_timers()
    await deliver(triaged(soon.journey_id, case_id=soon.case_id))
    (reopened,) = await published(QuestionReopened)
    assert reopened.failure.kind is FailureKind.REOPENED_CASE
    clock.advance(31 * DAY)
    event = triaged(late.journey_id, case_id=late.case_id)
    await deliver(event)
    assert (await load(late.case_id)).state is State.CLOSED
    assert (await load(case_of(event))).continues == late.case_id
    assert (await published(QuestionOpened))[-1].continues == late.case_id


async def test_case_that_another_task_handed_over_opens_a_question_that_goes_on_from_it(
    deliver: Deliver, triaged: Triaged, case_of: Callable[[ContactTriaged], UUID], load: Load
) -> None:
    handed_over = uuid4()
    event = triaged(case_id=handed_over)
    await deliver(event)
    question = await load(case_of(event))
    assert (question.state, question.continues) == (State.OPEN, handed_over)


async def test_answer_that_did_not_reach_the_customer_is_no_answer(
    deliver: Deliver,
    open_question: Open,
    published: Read,
    answer: Answer,
    load: Load,
    clock: FixedClock,
    run_timers: Any,
) -> None:
    question = await open_question()
    answered = await answer(question.case_id)
    clock.advance(7 * DAY)
    await run_timers()
    assert (await load(question.case_id)).resolution is Resolution.NO_OBJECTION
    assert answered.answer_id is not None
    reply_id = reply_id_of(question.case_id, answered.answer_id)
    fields = {"journey_id": question.journey_id, "case_id": question.case_id, "reply_id": reply_id}
    await deliver(build(ReplyFailed, task=Task.HELPDESK, **fields))
    (reopened,) = await published(QuestionReopened)
    assert (reopened.reason, reopened.failure) == ("answer_not_delivered", None)
    assert (await load(question.case_id)).assignee == "agent-1"


async def test_failed_replies_that_do_not_count_change_nothing(
    deliver: Deliver, open_question: Open, answer: Answer, load: Load
) -> None:
    question = await open_question()
    first = await answer(question.case_id)
    latest = await answer(question.case_id)
    assert first.answer_id and latest.answer_id
    fields: dict[str, Any] = {
        "journey_id": question.journey_id,
        "task": Task.HELPDESK,
        "case_id": question.case_id,
        "reply_id": reply_id_of(question.case_id, latest.answer_id),
    }
    await deliver(
        build(ReplyFailed, **fields | {"reply_id": reply_id_of(question.case_id, first.answer_id)}),
        build(ReplyFailed, **fields | {"task": Task.CLAIMS}),
        build(ReplyFailed, **fields | {"case_id": None}),
        build(ReplyFailed, **fields | {"case_id": uuid4()}),
        build(ReplyFailed, **fields | {"journey_id": uuid4()}),
    )
    assert await load(question.case_id) == latest
