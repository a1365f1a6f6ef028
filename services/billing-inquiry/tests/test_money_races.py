"""Two who move one customer's money at the same moment: whoever is second waits for the first one's commit.

The first is held in an open transaction; the second begins, and the test goes on once PostgreSQL says that it waits for
the lock of the customer's journey. Without that lock (see `test_without_the_lock_nobody_waits`) nobody waits, and what
stands in this table is not true.

| first | second | then |
|---|---|---|
| correction | payment of the old invoice | it pays the corrected one, the rest is the account's |
| payment | correction | refused: what the document says is not so any more |
| correction | correction of the same invoice | refused: it is not in force |
| correction | the biller cancels the old invoice | that is our own, told back: the corrected one is owed |
| the biller cancels it | correction | refused: it is not in force |
| correction | the biller's own credit note on the old one | it pays the corrected one |
| credit note | correction | refused: what the document says is not so any more |
| reversal | payment, and the other way round | it pays the old invoice |
| refund | goodwill, and the other way round | the refund is what was overpaid, the goodwill stays |
| refund | refund of the same money | refused: there is no more |
| refund | the payment goes back | what was paid out is owed beside the invoice |
| the payment goes back | refund | refused: nothing is to the customer's credit |
| reversal of the correction that gave the credit | its refund | refused: nothing is to the customer's credit |
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from anliegen.billing_inquiry.money import correct, handlers
from anliegen.billing_inquiry.money.drafts import LineChange
from anliegen.billing_inquiry.money.store import ledger
from anliegen.billing_inquiry.refunds import actions as refunds
from anliegen.events import (
    ContentReference,
    CreditIssued,
    GoodwillIssued,
    InvoiceCancelled,
    InvoiceIssued,
    InvoiceLine,
    Money,
    PaymentAllocation,
    PaymentReceived,
    PaymentReturned,
)
from anliegen.events.builders import build
from anliegen.kit import Transaction
from anliegen.kit.errors import Problem
from anliegen.kit.versions import ANY_VERSION

JOURNEY = UUID(int=471102)
DAY = date(2026, 3, 2)
DOCUMENT = ContentReference(sha256="0" * 64, size=1, media_type="application/pdf", name="R-1-K1.pdf")
WAITING = """
    SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)) AND query LIKE '%FROM streams%')
"""
Party = Callable[[Transaction], Awaitable[Any]]


def heard(handler: Callable[..., Awaitable[None]], event: Any) -> Party:
    """A handler of an event, with the lock that the consumer takes for it."""

    async def run(tx: Transaction) -> None:
        await tx.lock(JOURNEY)
        await handler(event, tx)

    return run


def line(name: str, amount: int) -> InvoiceLine:
    return build(InvoiceLine, line_id=name, text="Mobil", net=amount, tax_rate=0, tax=0, gross=amount)


def invoice() -> Party:
    lines = (line("1", 5000), line("2", 12_000))
    return heard(
        handlers.take_up_invoice,
        build(
            InvoiceIssued, journey_id=JOURNEY, invoice_number="R-1", issued_on=DAY, due_on=DAY, currency="CHF",
            lines=lines, total=17_000, replaces=None,
        ),
    )  # fmt: skip


def payment(amount: int, name: str = "P-1") -> Party:
    allocations = (PaymentAllocation(invoice_number="R-1", amount=min(amount, 17_000)),)
    return heard(
        handlers.take_up_payment,
        build(
            PaymentReceived, journey_id=JOURNEY, payment_id=name, amount=amount, received_on=DAY, currency="CHF",
            allocations=allocations,
        ),
    )  # fmt: skip


def returned(name: str = "P-1") -> Party:
    return heard(handlers.return_payment, build(PaymentReturned, journey_id=JOURNEY, payment_id=name, returned_on=DAY))


def cancelled() -> Party:
    return heard(
        handlers.cancel_invoice, build(InvoiceCancelled, journey_id=JOURNEY, invoice_number="R-1", cancelled_on=DAY)
    )


def credit_note(amount: int) -> Party:
    return heard(
        handlers.take_up_credit,
        build(
            CreditIssued, journey_id=JOURNEY, credit_id="C-1", invoice_number="R-1", currency="CHF", amount=amount,
            issued_on=DAY,
        ),
    )  # fmt: skip


def goodwill(amount: int) -> Party:
    return heard(
        handlers.credit_goodwill,
        build(
            GoodwillIssued, journey_id=JOURNEY, kind="credit_next_period", invoice_number="R-1",
            amount=Money(amount=amount, currency="CHF"),
        ),
    )  # fmt: skip


@pytest.fixture
def play(begin: Any, context: Any, open_inquiry: Any) -> Any:
    """What parties need to be made, and to meet."""

    class Play:
        correction: Any = None

        async def do(self, *parties: Party) -> None:
            for party in parties:
                async with begin() as tx:
                    result = await party(tx)
                self.correction = result if isinstance(result, correct.Correction) else self.correction

        async def correction_of(self, net: int = 0) -> Party:
            """Its document is written before anybody waits, as the door does."""
            wish = correct.Wish(invoice_number="R-1", changes=(LineChange(line_id="2", net=net),), reason="wrong_price")
            async with begin() as tx:
                seen = await correct.preview_correction(tx, wish)
            return lambda tx: correct.correct_invoice(
                tx, wish, seen=seen, document=DOCUMENT, agent="anna", roles=frozenset(), tier=1, expected=ANY_VERSION
            )

        def reversal(self) -> Party:
            return lambda tx: correct.reverse_correction(
                tx, correction_id=self.correction.correction_id, reason="by_mistake", agent="anna",
                expected=ANY_VERSION,
            )  # fmt: skip

        async def refund(self, amount: int) -> Party:
            inquiry = await open_inquiry(JOURNEY)
            return lambda tx: refunds.ask_for_refund(
                tx, invoice_number="R-1", case_id=inquiry.case_id, amount=Money(amount=amount, currency="CHF"),
                reason="overpaid", agent="anna",
            )  # fmt: skip

        async def meet(self, first: Party, second: Party, *, seconds: float = 20) -> str | None:
            """Let them meet; tells how the second was refused."""

            async def follow() -> str | None:
                try:
                    async with begin() as tx:
                        await second(tx)
                except Problem as refusal:
                    return type(refusal).__name__
                return None

            async with begin() as tx:
                await first(tx)
                following = asyncio.create_task(follow())
                await self.until_somebody_waits(tx, following, seconds=seconds)
            return await following

        async def until_somebody_waits(self, tx: Transaction, following: Any, *, seconds: float) -> None:
            # From outside: within a transaction PostgreSQL goes on telling what it told first.
            holder = await tx.fetchval("SELECT pg_backend_pid()")
            async with asyncio.timeout(seconds), context.pool.acquire() as watch:
                while not await watch.fetchval(WAITING, holder):
                    assert not following.done(), "the second waited for nobody"
                    await asyncio.sleep(0.01)

        async def owed(self) -> dict[str, int]:
            async with begin() as tx:
                books = await ledger.get_books(tx, journey_id=JOURNEY)
            assert books.balance("CHF") == sum(books.open_amounts.values()) + books.account("CHF")
            return books.open_amounts | {"account": books.account("CHF")}

    return Play()


@pytest.mark.parametrize(
    ("first", "second", "refused", "owed"),
    [
        ("correction", "payment", None, {"R-1": 0, "R-1-K1": 0, "account": -12_000}),
        ("payment", "correction", "ChangedMeanwhile", {"R-1": 0, "account": 0}),
        ("correction", "another", "InvoiceNotInForce", {"R-1": 0, "R-1-K1": 5000, "account": 0}),
        ("correction", "cancelled", None, {"R-1": 0, "R-1-K1": 5000, "account": 0}),
        ("cancelled", "correction", "InvoiceNotInForce", {"R-1": 0, "account": 0}),
        ("correction", "credit note", None, {"R-1": 0, "R-1-K1": 1000, "account": 0}),
        ("credit note", "correction", "ChangedMeanwhile", {"R-1": 13_000, "account": 0}),
    ],
)
async def test_a_correction_meets(play: Any, first: str, second: str, refused: str | None, owed: Any) -> None:
    await play.do(invoice())
    parties = {
        "correction": await play.correction_of(), "another": await play.correction_of(7000),
        "payment": payment(17_000), "cancelled": cancelled(), "credit note": credit_note(4000),
    }  # fmt: skip
    assert await play.meet(parties[first], parties[second]) == refused
    assert await play.owed() == owed


@pytest.mark.parametrize("order", ["reversal first", "payment first"])
async def test_a_reversal_meets_a_payment(play: Any, order: str) -> None:
    await play.do(invoice())
    await play.do(await play.correction_of())
    parties = [play.reversal(), payment(17_000)]
    assert await play.meet(*(parties if order == "reversal first" else parties[::-1])) is None
    assert await play.owed() == {"R-1": 0, "R-1-K1": 0, "account": 0}


@pytest.mark.parametrize(
    ("first", "second", "refused", "owed"),
    [
        ("refund", "goodwill", None, {"R-1": 0, "account": -500}),
        ("goodwill", "refund", None, {"R-1": 0, "account": -500}),
        ("refund", "again", "RefundTooLarge", {"R-1": 0, "account": 0}),
        ("refund", "returned", None, {"R-1": 17_000, "account": 3000}),
        ("returned", "refund", "RefundTooLarge", {"R-1": 17_000, "account": 0}),
    ],
)
async def test_a_refund_meets(play: Any, first: str, second: str, refused: str | None, owed: Any) -> None:
    await play.do(invoice(), payment(20_000))
    parties = {
        "refund": await play.refund(3000), "again": await play.refund(3000), "goodwill": goodwill(500),
        "returned": returned(),
    }  # fmt: skip
    assert await play.meet(parties[first], parties[second]) == refused
    assert await play.owed() == owed


async def test_a_refund_meets_the_reversal_of_what_gave_the_credit(play: Any) -> None:
    await play.do(invoice(), payment(17_000))
    await play.do(await play.correction_of())
    assert (await play.owed())["account"] == -12_000
    assert await play.meet(play.reversal(), await play.refund(12_000)) == "RefundTooLarge"
    assert await play.owed() == {"R-1": 0, "R-1-K1": 0, "account": 0}


async def test_without_the_lock_nobody_waits(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await play.do(invoice(), payment(20_000))
    parties = [await play.refund(3000), await play.refund(3000)]

    async def lock_nothing(tx: Transaction, *keys: str | UUID) -> None:
        tx._held.update(str(key) for key in keys)

    monkeypatch.setattr(Transaction, "lock", lock_nothing)
    with pytest.raises((AssertionError, TimeoutError)):
        await play.meet(*parties, seconds=3)
