"""A pack tried on past invoices: which reminders they would have come to, and what these would have asked for. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from .domain import Step
from .rules import Amounts, Currency, DunningRules
from .simulate import Change, HeldDays, simulate


def _pairs(separator: str) -> Callable[[Any], Any]:
    def split(value: Any) -> Any:
        return [part.split(separator) for part in value.split()] if isinstance(value, str) else value

    return split


class PastInvoice(BaseModel):
    """An invoice as a file tells of it; amounts in minor units."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: str = Field(default="", max_length=60)
    currency: Currency
    amount: int = Field(ge=-(10**15), le=10**15)
    issued_on: date
    due_on: date
    business: bool = False
    told_of_default: bool = False
    changes: Annotated[tuple[tuple[date, int], ...], BeforeValidator(_pairs("="))] = ()
    """Days on which what is owed changed: `2026-03-10=-5000` is a payment."""
    held: Annotated[tuple[tuple[date, date], ...], BeforeValidator(_pairs(".."))] = ()
    """Days on which something held it, the second one not among them: `2026-02-16..2026-03-02`."""


@dataclass(kw_only=True)
class Result:
    """What a pack made of the invoices in one currency."""

    pack: str
    currency: str
    invoices: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    """Fees, interest and lump sums, in minor units, as the last reminder of each round asks for them."""
    handed_over: int = 0
    carried_on: int = 0
    """How many steps rest on a base rate that was not published for their day."""


def steps_of(invoice: PastInvoice, rules: DunningRules, *, days: int) -> list[Step]:
    """The reminders of one invoice within so many days of its issue."""
    happenings = simulate(
        issued_on=invoice.issued_on, due_on=invoice.due_on, amount=invoice.amount, business=invoice.business,
        told_of_default=invoice.told_of_default, currency=invoice.currency, rules=rules,
        until=invoice.issued_on + timedelta(days=days), changes=[Change(*one) for one in invoice.changes],
        held=[HeldDays(*one) for one in invoice.held],
    )  # fmt: skip
    return [one.step for one in happenings if one.step is not None]


def results_of(
    invoices: Iterable[PastInvoice], rules_for: Callable[[str], DunningRules | None], *, days: int
) -> dict[str, Result]:
    """By currency, what comes of the invoices; those in a currency without a pack are left out."""
    found: dict[str, Result] = {}
    for invoice in invoices:
        rules = rules_for(invoice.currency)
        if rules is None:
            continue
        result = found.setdefault(invoice.currency, Result(pack=rules.pack, currency=invoice.currency))
        _add(result, steps_of(invoice, rules, days=days), rules)
    return found


def _add(result: Result, steps: Sequence[Step], rules: DunningRules) -> None:
    result.invoices += 1
    result.steps.update(step.name for step in steps)
    last_of_round = {step.round: step for step in steps}.values()
    amounts: Amounts = {name: sum(getattr(s, name) for s in last_of_round) for name in ("fee", "interest", "lump_sum")}
    result.asked.update(amounts)
    result.handed_over += sum(step.open_amount for step in steps if step.level > len(rules.levels))
    result.carried_on += sum(rules.is_provisional(step.interest, rules.day_of(step.reached_at)) for step in steps)
