"""The ledger: whatever happens, in whatever order, sums agree and no money comes from nothing."""

import os
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anliegen.billing_inquiry.dunning.domain import Debt, Dunning, Hold, HoldReason, Stage, reconsidered
from anliegen.billing_inquiry.dunning.rules import rules_for
from anliegen.billing_inquiry.money.domain import Books, Charge, Entry, Fund, Kind, allocate, book
from anliegen.billing_inquiry.refunds.domain import RefundTooLarge, check_amount, refundable, refundable_of_purchase

JOURNEY = UUID(int=1)
FIRST = date(2026, 1, 1)
HISTORIES = 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 250
"""How many random histories: 10,000 in the long profile."""


class History:
    """One customer's facts, applied one by one, with the ledger concluded after each."""

    def __init__(self) -> None:
        self.charges: dict[str, Charge] = {}
        self.funds: dict[str, Fund] = {}
        self.entries: list = []
        self.dunnings: dict[str, Dunning] = {}
        self.holds: dict[str, Hold] = {}
        self.given_back: Counter[str] = Counter()
        """What went back of purchases, by invoice number."""

    @property
    def books(self) -> Books:
        return Books(charges=self.charges, funds=list(self.funds.values()), entries=self.entries)

    def conclude(self, day: date) -> None:
        self.entries += book(self.books, on=day, journey_id=JOURNEY)
        now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        for number, charge in self.charges.items():
            debt = Debt(
                invoice_number=number, journey_id=JOURNEY, currency=charge.currency, issued_on=charge.issued_on,
                due_on=charge.due_on, business=False, told_of_default=True,
                open_amount=self.books.open_amounts[number],
            )  # fmt: skip
            self.dunnings[number] = reconsidered(
                self.dunnings.get(number), debt=debt, holds=self.holds_of(number), steps=(),
                rules=rules_for(charge.currency), now=now,
            )  # fmt: skip

    def holds_of(self, number: str) -> list[Hold]:
        return [hold for hold in self.holds.values() if hold.invoice_number == number]

    def refund(self, name: str, currency: str, amount: int, day: date) -> None:
        """Pay back what may be paid back at the most, or less; more is refused, and opens no invoice."""
        most, before = refundable(self.books, currency, given_back=self.given_back), self.books.open_amounts
        assert 0 <= most <= max(0, -self.books.account(currency))
        with pytest.raises(RefundTooLarge):
            check_amount(most + 1, credit=most)
        if not most:
            return
        self.entries.append(self.account_entry(f"refund {name}", currency, min(most, amount), day))
        self.conclude(day)
        assert self.books.open_amounts == before
        self.check_paid_out(currency)
        assert self.books.account(currency) <= 0

    def give_back(self, number: str, amount: int, day: date) -> None:
        """What was bought goes back: credited and paid out, up to what money paid for it. Nothing else moves."""
        books, currency = self.books, self.charges[number].currency
        most = refundable_of_purchase(books, number, given_back=self.given_back)
        assert 0 <= most <= max(0, self.charges[number].total - self.given_back[number])
        if not most:
            return
        name, paid = f"purchase {number} {len(self.entries)}", min(most, amount)
        credit = self.account_entry(f"credit {name}", currency, -paid, day)
        self.entries += [replace(credit, kind=Kind.CREDIT), self.account_entry(f"refund {name}", currency, paid, day)]
        self.given_back[number] += paid
        self.conclude(day)
        assert self.books.open_amounts == books.open_amounts
        assert self.books.account(currency) == books.account(currency)
        self.check_paid_out(currency)

    def check_paid_out(self, currency: str) -> None:
        """No more went out than came in by payments and credits, credit notes among them. No goodwill."""
        mine = [fund for fund in self.funds.values() if fund.currency == currency and fund.ended_on is None]
        came = sum(fund.amount for fund in mine if fund.kind is not Kind.GOODWILL)
        notes = [one for one in self.charges.values() if one.currency == currency and one.in_force and one.total < 0]
        came -= sum(one.total for one in notes)
        assert sum(e.amount for e in self.entries if e.kind is Kind.REFUND and e.currency == currency) <= came

    def take_back_refund(self, pick: int, day: date) -> None:
        reversed_ones = {entry.reverses for entry in self.entries}
        paid_out = [e for e in self.entries if e.kind is Kind.REFUND and e.amount > 0]
        paid_out = [entry for entry in paid_out if entry.entry_id not in reversed_ones]
        paid_out = [entry for entry in paid_out if not entry.cause.startswith("refund purchase")]
        if paid_out:
            back = paid_out[pick % len(paid_out)]
            entry = self.account_entry(f"back {back.entry_id}", back.currency, -back.amount, day)
            self.entries.append(replace(entry, reverses=back.entry_id))
            self.conclude(day)

    @staticmethod
    def account_entry(name: str, currency: str, amount: int, day: date) -> Entry:
        return Entry(
            entry_id=uuid5(JOURNEY, name), currency=currency, kind=Kind.REFUND, amount=amount, invoice_number=None,
            cause=name, effective_on=day,
        )  # fmt: skip

    def check(self) -> None:
        books = self.books
        open_amounts = books.open_amounts
        for currency in {entry.currency for entry in self.entries}:
            mine = [number for number, charge in self.charges.items() if charge.currency == currency]
            owed = sum(self.charges[n].total for n in mine if self.charges[n].in_force)
            paid = sum(f.amount for f in self.funds.values() if f.currency == currency and f.ended_on is None)
            out = sum(e.amount for e in self.entries if e.kind is Kind.REFUND and e.currency == currency)
            back = sum(n for number, n in self.given_back.items() if number in mine)
            assert books.balance(currency) == owed - paid + out - back
            # Nothing comes from nothing: beside an invoice nobody owes more than was paid out to them.
            assert books.account(currency) <= out
            assert books.balance(currency) == sum(open_amounts[n] for n in mine) + books.account(currency)
            # What is to the customer's credit pays what is open, but for goodwill of a later day.
            later = sum(
                f.amount for f in self.funds.values()
                if f.kind is Kind.GOODWILL and f.currency == currency and f.ended_on is None
            )  # fmt: skip
            if any(open_amounts[n] > 0 for n in mine):
                assert -books.account(currency) <= later
        for number, charge in self.charges.items():
            assert 0 <= open_amounts[number] <= max(charge.total, 0) if charge.in_force else open_amounts[number] == 0
            dunning = self.dunnings[number]
            assert (dunning.stage is Stage.CLEARED) == (open_amounts[number] <= 0)
            holding = any(hold.released_at is None for hold in self.holds_of(number))
            assert dunning.held == holding
            if holding or dunning.stage is Stage.CLEARED:
                assert dunning.next_step_at is None
        reversed_ones = Counter(entry.reverses for entry in self.entries if entry.reverses)
        assert all(times == 1 for times in reversed_ones.values())
        by_id = {entry.entry_id: entry for entry in self.entries}
        assert len(by_id) == len(self.entries)
        for entry in self.entries:
            if entry.reverses:
                assert by_id[entry.reverses].amount == -entry.amount
        assert book(books, on=FIRST, journey_id=JOURNEY) == []


def charges(names: list[str]) -> st.SearchStrategy[list[Charge]]:
    def one(name: str) -> st.SearchStrategy[Charge]:
        return st.builds(
            Charge, invoice_number=st.just(name), currency=st.sampled_from(["CHF", "EUR", "JPY"]),
            total=st.integers(-500, 5000), issued_on=st.integers(0, 90).map(lambda n: FIRST + timedelta(n)),
            due_on=st.integers(0, 120).map(lambda n: FIRST + timedelta(n)),
        )  # fmt: skip

    return st.tuples(*map(one, names)).map(list)


INVOICES = ["A", "B", "C"]
FUNDS = st.builds(
    Fund, name=st.uuids().map(str), kind=st.sampled_from([Kind.PAYMENT, Kind.CREDIT, Kind.GOODWILL]),
    currency=st.sampled_from(["CHF", "EUR", "JPY"]), amount=st.integers(1, 6000),
    day=st.integers(0, 100).map(lambda n: FIRST + timedelta(n)),
    intended=st.lists(st.tuples(st.sampled_from(INVOICES), st.integers(1, 4000)), max_size=2).map(tuple),
)  # fmt: skip


def fitted(fund: Fund) -> Fund:
    """Goodwill is meant for no invoice, and no payment for more than it is."""
    if fund.kind is Kind.GOODWILL:
        return replace(fund, intended=())
    left, kept = fund.amount, []
    for number, amount in dict(fund.intended).items():
        if min(amount, left) > 0:
            kept.append((number, min(amount, left)))
            left -= kept[-1][1]
    return replace(fund, intended=tuple(kept))


def happen(history: History, what: str, pick: int, value: int) -> None:
    """A correction, its reversal, a cancellation, or the end of a payment, where there is something for it."""
    numbers, day = sorted(history.charges), FIRST + timedelta(30 + pick % 60)
    if what == "correct" and numbers:
        old = history.charges[numbers[pick % len(numbers)]]
        if old.in_force and not old.cancelled:
            new = replace(old, invoice_number=f"{old.invoice_number}-K{len(numbers)}", total=value, was_corrected=False)
            history.charges[new.invoice_number] = new
            history.charges[old.invoice_number] = replace(old, corrected_by=new.invoice_number, was_corrected=True)
    elif what == "undo":
        corrected = [one for one in history.charges.values() if one.corrected_by]
        corrected = [one for one in corrected if history.charges[one.corrected_by].in_force]
        if corrected:
            old = corrected[pick % len(corrected)]
            new = history.charges[old.corrected_by]
            history.charges[new.invoice_number] = replace(new, correction_undone=True)
            history.charges[old.invoice_number] = replace(old, corrected_by=None)
    elif what == "cancel" and numbers:
        number = numbers[pick % len(numbers)]
        history.charges[number] = replace(history.charges[number], cancelled=True)
    elif what == "hold" and numbers:
        number, now = numbers[pick % len(numbers)], datetime(2026, 2, 1, tzinfo=UTC)
        hold = Hold(
            hold_id=uuid5(JOURNEY, f"{number} {value}"), invoice_number=number, reason=HoldReason.COMPLAINT,
            case_id=uuid5(JOURNEY, str(value)), placed_at=now, placed_by="complaint",
        )  # fmt: skip
        history.holds.setdefault(f"{number} {value}", hold)
    elif what == "release" and history.holds:
        name = sorted(history.holds)[pick % len(history.holds)]
        if history.holds[name].released_at is None:
            now = datetime(2026, 2, 2, tzinfo=UTC)
            history.holds[name] = replace(history.holds[name], released_at=now, released_by="complaint")
    elif what == "refund" and history.entries:
        history.refund(f"{pick} {value} {len(history.entries)}", history.entries[-1].currency, abs(value) + 1, day)
    elif what == "give_back" and numbers:
        history.give_back(numbers[pick % len(numbers)], abs(value) + 1, day)
    elif what == "take_back":
        history.take_back_refund(pick, day)
    elif what == "repeat":
        known = list(history.entries)
        history.conclude(day)
        assert history.entries == known
    elif what == "end" and history.funds:
        name = sorted(history.funds)[pick % len(history.funds)]
        if history.funds[name].ended_on is None:
            history.funds[name] = replace(history.funds[name], ended_on=day)
    history.conclude(day)


DEEDS = ["correct", "undo", "cancel", "end", "refund", "take_back", "give_back", "hold", "release", "repeat"]
STEPS = st.lists(
    st.tuples(st.sampled_from(DEEDS), st.integers(0, 50), st.integers(-500, 5000)),
    max_size=14,
)


@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=list(HealthCheck))
@given(charges(INVOICES), st.lists(FUNDS, max_size=5), STEPS, st.randoms(use_true_random=False))
def test_sums_agree_after_every_step_of_every_history(issued: list, funds: list, steps: list, chance: object) -> None:
    things = [*issued, *map(fitted, funds), *steps]
    chance.shuffle(things)
    history = History()
    for thing in things:
        if isinstance(thing, Charge):
            history.charges.setdefault(thing.invoice_number, thing)
            history.conclude(thing.issued_on)
        elif isinstance(thing, Fund):
            history.funds[thing.name] = thing
            history.conclude(thing.day)
        else:
            happen(history, *thing)
        history.check()


@settings(max_examples=max(50, HISTORIES // 10), deadline=None, suppress_health_check=list(HealthCheck))
@given(charges(INVOICES), st.lists(FUNDS, max_size=5), st.randoms(use_true_random=False))
def test_what_is_owed_in_the_end_does_not_depend_on_the_order(issued: list, funds: list, chance: object) -> None:
    results = []
    for _ in range(3):
        things = [*issued, *map(fitted, funds)]
        chance.shuffle(things)
        history = History()
        for thing in things:
            if isinstance(thing, Charge):
                history.charges[thing.invoice_number] = thing
            else:
                history.funds[thing.name] = thing
            history.conclude(thing.issued_on if isinstance(thing, Charge) else thing.day)
        results.append(history.books.open_amounts)
    assert results[0] == results[1] == results[2]


def test_goodwill_for_the_next_period_pays_no_invoice_before_it() -> None:
    day = date(2026, 3, 2)
    this = Charge(invoice_number="A", currency="CHF", total=5000, issued_on=day, due_on=day)
    following = replace(this, invoice_number="B", issued_on=date(2026, 4, 1), due_on=date(2026, 4, 15))
    given_ = Fund(name="g", kind=Kind.GOODWILL, currency="CHF", amount=1000, day=date(2026, 4, 1))
    history = History()
    history.charges["A"], history.funds["g"] = this, given_
    history.conclude(day)
    assert history.books.open_amounts == {"A": 5000}
    assert history.books.account("CHF") == -1000
    history.charges["B"] = following
    history.conclude(date(2026, 4, 1))
    assert history.books.open_amounts == {"A": 5000, "B": 4000}


def test_what_was_paid_for_an_invoice_pays_the_one_that_replaced_it() -> None:
    day = date(2026, 3, 2)
    other = Charge(invoice_number="0", currency="CHF", total=300, issued_on=day, due_on=date(2026, 1, 1))
    old = Charge(invoice_number="A", currency="CHF", total=500, issued_on=day, due_on=day)
    paid = Fund(name="p", kind=Kind.PAYMENT, currency="CHF", amount=500, day=day, intended=(("A", 500),))
    history = History()
    history.charges |= {"0": other, "A": old}
    history.funds["p"] = paid
    history.conclude(day)
    assert history.books.open_amounts == {"0": 300, "A": 0}
    history.charges["A"] = replace(old, corrected_by="A-K1", was_corrected=True)
    history.charges["A-K1"] = replace(old, invoice_number="A-K1", total=400)
    history.conclude(day)
    # What was overpaid pays what is due first.
    assert history.books.open_amounts == {"0": 200, "A": 0, "A-K1": 0}
    assert allocate(history.books, "CHF") == {"0": 100, "A-K1": 400}
