"""What billing inquiry's tests share: contacts as triage tells of them, and inquiries that are open already."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.billing_inquiry import store
from anliegen.billing_inquiry.domain import Inquiry
from anliegen.billing_inquiry.money import handlers as money
from anliegen.events import (
    Concern,
    ContactTriaged,
    CreditIssued,
    InvoiceCancelled,
    InvoiceIssued,
    InvoiceLine,
    PaymentReceived,
    PaymentReturned,
    Task,
)
from anliegen.events.builders import build
from anliegen.kit import Transaction, ids
from anliegen.kit.clock import FixedClock


@pytest.fixture
def triaged(clock: FixedClock) -> Callable[..., ContactTriaged]:
    """A contact with one concern, understood just now: `triaged(journey_id=…, case_id=…, intent=…)`."""

    def make(journey_id: UUID | None = None, *, task: Task = Task.BILLING_INQUIRY, **fields: Any) -> ContactTriaged:
        contact_id = uuid4()
        concern_id = ids.derived("concern", str(contact_id), 0)
        concern = build(Concern, concern_id=concern_id, task=task, **{"intent": "invoice_question", **fields})
        return build(
            ContactTriaged,
            journey_id=journey_id or uuid4(),
            contact_id=contact_id,
            concerns=(concern,),
            decided_at=clock.now(),
        )

    return make


@pytest.fixture
def case_of() -> Callable[[ContactTriaged], UUID]:
    """The id of the case that a contact's concern opens."""
    return lambda event: ids.derived("case", str(event.concerns[0].concern_id), "billing_inquiry")


@pytest.fixture
def open_inquiry(
    deliver: Callable[..., Awaitable[Any]], triaged: Callable[..., ContactTriaged], load: Callable[..., Any]
) -> Callable[..., Awaitable[Inquiry]]:
    """`await open_inquiry(journey_id=…, priority=…)`: an inquiry that came in and is stored."""

    async def make(journey_id: UUID | None = None, **fields: Any) -> Inquiry:
        event = triaged(journey_id, **fields)
        await deliver(event)
        inquiry: Inquiry = await load(ids.derived("case", str(event.concerns[0].concern_id), "billing_inquiry"))
        return inquiry

    return make


@pytest.fixture
def load(begin: Callable[..., Any]) -> Callable[[UUID], Awaitable[Inquiry]]:
    """`await load(case_id)`: the inquiry as it is stored now."""

    async def read(case_id: UUID) -> Inquiry:
        async with begin() as tx:
            return await store.get_inquiry(tx, case_id=case_id)

    return read


@pytest.fixture
def journey() -> UUID:
    """The journey of the customer who owes."""
    return UUID("a9916765-f2a4-8978-b30c-19e9c5bd0d70")


@pytest.fixture
def owe(begin: Callable[..., Any], clock: FixedClock, journey: UUID) -> Callable[..., Awaitable[None]]:
    """`await owe(11_900)`: the billing system issued an invoice today, payable in 14 days."""

    async def issue(amount: int, *, number: str = "R-1", currency: str = "EUR", business: bool = False) -> None:
        today = clock.now().date()
        line = build(InvoiceLine, line_id="1", text="Mobil", net=amount, tax=0, gross=amount)
        event = build(
            InvoiceIssued, journey_id=journey, invoice_number=number, issued_on=today,
            due_on=today + timedelta(days=14), currency=currency, lines=(line,), total=amount, business=business,
            told_of_default=False, replaces=None,
        )  # fmt: skip
        async with begin() as tx:
            await tx.lock(journey)
            await money.take_up_invoice(event, tx)

    return issue


@pytest.fixture
def change(begin: Callable[..., Any], clock: FixedClock, journey: UUID) -> Callable[..., Awaitable[None]]:
    """`await change(-11_900)`: it is paid, credited or cancelled; `await change(11_900)`: that payment went back."""
    paid: dict[int, str] = {}

    def event_of(amount: int, number: str, cause: str) -> tuple[Callable[..., Awaitable[None]], Any]:
        today, name = clock.now().date(), str(uuid4())
        told: dict[str, Any] = {"journey_id": journey, "currency": "EUR", "amount": abs(amount)}
        if amount > 0:
            event: Any = build(PaymentReturned, journey_id=journey, payment_id=paid[amount], returned_on=today)
            return money.return_payment, event
        if cause == "credit":
            credit = build(CreditIssued, credit_id=name, invoice_number=number, issued_on=today, **told)
            return money.take_up_credit, credit
        if cause == "correction":
            back = build(InvoiceCancelled, journey_id=journey, invoice_number=number, cancelled_on=today)
            return money.cancel_invoice, back
        paid[-amount] = name
        return money.take_up_payment, build(PaymentReceived, payment_id=name, received_on=today, allocations=(), **told)

    async def book(
        amount: int, *, number: str = "R-1", cause: str = "payment", within: Transaction | None = None
    ) -> None:
        handler, event = event_of(amount, number, cause)
        if within is not None:
            await handler(event, within)
            return
        async with begin() as tx:
            await tx.lock(journey)
            await handler(event, tx)

    return book


@pytest.fixture
def pass_days(clock: FixedClock, run_timers: Any) -> Callable[[int], Awaitable[None]]:
    """`await pass_days(30)`: one day after the other, with what is due."""

    async def wait(days: int) -> None:
        for _ in range(days):
            clock.advance(timedelta(days=1))
            while await run_timers():
                pass

    return wait
