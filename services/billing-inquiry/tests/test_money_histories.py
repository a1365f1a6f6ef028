"""Random histories of one customer's money on the real store: whatever is told and done, in whatever order and again.

After each of them sums agree, nothing came from nothing, what a preview showed was done, and dunning is neither held
for ever nor cleared by mistake. `HYPOTHESIS_PROFILE=long` plays 1,000 of them; the pure ledger plays 10,000 in
`test_money_ledger.py`.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from anliegen.billing_inquiry import actions as inquiries
from anliegen.billing_inquiry import store as inquiry_store
from anliegen.billing_inquiry.domain import Contact
from anliegen.billing_inquiry.dunning import actions as dunning
from anliegen.billing_inquiry.dunning import store as dunning_store
from anliegen.billing_inquiry.dunning.domain import HoldReason, Stage
from anliegen.billing_inquiry.dunning.rules import rules_for
from anliegen.billing_inquiry.main import service
from anliegen.billing_inquiry.money import correct, handlers
from anliegen.billing_inquiry.money.domain import Books, Kind, book
from anliegen.billing_inquiry.money.drafts import LineChange
from anliegen.billing_inquiry.money.store import invoices, ledger
from anliegen.billing_inquiry.refunds import actions as refunds
from anliegen.billing_inquiry.refunds import store as refund_store
from anliegen.billing_inquiry.states import SETTLED
from anliegen.events import (
    ContentReference,
    CreditIssued,
    GoodwillIssued,
    GoodwillProposed,
    GoodwillWithdrawn,
    InvoiceCancelled,
    InvoiceIssued,
    InvoiceLine,
    Money,
    PaymentAllocation,
    PaymentReceived,
    PaymentReturned,
    Priority,
)
from anliegen.events.builders import build
from anliegen.kit.clock import FixedClock
from anliegen.kit.errors import Problem
from anliegen.kit.service import Context, open_context
from anliegen.kit.testing.clients import ISSUER, jwks_address
from anliegen.kit.testing.databases import TestDatabase, TestServer
from anliegen.kit.testing.plugin import IDENTITY_SECRET
from anliegen.kit.ticker import fire_due_timers
from anliegen.kit.transaction import Transaction, begin
from anliegen.kit.versions import ANY_VERSION

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
HISTORIES = int(os.environ.get("HYPOTHESIS_PLAYS", "1000")) if LONG else 12
BEGINNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DOCUMENT = ContentReference(sha256="0" * 64, size=1, media_type="application/pdf", name="invoice.pdf")
CURRENCIES = ("CHF", "EUR")
SETTLED_AT_LAST = 1000


@dataclass(frozen=True)
class Deed:
    """One thing that is told or done. `nth` names the invoice, the payment …; `amount` is in minor units."""

    verb: str
    nth: int
    amount: int


TOLD = ["issue"] * 4 + ["issue_otherwise", "pay", "pay", "send_back", "cancel", "credit", "give", "take_back"]
DONE = ["correct", "correct", "undo", "refund", "give_back", "take_refund_back", "complain", "settle", "wait"]
deeds = st.builds(
    Deed, verb=st.sampled_from(TOLD + DONE), nth=st.integers(0, 3),
    amount=st.sampled_from([1, 400, 1000, 2500, 5000, 9000, 20_000]),
)  # fmt: skip


class Theatre:
    """The service on its database, in an event loop of its own; each history is another customer's."""

    def __init__(self, postgres: TestServer) -> None:
        self.runner = asyncio.Runner()
        self.clock = FixedClock(BEGINNING)
        self.opened = AsyncExitStack()
        self.context: Context = self.runner.run(self._open(postgres))

    async def _open(self, postgres: TestServer) -> Context:
        self.database: TestDatabase = postgres.prepare(service)
        await self.database.migrate()
        chosen = service.settings(
            environment="test", database_url=self.database.address, identity_secret=IDENTITY_SECRET,
            oidc_issuer=ISSUER, oidc_jwks_url=jwks_address(),
        )  # fmt: skip
        return await self.opened.enter_async_context(open_context(service, chosen, part="test", clock=self.clock))

    def close(self) -> None:
        self.runner.run(self.database.empty())
        self.runner.run(self.opened.aclose())
        self.runner.close()

    def play(self, history: Sequence[Deed]) -> None:
        self.runner.run(self._play(history))

    async def _play(self, history: Sequence[Deed]) -> None:
        self.clock.time = BEGINNING
        async with self.context.pool.acquire() as connection:
            for table in ("timers", "outbox"):
                await connection.execute(f"DELETE FROM {table}")
        customer = Customer(self)
        for place, deed in enumerate(history):
            await customer.do(deed, place)
        await customer.settle_everything(len(history))


class Customer:
    """One customer, and what has to hold of their money at every moment."""

    def __init__(self, stage: Theatre) -> None:
        self.stage = stage
        self.journey = uuid4()
        self.cases: dict[int, int] = {}
        self.inquiry: UUID | None = None

    def name(self, kind: str, nth: int) -> str:
        return f"{kind}-{self.journey.hex[:12]}-{nth}"

    async def do(self, deed: Deed, place: int) -> None:
        try:
            async with begin(self.stage.context) as tx:
                await tx.lock(self.journey)
                await getattr(self, deed.verb)(tx, deed, place)
        except Problem:
            pass  # a refusal is an outcome
        if deed.verb == "wait":
            self.stage.clock.advance(timedelta(days=7 * (1 + deed.nth)))
        while await fire_due_timers(self.stage.context):
            pass
        await self.check()

    # What is told -----------------------------------------------------------------------------------------------------
    async def issue(self, tx: Transaction, deed: Deed, place: int, *, more: int = 0) -> None:
        amounts = (3000 + more, 1500 * deed.nth)
        lines = tuple(
            build(InvoiceLine, line_id=str(n), text="Mobil", net=amount, tax_rate=0, tax=0, gross=amount)
            for n, amount in enumerate(amounts)
        )
        day = date(2026, 3, 2) + timedelta(days=30 * deed.nth)
        event = build(
            InvoiceIssued, journey_id=self.journey, invoice_number=self.name("R", deed.nth), issued_on=day,
            due_on=day + timedelta(days=14), currency=CURRENCIES[deed.nth % 3 == 2], lines=lines, total=sum(amounts),
            replaces=None, customer_number=self.journey.hex[:12],
        )  # fmt: skip
        await handlers.take_up_invoice(event, tx)

    async def issue_otherwise(self, tx: Transaction, deed: Deed, place: int) -> None:
        await self.issue(tx, deed, place, more=deed.amount)

    async def pay(self, tx: Transaction, deed: Deed, place: int) -> None:
        meant = (PaymentAllocation(invoice_number=self.name("R", deed.nth), amount=min(deed.amount, 2500)),)
        event = build(
            PaymentReceived, journey_id=self.journey, payment_id=self.name("P", deed.nth), amount=deed.amount,
            currency=CURRENCIES[deed.nth % 3 == 2], received_on=date(2026, 3, 5),
            allocations=meant if deed.nth else (),
        )  # fmt: skip
        await handlers.take_up_payment(event, tx)

    async def send_back(self, tx: Transaction, deed: Deed, place: int) -> None:
        event = build(
            PaymentReturned, journey_id=self.journey, payment_id=self.name("P", deed.nth),
            returned_on=date(2026, 3, 20),
        )  # fmt: skip
        await handlers.return_payment(event, tx)

    async def give(self, tx: Transaction, deed: Deed, place: int) -> None:
        event = build(
            GoodwillIssued, journey_id=self.journey, goodwill_id=uuid5(self.journey, str(deed.nth)),
            kind="credit_next_period", amount=Money(amount=700, currency="CHF"), invoice_number=None,
            valid_from=BEGINNING,
        )  # fmt: skip
        await handlers.credit_goodwill(event, tx)

    async def take_back(self, tx: Transaction, deed: Deed, place: int) -> None:
        event = build(
            GoodwillWithdrawn, journey_id=self.journey, goodwill_id=uuid5(self.journey, str(deed.nth)),
            kind="credit_next_period", amount=Money(amount=700, currency="CHF"), was_issued=True,
            withdrawn_at=tx.now,
        )  # fmt: skip
        await handlers.withdraw_goodwill(event, tx)

    async def credit(self, tx: Transaction, deed: Deed, place: int) -> None:
        event = build(
            CreditIssued, journey_id=self.journey, credit_id=self.name("C", deed.nth), amount=900,
            invoice_number=self.name("R", deed.nth), currency=CURRENCIES[deed.nth % 3 == 2],
            issued_on=date(2026, 3, 6),
        )  # fmt: skip
        await handlers.take_up_credit(event, tx)

    async def cancel(self, tx: Transaction, deed: Deed, place: int) -> None:
        event = build(
            InvoiceCancelled, journey_id=self.journey, invoice_number=self.name("R", deed.nth),
            cancelled_on=date(2026, 3, 9),
        )  # fmt: skip
        await handlers.cancel_invoice(event, tx)

    async def complain(self, tx: Transaction, deed: Deed, place: int, *, unsettled: bool = True) -> None:
        """What a complaint says, at times late: the amount stands for where it stood in its stream."""
        await dunning.follow_case(
            tx, case_id=uuid5(self.journey, f"case {deed.nth}"), journey_id=self.journey, reason=HoldReason.COMPLAINT,
            unsettled=unsettled, invoice_number=self.name("R", deed.nth), sequence=min(deed.amount, 900),
        )  # fmt: skip
        if min(deed.amount, 900) > abs(self.cases.get(deed.nth, 0)):
            self.cases[deed.nth] = min(deed.amount, 900) * (1 if unsettled else -1)

    async def settle(self, tx: Transaction, deed: Deed, place: int) -> None:
        await self.complain(tx, deed, place, unsettled=False)

    async def wait(self, tx: Transaction, deed: Deed, place: int) -> None:
        """Time passes."""

    # What is done -----------------------------------------------------------------------------------------------------
    async def correct(self, tx: Transaction, deed: Deed, place: int) -> None:
        known = sorted((await ledger.get_books(tx, journey_id=self.journey)).charges)
        if not known:
            return
        wish = correct.Wish(
            invoice_number=known[deed.nth % len(known)], changes=(LineChange(line_id="0", net=deed.amount),),
            reason="wrong_price",
        )  # fmt: skip
        shown = await correct.preview_correction(tx, wish)
        done = await correct.correct_invoice(
            tx, wish, seen=shown, document=DOCUMENT, agent="anna", roles=frozenset(), tier=1, expected=ANY_VERSION
        )
        books = await ledger.get_books(tx, journey_id=self.journey)
        right = await invoices.get_invoice(tx, invoice_number=done.new_number)
        assert (right.lines, right.total, right.due_on) == (
            shown.invoice.lines, shown.invoice.total, shown.invoice.due_on,
        )  # fmt: skip
        assert books.open_amounts[done.new_number] == shown.open_amount.amount
        assert max(0, -books.account(right.currency)) == shown.account_credit.amount
        proposed = [event.amount for event, _ in tx.outgoing if isinstance(event, GoodwillProposed)]
        assert proposed == ([shown.goodwill] if shown.goodwill else [])
        assert sum(line.gross for line in right.lines) == right.total

    async def undo(self, tx: Transaction, deed: Deed, place: int) -> None:
        ids = await tx.fetch(
            "SELECT correction_id FROM corrections WHERE journey_id = $1 ORDER BY correction_id", self.journey
        )
        if ids:
            await correct.reverse_correction(
                tx, correction_id=ids[deed.nth % len(ids)][0], reason="by_mistake", agent="anna", expected=ANY_VERSION
            )

    async def refund(self, tx: Transaction, deed: Deed, place: int) -> None:
        before = await ledger.get_books(tx, journey_id=self.journey)
        number = self.name("R", deed.nth)
        if number not in before.charges:
            return
        currency = before.charges[number].currency
        await refunds.ask_for_refund(
            tx, invoice_number=number, case_id=await self._inquiry(tx), reason="overpaid", agent="anna",
            amount=Money(amount=deed.amount, currency=currency),
        )  # fmt: skip
        books = await ledger.get_books(tx, journey_id=self.journey)
        # A refund is what was overpaid: it opens no invoice and leaves nobody in debt.
        assert books.open_amounts == before.open_amounts
        assert books.account(currency) <= 0
        check_paid_out(books, currency)

    async def give_back(self, tx: Transaction, deed: Deed, place: int) -> None:
        before = await ledger.get_books(tx, journey_id=self.journey)
        known = sorted(before.charges)
        if not known:
            return
        number = known[deed.nth % len(known)]
        currency = before.charges[number].currency
        await refunds.ask_for_refund(
            tx, invoice_number=number, case_id=await self._inquiry(tx), reason="returned_goods", agent="anna",
            amount=Money(amount=deed.amount, currency=currency), of_purchase=True,
        )  # fmt: skip
        books = await ledger.get_books(tx, journey_id=self.journey)
        # It was credited and went out: nobody owes more or less than before.
        assert books.open_amounts == before.open_amounts
        assert books.account(currency) == before.account(currency)
        check_paid_out(books, currency)

    async def take_refund_back(self, tx: Transaction, deed: Deed, place: int) -> None:
        ids = await tx.fetch("SELECT refund_id FROM refunds WHERE journey_id = $1 ORDER BY refund_id", self.journey)
        if ids:
            await refunds.reverse_refund(
                tx, refund_id=ids[deed.nth % len(ids)][0], reason="not_paid_out", agent="anna", expected=ANY_VERSION
            )

    async def _inquiry(self, tx: Transaction) -> UUID:
        if self.inquiry is None:
            contact = Contact(contact_id=uuid5(self.journey, "contact"), journey_id=self.journey, language="de")
            await inquiry_store.insert_contacts(tx, contacts=[contact], understood_at=[tx.now])
            noted = await inquiries.note_inquiry(
                tx, contact_id=contact.contact_id, intent="refund", priority=Priority.NORMAL, tier=1
            )
            return noted.case_id
        return self.inquiry

    async def _unsettled_inquiries(self, tx: Transaction) -> dict[str, set[UUID]]:
        rows = await tx.fetch(
            "SELECT case_id, invoice_number FROM inquiries WHERE journey_id = $1 AND state <> ALL ($2)",
            self.journey, [state.value for state in SETTLED],
        )  # fmt: skip
        found: dict[str, set[UUID]] = {}
        for row in rows:
            found.setdefault(row["invoice_number"], set()).add(row["case_id"])
        return found

    # What has to hold -------------------------------------------------------------------------------------------------
    async def check(self) -> None:
        async with begin(self.stage.context) as tx:
            books = await ledger.get_books(tx, journey_id=self.journey)
            told = await ledger.list_open_amounts(tx, invoice_numbers=books.charges)
            dunnings = {
                one.invoice_number: one for one in await dunning_store.list_dunnings(tx, journey_ids=[self.journey])
            }
            unsettled = await self._unsettled_inquiries(tx)
            given_back = await refund_store.list_given_back(tx, journey_id=self.journey)
            holds = {n: await dunning_store.list_holds(tx, invoice_number=n) for n in books.charges}
        assert {number: money.amount for number, money in told.items()} == books.open_amounts
        for currency in {entry.currency for entry in books.entries}:
            charges = [one for one in books.charges.values() if one.currency == currency]
            owed = sum(one.total for one in charges if one.in_force)
            paid = sum(one.amount for one in books.funds if one.currency == currency and one.ended_on is None)
            out = sum(e.amount for e in books.entries if e.kind is Kind.REFUND and e.currency == currency)
            back = sum(given_back.get(one.invoice_number, 0) for one in charges)
            opened = sum(books.open_amounts[one.invoice_number] for one in charges)
            assert books.balance(currency) == owed - paid + out - back == opened + books.account(currency)
            assert books.account(currency) <= out
        times = Counter(entry.reverses for entry in books.entries if entry.reverses)
        assert all(count == 1 for count in times.values())
        assert book(books, on=date(2026, 3, 2), journey_id=self.journey) == []
        assert dunnings.keys() == books.charges.keys()
        for number, one in dunnings.items():
            assert (one.stage is Stage.CLEARED) == (books.open_amounts[number] <= 0)
            causes = {
                uuid5(self.journey, f"case {nth}") for nth, said in self.cases.items()
                if said > 0 and self.name("R", nth) == number
            }  # fmt: skip
            in_force = [hold for hold in holds[number] if hold.in_force(self.stage.clock.now())]
            assert {hold.case_id for hold in in_force if hold.reason is HoldReason.COMPLAINT} == causes
            # A correction without a case opens an inquiry of its own, which holds until it is settled.
            inquiries_open = {hold.case_id for hold in in_force if hold.reason is HoldReason.INQUIRY}
            assert inquiries_open == unsettled.get(number, set())
            assert one.held == bool(in_force)
            if in_force or one.stage is Stage.CLEARED:
                assert one.next_step_at is None

    async def settle_everything(self, place: int) -> None:
        """In the end everything is settled: nothing holds any more, and what is owed goes on."""
        for nth in range(4):
            async with begin(self.stage.context) as tx:
                await tx.lock(self.journey)
                await dunning.follow_case(
                    tx, case_id=uuid5(self.journey, f"case {nth}"), journey_id=self.journey,
                    reason=HoldReason.COMPLAINT, unsettled=False, invoice_number=None, sequence=SETTLED_AT_LAST,
                )  # fmt: skip
            self.cases[nth] = -SETTLED_AT_LAST
        while await fire_due_timers(self.stage.context):
            pass
        await self.check()
        async with begin(self.stage.context) as tx:
            for one in await dunning_store.list_dunnings(tx, journey_ids=[self.journey]):
                opened = (await ledger.list_open_amounts(tx, invoice_numbers=[one.invoice_number])).popitem()[1]
                rules = rules_for(opened.currency)
                goes_on = one.level < len(rules.levels) or opened.amount >= rules.hand_over.minimum[opened.currency]
                if not one.held and one.stage in {Stage.WATCHED, Stage.DUNNED} and opened.amount >= 2000 and goes_on:
                    assert one.next_step_at is not None, one


def check_paid_out(books: Books, currency: str) -> None:
    """No more went out than came in by payments and credits: nothing twice, and no goodwill."""
    came = sum(
        fund.amount for fund in books.funds
        if fund.currency == currency and fund.ended_on is None and fund.kind is not Kind.GOODWILL
    )  # fmt: skip
    assert sum(e.amount for e in books.entries if e.kind is Kind.REFUND and e.currency == currency) <= came


@pytest.fixture
def stage(postgres: TestServer) -> Iterator[Theatre]:
    stage = Theatre(postgres)
    yield stage
    stage.close()


@pytest.mark.timeout(0 if LONG else 120)
def test_sums_agree_and_dunning_follows_in_every_history(stage: Theatre) -> None:
    played: list[Any] = []

    @settings(
        max_examples=HISTORIES, derandomize=not LONG, database=None, deadline=None,
        phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(deeds, min_size=4, max_size=16))
    def play(history: Sequence[Deed]) -> None:
        played.append(history)
        stage.play(history)

    play()
    assert len(played) >= HISTORIES
