"""What the billing system tells: once or twice, in whatever order, about customers that nobody knows yet."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from anliegen.billing_inquiry.money.store import ledger
from anliegen.events import (
    CreditIssued,
    DunningCleared,
    GoodwillIssued,
    GoodwillWithdrawn,
    InvoiceCancelled,
    InvoiceIssued,
    InvoiceLine,
    Money,
    PaymentAllocation,
    PaymentReceived,
    PaymentReturned,
    ReminderSent,
)
from anliegen.events.builders import build

Deliver = Callable[..., Awaitable[Any]]
JOURNEY = UUID(int=471102)
TABLES = ("invoices", "invoice_lines", "billing_facts", "billing_contradictions", "entries", "dunnings")


def invoice(number: str = "R-1", total: int = 5000, *, day: date = date(2026, 3, 2), **fields: Any) -> InvoiceIssued:
    line = build(InvoiceLine, line_id="1", text="Mobil", net=total, tax=0, gross=total)
    return build(
        InvoiceIssued, journey_id=JOURNEY, invoice_number=number, issued_on=day, due_on=date(2026, 3, 16),
        lines=(line,), total=total, **fields,
    )  # fmt: skip


def payment(amount: int = 5000, to: str | None = "R-1", name: str = "P-1") -> PaymentReceived:
    allocations = (PaymentAllocation(invoice_number=to, amount=amount),) if to else ()
    return build(
        PaymentReceived, journey_id=JOURNEY, payment_id=name, amount=amount, received_on=date(2026, 3, 10),
        allocations=allocations,
    )  # fmt: skip


def returned(name: str = "P-1") -> PaymentReturned:
    return build(PaymentReturned, journey_id=JOURNEY, payment_id=name, returned_on=date(2026, 3, 12))


@pytest.fixture
def owed(begin: Any) -> Callable[..., Awaitable[dict[str, int]]]:
    async def read(*numbers: str) -> dict[str, int]:
        async with begin() as tx:
            books = await ledger.get_books(tx, journey_id=JOURNEY)
            found = {
                number: money.amount
                for number, money in (await ledger.list_open_amounts(tx, invoice_numbers=numbers)).items()
            }
            return found | {"account": books.account("CHF")}

    return read


async def test_a_payment_pays_its_invoice_and_its_return_opens_it_again(deliver: Deliver, owed: Any) -> None:
    await deliver(invoice(), invoice("R-0", 700), payment())
    assert await owed("R-0", "R-1") == {"R-0": 700, "R-1": 0, "account": 0}
    await deliver(returned())
    assert await owed("R-0", "R-1") == {"R-0": 700, "R-1": 5000, "account": 0}


async def test_a_payment_for_nothing_in_particular_pays_what_is_due_first(deliver: Deliver, owed: Any) -> None:
    await deliver(invoice("R-1", 500), invoice("R-2", 300), payment(600, None))
    assert await owed("R-1", "R-2") == {"R-1": 0, "R-2": 200, "account": 0}


async def test_second_delivery_changes_nothing(deliver: Deliver, database: Any, published: Any) -> None:
    credit = build(CreditIssued, journey_id=JOURNEY, invoice_number="R-1")
    reminder = build(ReminderSent, journey_id=JOURNEY, invoice_number="R-1")
    things = [invoice(), payment(), returned(), credit, reminder]
    for thing in things:
        await deliver(thing)
    before, announced = await database.snapshot(*TABLES), await published()
    # Another mail with the same content: the billing system tells it once more under another id.
    for thing in reversed(things):
        await deliver(thing)
    assert await database.snapshot(*TABLES) == before
    assert await published() == announced


async def test_topics_in_any_order(deliver: Deliver, owed: Any, database: Any) -> None:
    cancelled = build(InvoiceCancelled, journey_id=JOURNEY, invoice_number="R-2", cancelled_on=date(2026, 3, 9))
    things = [invoice(), invoice("R-2", 900), payment(5000), returned(), cancelled, payment(1000, None, "P-2")]
    results = []
    for order in list(permutations(things))[::37]:
        await deliver(*order, one_by_one=True)
        results.append(await owed("R-1", "R-2"))
        await database.empty()
    assert len(results) > 15
    assert all(result == {"R-1": 4000, "R-2": 0, "account": 0} for result in results)


async def test_an_issued_invoice_is_never_overwritten_and_the_contradiction_kept(
    deliver: Deliver, owed: Any, database: Any
) -> None:
    await deliver(invoice(), invoice(total=7000), invoice(total=7000))
    assert await owed("R-1") == {"R-1": 5000, "account": 0}
    rows = (await database.snapshot("billing_contradictions"))["billing_contradictions"]
    assert [(row["kind"], row["name"], row["said"]["total"]) for row in rows] == [("invoice_issued", "R-1", 7000)]


async def test_a_payment_of_another_amount_under_the_same_name_is_a_contradiction(
    deliver: Deliver, owed: Any, database: Any
) -> None:
    await deliver(invoice(), payment(1000), payment(4000))
    assert await owed("R-1") == {"R-1": 4000, "account": 0}
    assert len((await database.snapshot("billing_contradictions"))["billing_contradictions"]) == 1


async def test_credit_clears_dunning(deliver: Deliver, run_timers: Any, clock: Any, published: Any) -> None:
    await deliver(invoice(day=date(2026, 3, 2)))
    clock.advance(timedelta(days=42))
    await run_timers()
    credit = build(CreditIssued, journey_id=JOURNEY, invoice_number="R-1", amount=5000, issued_on=date(2026, 4, 11))
    await deliver(credit)
    assert [event.invoice_number for event in await published(DunningCleared)] == ["R-1"]


async def test_goodwill_as_a_credit_pays_from_its_own_day_on(deliver: Deliver, owed: Any) -> None:
    given = build(GoodwillIssued, journey_id=JOURNEY, kind="credit", amount=Money(amount=800, currency="CHF"))
    day = given.valid_from.date()
    await deliver(invoice(day=day - timedelta(days=1)), given)
    assert await owed("R-1") == {"R-1": 5000, "account": -800}
    await deliver(invoice("R-2", 900, day=day))
    assert await owed("R-1", "R-2") == {"R-1": 5000, "R-2": 100, "account": 0}


async def test_goodwill_waits_for_the_next_invoice_and_can_be_withdrawn(deliver: Deliver, owed: Any) -> None:
    goodwill = build(
        GoodwillIssued, journey_id=JOURNEY, kind="credit_next_period", amount=Money(amount=800, currency="CHF")
    )
    await deliver(goodwill, invoice())
    assert await owed("R-1") == {"R-1": 5000, "account": -800}
    await deliver(invoice("R-2", 5000, day=date(2026, 4, 1)))
    assert await owed("R-1", "R-2") == {"R-1": 5000, "R-2": 4200, "account": 0}
    withdrawn = build(
        GoodwillWithdrawn, journey_id=JOURNEY, goodwill_id=goodwill.goodwill_id, kind="credit_next_period",
        was_issued=True,
    )  # fmt: skip
    await deliver(withdrawn)
    assert await owed("R-1", "R-2") == {"R-1": 5000, "R-2": 5000, "account": 0}


async def test_an_entry_is_never_changed(deliver: Deliver, begin: Any) -> None:
    await deliver(invoice())
    with pytest.raises(asyncpg.RaiseError, match="never changed"):
        async with begin() as tx:
            await tx.execute("UPDATE entries SET amount = 0")
