"""Refunds: never more than is to the customer's credit, by two people where it is much, and taken back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.billing_inquiry.agreements.domain import InquiryOfSomebodyElse
from anliegen.billing_inquiry.domain import Inquiry
from anliegen.billing_inquiry.four_eyes import NotWaiting, SecondPersonNeeded
from anliegen.billing_inquiry.money.store import ledger
from anliegen.billing_inquiry.refunds import actions
from anliegen.billing_inquiry.refunds.domain import (
    CurrencyDiffers,
    Refund,
    RefundOver,
    RefundTooLarge,
    State,
    refundable,
)
from anliegen.events import BillingReplyRequested, Money, RefundBooked, RefundReversed, RefundWaits
from anliegen.kit.versions import ANY_VERSION

Ask = Callable[..., Awaitable[Refund]]


@pytest.fixture
async def inquiry(open_inquiry: Any, owe: Any, change: Any, journey: UUID) -> Inquiry:
    """The customer paid 500 euros where 119 were owed: 381 are to their credit."""
    await owe(11_900)
    await change(-50_000)
    asked: Inquiry = await open_inquiry(journey)
    return asked


@pytest.fixture
def ask(begin: Any, inquiry: Inquiry) -> Ask:
    async def make(amount: int, *, currency: str = "EUR", agent: str = "agent-1", **changes: Any) -> Refund:
        told = {"invoice_number": "R-1", "case_id": inquiry.case_id, "reason": "overpaid", **changes}
        async with begin() as tx:
            return await actions.ask_for_refund(tx, amount=Money(amount=amount, currency=currency), agent=agent, **told)

    return make


async def credit(begin: Any, journey: UUID) -> int:
    async with begin() as tx:
        return refundable(await ledger.get_books(tx, journey_id=journey), "EUR", given_back={})


async def test_refund_goes_up_to_the_credit_and_no_further(
    ask: Ask, begin: Any, journey: UUID, published: Any, clock: Any
) -> None:
    assert await credit(begin, journey) == 38_100
    for amount in (20_000, 18_100):
        assert (await ask(amount)).state is State.BOOKED
        clock.advance(timedelta(days=31))
    assert await credit(begin, journey) == 0
    with pytest.raises(RefundTooLarge):
        await ask(1)
    assert [event.amount.amount for event in await published(RefundBooked)] == [20_000, 18_100]
    assert [reply.template for reply in await published(BillingReplyRequested)] == ["refund_booked"] * 2


async def test_much_waits_for_a_second_person_who_sees_what_is_left(
    ask: Ask, begin: Any, journey: UUID, published: Any
) -> None:
    waiting = await ask(20_001)
    assert waiting.state is State.WAITING
    assert await published(RefundBooked) == []
    assert len(await published(RefundWaits)) == 1
    with pytest.raises(SecondPersonNeeded):
        async with begin() as tx:
            await actions.confirm_refund(tx, refund_id=waiting.refund_id, agent="agent-1", expected=ANY_VERSION)
    await ask(18_100)
    with pytest.raises(RefundTooLarge):
        async with begin() as tx:
            await actions.confirm_refund(tx, refund_id=waiting.refund_id, agent="agent-2", expected=ANY_VERSION)
    assert await credit(begin, journey) == 20_000


async def test_second_person_confirms_once(ask: Ask, begin: Any, published: Any) -> None:
    waiting = await ask(30_000)
    async with begin() as tx:
        await actions.confirm_refund(tx, refund_id=waiting.refund_id, agent="agent-2", expected=ANY_VERSION)
    with pytest.raises(NotWaiting):
        async with begin() as tx:
            await actions.confirm_refund(tx, refund_id=waiting.refund_id, agent="agent-3", expected=ANY_VERSION)
    (booked,) = await published(RefundBooked)
    assert (booked.asked_by, booked.confirmed_by, booked.amount.amount) == ("agent-1", "agent-2", 30_000)


async def test_reversed_refund_is_to_the_customers_credit_again(
    ask: Ask, begin: Any, journey: UUID, published: Any
) -> None:
    refund = await ask(20_000)
    async with begin() as tx:
        await actions.reverse_refund(
            tx, refund_id=refund.refund_id, reason="account_closed", agent="agent-2", expected=ANY_VERSION
        )
    assert await credit(begin, journey) == 38_100
    assert len(await published(RefundReversed)) == 1
    with pytest.raises(RefundOver):
        async with begin() as tx:
            await actions.reverse_refund(
                tx, refund_id=refund.refund_id, reason="again", agent="agent-2", expected=ANY_VERSION
            )


async def test_credit_that_a_new_invoice_takes_is_not_refunded(ask: Ask, owe: Any, begin: Any, journey: UUID) -> None:
    await owe(30_000, number="R-2")
    assert await credit(begin, journey) == 8_100
    with pytest.raises(RefundTooLarge):
        await ask(8_101)


async def test_two_refunds_at_once_share_one_credit(ask: Ask, begin: Any, inquiry: Inquiry) -> None:
    async with begin() as tx:
        await actions.ask_for_refund(
            tx, invoice_number="R-1", case_id=inquiry.case_id, amount=Money(amount=20_000, currency="EUR"),
            reason="overpaid", agent="agent-1",
        )  # fmt: skip
        waiting = asyncio.create_task(ask(19_000))
        await asyncio.sleep(0.2)
        assert not waiting.done()
    with pytest.raises(RefundTooLarge):
        await waiting


async def test_refund_is_in_the_invoices_currency_and_for_its_customer(ask: Ask, open_inquiry: Any) -> None:
    with pytest.raises(CurrencyDiffers):
        await ask(100, currency="CHF")
    stranger = await open_inquiry(uuid4())
    with pytest.raises(InquiryOfSomebodyElse):
        await ask(100, case_id=stranger.case_id)


async def test_what_two_decide_is_not_split_into_what_one_may(ask: Ask, clock: Any) -> None:
    assert (await ask(15_000)).state is State.BOOKED
    assert (await ask(5_000)).state is State.BOOKED, "200 euros within 30 days are nobody's but the first's"
    waits = await ask(1)
    assert waits.state is State.WAITING
    clock.advance(timedelta(days=31))
    assert (await ask(5_000)).state is State.BOOKED


# A purchase is given back ---------------------------------------------------------------------------------------------
async def balance(begin: Any, journey: UUID) -> tuple[int, int]:
    async with begin() as tx:
        books = await ledger.get_books(tx, journey_id=journey)
        return books.balance("EUR"), books.open_amounts["R-1"]


async def test_purchase_is_refunded_without_a_correction_up_to_what_was_paid_for_it(
    ask: Ask, begin: Any, journey: UUID
) -> None:
    # 500 euros were paid, 119 of them for this invoice; the rest is to the customer's credit and not this purchase's.
    with pytest.raises(RefundTooLarge):
        await ask(11_901, of_purchase=True)
    first = await ask(5_000, of_purchase=True, reason="returned_goods")
    assert (first.state, first.of_purchase) == (State.BOOKED, True)
    assert await credit(begin, journey) == 38_100, "what is to the customer's credit is as it was"
    with pytest.raises(RefundTooLarge):
        await ask(6_901, of_purchase=True)
    await ask(6_900, of_purchase=True)
    with pytest.raises(RefundTooLarge):
        await ask(1, of_purchase=True)
    assert await balance(begin, journey) == (-38_100, 0), "nothing is dunned again"


async def test_reversed_refund_of_a_purchase_takes_its_credit_back(ask: Ask, begin: Any, journey: UUID) -> None:
    before = await balance(begin, journey)
    refund = await ask(11_900, of_purchase=True)
    async with begin() as tx:
        await actions.reverse_refund(
            tx, refund_id=refund.refund_id, reason="goods_not_returned", agent="agent-2", expected=ANY_VERSION
        )
    assert await balance(begin, journey) == before
    assert await credit(begin, journey) == 38_100
    await ask(11_900, of_purchase=True)


async def test_purchase_that_is_cancelled_after_its_refund_is_not_paid_out_twice(
    ask: Ask, change: Any, clock: Any
) -> None:
    await ask(5_000, of_purchase=True)
    await change(-11_900, cause="correction")
    clock.advance(timedelta(days=31))
    with pytest.raises(RefundTooLarge):
        await ask(20_000 + 25_001, reason="overpaid")
    assert (await ask(20_000)).state is State.BOOKED
    assert (await ask(18_100 + 6_900)).state is State.WAITING, "381 and what is left of the purchase"
    with pytest.raises(RefundTooLarge):
        await ask(18_100 + 6_901)


@pytest.mark.parametrize("first", ["refund", "return"])
async def test_refund_of_a_purchase_and_a_returned_payment_come_one_after_the_other(
    ask: Ask, change: Any, begin: Any, inquiry: Inquiry, context: Any, journey: UUID, first: str
) -> None:
    told = {
        "invoice_number": "R-1", "case_id": inquiry.case_id, "amount": Money(amount=11_900, currency="EUR"),
        "reason": "returned_goods", "agent": "agent-1", "of_purchase": True,
    }  # fmt: skip
    async with begin() as tx:
        await tx.lock(journey)
        if first == "refund":
            await actions.ask_for_refund(tx, **told)
            waiting = asyncio.create_task(change(50_000))
        else:
            await change(50_000, within=tx)
            waiting = asyncio.create_task(ask(11_900, of_purchase=True))
        await waits_for_a_lock(context)
        assert not waiting.done()
    if first == "refund":
        await waiting
        # The money went out, and what had paid it went back: it is owed, and dunning begins anew.
        assert await balance(begin, journey) == (11_900, 11_900)
    else:
        with pytest.raises(RefundTooLarge):
            await waiting
        assert await balance(begin, journey) == (11_900, 11_900)


async def waits_for_a_lock(context: Any) -> None:
    """Until PostgreSQL says that somebody waits for a lock."""
    async with asyncio.timeout(10):
        while True:
            async with context.pool.acquire() as connection:
                if await connection.fetchval(
                    """
                    SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
                    """
                ):
                    return
            await asyncio.sleep(0.01)
