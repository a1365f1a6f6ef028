"""Plans and promises to pay: what may be agreed, that they hold dunning while kept, and what becomes of them."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anliegen.billing_inquiry.agreements import actions
from anliegen.billing_inquiry.agreements.domain import (
    Agreement,
    AgreementInForce,
    AgreementOver,
    InquiryOfSomebodyElse,
    Instalment,
    InstalmentsWrong,
    Kind,
    NothingToAgree,
    State,
    equal_instalments,
)
from anliegen.billing_inquiry.domain import Inquiry
from anliegen.billing_inquiry.dunning import actions as dunning
from anliegen.events import BillingReplyRequested, DunningStepReached, PaymentAgreed, PaymentAgreementEnded
from anliegen.kit.errors import PreconditionFailed
from anliegen.kit.versions import ANY_VERSION, ExpectedVersion

Agree = Callable[..., Awaitable[Agreement]]
TODAY = date(2026, 3, 2)
DAY = timedelta(days=1)


@pytest.fixture
async def inquiry(open_inquiry: Any, owe: Any, journey: UUID) -> Inquiry:
    """The customer asks to pay later: 119 euros are owed."""
    await owe(11_900)
    asked: Inquiry = await open_inquiry(journey)
    return asked


@pytest.fixture
def agree(begin: Any, inquiry: Inquiry) -> Agree:
    """`await agree(Instalment(…), …)`: a plan, unless something else is said."""

    async def make(*instalments: Instalment, **changes: Any) -> Agreement:
        told = {"kind": Kind.PLAN, "invoice_number": "R-1", "case_id": inquiry.case_id, "agent": "agent-1"}
        async with begin() as tx:
            return await actions.agree(tx, instalments=instalments, **{"expected": ANY_VERSION, **told, **changes})

    return make


@pytest.fixture
def load_agreement(begin: Any) -> Callable[[UUID], Awaitable[Agreement]]:
    """`await load_agreement(id)`: the agreement as it is stored."""

    async def read(agreement_id: UUID) -> Agreement:
        async with begin() as tx:
            return await actions.store.get_agreement(tx, agreement_id=agreement_id)

    return read


async def is_held(begin: Any) -> bool:
    async with begin() as tx:
        standing = await dunning.get_standing(tx, invoice_number="R-1")
        return standing.dunning.held


THREE = (
    Instalment(date(2026, 3, 20), 4_000),
    Instalment(date(2026, 4, 20), 4_000),
    Instalment(date(2026, 5, 20), 3_900),
)


async def test_kept_plan_holds_dunning_reminds_and_ends_well(
    agree: Agree, change: Any, pass_days: Any, published: Any, begin: Any, load_agreement: Any, clock: Any
) -> None:
    plan = await agree(*THREE)
    (agreed,) = await published(PaymentAgreed)
    assert [(one.due_on, one.amount.amount) for one in agreed.instalments] == [(i.due_on, i.amount) for i in THREE]
    assert await is_held(begin)
    for instalment in THREE:
        await pass_days((instalment.due_on - clock.now().date()).days)
        await change(-instalment.amount)
    assert (await load_agreement(plan.agreement_id)).state is State.KEPT
    (ended,) = await published(PaymentAgreementEnded)
    assert (ended.outcome, ended.paid.amount) == ("kept", 11_900)
    assert await published(DunningStepReached) == []
    replies = await published(BillingReplyRequested)
    assert [reply.template for reply in replies] == ["payment_agreed", *["instalment_due"] * 3]
    assert [reply.values["amount"] for reply in replies] == ["11900 EUR", "4000 EUR", "4000 EUR", "3900 EUR"]
    await pass_days(60)
    assert await published(DunningStepReached) == []


async def test_missed_instalment_breaks_the_plan_and_dunning_goes_on(
    agree: Agree, change: Any, pass_days: Any, published: Any, begin: Any, load_agreement: Any
) -> None:
    plan = await agree(*THREE)
    await pass_days(18)
    await change(-3_999)
    await pass_days(3)
    assert (await load_agreement(plan.agreement_id)).state is State.ACTIVE, "the days of grace are not over"
    await pass_days(1)
    broken = await load_agreement(plan.agreement_id)
    assert (broken.state, broken.paid) == (State.BROKEN, 3_999)
    assert not await is_held(begin)
    assert (await published(BillingReplyRequested))[-1].template == "payment_agreement_broken"
    await pass_days(14)
    assert len(await published(DunningStepReached)) == 1


async def test_payment_within_the_days_of_grace_keeps_the_plan(
    agree: Agree, change: Any, pass_days: Any, load_agreement: Any
) -> None:
    plan = await agree(*THREE)
    await pass_days(21)
    await change(-4_000)
    await pass_days(10)
    assert (await load_agreement(plan.agreement_id)).state is State.ACTIVE


async def test_returned_payment_counts_as_not_paid(
    agree: Agree, change: Any, pass_days: Any, load_agreement: Any
) -> None:
    plan = await agree(*THREE)
    await change(-4_000)
    await pass_days(20)
    await change(4_000)
    assert (await load_agreement(plan.agreement_id)).paid == 0
    await pass_days(2)
    assert (await load_agreement(plan.agreement_id)).state is State.BROKEN


async def test_credit_of_the_whole_ends_the_plan_as_kept(
    agree: Agree, change: Any, load_agreement: Any, begin: Any
) -> None:
    plan = await agree(*THREE)
    await change(-11_900, cause="credit")
    assert (await load_agreement(plan.agreement_id)).state is State.KEPT
    assert not await is_held(begin)


async def test_promise_to_pay_a_part_is_kept_by_that_part(
    agree: Agree, change: Any, pass_days: Any, load_agreement: Any, begin: Any, published: Any
) -> None:
    promise = await agree(Instalment(TODAY + 10 * DAY, 5_000), kind=Kind.PROMISE_TO_PAY)
    await pass_days(9)
    await change(-5_000)
    assert (await load_agreement(promise.agreement_id)).state is State.KEPT
    assert not await is_held(begin)
    await pass_days(30)
    assert (await published(DunningStepReached))[0].open_amount.amount == 6_900


async def test_cancelled_plan_is_over_told_to_the_customer_and_can_be_made_anew(
    agree: Agree, begin: Any, load_agreement: Any, published: Any
) -> None:
    plan = await agree(*THREE)
    with pytest.raises(AgreementInForce):
        await agree(*THREE)
    plan = await load_agreement(plan.agreement_id)
    with pytest.raises(PreconditionFailed):
        async with begin() as tx:
            await actions.cancel_agreement(
                tx,
                agreement_id=plan.agreement_id,
                reason="customer_wishes",
                agent="agent-1",
                expected=ExpectedVersion(frozenset({99})),
            )
    for refused in (False, True):
        try:
            async with begin() as tx:
                await actions.cancel_agreement(
                    tx, agreement_id=plan.agreement_id, reason="customer_wishes", agent="agent-1", expected=ANY_VERSION
                )
        except AgreementOver:
            assert refused
        else:
            assert not refused
    assert not await is_held(begin)
    told = [reply.template for reply in await published(BillingReplyRequested)]
    assert told == ["payment_agreed", "payment_agreement_cancelled"]
    await agree(*THREE)
    assert await is_held(begin)


async def test_invoice_is_no_business_of_somebody_elses_inquiry(agree: Agree, open_inquiry: Any) -> None:
    stranger = await open_inquiry(uuid4())
    with pytest.raises(InquiryOfSomebodyElse):
        await agree(*THREE, case_id=stranger.case_id)


async def test_nothing_is_agreed_where_nothing_is_owed(agree: Agree, change: Any) -> None:
    await change(-11_900)
    with pytest.raises(NothingToAgree):
        await agree(*THREE)


@pytest.mark.parametrize(
    ("instalments", "kind"),
    [
        ((), Kind.PLAN),
        ((Instalment(TODAY + 5 * DAY, 11_899),), Kind.PLAN),
        ((Instalment(TODAY + 5 * DAY, 11_901),), Kind.PLAN),
        ((Instalment(TODAY + 40 * DAY, 11_900),), Kind.PLAN),
        ((Instalment(TODAY - DAY, 11_900),), Kind.PLAN),
        ((Instalment(TODAY + 5 * DAY, 11_000), Instalment(TODAY + 9 * DAY, 900)), Kind.PLAN),
        ((Instalment(TODAY + 5 * DAY, 6_000), Instalment(TODAY + 5 * DAY, 5_900)), Kind.PLAN),
        ((Instalment(TODAY + 5 * DAY, 13_000), Instalment(TODAY + 9 * DAY, -1_100)), Kind.PLAN),
        ((Instalment(TODAY + 22 * DAY, 5_000),), Kind.PROMISE_TO_PAY),
        ((Instalment(TODAY + 5 * DAY, 11_901),), Kind.PROMISE_TO_PAY),
        ((Instalment(TODAY + 5 * DAY, 5_000), Instalment(TODAY + 9 * DAY, 5_000)), Kind.PROMISE_TO_PAY),
    ],
    ids=str,
)
async def test_wrong_instalments_are_refused(
    agree: Agree, instalments: tuple[Instalment, ...], kind: Kind, published: Any
) -> None:
    with pytest.raises(InstalmentsWrong):
        await agree(*instalments, kind=kind)
    assert await published(PaymentAgreed) == []


@given(st.integers(1, 10**12), st.integers(1, 60), st.dates(date(2026, 1, 1), date(2030, 12, 31)))
def test_equal_instalments_add_up_with_the_rest_in_the_first(amount: int, count: int, first_on: date) -> None:
    if amount < count:
        with pytest.raises(InstalmentsWrong):
            equal_instalments(amount, count=count, first_on=first_on)
        return
    instalments = equal_instalments(amount, count=count, first_on=first_on)
    assert sum(one.amount for one in instalments) == amount
    assert len({one.amount for one in instalments[1:]}) <= 1
    assert 0 <= instalments[0].amount - instalments[-1].amount < count
    days = [one.due_on for one in instalments]
    assert days == sorted(set(days))
    assert days[0] == first_on
    assert all(day.day == first_on.day or (day + DAY).day == 1 for day in days)
