"""Dunning as it ought to be, from the law and the terms alone: every nine o'clock is looked at, one after the other.

It shares nothing with the service but the library of holidays: no rule pack, no next day reckoned ahead, no pieces of
interest. So where both agree on a history, neither of them is likely to be wrong.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays

ZONE = ZoneInfo("Europe/Zurich")
"""Berlin's clocks show the same."""
DAY = timedelta(days=1)
RATES = {
    date(2023, 1, 1): 162, date(2023, 7, 1): 312, date(2024, 1, 1): 362, date(2024, 7, 1): 337,
    date(2025, 1, 1): 227, date(2025, 7, 1): 127,
}  # fmt: skip
"""Base rates of the Deutsche Bundesbank in basis points (§ 247 BGB)."""


@dataclass(frozen=True, eq=False)
class Law:
    """What the two packs say, written down a second time."""

    holidays: Any
    levels: tuple[tuple[str, int, int, int], ...]
    hand_over: tuple[int, int]
    rest_after_hold: int
    new_due: int
    last_of_pause: str

    @cache  # noqa: B019 - there are two of them
    def is_business_day(self, day: date) -> bool:
        return day.weekday() < 5 and day not in self.holidays

    def sends_on(self, day: date) -> bool:
        in_pause = f"{day:%m-%d}" >= "12-20" or f"{day:%m-%d}" <= self.last_of_pause
        return self.is_business_day(day) and not in_pause

    def business_day(self, day: date) -> date:
        while not self.is_business_day(day):
            day += DAY
        return day


LAWS = {
    "EUR": Law(
        holidays.country_holidays("DE"),
        (("payment_reminder", 7, 10, 0), ("first_dunning", 4, 10, 120), ("last_dunning", 4, 14, 120)), (7, 2500), 7, 14,
        "01-06",
    ),
    "CHF": Law(
        holidays.country_holidays("CH", subdiv="ZH"),
        (("payment_reminder", 10, 10, 0), ("dunning", 5, 10, 2000)), (10, 5000), 10, 20, "01-03",
    ),
}  # fmt: skip


# What ought to be -----------------------------------------------------------------------------------------------------
@dataclass
class Reckoned:
    """The dunning of one invoice as it ought to be: every nine o'clock is looked at, one after the other."""

    number: str
    currency: str
    issued_on: date
    due_on: date
    business: bool
    told: bool
    began: datetime
    entries: list[tuple[date, int]] = field(default_factory=list)
    round: int = 1
    deadline: date = date.min
    cleared: bool = False
    steps: list[dict[str, Any]] = field(default_factory=list)
    every_step: list[dict[str, Any]] = field(default_factory=list)
    missed: bool = False

    @property
    def law(self) -> Law:
        return LAWS[self.currency]

    @property
    def open(self) -> int:
        return sum(amount for _, amount in self.entries)

    @property
    def handed_over(self) -> bool:
        return len(self.steps) > len(self.law.levels)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to go out as it stands: it is paid, handed over, or too little."""
        least = 500 if len(self.steps) < len(self.law.levels) else self.law.hand_over[1]
        return self.cleared or self.handed_over or self.open < least

    @property
    def stage(self) -> str:
        steps = "handed_over" if self.handed_over else "dunned" if self.steps else "watched"
        return "cleared" if self.cleared else steps

    def owe(self, entries: list[tuple[date, int]], now: datetime) -> None:
        """What is owed has become this."""
        first, self.entries = not self.entries and self.deadline == date.min, entries
        if first:
            self.deadline = self.due_on
        elif self.cleared and self.open > 0:
            self.round, self.steps, self.began = self.round + 1, [], now
            self.deadline = max(self.due_on, now.astimezone(ZONE).date() + timedelta(days=self.law.new_due))
        self.cleared = self.open <= 0
        self.missed &= not self.cleared

    def may_go_out(self, nine: datetime, free_since: datetime | None) -> bool:
        """Whether the next step is due at nine o'clock of a day on which nothing holds."""
        if self.is_over:
            return False
        level = len(self.steps)
        last = level == len(self.law.levels)
        wait = self.law.hand_over[0] if last else self.law.levels[level][1]
        rested = free_since is None or nine >= free_since + timedelta(days=self.law.rest_after_hold)
        waited_from = self.steps[-1]["pay_by"] if self.steps else self.deadline
        day = nine.astimezone(ZONE).date()
        return rested and nine >= self.began and day >= waited_from + timedelta(days=wait) and self.law.sends_on(day)

    def take_step(self, now: datetime) -> None:
        """The next step goes out now."""
        day, level = now.astimezone(ZONE).date(), len(self.steps)
        last = level == len(self.law.levels)
        name, _, pay_within, fee = ("hand_over", 0, 0, 0) if last else self.law.levels[level]
        default = min(self.defaults(), default=date.max)
        late = default <= day
        before = self.steps[-1] if self.steps else {"fee": 0, "lump_sum": 0}
        fined = late and self.business and self.currency == "EUR" and not any(s["lump_sum"] for s in self.every_step)
        step = {
            "round": self.round, "level": level + 1, "name": name, "open_amount": self.open,
            "pay_by": None if last else self.law.business_day(day + timedelta(days=pay_within)),
            "fee": before["fee"] + fee * late, "lump_sum": before["lump_sum"] + 4000 * fined,
            "interest": self.interest(default, day) if late else 0, "default_since": default if late else None,
            "on": day,
        }  # fmt: skip
        self.steps.append(step)
        self.every_step.append(step)
        self.missed = False

    def defaults(self) -> list[date]:
        """The days on which default could have begun."""
        if self.currency == "CHF":
            return [self.deadline + DAY]
        found = [self.steps[0]["on"] + 4 * DAY] if self.steps else []
        if self.business or self.told:
            found.append(self.law.business_day(max(self.deadline, self.issued_on) + 30 * DAY) + DAY)
        return found

    def interest(self, first: date, last: date) -> int:
        """Day by day, in fractions of a cent."""
        owed, day = Fraction(0), first
        while day <= last:
            principal = max(sum(amount for on, amount in self.entries if on < day), 0)
            rate = 500
            if self.currency == "EUR":
                rate = RATES[max(since for since in RATES if since <= day)] + (900 if self.business else 500)
            owed += Fraction(principal * rate, 365 * 10_000)
            day += DAY
        return int(owed + Fraction(1, 2))
