"""How a legal clock stands: a pure function of its rule and of what happened, in whatever order that became known.

A day counts where the calendar counts it and the clock runs when the day ends. The day of receipt is day 0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from anliegen.kit.calendars import Calendar, Day
from anliegen.kit.errors import NotFound

from .packs import ClockRule, Counts, Fact

PAUSED = "paused"
MOST_DAYS = 1500
"""A clock that was paused for longer is not reckoned on: it has no end in sight."""


class ClockNotFound(NotFound):
    """There is no clock with this id on this complaint, or it is not yours to see."""


class Stage(StrEnum):
    """How a clock stands."""

    RUNNING = "running"
    PAUSED = "paused"
    WARNED = "warned"
    BREACHED = "breached"
    MET = "met"
    STOPPED = "stopped"


ENDED = frozenset({Stage.MET, Stage.STOPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The customer was waited for: from `began_at`, to `ended_at` if it is over."""

    began_at: datetime
    ended_at: datetime | None = None

    def covers(self, moment: datetime) -> bool:
        """Whether it lasted at this moment."""
        return self.began_at <= moment and (self.ended_at is None or moment < self.ended_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What happened as far as clocks go by it."""

    started_at: datetime
    facts: Mapping[Fact, datetime]
    pauses: tuple[Pause, ...] = ()
    stopped_at: datetime | None = None
    """When the matter ended without what the rule asks for: withdrawn, transferred, or under other rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedDay:
    """One day of the explanation: the how manieth it is, or why it does not count."""

    date: date
    number: int | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a clock stands at a moment. `due_at` is None while it is paused; then nobody can know it."""

    stage: Stage
    days: int
    due_at: datetime | None
    warns_at: datetime | None
    ended_at: datetime | None = None

    def next_at(self, now: datetime) -> datetime | None:
        """When it will stand otherwise by itself."""
        if self.stage in ENDED or self.stage is Stage.BREACHED:
            return None
        coming = [moment for moment in (self.warns_at, self.due_at) if moment is not None and moment > now]
        return min(coming, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """One clock of one complaint, as it was last announced."""

    clock_id: UUID
    case_id: UUID
    pack: str
    rule: str
    country: str
    started_at: datetime
    stage: Stage
    due_at: datetime | None
    warned: bool = False
    breached_at: datetime | None = None
    ended_at: datetime | None = None
    stopped_at: datetime | None = None

    def standing(self, standing: Standing) -> Self:
        """The clock as it stands now."""
        breached_at = standing.due_at if standing.stage is Stage.BREACHED else None
        return replace(
            self,
            stage=standing.stage,
            due_at=standing.due_at,
            warned=self.warned or standing.stage is Stage.WARNED,
            breached_at=breached_at,
            ended_at=standing.ended_at,
        )


def reckon(rule: ClockRule, calendar: Calendar, history: History, *, now: datetime) -> Standing:
    """How the clock stands at `now`."""
    met_at = history.facts.get(rule.met_by)
    pauses = history.pauses if rule.pauses else ()
    days = _days_allowed(rule, calendar, history, pauses)
    ends = _ends(rule, calendar, history.started_at, pauses, days)
    due_at = ends[-1] if len(ends) == days else None
    warned_after = days - rule.warn_days_before
    warns_at = ends[warned_after - 1] if len(ends) >= warned_after and rule.warn_days_before else None
    standing = Standing(stage=Stage.RUNNING, days=days, due_at=due_at, warns_at=warns_at)
    done = [moment for moment in (met_at, history.stopped_at) if moment is not None and moment <= now]
    until = min([now, *done])
    if due_at is not None and until >= due_at:
        return replace(standing, stage=Stage.BREACHED, ended_at=min(done, default=None))
    if met_at is not None and met_at == min(done, default=None):
        return replace(standing, stage=Stage.MET, ended_at=met_at)
    if done:
        return replace(standing, stage=Stage.STOPPED, ended_at=history.stopped_at)
    if any(pause.covers(now) for pause in pauses):
        return replace(standing, stage=Stage.PAUSED, due_at=None, warns_at=None)
    if warns_at is not None and now >= warns_at:
        return replace(standing, stage=Stage.WARNED)
    return standing


def explain(rule: ClockRule, calendar: Calendar, history: History, *, now: datetime) -> list[CountedDay]:
    """Every day from that of receipt to the last that counts, or to today where nobody can know the last one."""
    standing = reckon(rule, calendar, history, now=now)
    pauses = history.pauses if rule.pauses else ()
    explained = [CountedDay(date=calendar.date_of(history.started_at), number=None, why="day of receipt")]
    number = 0
    for day, reason in _looked_at(rule, calendar, history.started_at, pauses):
        if number == standing.days or (standing.due_at is None and day.date > calendar.date_of(now)):
            break
        number += not reason
        explained.append(CountedDay(date=day.date, number=None if reason else number, why=reason))
    return explained


def _days_allowed(rule: ClockRule, calendar: Calendar, history: History, pauses: tuple[Pause, ...]) -> int:
    # A holding reply that itself came too late gives no more time.
    if rule.extension is None or rule.extension.after not in history.facts:
        return rule.days
    ends = _ends(rule, calendar, history.started_at, pauses, rule.days)
    in_time = len(ends) < rule.days or history.facts[rule.extension.after] < ends[-1]
    return rule.extension.days if in_time else rule.days


def _ends(
    rule: ClockRule, calendar: Calendar, started_at: datetime, pauses: tuple[Pause, ...], days: int
) -> list[datetime]:
    """When each of the days that count ends; fewer than `days` where a pause has no end yet."""
    ends: list[datetime] = []
    for day, reason in _looked_at(rule, calendar, started_at, pauses):
        if not reason:
            ends.append(calendar.end_of_day(day.date))
        if len(ends) == days:
            break
    return ends


def _looked_at(
    rule: ClockRule, calendar: Calendar, started_at: datetime, pauses: tuple[Pause, ...]
) -> Iterator[tuple[Day, str]]:
    """The days after that of the start, each with why it does not count."""
    first = calendar.date_of(started_at)
    for day in calendar.days_after(started_at):
        if day.date - first > timedelta(days=MOST_DAYS):
            return
        # What lasts at the last moment of the day lasted when it ended.
        last_moment = calendar.end_of_day(day.date) - timedelta(microseconds=1)
        if rule.counts is Counts.BUSINESS_DAYS and not day.counts:
            yield day, day.why
        elif any(pause.covers(last_moment) for pause in pauses):
            yield day, PAUSED
        else:
            yield day, ""
