"""What the helpdesk does and announces, alone, repeated, and when two act on one question at the same moment."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import (
    AnswerOverdue,
    CaseEvent,
    CaseStatus,
    ContactTriaged,
    FailureKind,
    HelpdeskReplyRequested,
    JourneysMerged,
    Priority,
    PromiseState,
    QuestionAnswered,
    QuestionClosed,
    QuestionOpened,
    QuestionReopened,
    QuestionResolved,
    QuestionTaken,
    Task,
)
from anliegen.events.builders import build
from anliegen.helpdesk import actions, store
from anliegen.helpdesk.domain import ContactUnknown, Question, QuestionNotFound, QuestionSettled
from anliegen.helpdesk.states import Reason, Resolution, State, Wait
from anliegen.kit import Delivery, Transaction
from anliegen.kit.clock import FixedClock
from anliegen.kit.errors import PreconditionFailed
from anliegen.kit.testing.deliveries import announced
from anliegen.kit.versions import ANY_VERSION, ExpectedVersion

Begin = Callable[[], AbstractAsyncContextManager[Transaction]]
Read = Callable[..., Awaitable[list[Any]]]
Open = Callable[..., Awaitable[Question]]
Load = Callable[[UUID], Awaitable[Question]]
Deliver = Callable[..., Awaitable[Any]]
Triaged = Callable[..., ContactTriaged]
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def seen(question: Question) -> ExpectedVersion:
    return ExpectedVersion(frozenset({question.version}))


async def answer(tx: Transaction, question: Question, expected: ExpectedVersion = ANY_VERSION) -> Question:
    return await actions.answer_question(
        tx, case_id=question.case_id, answer="Ja.", language="de", agent="agent-1", expected=expected
    )


async def take(tx: Transaction, question: Question, expected: ExpectedVersion = ANY_VERSION) -> Question:
    return await actions.take_question(tx, case_id=question.case_id, agent="agent-2", expected=expected)


async def accept(tx: Transaction, question: Question, expected: ExpectedVersion = ANY_VERSION) -> Question:
    return await actions.resolve_question(
        tx, case_id=question.case_id, resolution=Resolution.ACCEPTED, expected=expected
    )


async def reject(tx: Transaction, question: Question, expected: ExpectedVersion = ANY_VERSION) -> Question:
    return await actions.reopen_question(
        tx, case_id=question.case_id, reason=Reason.CUSTOMER_REJECTED, expected=expected
    )


async def test_answer_is_announced_and_sent(begin: Begin, open_question: Open, published: Read) -> None:
    question = await open_question()
    async with begin() as tx:
        answered = await answer(tx, question, seen(question))
    (told,), (reply,) = await published(QuestionAnswered), await published(HelpdeskReplyRequested)
    assert (told.status, told.answered_by) == (CaseStatus.WAITING_FOR_CUSTOMER, "agent-1")
    assert told.promise.state is PromiseState.KEPT
    assert told.answer_id == answered.answer_id
    assert (reply.template, reply.values, reply.language) == ("helpdesk_answer", {"answer": "Ja."}, "de")
    assert (reply.case_id, reply.task, reply.contact_id) == (question.case_id, Task.HELPDESK, question.contact_id)


async def test_answer_goes_to_the_newest_contact_of_the_person_and_never_to_a_stranger(
    begin: Begin, open_question: Open, deliver: Deliver, triaged: Triaged, run_timers: Any, published: Read, clock: Any
) -> None:
    question = await open_question()
    clock.advance(HOUR)
    other = triaged(case_id=question.case_id)
    clock.advance(HOUR)
    stranger = triaged(case_id=question.case_id)
    a, b = sorted([question.journey_id, other.journey_id])
    await deliver(build(JourneysMerged, journey_a=a, journey_b=b), other, stranger)
    assert await run_timers() == 2
    async with begin() as tx:
        await answer(tx, question)
        known = await store.list_contact_ids(tx, case_id=question.case_id)
    assert known == [question.contact_id, other.contact_id, stranger.contact_id]
    (reply,) = await published(HelpdeskReplyRequested)
    assert reply.contact_id == other.contact_id


async def test_question_goes_all_the_way(
    begin: Begin, open_question: Open, published: Read, clock: FixedClock, run_timers: Any, load: Load
) -> None:
    question = await open_question()
    async with begin() as tx:
        await take(tx, question)
    async with begin() as tx:
        await answer(tx, question)
    clock.advance(7 * DAY)
    assert await run_timers() == 1
    assert (await load(question.case_id)).resolution is Resolution.NO_OBJECTION
    clock.advance(14 * DAY)
    assert await run_timers() == 1
    assert (await load(question.case_id)).state is State.CLOSED
    events = await published(CaseEvent)
    assert [type(event) for event in events] == [
        QuestionOpened, QuestionTaken, QuestionAnswered, QuestionResolved, QuestionClosed,
    ]  # fmt: skip
    assert [event.status.value for event in events] == [
        "opened", "in_progress", "waiting_for_customer", "resolved", "closed",
    ]  # fmt: skip
    clock.advance(365 * DAY)
    assert await run_timers() == 0


async def test_broken_promise_is_announced_once_whoever_notices_it_first(
    begin: Begin, open_question: Open, published: Read, clock: FixedClock, run_timers: Any, load: Load
) -> None:
    by_timer, by_command = await open_question(), await open_question()
    clock.advance(25 * HOUR)
    async with begin() as tx:
        await answer(tx, by_command, seen(by_command))
    await run_timers()
    overdue = await published(AnswerOverdue)
    assert {event.case_id for event in overdue} == {by_timer.case_id, by_command.case_id}
    assert len(overdue) == 2
    for event in overdue:
        assert event.failure.kind is FailureKind.BROKEN_PROMISE
        assert event.promise.state is PromiseState.BROKEN
    assert (await load(by_timer.case_id)).overdue
    late = await load(by_command.case_id)
    assert (late.overdue, late.state, late.promise.state) == (False, State.ANSWERED, PromiseState.BROKEN)


async def test_answer_in_time_takes_the_timer_back(
    begin: Begin, open_question: Open, published: Read, clock: FixedClock, run_timers: Any
) -> None:
    question = await open_question()
    async with begin() as tx:
        await answer(tx, question)
    clock.advance(25 * HOUR)
    assert await run_timers() == 0
    assert await published(AnswerOverdue) == []


async def test_what_is_not_due_yet_does_not_happen(
    begin: Begin, open_question: Open, published: Read, clock: FixedClock, load: Load
) -> None:
    question = await open_question()
    async with begin() as tx:
        await answer(tx, question)
    before, announced = await load(question.case_id), await published()
    clock.advance(7 * DAY - HOUR)
    for wait in Wait:
        async with begin() as tx:
            await actions.let_time_pass(tx, case_id=question.case_id, wait=wait)
    assert (await load(question.case_id), await published()) == (before, announced)


async def test_reopening_makes_a_new_promise_whose_time_counts_again(
    begin: Begin, open_question: Open, published: Read, clock: FixedClock, run_timers: Any
) -> None:
    question = await open_question()
    async with begin() as tx:
        await answer(tx, question)
    async with begin() as tx:
        await reject(tx, question)
    clock.advance(25 * HOUR)
    assert await run_timers() == 1
    (reopened,), (overdue,) = await published(QuestionReopened), await published(AnswerOverdue)
    assert reopened.failure.kind is FailureKind.REJECTED_ANSWER
    assert reopened.promise.promise_id == overdue.promise.promise_id != question.promise.promise_id


async def test_agent_notes_a_question_from_a_contact_of_another_task(
    begin: Begin, deliver: Deliver, triaged: Triaged, published: Read
) -> None:
    contact = triaged(task=Task.CLAIMS)
    await deliver(contact)
    note = {"intent": "howto", "priority": Priority.HIGH, "tier": 2}
    async with begin() as tx:
        question = await actions.note_question(tx, contact_id=contact.contact_id, **note)  # type: ignore[arg-type]
        with pytest.raises(ContactUnknown):
            await actions.note_question(tx, contact_id=uuid4(), **note)  # type: ignore[arg-type]
    (opened,) = await published(QuestionOpened)
    assert (opened.case_id, opened.journey_id) == (question.case_id, contact.journey_id)
    assert opened.promise.due_at == question.opened_at + 8 * HOUR


@pytest.mark.parametrize("command", [take, answer, accept, reject])
async def test_command_on_what_is_not_there_is_refused(
    begin: Begin, command: Callable[..., Awaitable[Question]]
) -> None:
    nothing = type("Nothing", (), {"case_id": uuid4()})
    async with begin() as tx:
        with pytest.raises(QuestionNotFound):
            await command(tx, nothing, ANY_VERSION)


@pytest.mark.parametrize("command", [take, answer, accept, reject])
async def test_command_that_is_tried_again_has_one_effect(
    begin: Begin, open_question: Open, published: Read, command: Callable[..., Awaitable[Question]], load: Load
) -> None:
    question = await open_question()
    if command is reject:
        async with begin() as tx:
            question = await answer(tx, question)
    before = len(await published())
    async with begin() as tx:
        await command(tx, question, seen(question))
    after, announced = await load(question.case_id), len(await published())
    assert announced > before
    with pytest.raises(PreconditionFailed):
        async with begin() as tx:
            await command(tx, question, seen(question))
    assert (await load(question.case_id), len(await published())) == (after, announced)


@pytest.mark.parametrize("second", [take, answer, accept])
@pytest.mark.parametrize("first", [take, answer, accept])
async def test_of_two_commands_at_once_the_second_is_refused(
    begin: Begin,
    open_question: Open,
    first: Callable[..., Awaitable[Question]],
    second: Callable[..., Awaitable[Question]],
) -> None:
    question = await open_question()

    async def come_second() -> None:
        async with begin() as tx:
            await second(tx, question, seen(question))

    async with begin() as tx:
        await first(tx, question, seen(question))
        waiting = await started(come_second())
    with pytest.raises(PreconditionFailed):
        await waiting


async def started(work: Any) -> "asyncio.Task[Any]":
    """Begin this and see that it waits."""
    task = asyncio.create_task(work)
    await asyncio.sleep(0.2)
    assert not task.done(), "nothing held it up"
    return task


async def test_second_of_two_careless_commands_is_refused_by_the_state(begin: Begin, open_question: Open) -> None:
    question = await open_question()
    async with begin() as tx:
        await accept(tx, question)
    async with begin() as tx:
        with pytest.raises(QuestionSettled):
            await answer(tx, question)


async def test_follow_up_waits_for_the_answer_and_reopens_it(
    begin: Begin, open_question: Open, deliver: Deliver, triaged: Triaged, load: Load, clock: FixedClock
) -> None:
    question = await open_question()
    follow_up = triaged(question.journey_id, case_id=question.case_id)
    async with begin() as tx:
        await answer(tx, question)
        waiting = await started(deliver(follow_up))
    await waiting
    assert (await load(question.case_id)).state is State.REOPENED


async def test_answer_waits_for_the_follow_up_and_is_refused(
    context: Any, begin: Begin, open_question: Open, triaged: Triaged, load: Load
) -> None:
    question = await open_question()
    follow_up = triaged(question.journey_id, case_id=question.case_id)

    async def come_second() -> None:
        async with begin() as tx:
            await answer(tx, question, seen(question))

    async with begin() as tx:
        await tx.lock(question.journey_id)
        delivery = Delivery(follow_up, announced(follow_up).envelope, b"", "", 0, 0)
        await context.service.handlers.for_(follow_up.event_type, "")[0].call([delivery], tx)
        waiting = await started(come_second())
    with pytest.raises(PreconditionFailed):
        await waiting
    assert (await load(question.case_id)).state is State.OPEN


async def test_timer_waits_for_the_command_and_finds_nothing_to_do(
    begin: Begin, open_question: Open, published: Read, clock: FixedClock, run_timers: Any
) -> None:
    question = await open_question()
    clock.advance(24 * HOUR)
    async with begin() as tx:
        await answer(tx, question)
        waiting = await started(run_timers())
    await waiting
    assert len(await published(AnswerOverdue)) == 1


async def test_contacts_of_two_journeys_about_each_others_questions_do_not_block_one_another(
    open_question: Open, deliver: Deliver, triaged: Triaged, run_timers: Any, load: Load
) -> None:
    one, other = await open_question(), await open_question()
    crossing = [triaged(one.journey_id, case_id=other.case_id), triaged(other.journey_id, case_id=one.case_id)]
    await asyncio.gather(*(deliver(event) for event in crossing))
    assert await run_timers() == 2
    for question in (one, other):
        assert (await load(question.case_id)).version == question.version + 1
