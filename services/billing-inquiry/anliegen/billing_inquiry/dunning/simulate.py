"""What would happen to an invoice over the days, by the same rules that the timers follow. Pure: nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from uuid import UUID

from .domain import Debt, Dunning, Hold, HoldReason, Stage, Step, is_due, reconsidered, take_step
from .interest import Balance
from .rules import DunningRules

NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Change:
    """That what is owed changes on a day by so many minor units; a payment is negative."""

    on: date
    amount: int


@dataclass(frozen=True, slots=True)
class HeldDays:
    """That something holds from the beginning of a day to the beginning of another."""

    first: date
    end: date


@dataclass(frozen=True, slots=True)
class Happening:
    """What happens on a day: `began`, `step`, `held`, `released`, `cleared`."""

    at: datetime
    what: str
    level: int
    open_amount: int
    step: Step | None = None
    next_step_at: datetime | None = None


def simulate(
    *, issued_on: date, due_on: date, amount: int, business: bool, told_of_default: bool, currency: str,
    rules: DunningRules, until: date, changes: Sequence[Change] = (), held: Sequence[HeldDays] = (),
) -> list[Happening]:  # fmt: skip
    """Everything from the day of issue until the end of `until`, in its order."""

    def starts(day: date) -> datetime:
        return datetime.combine(day, time(0), tzinfo=rules.zone)

    holds = [
        Hold(
            hold_id=UUID(int=number), invoice_number="", reason=HoldReason.MANUAL, case_id=None,
            placed_at=starts(days.first), placed_by="", ends_at=starts(days.end),
        )
        for number, days in enumerate(held)
    ]  # fmt: skip
    debt = Debt(
        invoice_number="", journey_id=NOBODY, currency=currency, issued_on=issued_on, due_on=due_on, business=business,
        told_of_default=told_of_default, open_amount=amount, balances=(Balance(issued_on, amount),),
    )  # fmt: skip
    ends = starts(until + timedelta(days=1))
    moments = {starts(issued_on)} | {starts(change.on) for change in changes}
    moments |= {moment for hold in holds for moment in (hold.placed_at, hold.ends_at) if moment is not None}
    found: list[Happening] = []
    dunning: Dunning | None = None
    steps: list[Step] = []
    now = starts(issued_on)
    while now < ends:
        debt = _debt_at(debt, amount, changes, rules.day_of(now))
        known = [hold for hold in holds if hold.placed_at <= now]
        before, dunning = dunning, _conclude(dunning, debt, holds=known, steps=steps, rules=rules, now=now)
        found += _told(before, dunning, debt, now)
        if is_due(dunning, now=now):
            current = [step for step in steps if step.round == dunning.round]
            taken = any(step.lump_sum for step in steps)
            step = take_step(dunning, debt=debt, steps=current, rules=rules, now=now, lump_sum_taken=taken)
            steps.append(step)
            dunning = _conclude(dunning, debt, holds=known, steps=steps, rules=rules, now=now)
            found.append(Happening(now, "step", dunning.level, debt.open_amount, step, dunning.next_step_at))
        later = [moment for moment in moments if moment > now]
        if dunning.next_step_at is not None:
            later.append(max(dunning.next_step_at, now + timedelta(seconds=1)))
        now = min(later, default=ends)
    return found


def _conclude(
    before: Dunning | None, debt: Debt, *, holds: Sequence[Hold], steps: Sequence[Step], rules: DunningRules,
    now: datetime,
) -> Dunning:  # fmt: skip
    current = [step for step in steps if before is not None and step.round == before.round]
    return reconsidered(before, debt=debt, holds=holds, steps=current, rules=rules, now=now)


def _debt_at(debt: Debt, amount: int, changes: Sequence[Change], day: date) -> Debt:
    balances, owed = [Balance(debt.issued_on, amount)], amount
    for change in sorted(changes, key=lambda change: change.on):
        if change.on <= day:
            owed += change.amount
            # The day of a payment counts still (§ 187 BGB).
            balances.append(Balance(change.on + timedelta(days=1), owed))
    return replace(debt, open_amount=owed, balances=tuple(balances))


def _told(before: Dunning | None, after: Dunning, debt: Debt, now: datetime) -> list[Happening]:
    def happening(what: str) -> Happening:
        return Happening(now, what, after.level, debt.open_amount, None, after.next_step_at)

    cleared = after.stage is Stage.CLEARED
    if before is None or before.round != after.round:
        return [happening("began")]
    if cleared:
        return [happening("cleared")] if before.stage is not Stage.CLEARED else []
    if before.held != after.held:
        return [happening("held" if after.held else "released")]
    return []
