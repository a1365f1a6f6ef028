"""Dunning on the real database: money, cases, holds and time, in any order and at the same moment."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.billing_inquiry import actions as inquiries
from anliegen.billing_inquiry.domain import Inquiry
from anliegen.billing_inquiry.dunning import actions
from anliegen.billing_inquiry.dunning.domain import HoldOfCase, HoldReason, NothingToHold, Stage
from anliegen.billing_inquiry.dunning.store import Standing
from anliegen.billing_inquiry.states import Resolution
from anliegen.events import DunningCleared, DunningHeld, DunningReleased, DunningStepReached
from anliegen.kit import Transaction
from anliegen.kit.clock import FixedClock
from anliegen.kit.versions import ANY_VERSION

Begin = Callable[[], AbstractAsyncContextManager[Transaction]]
Read = Callable[..., Awaitable[list[Any]]]
DAY = timedelta(days=1)


@pytest.fixture
def standing(begin: Begin) -> Callable[..., Awaitable[Standing]]:
    """`await standing()`: what dunning of the invoice rests on now."""

    async def read(number: str = "R-1") -> Standing:
        async with begin() as tx:
            return await actions.get_standing(tx, invoice_number=number)

    return read


async def test_unpaid_invoice_comes_to_every_step_once(
    owe: Any, standing: Any, pass_days: Any, published: Read
) -> None:
    await owe(11_900)
    await pass_days(120)
    steps = await published(DunningStepReached)
    assert [(step.step, step.level, step.asked.amount) for step in steps] == [
        ("payment_reminder", 1, 11_900),
        ("first_dunning", 2, 11_900 + 120 + 25),
        ("last_dunning", 3, 11_900 + 240 + 53),
        ("hand_over", 4, 11_900 + 240 + 96),
    ]
    now = await standing()
    assert (now.dunning.stage, now.dunning.next_step_at) == (Stage.HANDED_OVER, None)


@pytest.mark.parametrize("cause", ["payment", "credit", "correction"])
@pytest.mark.parametrize("days", [0, 30, 90])
async def test_whatever_settles_the_amount_clears_dunning(
    owe: Any, change: Any, standing: Any, pass_days: Any, published: Read, cause: str, days: int
) -> None:
    await owe(11_900)
    await pass_days(days)
    before = (await standing()).dunning
    await change(-11_900, cause=cause)
    now = (await standing()).dunning
    assert (now.stage, now.next_step_at) == (Stage.CLEARED, None)
    assert len(await published(DunningCleared)) == (1 if before.level else 0)
    taken = len(await published(DunningStepReached))
    await pass_days(60)
    assert len(await published(DunningStepReached)) == taken


async def test_payment_before_its_invoice_leaves_nothing_to_dun(
    owe: Any, change: Any, standing: Any, pass_days: Any, published: Read
) -> None:
    await change(-11_900)
    await owe(11_900)
    await pass_days(60)
    assert (await standing()).dunning.stage is Stage.CLEARED
    assert await published(DunningStepReached) == []


async def test_inquiry_holds_until_it_is_settled_and_again_when_it_is_reopened(
    owe: Any, standing: Any, pass_days: Any, published: Read, begin: Begin, open_inquiry: Any, journey: UUID
) -> None:
    await owe(11_900)
    inquiry: Inquiry = await open_inquiry(journey)
    async with begin() as tx:
        await inquiries.name_invoice(tx, case_id=inquiry.case_id, invoice_number="R-1", expected=ANY_VERSION)
    assert (await standing()).dunning.held
    await pass_days(40)
    assert await published(DunningStepReached) == []
    async with begin() as tx:
        await inquiries.resolve_inquiry(tx, case_id=inquiry.case_id, resolution=Resolution.ACCEPTED)
    (held,), (released,) = await published(DunningHeld), await published(DunningReleased)
    assert (held.reason, held.case_id) == ("inquiry", inquiry.case_id)
    assert released.next_step_at is not None
    await pass_days(10)
    assert len(await published(DunningStepReached)) == 1


async def test_inquiry_of_an_unknown_sender_holds_by_way_of_a_timer(
    owe: Any, standing: Any, run_timers: Any, begin: Begin, published: Read
) -> None:
    await owe(11_900)
    case, stranger = uuid4(), uuid4()
    told = {"case_id": case, "journey_id": stranger, "reason": HoldReason.COMPLAINT, "invoice_number": "R-1"}
    async with begin() as tx:
        await tx.lock(stranger)
        await actions.follow_case(tx, **told, unsettled=True, sequence=1)
    assert await run_timers() == 1
    assert (await standing()).dunning.held
    async with begin() as tx:
        await tx.lock(stranger)
        await actions.follow_case(tx, **told, unsettled=False, sequence=2)
    assert await run_timers() == 1
    assert not (await standing()).dunning.held


@pytest.mark.parametrize("last_is_open", [True, False], ids=["reopened", "settled"])
@pytest.mark.parametrize("order", [(1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1), (3, 1, 2), (3, 2, 1)])
async def test_what_a_case_says_counts_in_its_own_order(
    owe: Any, standing: Any, run_timers: Any, begin: Begin, order: tuple[int, ...], last_is_open: bool
) -> None:
    await owe(11_900)
    case, stranger = uuid4(), uuid4()
    # Opened about R-1, settled, reopened; or opened, worked on, settled.
    for number in (*order, *order):
        unsettled = number != 2 if last_is_open else number != 3
        async with begin() as tx:
            await tx.lock(stranger)
            await actions.follow_case(
                tx, case_id=case, journey_id=stranger, reason=HoldReason.CLAIM, unsettled=unsettled,
                invoice_number="R-1" if number == 1 else None, sequence=number,
            )  # fmt: skip
        await run_timers()
    assert (await standing()).dunning.held == last_is_open


async def test_hold_that_comes_before_its_invoice_holds_it_from_its_first_moment(
    owe: Any, standing: Any, pass_days: Any, begin: Begin, published: Read
) -> None:
    case, stranger = uuid4(), uuid4()
    told = {"case_id": case, "journey_id": stranger, "reason": HoldReason.COMPLAINT, "invoice_number": "R-1"}
    async with begin() as tx:
        await tx.lock(stranger)
        await actions.follow_case(tx, **told, unsettled=True, sequence=1)
    await owe(11_900)
    assert (await standing()).dunning.held
    await pass_days(40)
    assert await published(DunningStepReached) == []


async def test_hold_and_invoice_that_come_at_the_same_moment_meet(
    owe: Any, standing: Any, begin: Begin, run_timers: Any
) -> None:
    case, earlier, stranger = uuid4(), uuid4(), uuid4()
    # Where they meet, something was before: that the place is new is not what makes one wait for the other.
    for sequence in (1, 2):
        async with begin() as tx:
            await tx.lock(stranger)
            await actions.follow_case(
                tx, case_id=earlier, journey_id=stranger, reason=HoldReason.CLAIM, unsettled=sequence == 1,
                invoice_number="R-1", sequence=sequence,
            )  # fmt: skip
    async with begin() as tx:
        await tx.lock(stranger)
        await actions.follow_case(
            tx, case_id=case, journey_id=stranger, reason=HoldReason.COMPLAINT, unsettled=True, invoice_number="R-1",
            sequence=1,
        )  # fmt: skip
        waiting = asyncio.create_task(owe(11_900))
        await asyncio.sleep(0.2)
        assert not waiting.done(), "the invoice has to wait for the hold"
    await waiting
    assert (await standing()).dunning.held

    async with begin() as tx:
        await tx.lock(stranger)
        await actions.follow_case(
            tx, case_id=case, journey_id=stranger, reason=HoldReason.COMPLAINT, unsettled=False, invoice_number=None,
            sequence=2,
        )  # fmt: skip
    await run_timers()
    assert not (await standing()).dunning.held


async def test_step_that_is_due_sees_a_hold_that_nobody_reconsidered_yet(
    owe: Any, standing: Any, begin: Begin, published: Read, clock: FixedClock
) -> None:
    await owe(11_900)
    clock.advance(30 * DAY)
    stranger = uuid4()
    async with begin() as tx:
        await tx.lock(stranger)
        await actions.follow_case(
            tx, case_id=uuid4(), journey_id=stranger, reason=HoldReason.COMPLAINT, unsettled=True,
            invoice_number="R-1", sequence=1,
        )  # fmt: skip
    async with begin() as tx:
        await actions.let_time_pass(tx, invoice_number="R-1")
    assert await published(DunningStepReached) == []
    assert (await standing()).dunning.held


async def test_hold_by_hand_ends_by_itself(
    owe: Any, standing: Any, pass_days: Any, begin: Begin, clock: FixedClock, published: Read
) -> None:
    await owe(11_900)
    async with begin() as tx:
        await actions.place_hold(
            tx,
            invoice_number="R-1",
            ends_at=clock.now() + 20 * DAY,
            reason="in_hospital",
            agent="agent-1",
            expected=ANY_VERSION,
        )
    assert (await standing()).dunning.held
    await pass_days(20)
    assert not (await standing()).dunning.held
    assert len(await published(DunningReleased)) == 1
    await pass_days(30)
    assert len(await published(DunningStepReached)) == 2


async def test_hold_is_refused_where_nothing_is_owed_and_a_case_keeps_its_own(
    owe: Any, change: Any, begin: Begin, clock: FixedClock, journey: UUID, standing: Any
) -> None:
    await owe(11_900)
    async with begin() as tx:
        await tx.lock(journey)
        await actions.follow_case(
            tx, case_id=uuid4(), journey_id=journey, reason=HoldReason.CLAIM, unsettled=True, invoice_number="R-1",
            sequence=1,
        )  # fmt: skip
    (hold,) = (await standing()).holds
    with pytest.raises(HoldOfCase):
        async with begin() as tx:
            await actions.release_hold(
                tx, invoice_number="R-1", hold_id=hold.hold_id, reason="mistake", agent="agent-1", expected=ANY_VERSION
            )
    await change(-11_900)
    with pytest.raises(NothingToHold):
        async with begin() as tx:
            await actions.place_hold(
                tx,
                invoice_number="R-1",
                ends_at=clock.now() + DAY,
                reason="in_hospital",
                agent="agent-1",
                expected=ANY_VERSION,
            )


@pytest.mark.parametrize("first", ["payment", "step"])
async def test_payment_and_step_at_the_same_moment_come_one_after_the_other(
    owe: Any, change: Any, begin: Begin, published: Read, clock: FixedClock, standing: Any, first: str, journey: UUID
) -> None:
    await owe(11_900)
    clock.advance(30 * DAY)

    async def step() -> None:
        async with begin() as tx:
            await actions.let_time_pass(tx, invoice_number="R-1")

    async with begin() as tx:
        await tx.lock(journey)
        if first == "payment":
            await change(-11_900, within=tx)
        else:
            await actions.let_time_pass(tx, invoice_number="R-1")
        waiting = asyncio.create_task(step() if first == "payment" else change(-11_900))
        await asyncio.sleep(0.2)
        assert not waiting.done(), "nothing held it up"
    await waiting
    assert (await standing()).dunning.stage is Stage.CLEARED
    sent, cleared = await published(DunningStepReached), await published(DunningCleared)
    assert (len(sent), len(cleared)) == ((0, 0) if first == "payment" else (1, 1))


async def test_returned_payment_opens_it_again_with_a_new_due_date(
    owe: Any, change: Any, standing: Any, pass_days: Any, clock: FixedClock
) -> None:
    await owe(11_900)
    await pass_days(30)
    await change(-11_900)
    await pass_days(5)
    await change(11_900)
    now = (await standing()).dunning
    assert (now.stage, now.round, now.level) == (Stage.WATCHED, 2, 0)
    assert now.due_on == clock.now().date() + 14 * DAY
    assert datetime(2026, 1, 1, tzinfo=UTC) < clock.now()
