"""What billing inquiry does and announces, alone, repeated, and when two act on one inquiry at the same moment."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.billing_inquiry import actions, store
from anliegen.billing_inquiry.domain import ContactUnknown, Inquiry, InquiryNotFound, InquirySettled
from anliegen.billing_inquiry.states import Reason, Resolution, State, Wait
from anliegen.events import (
    BillingReplyRequested,
    CaseEvent,
    CaseStatus,
    ContactTriaged,
    FailureKind,
    InquiryAnswered,
    InquiryAnswerOverdue,
    InquiryClosed,
    InquiryOpened,
    InquiryReopened,
    InquiryResolved,
    InquiryTaken,
    InvoiceNamed,
    JourneysMerged,
    Priority,
    PromiseState,
    Task,
)
from anliegen.events.builders import build
from anliegen.kit import Delivery, Transaction
from anliegen.kit.clock import FixedClock
from anliegen.kit.errors import PreconditionFailed
from anliegen.kit.testing.deliveries import announced
from anliegen.kit.versions import ANY_VERSION, ExpectedVersion

Begin = Callable[[], AbstractAsyncContextManager[Transaction]]
Read = Callable[..., Awaitable[list[Any]]]
Open = Callable[..., Awaitable[Inquiry]]
Load = Callable[[UUID], Awaitable[Inquiry]]
Deliver = Callable[..., Awaitable[Any]]
Triaged = Callable[..., ContactTriaged]
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def seen(inquiry: Inquiry) -> ExpectedVersion:
    return ExpectedVersion(frozenset({inquiry.version}))


async def answer(tx: Transaction, inquiry: Inquiry, expected: ExpectedVersion = ANY_VERSION) -> Inquiry:
    return await actions.answer_inquiry(
        tx, case_id=inquiry.case_id, answer="Ja.", language="de", agent="agent-1", expected=expected
    )


async def take(tx: Transaction, inquiry: Inquiry, expected: ExpectedVersion = ANY_VERSION) -> Inquiry:
    return await actions.take_inquiry(tx, case_id=inquiry.case_id, agent="agent-2", expected=expected)


async def name(tx: Transaction, inquiry: Inquiry, expected: ExpectedVersion = ANY_VERSION) -> Inquiry:
    return await actions.name_invoice(tx, case_id=inquiry.case_id, invoice_number="R-1", expected=expected)


async def accept(tx: Transaction, inquiry: Inquiry, expected: ExpectedVersion = ANY_VERSION) -> Inquiry:
    return await actions.resolve_inquiry(tx, case_id=inquiry.case_id, resolution=Resolution.ACCEPTED, expected=expected)


async def reject(tx: Transaction, inquiry: Inquiry, expected: ExpectedVersion = ANY_VERSION) -> Inquiry:
    return await actions.reopen_inquiry(tx, case_id=inquiry.case_id, reason=Reason.CUSTOMER_REJECTED, expected=expected)


async def test_answer_is_announced_and_sent(begin: Begin, open_inquiry: Open, published: Read) -> None:
    inquiry = await open_inquiry()
    async with begin() as tx:
        answered = await answer(tx, inquiry, seen(inquiry))
    (told,), (reply,) = await published(InquiryAnswered), await published(BillingReplyRequested)
    assert (told.status, told.answered_by) == (CaseStatus.WAITING_FOR_CUSTOMER, "agent-1")
    assert told.promise.state is PromiseState.KEPT
    assert told.answer_id == answered.answer_id
    assert (reply.template, reply.values, reply.language) == ("billing_inquiry_answer", {"answer": "Ja."}, "de")
    assert (reply.case_id, reply.task, reply.contact_id) == (inquiry.case_id, Task.BILLING_INQUIRY, inquiry.contact_id)


async def test_answer_goes_to_the_newest_contact_of_the_person_and_never_to_a_stranger(
    begin: Begin, open_inquiry: Open, deliver: Deliver, triaged: Triaged, run_timers: Any, published: Read, clock: Any
) -> None:
    inquiry = await open_inquiry()
    clock.advance(HOUR)
    other = triaged(case_id=inquiry.case_id)
    clock.advance(HOUR)
    stranger = triaged(case_id=inquiry.case_id)
    a, b = sorted([inquiry.journey_id, other.journey_id])
    await deliver(build(JourneysMerged, journey_a=a, journey_b=b), other, stranger)
    assert await run_timers() == 2
    async with begin() as tx:
        await answer(tx, inquiry)
        known = await store.list_contact_ids(tx, case_id=inquiry.case_id)
    assert known == [inquiry.contact_id, other.contact_id, stranger.contact_id]
    (reply,) = await published(BillingReplyRequested)
    assert reply.contact_id == other.contact_id


async def test_inquiry_goes_all_the_way(
    begin: Begin, open_inquiry: Open, published: Read, clock: FixedClock, run_timers: Any, load: Load
) -> None:
    inquiry = await open_inquiry()
    async with begin() as tx:
        await take(tx, inquiry)
    async with begin() as tx:
        await name(tx, inquiry)
    async with begin() as tx:
        await name(tx, inquiry)
    async with begin() as tx:
        await answer(tx, inquiry)
    clock.advance(14 * DAY)
    assert await run_timers() == 1
    assert (await load(inquiry.case_id)).resolution is Resolution.NO_OBJECTION
    clock.advance(14 * DAY)
    assert await run_timers() == 1
    assert (await load(inquiry.case_id)).state is State.CLOSED
    events = await published(CaseEvent)
    assert [type(event) for event in events] == [
        InquiryOpened, InquiryTaken, InvoiceNamed, InquiryAnswered, InquiryResolved, InquiryClosed,
    ]  # fmt: skip
    assert [event.status.value for event in events] == [
        "opened", "in_progress", "in_progress", "waiting_for_customer", "resolved", "closed",
    ]  # fmt: skip
    clock.advance(365 * DAY)
    assert await run_timers() == 0


async def test_broken_promise_is_announced_once_whoever_notices_it_first(
    begin: Begin, open_inquiry: Open, published: Read, clock: FixedClock, run_timers: Any, load: Load
) -> None:
    by_timer, by_command = await open_inquiry(), await open_inquiry()
    clock.advance(25 * HOUR)
    async with begin() as tx:
        await answer(tx, by_command, seen(by_command))
    await run_timers()
    overdue = await published(InquiryAnswerOverdue)
    assert {event.case_id for event in overdue} == {by_timer.case_id, by_command.case_id}
    assert len(overdue) == 2
    for event in overdue:
        assert event.failure.kind is FailureKind.BROKEN_PROMISE
        assert event.promise.state is PromiseState.BROKEN
    assert (await load(by_timer.case_id)).overdue
    late = await load(by_command.case_id)
    assert (late.overdue, late.state, late.promise.state) == (False, State.ANSWERED, PromiseState.BROKEN)


async def test_answer_in_time_takes_the_timer_back(
    begin: Begin, open_inquiry: Open, published: Read, clock: FixedClock, run_timers: Any
) -> None:
    inquiry = await open_inquiry()
    async with begin() as tx:
        await answer(tx, inquiry)
    clock.advance(25 * HOUR)
    assert await run_timers() == 0
    assert await published(InquiryAnswerOverdue) == []


async def test_what_is_not_due_yet_does_not_happen(
    begin: Begin, open_inquiry: Open, published: Read, clock: FixedClock, load: Load
) -> None:
    inquiry = await open_inquiry()
    async with begin() as tx:
        await answer(tx, inquiry)
    before, announced = await load(inquiry.case_id), await published()
    clock.advance(14 * DAY - HOUR)
    for wait in Wait:
        async with begin() as tx:
            await actions.let_time_pass(tx, case_id=inquiry.case_id, wait=wait)
    assert (await load(inquiry.case_id), await published()) == (before, announced)


async def test_reopening_makes_a_new_promise_whose_time_counts_again(
    begin: Begin, open_inquiry: Open, published: Read, clock: FixedClock, run_timers: Any
) -> None:
    inquiry = await open_inquiry()
    async with begin() as tx:
        await answer(tx, inquiry)
    async with begin() as tx:
        await reject(tx, inquiry)
    clock.advance(25 * HOUR)
    assert await run_timers() == 1
    (reopened,), (overdue,) = await published(InquiryReopened), await published(InquiryAnswerOverdue)
    assert reopened.failure.kind is FailureKind.REJECTED_ANSWER
    assert reopened.promise.promise_id == overdue.promise.promise_id != inquiry.promise.promise_id


async def test_agent_notes_an_inquiry_from_a_contact_of_another_task(
    begin: Begin, deliver: Deliver, triaged: Triaged, published: Read
) -> None:
    contact = triaged(task=Task.CLAIMS)
    await deliver(contact)
    note = {"intent": "invoice_question", "priority": Priority.HIGH, "tier": 2}
    async with begin() as tx:
        inquiry = await actions.note_inquiry(tx, contact_id=contact.contact_id, **note)  # type: ignore[arg-type]
        with pytest.raises(ContactUnknown):
            await actions.note_inquiry(tx, contact_id=uuid4(), **note)  # type: ignore[arg-type]
    (opened,) = await published(InquiryOpened)
    assert (opened.case_id, opened.journey_id) == (inquiry.case_id, contact.journey_id)
    assert opened.promise.due_at == inquiry.opened_at + 8 * HOUR


@pytest.mark.parametrize("command", [take, name, answer, accept, reject])
async def test_command_on_what_is_not_there_is_refused(
    begin: Begin, command: Callable[..., Awaitable[Inquiry]]
) -> None:
    nothing = type("Nothing", (), {"case_id": uuid4()})
    async with begin() as tx:
        with pytest.raises(InquiryNotFound):
            await command(tx, nothing, ANY_VERSION)


@pytest.mark.parametrize("command", [take, name, answer, accept, reject])
async def test_command_that_is_tried_again_has_one_effect(
    begin: Begin, open_inquiry: Open, published: Read, command: Callable[..., Awaitable[Inquiry]], load: Load
) -> None:
    inquiry = await open_inquiry()
    if command is reject:
        async with begin() as tx:
            inquiry = await answer(tx, inquiry)
    before = len(await published())
    async with begin() as tx:
        await command(tx, inquiry, seen(inquiry))
    after, announced = await load(inquiry.case_id), len(await published())
    assert announced > before
    with pytest.raises(PreconditionFailed):
        async with begin() as tx:
            await command(tx, inquiry, seen(inquiry))
    assert (await load(inquiry.case_id), len(await published())) == (after, announced)


@pytest.mark.parametrize("second", [take, name, answer, accept])
@pytest.mark.parametrize("first", [take, name, answer, accept])
async def test_of_two_commands_at_once_the_second_is_refused(
    begin: Begin,
    open_inquiry: Open,
    first: Callable[..., Awaitable[Inquiry]],
    second: Callable[..., Awaitable[Inquiry]],
) -> None:
    inquiry = await open_inquiry()

    async def come_second() -> None:
        async with begin() as tx:
            await second(tx, inquiry, seen(inquiry))

    async with begin() as tx:
        await first(tx, inquiry, seen(inquiry))
        waiting = await started(come_second())
    with pytest.raises(PreconditionFailed):
        await waiting


async def started(work: Any) -> "asyncio.Task[Any]":
    """Begin this and see that it waits."""
    task = asyncio.create_task(work)
    await asyncio.sleep(0.2)
    assert not task.done(), "nothing held it up"
    return task


async def test_second_of_two_careless_commands_is_refused_by_the_state(begin: Begin, open_inquiry: Open) -> None:
    inquiry = await open_inquiry()
    async with begin() as tx:
        await accept(tx, inquiry)
    async with begin() as tx:
        with pytest.raises(InquirySettled):
            await answer(tx, inquiry)


async def test_follow_up_waits_for_the_answer_and_reopens_it(
    begin: Begin, open_inquiry: Open, deliver: Deliver, triaged: Triaged, load: Load, clock: FixedClock
) -> None:
    inquiry = await open_inquiry()
    follow_up = triaged(inquiry.journey_id, case_id=inquiry.case_id)
    async with begin() as tx:
        await answer(tx, inquiry)
        waiting = await started(deliver(follow_up))
    await waiting
    assert (await load(inquiry.case_id)).state is State.REOPENED


async def test_answer_waits_for_the_follow_up_and_is_refused(
    context: Any, begin: Begin, open_inquiry: Open, triaged: Triaged, load: Load
) -> None:
    inquiry = await open_inquiry()
    follow_up = triaged(inquiry.journey_id, case_id=inquiry.case_id)

    async def come_second() -> None:
        async with begin() as tx:
            await answer(tx, inquiry, seen(inquiry))

    async with begin() as tx:
        await tx.lock(inquiry.journey_id)
        delivery = Delivery(follow_up, announced(follow_up).envelope, b"", "", 0, 0)
        await context.service.handlers.for_(follow_up.event_type, "")[0].call([delivery], tx)
        waiting = await started(come_second())
    with pytest.raises(PreconditionFailed):
        await waiting
    assert (await load(inquiry.case_id)).state is State.OPEN


async def test_timer_waits_for_the_command_and_finds_nothing_to_do(
    begin: Begin, open_inquiry: Open, published: Read, clock: FixedClock, run_timers: Any
) -> None:
    inquiry = await open_inquiry()
    clock.advance(24 * HOUR)
    async with begin() as tx:
        await answer(tx, inquiry)
        waiting = await started(run_timers())
    await waiting
    assert len(await published(InquiryAnswerOverdue)) == 1


async def test_contacts_of_two_journeys_about_each_others_inquiries_do_not_block_one_another(
    open_inquiry: Open, deliver: Deliver, triaged: Triaged, run_timers: Any, load: Load
) -> None:
    one, other = await open_inquiry(), await open_inquiry()
    crossing = [triaged(one.journey_id, case_id=other.case_id), triaged(other.journey_id, case_id=one.case_id)]
    await asyncio.gather(*(deliver(event) for event in crossing))
    assert await run_timers() == 2
    for inquiry in (one, other):
        assert (await load(inquiry.case_id)).version == inquiry.version + 1
