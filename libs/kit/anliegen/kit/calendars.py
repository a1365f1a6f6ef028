"""Business days: which days count in a country, by name, and what moment of a zone they end at. Pure, to the minute.

Public holidays come from the library holidays (MIT), which knows countries and their parts; names are English where it
has them so, else in the language of the country. Days are days of the calendar's zone, so one that has 23 or 25 hours
is still one day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import count
from zoneinfo import ZoneInfo

import holidays

DAY = timedelta(days=1)
WEEKEND = "weekend"


@dataclass(frozen=True, slots=True)
class Day:
    """One day that was looked at: whether it counts, and why not (`weekend`, or the holiday's name)."""

    date: date
    counts: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The business days of a country, or of a part of it, in a zone.

    `country` is ISO 3166-1, `subdivision` a code of ISO 3166-2 without the country (`BY`, `ENG`), `zone` an IANA name.
    `closes` is the local time at which a business day ends; where it is None, a day ends with the day.
    """

    country: str
    zone: str
    subdivision: str | None = None
    closes: time | None = None

    def __post_init__(self) -> None:
        """Refuse a calendar that nobody can count by. Raises ValueError, KeyError or NotImplementedError."""
        ZoneInfo(self.zone)
        _holidays(self.country, self.subdivision, 2026)

    def date_of(self, moment: datetime) -> date:
        """The day of the zone that this moment lies in."""
        return moment.astimezone(ZoneInfo(self.zone)).date()

    def look_at(self, day: date) -> Day:
        """Whether it is a business day, and if not, why."""
        known = _holidays(self.country, self.subdivision, day.year)
        if name := known.get(day):
            return Day(day, False, name)
        if known.is_weekend(day) and not known.is_working_day(day):
            return Day(day, False, WEEKEND)
        return Day(day, True)

    def days_after(self, moment: datetime) -> Iterator[Day]:
        """The days after the one that the moment lies in, without end."""
        first = self.date_of(moment)
        return (self.look_at(first + n * DAY) for n in count(1))

    def end_of_day(self, day: date) -> datetime:
        """When that day ends: at its close, else with the midnight after it. In UTC."""
        if self.closes is None:
            return self._at(day + DAY, time())
        return self._at(day, self.closes)

    def start_of_day(self, day: date) -> datetime:
        """When that day begins, in UTC."""
        return self._at(day, time())

    def add_business_days(self, moment: datetime, number: int) -> datetime:
        """The end of the business day that is `number` business days after the day of the moment, in UTC."""
        if number < 1:
            raise ValueError("a number of business days is at least 1")
        counted = 0
        for day in self.days_after(moment):
            counted += day.counts
            if counted == number:
                return self.end_of_day(day.date)
        raise AssertionError("days have no end")

    def business_days_between(self, earlier: datetime, later: datetime) -> int:
        """How many business days come after the day of `earlier`, up to and with the day of `later`; at least 0."""
        return sum(day.counts for day in self.explain(earlier, later))

    def explain(self, earlier: datetime, later: datetime) -> list[Day]:
        """Every day after that of `earlier` up to and with that of `later`: whether it counts, and why not."""
        last = self.date_of(later)
        days: list[Day] = []
        for day in self.days_after(earlier):
            if day.date > last:
                return days
            days.append(day)
        raise AssertionError("days have no end")

    def _at(self, day: date, hour: time) -> datetime:
        # A time that the clocks skip in spring is read as the one an hour on, by way of UTC; of two the first counts.
        return datetime.combine(day, hour, ZoneInfo(self.zone)).astimezone(UTC)


@cache
def _holidays(country: str, subdivision: str | None, year: int) -> holidays.HolidayBase:
    return holidays.country_holidays(country, subdiv=subdivision, years=year, expand=False, language="en_US")
