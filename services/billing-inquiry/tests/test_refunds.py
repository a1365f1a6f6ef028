"""Refunds: never more than is to the customer's credit, by two people where it is much, and taken back."""

import asyncio
from collections.abc import Awaitable, Callable
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
        return refundable(await ledger.get_books(tx, journey_id=journey), "EUR")


async def test_refund_goes_up_to_the_credit_and_no_further(ask: Ask, begin: Any, journey: UUID, published: Any) -> None:
    assert await credit(begin, journey) == 38_100
    for amount in (20_000, 18_100):
        assert (await ask(amount)).state is State.BOOKED
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
