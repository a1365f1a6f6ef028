"""What a correction would be: the invoice, what becomes open, what is credited, and the letter. Pure.

The same draft is shown by the preview, is written into the document, and is carried out: the command makes it again
under the lock, and goes on only where it is still the same.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from anliegen.events import InvoiceLine, Money
from anliegen.kit.wording import amount_text, date_text, money_text, share_text

from .domain import Books, Charge, book
from .records import Invoice, InvoiceNotInForce, LineNamedTwice, LineUnknown, NothingCorrected
from .rules import CorrectionRules

TITLES: Mapping[str, str] = {"de": "Rechnung", "en": "Invoice", "fr": "Facture", "it": "Fattura"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChange:
    """How one line should have been. What is None stays; `net` in minor units, `tax_rate` in basis points."""

    line_id: str
    net: int | None = None
    tax_rate: int | None = None
    text: str | None = None
    quantity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a correction comes to."""

    invoice: Invoice
    corrected_lines: tuple[str, ...]
    difference: Money
    open_amount: Money
    account_credit: Money
    goodwill: Money | None


def draft_correction(
    books: Books, invoice: Invoice, changes: Sequence[LineChange], *, rules: CorrectionRules, today: date
) -> Draft:
    """What it comes to. Raises InvoiceNotInForce, LineUnknown, LineNamedTwice, NothingCorrected."""
    charge = books.charges[invoice.invoice_number]
    if not charge.in_force:
        raise InvoiceNotInForce
    lines = corrected(invoice.lines, changes)
    changed = tuple(new.line_id for old, new in zip(invoice.lines, lines, strict=True) if old != new)
    if not changed:
        raise NothingCorrected
    root = re.sub(r"-K\d+$", "", invoice.invoice_number)
    times = sum(re.fullmatch(rf"{re.escape(root)}-K\d+", number) is not None for number in books.charges)
    right = replace(
        invoice,
        invoice_number=f"{root}-K{times + 1}",
        issued_on=today,
        due_on=max(invoice.due_on, today + timedelta(days=rules.pay_within_days)),
        total=sum(line.gross for line in lines),
        replaces=invoice.invoice_number,
        lines=lines,
        document=None,
        version=1,
    )
    new = Charge(
        invoice_number=right.invoice_number, currency=right.currency, total=right.total, issued_on=today,
        due_on=right.due_on,
    )  # fmt: skip
    old = replace(charge, corrected_by=new.invoice_number, was_corrected=True)
    then = Books(
        charges={**books.charges, old.invoice_number: old, new.invoice_number: new},
        funds=books.funds, entries=books.entries,
    )  # fmt: skip
    then = replace(then, entries=[*books.entries, *book(then, on=today, journey_id=invoice.journey_id)])
    difference = invoice.money(invoice.total - right.total)
    return Draft(
        invoice=right,
        corrected_lines=changed,
        difference=difference,
        open_amount=invoice.money(then.open_amounts[right.invoice_number]),
        account_credit=invoice.money(max(0, -then.account(invoice.currency))),
        goodwill=rules.goodwill_for(difference),
    )


def corrected(lines: Sequence[InvoiceLine], changes: Sequence[LineChange]) -> tuple[InvoiceLine, ...]:
    """The lines as they should have been; tax is reckoned from net and rate. Raises LineUnknown, LineNamedTwice."""
    wanted = {change.line_id: change for change in changes}
    if len(wanted) < len(changes):
        raise LineNamedTwice
    if not wanted.keys() <= {line.line_id for line in lines}:
        raise LineUnknown
    return tuple(_corrected(line, wanted[line.line_id]) if line.line_id in wanted else line for line in lines)


def document_values(draft: Draft, *, rules: CorrectionRules, language: str) -> dict[str, Any]:
    """What the template of an invoice is given: everything as people read it in this language."""
    invoice = draft.invoice
    paid = invoice.total - draft.open_amount.amount
    iban = rules.accounts.get(invoice.currency)
    by_rate = groupby(sorted(invoice.lines, key=lambda line: line.tax_rate), key=lambda line: line.tax_rate)

    def money(amount: int) -> str:
        return money_text(invoice.money(amount), language=language)

    def amount(amount: int) -> str:
        return amount_text(invoice.money(amount), language=language)

    period = [date_text(day, language=language) for day in (invoice.period_from, invoice.period_until) if day]
    return {
        "sender": rules.sender.model_dump(),
        "recipient": list(invoice.recipient),
        "date": date_text(invoice.issued_on, language=language),
        "subject": f"{TITLES[language]} {invoice.invoice_number}",
        "number": invoice.invoice_number,
        "customer_number": invoice.customer_number,
        "issued_on": date_text(invoice.issued_on, language=language),
        "due_on": date_text(invoice.due_on, language=language),
        "period": " – ".join(period) or None,
        "replaces": invoice.replaces,
        "currency": invoice.currency,
        "lines": [
            {
                "text": line.text, "quantity": line.quantity, "rate": share_text(line.tax_rate, language=language),
                "net": amount(line.net), "gross": amount(line.gross),
                "corrected": line.line_id in draft.corrected_lines,
            }
            for line in invoice.lines
        ],
        "net": money(sum(line.net for line in invoice.lines)),
        "taxes": [
            {"rate": share_text(rate, language=language), "amount": money(sum(line.tax for line in of_rate))}
            for rate, of_rate in by_rate
        ],
        "total": money(invoice.total),
        "paid": money(paid) if paid else None,
        "open": money(draft.open_amount.amount),
        "credit": money(draft.account_credit.amount) if draft.account_credit.amount else None,
        "payment": {"payee": rules.sender.name, "iban": iban, "amount": money(draft.open_amount.amount)}
        if iban and draft.open_amount.amount > 0
        else None,
    }  # fmt: skip


def _corrected(line: InvoiceLine, change: LineChange) -> InvoiceLine:
    net = line.net if change.net is None else change.net
    rate = line.tax_rate if change.tax_rate is None else change.tax_rate
    # A line whose amounts are right keeps the tax as the billing system rounded it.
    same = (net, rate) == (line.net, line.tax_rate)
    tax = line.tax if same else Money(amount=net, currency="XXX").share(rate).amount
    text, quantity = change.text or line.text, change.quantity or line.quantity
    return InvoiceLine(
        line_id=line.line_id, text=text, quantity=quantity, net=net, tax_rate=rate, tax=tax, gross=net + tax
    )
