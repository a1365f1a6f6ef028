"""The ledger: what is owed on which invoice follows from what was told and decided, in whatever order that came. Pure.

An entry of more than nothing means that the customer owes more. Entries are added and never changed: what no longer
holds is reversed by an entry of the opposite amount, once. Nothing is moved by hand: `book` concludes which entries are
missing from all that is known, and which invoice each payment and credit pays. So the order in which payments,
invoices, corrections and returns became known makes no difference to what is owed in the end.

Who pays what: first what was paid for an invoice pays it, or what replaced it; then goodwill pays invoices from its
first day on; then the rest pays what is due first (§ 366 BGB). What is left is the account's, to the customer's credit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from itertools import count
from uuid import UUID

from anliegen.kit import ids


class Kind(StrEnum):
    """Why there is an entry."""

    INVOICE = "invoice"
    REVERSAL = "reversal"
    PAYMENT = "payment"
    PAYMENT_RETURN = "payment_return"
    CREDIT = "credit"
    GOODWILL = "goodwill"
    GOODWILL_WITHDRAWN = "goodwill_withdrawn"
    REFUND = "refund"
    ALLOCATION = "allocation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry, in minor units of its currency; without an invoice it is the account's."""

    entry_id: UUID
    currency: str
    kind: Kind
    amount: int
    invoice_number: str | None
    reverses: UUID | None = None
    cause: str
    """What it rests on: a payment's or an invoice's name."""
    effective_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """An invoice as far as the ledger needs it."""

    invoice_number: str
    currency: str
    total: int
    issued_on: date
    due_on: date
    cancelled: bool = False
    """The billing system took it back."""
    corrected_by: str | None = None
    """The invoice that stands in its place, where a correction is in force."""
    was_corrected: bool = False
    """Whether it ever was: then a cancellation of it is our own, told back."""
    correction_undone: bool = False
    """It came from a correction that was undone."""
    replaced_by: str | None = None
    """The invoice by which the billing system itself replaced it."""

    @property
    def in_force(self) -> bool:
        """Whether it is owed."""
        taken_back = self.cancelled and not self.was_corrected
        return not (taken_back or self.corrected_by or self.correction_undone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fund:
    """Something that pays: a payment, a credit or goodwill. `intended` are amounts by invoice number."""

    name: str
    kind: Kind
    currency: str
    amount: int
    day: date
    intended: tuple[tuple[str, int], ...] = ()
    ended_on: date | None = None
    """When it was returned or withdrawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Everything that is known of one customer's money."""

    charges: Mapping[str, Charge] = field(default_factory=dict)
    funds: Sequence[Fund] = ()
    entries: Sequence[Entry] = ()

    @property
    def open_amounts(self) -> dict[str, int]:
        """What is open on each known invoice: the sum of its entries."""
        found = dict.fromkeys(self.charges, 0)
        for entry in self.entries:
            if entry.invoice_number is not None:
                found[entry.invoice_number] = found.get(entry.invoice_number, 0) + entry.amount
        return found

    def account(self, currency: str) -> int:
        """What the account's own entries sum up to: below zero, it is to the customer's credit."""
        return sum(one.amount for one in self.entries if one.invoice_number is None and one.currency == currency)

    def received(self, currency: str) -> int:
        """What came in and went out beside invoices, before it is allocated: below zero, more came in."""
        return sum(
            one.amount
            for one in self.entries
            if one.invoice_number is None and one.currency == currency and one.kind is not Kind.ALLOCATION
        )

    def balance(self, currency: str) -> int:
        """All that the customer owes in this currency, or has to their credit where it is below zero."""
        return sum(one.amount for one in self.entries if one.currency == currency)

    def successor(self, invoice_number: str) -> str | None:
        """The invoice in force that stands for this one: itself, or what replaced it; None where there is none."""
        seen: set[str] = set()
        number: str | None = invoice_number
        while number is not None and number not in seen:
            seen.add(number)
            charge = self.charges.get(number)
            if charge is None:
                return None
            if charge.in_force:
                return number
            number = charge.corrected_by or charge.replaced_by
        return None


def book(books: Books, *, on: date, journey_id: UUID) -> list[Entry]:
    """The entries that are missing, so that the ledger says what is known. `on` is the day of what was told last."""
    added = [*_charges(books, on=on), *_funds(books)]
    known = Books(charges=books.charges, funds=books.funds, entries=[*books.entries, *added])
    numbers = count(len(known.entries))
    for currency in sorted({entry.currency for entry in known.entries}):
        target = allocate(known, currency)
        now = _allocated(known, currency)
        for number in sorted(target.keys() | now.keys()):
            more = target.get(number, 0) - now.get(number, 0)
            if not more:
                continue
            charge = books.charges[number]
            day = max(on, charge.issued_on)
            for where, amount in ((number, -more), (None, more)):
                entry_id = ids.derived("allocation", journey_id, next(numbers), where or "")
                added.append(
                    Entry(
                        entry_id=entry_id, currency=currency, kind=Kind.ALLOCATION, amount=amount,
                        invoice_number=where, cause=number, effective_on=day,
                    )
                )  # fmt: skip
    return added


def allocate(books: Books, currency: str) -> dict[str, int]:
    """How much of what was paid and credited goes to each invoice; an invoice below zero gives what it has."""
    charges = sorted(
        (one for one in books.charges.values() if one.in_force and one.currency == currency),
        key=lambda one: (one.due_on, one.invoice_number),
    )
    given = {one.invoice_number: min(one.total, 0) for one in charges}
    left = {one.invoice_number: max(one.total, 0) for one in charges}
    funds = sorted(
        (one for one in books.funds if one.currency == currency and one.ended_on is None),
        key=lambda one: (one.day, one.name),
    )
    goodwill = {one.name: one.amount for one in funds if one.kind is Kind.GOODWILL}
    free = max(0, -books.received(currency) - sum(given.values()) - sum(goodwill.values()))

    def pay(number: str, most: int) -> int:
        amount = min(most, left[number])
        left[number] -= amount
        given[number] += amount
        return amount

    for fund in funds:
        for wanted, amount in fund.intended:
            number = books.successor(wanted)
            if number is not None and number in left:
                free -= pay(number, min(amount, free))
    for fund in funds:
        if fund.kind is Kind.GOODWILL:
            for charge in charges:
                if charge.issued_on >= fund.day:
                    goodwill[fund.name] -= pay(charge.invoice_number, goodwill[fund.name])
    for charge in charges:
        free -= pay(charge.invoice_number, free)
    return given


def _charges(books: Books, *, on: date) -> list[Entry]:
    added = []
    for number, charge in sorted(books.charges.items()):
        chain = [e for e in books.entries if e.invoice_number == number and e.kind is not Kind.ALLOCATION]
        owed = sum(entry.amount for entry in chain)
        last = chain[-1] if chain else None
        if last is None:
            last = _entry(charge, Kind.INVOICE, charge.total, day=charge.issued_on)
            owed = charge.total
            added.append(last)
        # Of an invoice over nothing there is nothing to reverse.
        if charge.total and (owed == charge.total) != charge.in_force:
            added.append(_entry(charge, Kind.REVERSAL, -last.amount, day=max(on, charge.issued_on), of=last))
    return added


def _funds(books: Books) -> list[Entry]:
    known = {entry.entry_id for entry in books.entries}
    added = []
    ends = {Kind.PAYMENT: Kind.PAYMENT_RETURN, Kind.GOODWILL: Kind.GOODWILL_WITHDRAWN, Kind.CREDIT: Kind.REVERSAL}
    for fund in sorted(books.funds, key=lambda one: (one.day, one.name)):
        entry = Entry(
            entry_id=ids.derived("entry", fund.kind, fund.name), currency=fund.currency, kind=fund.kind,
            amount=-fund.amount, invoice_number=None, cause=fund.name, effective_on=fund.day,
        )  # fmt: skip
        if entry.entry_id not in known:
            added.append(entry)
        if fund.ended_on is not None:
            end = Entry(
                entry_id=ids.derived("reversal", entry.entry_id), currency=fund.currency, kind=ends[fund.kind],
                amount=fund.amount, invoice_number=None, reverses=entry.entry_id, cause=fund.name,
                effective_on=fund.ended_on,
            )  # fmt: skip
            if end.entry_id not in known:
                added.append(end)
    return added


def _entry(charge: Charge, kind: Kind, amount: int, *, day: date, of: Entry | None = None) -> Entry:
    entry_id = ids.derived("reversal", of.entry_id) if of else ids.derived("entry", kind, charge.invoice_number)
    return Entry(
        entry_id=entry_id, currency=charge.currency, kind=kind, amount=amount, invoice_number=charge.invoice_number,
        reverses=of.entry_id if of else None, cause=charge.invoice_number, effective_on=day,
    )  # fmt: skip


def _allocated(books: Books, currency: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in books.entries:
        if entry.kind is Kind.ALLOCATION and entry.invoice_number is not None and entry.currency == currency:
            found[entry.invoice_number] = found.get(entry.invoice_number, 0) - entry.amount
    return found
