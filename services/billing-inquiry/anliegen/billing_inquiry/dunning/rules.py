"""The rule packs of dunning: levels, days, fees, default, interest, pauses. One for each law, as data."""

import re
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import cached_property
from importlib.resources import files
from itertools import pairwise
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from anliegen.kit.calendars import Calendar

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Amounts = dict[Currency, Annotated[int, Field(ge=0)]]
Days = Annotated[int, Field(ge=0, le=3650)]
BasisPoints = Annotated[int, Field(ge=-10_000, le=10_000)]
Source = Annotated[str, Field(min_length=1)]
LONGEST_PAUSE = 60
HALF_YEARS = ((1, 1), (7, 1))


class PackPart(BaseModel):
    """A piece of a pack."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Pause(PackPart):
    """Days of each year on which nobody is dunned, both counted; it may go over the end of a year."""

    first: str = Field(pattern=r"^\d\d-\d\d$")
    last: str = Field(pattern=r"^\d\d-\d\d$")
    why: str = Field(min_length=1)

    def covers(self, day: date) -> bool:
        """Whether this day is one of them."""
        mark = f"{day:%m-%d}"
        if self.first <= self.last:
            return self.first <= mark <= self.last
        return mark >= self.first or mark <= self.last


class SendingRule(PackPart):
    """When steps are taken: on business days of this country, at this time of its zone, outside the pauses."""

    country: str = Field(pattern=r"^[A-Z]{2}$")
    subdivision: str | None = None
    zone: str
    send_at: time
    pauses: tuple[Pause, ...] = ()


class DefaultRule(PackPart):
    """When a customer is in default, which fees and interest need."""

    source: Source
    at_due_date: bool
    """The due date was agreed, so default begins with the day after it, without any reminder."""
    days_after_due: Days | None = None
    """So many days after due date and invoice default begins by itself; None: never."""
    consumer_must_be_told: bool
    """A consumer only where the invoice said so."""
    reminder_reaches_after_days: Days
    """A reminder brings about default once it was received: so long the post is given."""


class BaseRate(PackPart):
    """The base rate from this day on, in basis points."""

    valid_from: date
    rate: BasisPoints


class InterestRule(PackPart):
    """Base rate and points on top, in basis points a year."""

    source: Source
    points_consumer: BasisPoints
    points_business: BasisPoints
    days_in_year: Literal["365", "actual"]
    half_yearly: bool
    """The base rate is published for each half-year; beyond the last one it is carried on, and said to be."""
    base: tuple[BaseRate, ...] = Field(min_length=1)

    @field_validator("base")
    @classmethod
    def _refuse_disorder(cls, base: tuple[BaseRate, ...]) -> tuple[BaseRate, ...]:
        if any(later.valid_from <= earlier.valid_from for earlier, later in pairwise(base)):
            raise ValueError("base rates stand in the order of their days")
        return base

    def base_on(self, day: date) -> tuple[int, bool]:
        """The base rate of this day, and whether it was published for it. Before the first one that one counts."""
        known = [rate for rate in self.base if rate.valid_from <= day] or [self.base[0]]
        return known[-1].rate, not self.half_yearly or day < _next_half_year(self.base[-1].valid_from)

    def missing_since(self, day: date) -> date | None:
        """From which day on the base rate of this day's half-year is missing; None where it is there."""
        return None if self.base_on(day)[1] else _next_half_year(self.base[-1].valid_from)

    def unpublished_from(self, until: date) -> Iterator[date]:
        """The first day without a published rate, if it comes by `until`."""
        first = _next_half_year(self.base[-1].valid_from)
        if self.half_yearly and first <= until:
            yield first

    def days_of(self, year: int) -> int:
        """How many days a year has for interest."""
        return 365 if self.days_in_year == "365" else (date(year + 1, 1, 1) - date(year, 1, 1)).days


class Level(PackPart):
    """One reminder: so many days after the due date or after the deadline of the one before."""

    name: str = Field(pattern=r"^[a-z][a-z_]*$")
    after_days: Days
    pay_within_days: Annotated[int, Field(gt=0, le=365)]
    fee: Amounts = {}
    """Per currency, and only of a customer who is in default."""


class HandOver(PackPart):
    """When the claim goes to collection: so many days after the last deadline, and only from these amounts on."""

    after_days: Days
    minimum: Amounts = {}


class DunningRules(PackPart):
    """One version of a pack."""

    name: str = Field(pattern=r"^[a-z][a-z_]*$")
    version: int = Field(ge=1)
    valid_from: date
    owner: str = Field(min_length=1)
    source: Source
    currencies: tuple[Currency, ...]
    """Invoices in these currencies are dunned by it."""
    sending: SendingRule
    default: DefaultRule
    interest: InterestRule
    lump_sum: Amounts = {}
    """Once, of a business that is in default (§ 288(5) BGB)."""
    minimum: Amounts = {}
    """Below this nobody is reminded."""
    after_hold_days: Days
    """A customer whose matter was settled has so long to pay before dunning goes on."""
    new_due_days: Days
    """An invoice that is open again, since a payment was returned or a correction undone, is due so much later."""
    levels: tuple[Level, ...] = Field(min_length=1)
    hand_over: HandOver

    @model_validator(mode="after")
    def _refuse_a_senseless_pack(self) -> Self:
        if self.levels[0].fee:
            raise ValueError("the first reminder comes before default, so it costs nothing")
        if len({level.name for level in self.levels}) != len(self.levels):
            raise ValueError("two levels have one name")
        for currency in {name for level in self.levels for name in level.fee}:
            fees = [level.fee.get(currency, 0) for level in self.levels]
            if fees != sorted(fees):
                raise ValueError(f"a later reminder costs less than an earlier one in {currency}")
        self.sending_moment(date(self.valid_from.year, 1, 1))
        return self

    @property
    def pack(self) -> str:
        """The pack and its version, as it is recorded with every step."""
        return f"{self.name}/{self.version}"

    @cached_property
    def zone(self) -> ZoneInfo:
        """Where its days begin."""
        return ZoneInfo(self.sending.zone)

    @cached_property
    def _calendar(self) -> Calendar:
        return Calendar(country=self.sending.country, subdivision=self.sending.subdivision, zone=self.sending.zone)

    def is_provisional(self, interest: int, day: date) -> bool:
        """Whether interest up to this day rests on a base rate that was carried on, since none is published for it."""
        return interest > 0 and self.interest.missing_since(day) is not None

    def day_of(self, moment: datetime) -> date:
        """The day that it is in the pack's zone."""
        return moment.astimezone(self.zone).date()

    def closed_on(self, day: date) -> str | None:
        """Why no step is taken on this day; None where one may be."""
        pause = next((pause.why for pause in self.sending.pauses if pause.covers(day)), None)
        return pause or self.no_business_on(day)

    def no_business_on(self, day: date) -> str | None:
        """Why this is no business day, which moves the end of a period (§ 193 BGB); None where it is one."""
        looked_at = self._calendar.look_at(day)
        return None if looked_at.counts else looked_at.why

    def business_day(self, day: date) -> date:
        """This day, or the next business day."""
        return self._first_open(day, pauses=False)

    def sending_moment(self, day: date, *, not_before: datetime | None = None) -> datetime:
        """When a step of this day is taken: at the sending time of the first open day, not before this moment."""
        if not_before is not None:
            day = max(day, self.day_of(not_before))
        moment = self._sends(self._first_open(day, pauses=True))
        if not_before is not None and moment < not_before:
            moment = self._sends(self._first_open(day + timedelta(days=1), pauses=True))
        return moment

    def skipped(self, wanted: date, taken: date) -> list[tuple[date, str]]:
        """The days from `wanted` on that were passed over until `taken`, each with the reason."""
        days = (wanted + timedelta(days=n) for n in range(max((taken - wanted).days, 0)))
        return [(day, self.closed_on(day) or "the time of sending had passed, or a wait was not over") for day in days]

    def _sends(self, day: date) -> datetime:
        return datetime.combine(day, self.sending.send_at, tzinfo=self.zone)

    def _first_open(self, day: date, *, pauses: bool) -> date:
        closed = self.closed_on if pauses else self.no_business_on
        for n in range(LONGEST_PAUSE):
            candidate = day + timedelta(days=n)
            if closed(candidate) is None:
                return candidate
        raise ValueError(f"{self.pack} knows no open day within {LONGEST_PAUSE} days of {day}")


def _next_half_year(day: date) -> date:
    firsts = [date(year, month, on) for year in (day.year, day.year + 1) for month, on in HALF_YEARS]
    return min(first for first in firsts if first > day)


def read_pack(text: str) -> DunningRules:
    """The pack in this TOML text. Raises ValueError where it is not one."""
    return DunningRules.model_validate(tomllib.loads(text))


def _read_all() -> tuple[DunningRules, ...]:
    folder = files("anliegen.billing_inquiry") / "rules"
    names = sorted(file.name for file in folder.iterdir() if re.fullmatch(r"dunning_[a-z]+\.toml", file.name))
    packs = tuple(read_pack((folder / name).read_text(encoding="utf-8")) for name in names)
    taken = [currency for pack in packs for currency in pack.currencies]
    if len(taken) != len(set(taken)):
        raise ValueError("two dunning packs claim one currency")
    return packs


PACKS = _read_all()
"""The packs in force. They are read when the process starts, which a broken pack prevents."""


def rules_for(currency: str) -> DunningRules | None:
    """The pack that invoices in this currency are dunned by; None: nobody is dunned in it."""
    return next((pack for pack in PACKS if currency in pack.currencies), None)
