"""What goodwill does and announces, alone, repeated, by events and timers, and when two decide at the same moment."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.complaints.goodwill import actions
from anliegen.complaints.goodwill.domain import Goodwill, State
from anliegen.complaints.goodwill.errors import LimitReached, NotRedeemable, NotWaiting, NotWithdrawable
from anliegen.complaints.goodwill.limits import Rule
from anliegen.complaints.goodwill.policy import GoodwillKind, policy_in_force
from anliegen.complaints.goodwill.reckoning import Outcome, Person, Proposal
from anliegen.complaints.goodwill.store import counts, goodwills
from anliegen.events import (
    AnswerOverdue,
    Channel,
    ComplaintsReplyRequested,
    Concern,
    ContactReceived,
    ContactTriaged,
    Failure,
    Flag,
    GoodwillDecided,
    GoodwillEffectMeasured,
    GoodwillExpired,
    GoodwillIssued,
    GoodwillProposed,
    GoodwillRedeemed,
    GoodwillWithdrawn,
    InquiryReopened,
    InvoiceIssued,
    InvoiceLine,
    JourneysMerged,
    Money,
)
from anliegen.events.builders import build
from anliegen.kit import Transaction
from anliegen.kit.clock import FixedClock
from anliegen.kit.errors import PreconditionFailed
from anliegen.kit.testing.deliveries import announced, interleavings
from anliegen.kit.versions import ANY_VERSION, ExpectedVersion

Begin = Callable[[], AbstractAsyncContextManager[Transaction]]
Read = Callable[..., Awaitable[list[Any]]]
Deliver = Callable[..., Awaitable[Any]]
AGENT = Person(subject="anna", roles=frozenset({"agent"}))
SUPERVISOR = Person(subject="sara", roles=frozenset({"supervisor"}))
DAY = timedelta(days=1)
CREDITED = build(InvoiceLine, net=-3935, tax=-315, gross=-4250)


def proposal(**fields: Any) -> Proposal:
    usual: dict[str, Any] = {
        "proposal_id": uuid4(), "journey_id": uuid4(), "case_id": uuid4(), "contact_id": uuid4(),
        "kind": GoodwillKind.VOUCHER, "currency": "EUR", "product_value": 12_500, "severity": 3, "failures": 1,
        "reason": "late_delivery", "by": AGENT,
    }  # fmt: skip
    return Proposal(**usual | fields)


async def propose(begin: Begin, **fields: Any) -> Goodwill:
    async with begin() as tx:
        return await actions.propose(tx, proposal(**fields))


async def approve(begin: Begin, goodwill_id: UUID, by: Person = SUPERVISOR, amount: int | None = None) -> Goodwill:
    async with begin() as tx:
        return await actions.approve(tx, goodwill_id=goodwill_id, by=by, amount=amount, expected=ANY_VERSION)


async def issue(begin: Begin, goodwill_id: UUID, kind: GoodwillKind | None = None) -> Goodwill:
    async with begin() as tx:
        return await actions.issue(tx, goodwill_id=goodwill_id, kind=kind, expected=ANY_VERSION)


async def redeem(begin: Begin, code: str, order: str = "A-1", amount: int | None = None) -> Goodwill:
    async with begin() as tx:
        return await actions.redeem(tx, code=code, order_reference=order, amount=amount, by="shop")


async def withdraw(begin: Begin, goodwill_id: UUID) -> Goodwill:
    async with begin() as tx:
        return await actions.withdraw(
            tx, goodwill_id=goodwill_id, reason="given_by_mistake", by="anna", expected=ANY_VERSION
        )


async def who_wrote(deliver: Deliver) -> dict[str, UUID]:
    """Somebody who wrote a mail: journey and contact."""
    wrote = build(ContactReceived, channel=Channel.EMAIL, customer_number=None, automatic=False, journey_id=uuid4())
    await deliver(wrote)
    return {"journey_id": wrote.journey_id, "contact_id": wrote.contact_id}


async def load(begin: Begin, goodwill_id: UUID) -> Goodwill:
    async with begin() as tx:
        return await goodwills.get_goodwill(tx, goodwill_id=goodwill_id)


async def test_what_an_agent_may_decide_is_approved_issued_and_told(
    begin: Begin, deliver: Deliver, published: Read
) -> None:
    given = await propose(begin, **await who_wrote(deliver))
    assert (given.state, given.amount, given.decided_by) == (State.APPROVED, 2500, "anna")
    given = await issue(begin, given.goodwill_id)
    assert given == await load(begin, given.goodwill_id)
    (decided,), (issued,) = await published(GoodwillDecided), await published(GoodwillIssued)
    assert (decided.outcome, decided.amount) == ("approved", Money(amount=2500, currency="EUR"))
    assert decided.explanation[0].rule == "share_of_value"
    assert (issued.code, issued.kind) == (given.code, "voucher")
    assert issued.valid_until - issued.valid_from == 365 * DAY
    (reply,) = await published(ComplaintsReplyRequested)
    assert reply.template == "goodwill_code" and reply.contact_id == given.proposal.contact_id
    assert reply.values["amount"] == "2500 EUR" and reply.values["code"].replace("-", "") == given.code


async def test_a_preview_changes_nothing_and_says_what_the_proposal_then_says(begin: Begin, published: Read) -> None:
    wanted = proposal()
    async with begin() as tx:
        before = await actions.preview_proposal(tx, wanted)
    assert await published() == []
    async with begin() as tx:
        assert (await actions.propose(tx, wanted)).decision == before


async def test_what_is_beyond_the_agent_waits_for_the_next_and_is_decided_once(begin: Begin, published: Read) -> None:
    given = await propose(begin, product_value=20_000)
    assert (given.state, given.decision.waits_for) == (State.WAITING, "agent_tier_3")
    seen = ExpectedVersion(frozenset({given.version}))
    approved = await approve(begin, given.goodwill_id, amount=3000)
    assert (approved.state, approved.amount) == (State.APPROVED, 3000)
    with pytest.raises(PreconditionFailed):
        async with begin() as tx:
            await actions.decline(tx, goodwill_id=given.goodwill_id, by=SUPERVISOR, reason="abuse", expected=seen)
    with pytest.raises(NotWaiting):
        await approve(begin, given.goodwill_id)
    first, second = await published(GoodwillDecided)
    assert (first.outcome, first.waits_for, first.decided_by) == ("waits_for_approval", "agent_tier_3", None)
    assert (second.outcome, second.waits_for, second.decided_by) == ("reduced", None, "sara")


async def test_a_refusal_names_other_ways(begin: Begin, published: Read) -> None:
    given = await propose(begin, product_value=20_000)
    async with begin() as tx:
        await actions.decline(
            tx, goodwill_id=given.goodwill_id, by=SUPERVISOR, reason="not_our_failure", expected=ANY_VERSION
        )
    declined = (await published(GoodwillDecided))[-1]
    assert (declined.outcome, declined.decline_reason) == ("declined", "not_our_failure")
    assert declined.other_ways == policy_in_force().other_ways


def billing(**fields: Any) -> GoodwillProposed:
    usual: dict[str, Any] = {
        "amount": Money(amount=1000, currency="CHF"), "product_value": Money(amount=7900, currency="CHF"),
        "proposer_roles": ("agent",), "invoice_number": "2026-4711",
    }  # fmt: skip
    return build(GoodwillProposed, **usual | fields)


async def test_what_billing_proposes_is_decided_and_issued_at_once(deliver: Deliver, published: Read) -> None:
    event = billing()
    await deliver(event)
    decided, issued = await published()
    assert (decided.outcome, decided.proposal_id) == ("approved", event.proposal_id)
    assert (issued.proposal_id, issued.kind, issued.invoice_number) == (
        event.proposal_id, "credit_next_period", "2026-4711",
    )  # fmt: skip
    assert issued.amount == event.amount and issued.code is None


async def test_what_billing_proposes_beyond_its_agent_is_issued_with_the_approval(
    begin: Begin, deliver: Deliver, published: Read
) -> None:
    await deliver(billing(amount=Money(amount=4000, currency="CHF")))
    (waits,) = await published()
    assert (waits.outcome, waits.waits_for) == ("waits_for_approval", "agent_tier_3")
    await approve(begin, waits.goodwill_id)
    (issued,) = await published(GoodwillIssued)
    assert issued.amount.amount == 4000


async def test_second_delivery_changes_nothing_of_goodwill(database: Any, deliver: Deliver, published: Read) -> None:
    events = await deliver(billing(), billing(amount=Money(amount=500, currency="EUR")), billing())
    before, told = await database.snapshot(), await published()
    await deliver(*events)
    await deliver(*events, despite_inbox=True, one_by_one=True)
    assert (await database.snapshot(), await published()) == (before, told)


async def test_topics_in_any_order_lead_to_the_same_goodwill(
    database: Any, deliver: Deliver, published: Read, clock: FixedClock
) -> None:
    journey_id = uuid4()
    concern = build(Concern, flags=(Flag.CANCELLATION,))
    things = [
        announced(billing(journey_id=journey_id), at=clock.now()),
        announced(
            build(ContactTriaged, journey_id=journey_id, concerns=(concern,), decided_at=clock.now()), at=clock.now()
        ),
        announced(billing(amount=Money(amount=500, currency="EUR")), at=clock.now()),
    ]
    results = []
    for order in interleavings(things, count=6):
        await deliver(*order, despite_inbox=True)
        found = await database.snapshot("goodwills", "goodwill_signs")
        results.append({table: [repr(row) for row in rows] for table, rows in found.items()})
        await database.empty()
    assert all(result == results[0] for result in results)


# Redeemed, withdrawn, lapsed ------------------------------------------------------------------------------------------
async def test_an_order_redeems_a_code_once_however_it_is_typed(begin: Begin, published: Read) -> None:
    given = await issue(begin, (await propose(begin)).goodwill_id)
    assert given.code is not None
    typed = " ".join([given.code[:4].lower(), given.code[4:].replace("O", "0").replace("I", "1").replace("B", "8")])
    used = await redeem(begin, typed)
    assert used.state is State.REDEEMED
    assert await redeem(begin, given.code) == used
    with pytest.raises(NotRedeemable):
        await redeem(begin, given.code, "A-2")
    (event,) = await published(GoodwillRedeemed)
    assert (event.amount.amount, event.left.amount, event.order_reference) == (2500, 0, "A-1")


async def test_what_is_withdrawn_is_told_and_frees_its_money(begin: Begin, deliver: Deliver, published: Read) -> None:
    given = await issue(begin, (await propose(begin, **await who_wrote(deliver))).goodwill_id)
    await withdraw(begin, given.goodwill_id)
    (event,) = await published(GoodwillWithdrawn)
    assert (event.amount.amount, event.was_issued, event.reason) == (2500, True, "given_by_mistake")
    assert (await published(ComplaintsReplyRequested))[-1].template == "goodwill_withdrawn"
    with pytest.raises(NotWithdrawable):
        await withdraw(begin, given.goodwill_id)
    async with begin() as tx:
        counted = await counts.get_given(
            tx, journey_ids=[given.proposal.journey_id], currency="EUR", decider="anna",
            since=tx.now - 365 * DAY, together=tx.now - 30 * DAY, month=actions.begin_of_month(tx.now),
        )  # fmt: skip
    assert (counted.budget, counted.customer_amount, counted.customer_times, counted.agent_month) == (0, 0, 0, 0)


async def test_an_offer_and_a_code_lapse_in_their_time(
    begin: Begin, published: Read, clock: FixedClock, run_timers: Callable[[], Awaitable[int]]
) -> None:
    offered, given = await propose(begin), await issue(begin, (await propose(begin)).goodwill_id)
    clock.advance(30 * DAY)
    await run_timers()
    assert (await load(begin, offered.goodwill_id)).state is State.EXPIRED
    assert (await load(begin, given.goodwill_id)).state is State.ISSUED
    clock.advance(335 * DAY)
    await run_timers()
    assert (await load(begin, given.goodwill_id)).state is State.EXPIRED
    first, second = await published(GoodwillExpired)
    assert (first.was_issued, second.was_issued, second.left.amount) == (False, True, 2500)


@pytest.mark.parametrize(
    ("redeems", "cancels", "kept", "again"),
    [(True, False, "yes", "yes"), (False, True, "no", "unknown"), (False, False, "unknown", "unknown")],
)
async def test_the_effect_is_measured_after_ninety_days(
    begin: Begin, deliver: Deliver, published: Read, clock: FixedClock, run_timers: Callable[[], Awaitable[int]],
    redeems: bool, cancels: bool, kept: str, again: str,
) -> None:  # fmt: skip
    given = await issue(begin, (await propose(begin)).goodwill_id)
    other, journey_id = uuid4(), given.proposal.journey_id
    await deliver(build(JourneysMerged, journey_a=min(other, journey_id), journey_b=max(other, journey_id)))
    clock.advance(40 * DAY)
    if redeems:
        await redeem(begin, given.code or "")
    if cancels:
        concern = build(Concern, flags=(Flag.CANCELLATION,))
        await deliver(build(ContactTriaged, journey_id=other, concerns=(concern,), decided_at=clock.now()))
    clock.advance(49 * DAY)
    await run_timers()
    assert await published(GoodwillEffectMeasured) == []
    clock.advance(DAY)
    await run_timers()
    (event,) = await published(GoodwillEffectMeasured)
    assert (event.kept, event.bought_again, event.amount.amount) == (kept, again, 2500)


@pytest.mark.parametrize(
    ("fields", "kept", "again"),
    [
        ({}, "yes", "yes"),
        ({"total": -4250, "lines": (CREDITED,)}, "unknown", "unknown"),
        ({"replaces": "2026-4711"}, "unknown", "unknown"),
    ],
)
async def test_an_invoice_shows_that_the_customer_stayed_unless_it_corrects_another(
    begin: Begin, deliver: Deliver, published: Read, clock: FixedClock, run_timers: Callable[[], Awaitable[int]],
    fields: dict[str, Any], kept: str, again: str,
) -> None:  # fmt: skip
    given = await issue(begin, (await propose(begin)).goodwill_id)
    clock.advance(30 * DAY)
    await deliver(build(InvoiceIssued, journey_id=given.proposal.journey_id, occurred_at=clock.now(), **fields))
    clock.advance(60 * DAY)
    await run_timers()
    (event,) = await published(GoodwillEffectMeasured)
    assert (event.kept, event.bought_again) == (kept, again)


async def test_limits_count_over_all_journeys_of_a_person(begin: Begin, deliver: Deliver) -> None:
    a, b = sorted([uuid4(), uuid4()])
    await deliver(build(JourneysMerged, journey_a=a, journey_b=b))
    for journey_id in (a, b, a):
        await propose(begin, journey_id=journey_id, product_value=1200)
    fourth = await propose(begin, journey_id=b, product_value=1200)
    assert (fourth.state, fourth.decision.declined_by) == (State.DECLINED, Rule.CUSTOMER_TIMES)


async def test_limits_begin_anew_with_the_window_and_the_month(begin: Begin, clock: FixedClock) -> None:
    journey_id = uuid4()
    for _ in range(3):
        await propose(begin, journey_id=journey_id, product_value=1200)

    async def counted() -> tuple[int, int, int, int]:
        async with begin() as tx:
            found = await actions._given(tx, proposal(journey_id=journey_id), decider="anna")
        return found.customer_times, found.customer_amount, found.agent_month, found.budget

    assert await counted() == (3, 1500, 1500, 1500)
    clock.advance(30 * DAY)
    assert await counted() == (3, 1500, 0, 0)
    clock.advance(335 * DAY)
    assert await counted() == (0, 0, 0, 0)


async def test_nothing_lapses_and_nothing_is_measured_before_its_time(begin: Begin) -> None:
    given = await issue(begin, (await propose(begin)).goodwill_id)
    async with begin() as tx:
        await actions.let_lapse(tx, goodwill_id=given.goodwill_id)
        await actions.measure_effect(tx, goodwill_id=given.goodwill_id)
    assert await load(begin, given.goodwill_id) == given


async def test_failures_that_any_service_tells_of_count_once_over_a_person(
    begin: Begin, deliver: Deliver, clock: FixedClock
) -> None:
    a, b = sorted([uuid4(), uuid4()])
    clock.advance(100 * DAY)
    old, new = [build(Failure, occurred_at=clock.now() - days * DAY) for days in (91, 89)]
    overdue = build(AnswerOverdue, journey_id=a, failure=new)
    await deliver(overdue, build(AnswerOverdue, journey_id=a, failure=old), build(AnswerOverdue, journey_id=a))
    again = build(InquiryReopened, journey_id=b, failure=new)
    other = build(InquiryReopened, journey_id=b, failure=build(Failure, occurred_at=clock.now()))
    await deliver(build(JourneysMerged, journey_a=a, journey_b=b), again, other)
    async with begin() as tx:
        assert await actions.count_failures(tx, a) == await actions.count_failures(tx, b) == 2
        assert await actions.count_failures(tx, uuid4()) == 0


# Two at the same moment -----------------------------------------------------------------------------------------------
async def at_once(*works: Awaitable[Any]) -> list[Any]:
    return list(await asyncio.gather(*works, return_exceptions=True))


async def test_two_proposals_for_one_person_stay_together_below_the_cost_of_winning(
    begin: Begin, deliver: Deliver
) -> None:
    a, b = sorted([uuid4(), uuid4()])
    await deliver(build(JourneysMerged, journey_a=a, journey_b=b))
    top = Person(subject="tim", roles=frozenset({"agent"}), tier=3)
    both = await at_once(*(propose(begin, journey_id=one, product_value=400_000, by=top) for one in (a, b)))
    assert sorted((one.amount, one.decision.outcome) for one in both) == [
        (0, Outcome.DECLINED), (7500, Outcome.REDUCED),
    ]  # fmt: skip


async def test_two_approvals_never_exceed_the_budget(begin: Begin) -> None:
    boss = Person(subject="olga", roles=frozenset({"administrator"}))
    budget, value = policy_in_force().currencies["EUR"].budget_per_month, 100_000
    for _ in range(24):
        given = await propose(begin, product_value=value, segment="business")
        await approve(begin, given.goodwill_id, Person(subject=str(uuid4()), roles=boss.roles))
    first, second = [await propose(begin, product_value=value, segment="business") for _ in range(2)]
    assert (first.state, first.amount, budget - 24 * 20_000) == (State.WAITING, 20_000, 20_000)
    results = await at_once(*(approve(begin, one.goodwill_id, boss) for one in (first, second)))
    assert sorted(type(one).__name__ for one in results) == [Goodwill.__name__, LimitReached.__name__]


async def test_two_decisions_of_one_agent_stay_within_the_agents_month(begin: Begin) -> None:
    for _ in range(19):
        await propose(begin)
    await propose(begin, product_value=1200)
    results = await at_once(*(propose(begin, product_value=10_000) for _ in range(2)))
    assert sorted(one.state for one in results) == [State.APPROVED, State.WAITING]


async def test_an_approval_and_a_refusal_at_once_are_one_decision(begin: Begin, published: Read) -> None:
    given = await propose(begin, product_value=20_000)

    async def refuse() -> Goodwill:
        async with begin() as tx:
            return await actions.decline(
                tx, goodwill_id=given.goodwill_id, by=SUPERVISOR, reason="abuse", expected=ANY_VERSION
            )

    results = await at_once(approve(begin, given.goodwill_id), refuse())
    assert sum(isinstance(one, NotWaiting) for one in results) == 1
    assert len(await published(GoodwillDecided)) == 2


async def test_a_code_is_redeemed_by_one_of_two_orders(begin: Begin, published: Read) -> None:
    given = await issue(begin, (await propose(begin)).goodwill_id)
    results = await at_once(*(redeem(begin, given.code or "", order) for order in ("A-1", "A-2")))
    assert sum(isinstance(one, NotRedeemable) for one in results) == 1
    assert len(await published(GoodwillRedeemed)) == 1


async def test_a_code_is_redeemed_or_withdrawn_never_both(begin: Begin) -> None:
    given = await issue(begin, (await propose(begin)).goodwill_id)
    results = await at_once(redeem(begin, given.code or ""), withdraw(begin, given.goodwill_id))
    assert sum(isinstance(one, NotRedeemable | NotWithdrawable) for one in results) == 1
