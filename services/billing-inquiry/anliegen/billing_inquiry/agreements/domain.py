"""An agreement on paying later: its instalments, whether they are kept, and what is to be done next. Pure.

A promise to pay is an agreement of one instalment, which may be a part of what is owed; a plan covers all of it.
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo

from anliegen.kit.errors import Conflict, Invalid, NotFound

from .rules import AgreementRules

ZONE = ZoneInfo("Europe/Zurich")
MORNING = time(9)


class AgreementNotFound(NotFound):
    """There is no agreement with this id, or it is not yours to see."""


class AgreementOver(Conflict):
    """The agreement was kept, broken or cancelled already."""


class AgreementInForce(Conflict):
    """There is an agreement on this invoice already: cancel it before another one is made."""


class NothingToAgree(Conflict):
    """Nothing is owed on this invoice."""


class InstalmentsWrong(Invalid):
    """These instalments cannot be agreed."""


class InquiryOfSomebodyElse(Invalid):
    """The inquiry is not by the person to whom the invoice belongs: link the journeys first."""


class Kind(StrEnum):
    """What was agreed."""

    PLAN = "plan"
    PROMISE_TO_PAY = "promise_to_pay"


class State(StrEnum):
    """How an agreement stands."""

    ACTIVE = "active"
    KEPT = "kept"
    BROKEN = "broken"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Instalment:
    """An amount in minor units, and the day until which it is paid."""

    due_on: date
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A plan or a promise about one invoice. `version` rises with every change that a reader can see."""

    agreement_id: UUID
    kind: Kind
    invoice_number: str
    journey_id: UUID
    case_id: UUID
    currency: str
    open_at_start: int
    instalments: tuple[Instalment, ...]
    agreed_at: datetime
    agreed_by: str
    pack: str
    state: State = State.ACTIVE
    paid: int = 0
    reminded: int = 0
    """How many instalments the customer was reminded of."""
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_because: str | None = None
    """Why somebody took it back, as a code."""
    version: int = 1

    @property
    def amount(self) -> int:
        """What was agreed in all."""
        return sum(instalment.amount for instalment in self.instalments)

    def owed_by(self, number: int) -> int:
        """What has to be paid with the first `number` instalments."""
        return sum(instalment.amount for instalment in self.instalments[:number])

    @property
    def next_instalment(self) -> tuple[int, Instalment] | None:
        """The first instalment that is not paid in full, counted from 1; None once all are."""
        for number, instalment in enumerate(self.instalments, start=1):
            if self.paid < self.owed_by(number):
                return number, instalment
        return None

    def reviewed(self, *, open_amount: int, now: datetime, rules: AgreementRules) -> Self:
        """How it stands, given what is owed on the invoice: kept, broken, or still active.

        What was paid is what is owed less than at the start; a payment that came back counts as not paid. An instalment
        is missed some days after its own, and a payment that came before that was noticed keeps it.
        """
        if self.state is not State.ACTIVE:
            return self
        known = replace(self, paid=max(self.open_at_start - open_amount, 0))
        if open_amount <= 0 or known.next_instalment is None:
            return known._ended(State.KEPT, at=now, by="payment")
        if known.missed_at(rules) <= now:
            return known._ended(State.BROKEN, at=now, by="time")
        return known if known == self else replace(known, version=self.version + 1)

    def missed_at(self, rules: AgreementRules) -> datetime:
        """When the next unpaid instalment counts as missed: at the end of the last day of grace."""
        upcoming = self.next_instalment
        day = upcoming[1].due_on if upcoming else self.instalments[-1].due_on
        return _at(day + timedelta(days=rules.grace_days + 1), time(0))

    def reminder_at(self, rules: AgreementRules) -> datetime | None:
        """When the customer is to be reminded of the next unpaid instalment; None where that was done."""
        upcoming = self.next_instalment
        if upcoming is None or upcoming[0] <= self.reminded:
            return None
        return _at(upcoming[1].due_on - timedelta(days=rules.remind_days_before), MORNING)

    def next_look_at(self, rules: AgreementRules, *, now: datetime) -> datetime | None:
        """When time brings something next; None once it is over."""
        if self.state is not State.ACTIVE:
            return None
        missed, reminder = self.missed_at(rules), self.reminder_at(rules)
        return min(missed, max(reminder, now)) if reminder is not None else missed

    def reminded_of_next(self) -> Self:
        """The customer was reminded of the next instalment."""
        upcoming = self.next_instalment
        return replace(self, reminded=upcoming[0] if upcoming else self.reminded, version=self.version + 1)

    def cancelled(self, *, at: datetime, by: str, reason: str) -> Self:
        """It is taken back for this reason. Raises AgreementOver."""
        if self.state is not State.ACTIVE:
            raise AgreementOver
        return replace(self._ended(State.CANCELLED, at=at, by=by), ended_because=reason)

    def _ended(self, state: State, *, at: datetime, by: str) -> Self:
        return replace(self, state=state, ended_at=at, ended_by=by, version=self.version + 1)


def equal_instalments(amount: int, *, count: int, first_on: date) -> tuple[Instalment, ...]:
    """`count` instalments a month apart, of one amount; what does not divide is in the first one.

    A day that a month does not have becomes its last one: 31 January, 28 February, 31 March. Raises InstalmentsWrong.
    """
    if count < 1 or amount < count:
        raise InstalmentsWrong
    each, rest = divmod(amount, count)
    return tuple(
        Instalment(_months_after(first_on, number), each + (rest if number == 0 else 0)) for number in range(count)
    )


def check_instalments(
    kind: Kind, instalments: Sequence[Instalment], *, open_amount: int, currency: str, today: date,
    rules: AgreementRules,
) -> None:  # fmt: skip
    """Raise InstalmentsWrong or NothingToAgree where this cannot be agreed, saying what is wrong."""
    if open_amount <= 0:
        raise NothingToAgree
    total = sum(instalment.amount for instalment in instalments)
    days = [instalment.due_on for instalment in instalments]
    smallest = min(rules.smallest_instalment.get(currency, 1), open_amount)
    wrong = {
        "no instalment": not instalments,
        f"more than {rules.most_instalments} instalments": len(instalments) > rules.most_instalments,
        "an instalment of nothing or less": any(instalment.amount <= 0 for instalment in instalments),
        "the days do not rise": days != sorted(set(days)),
        "a day that has passed": any(day < today for day in days),
        "more than is owed": total > open_amount,
    }
    if kind is Kind.PLAN:
        wrong |= {
            "less than is owed": total < open_amount,
            "the first is too late": bool(days) and days[0] > today + timedelta(days=rules.first_within_days),
            "an instalment is too small": any(instalment.amount < smallest for instalment in instalments),
        }
    else:
        wrong |= {
            "a promise has one day": len(instalments) != 1,
            "the day is too late": bool(days) and days[-1] > today + timedelta(days=rules.promise_within_days),
        }
    found = [text for text, is_so in wrong.items() if is_so]
    if found:
        raise InstalmentsWrong(f"{InstalmentsWrong.__doc__} {'; '.join(found)}.")


def today_of(now: datetime) -> date:
    """The day it is where agreements are made."""
    return now.astimezone(ZONE).date()


def _at(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, tzinfo=ZONE)


def _months_after(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, min(first.day, calendar.monthrange(year, month + 1)[1]))
