"""What a year of complaints was. Pure: it is counted from each complaint's own history, not from how it stands today.

For each line: those that were open when the year began, came in it, or were reopened in it, are those that ended in it
and those that are open when it ends.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import mean, median
from typing import Self
from zoneinfo import ZoneInfo

from ..states import SETTLED, Outcome, State
from .packs import OTHER, ReportPack

ENDED = SETTLED | {State.COMMUNICATED}
"""Ours is done: the final response has gone out, or there is none to come."""


@dataclass(frozen=True, slots=True)
class Step:
    """A complaint came into this state."""

    state: State
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One complaint, as far as a report needs it. `steps` are in their order, the receipt first."""

    line: str
    intent: str
    outcome: Outcome | None
    opened_at: datetime
    steps: Sequence[Step]

    def state_before(self, moment: datetime) -> State | None:
        """Where it stood just before; None where it had not come yet."""
        return next((step.state for step in reversed(self.steps) if step.at < moment), None)

    def ended_before(self, moment: datetime) -> datetime | None:
        """Since when it had ended just before; None where it was open."""
        since = None
        for step in self.steps:
            if step.at >= moment:
                break
            since = (since or step.at) if step.state in ENDED else None
        return since


class Standing(StrEnum):
    """How those of a year stand when it ends."""

    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"
    TRANSFERRED = "transferred"
    OPEN = "open"


_STANDING = {State.WITHDRAWN: Standing.WITHDRAWN, State.TRANSFERRED: Standing.TRANSFERRED}


@dataclass(slots=True)
class Figures:
    """What is counted of one line, or of all."""

    carried_over: int = 0
    received: int = 0
    reopened: int = 0
    standing: Counter[Standing] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """What those that came in the year are about."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    """Of those that were answered in the year."""
    days: list[int] = field(default_factory=list)
    """From receipt to end, of those that ended in the year."""

    @property
    def in_work(self) -> int:
        """All that were to be worked on in the year."""
        return self.carried_over + self.received + self.reopened

    @property
    def ended(self) -> int:
        """Those of them that are done."""
        return self.in_work - self.standing[Standing.OPEN]

    @property
    def successful(self) -> int:
        """Those that were right at least in part."""
        return self.outcomes[Outcome.UPHELD] + self.outcomes[Outcome.PARTLY]

    @property
    def success_share(self) -> int | None:
        """Their share of what was decided, in basis points; None where nothing was."""
        decided = self.outcomes.total()
        return None if decided == 0 else (self.successful * 20_000 + decided) // (2 * decided)

    def classes(self, up_to_days: Sequence[int]) -> list[int]:
        """How many took up to so many days, class by class; the last counts what took longer."""
        found = [0] * (len(up_to_days) + 1)
        for days in self.days:
            found[next((n for n, most in enumerate(up_to_days) if days <= most), len(up_to_days))] += 1
        return found

    @property
    def mean_days(self) -> float | None:
        """To one place; None where nothing ended."""
        return round(mean(self.days), 1) if self.days else None

    @property
    def median_days(self) -> float | None:
        """None where nothing ended."""
        return float(median(self.days)) if self.days else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A year of complaints, line by line in the order of the pack, and all of them."""

    pack: ReportPack
    year: int
    complete: bool
    """Whether the year is over."""
    lines: dict[str, Figures]
    total: Figures

    @classmethod
    def of(cls, pack: ReportPack, year: int, courses: Iterable[Course], *, now: datetime) -> Self:
        """Counted from these complaints, of which others than the pack's lines are left out."""
        start, end = span_of(pack, year)
        until = end if now >= end else now + timedelta.resolution  # what happens at this moment, too
        lines, total = {line.line: Figures() for line in pack.lines}, Figures()
        for course in courses:
            if course.line in lines:
                for figures in (lines[course.line], total):
                    _count(figures, course, pack, start=start, end=until)
        return cls(pack=pack, year=year, complete=now >= end, lines=lines, total=total)


def span_of(pack: ReportPack, year: int) -> tuple[datetime, datetime]:
    """The year's first moment where the report is due, and the next year's."""
    zone = ZoneInfo(pack.zone)
    return datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone)


def _count(figures: Figures, course: Course, pack: ReportPack, *, start: datetime, end: datetime) -> None:
    if course.opened_at >= end:
        return
    received = course.opened_at >= start
    carried_over = not received and course.ended_before(start) is None
    reopened = not (received or carried_over) and any(
        start <= step.at < end and step.state not in ENDED for step in course.steps
    )
    if not (received or carried_over or reopened):
        return
    figures.received += received
    figures.carried_over += carried_over
    figures.reopened += reopened
    if received:
        figures.reasons[course.intent if course.intent in pack.reasons else OTHER] += 1
    ended_at = course.ended_before(end)
    if ended_at is None:
        figures.standing[Standing.OPEN] += 1
        return
    state = course.state_before(end)
    standing = _STANDING.get(state, Standing.ANSWERED) if state else Standing.OPEN
    figures.standing[standing] += 1
    zone = ZoneInfo(pack.zone)
    figures.days.append((ended_at.astimezone(zone).date() - course.opened_at.astimezone(zone).date()).days)
    if standing is Standing.ANSWERED and course.outcome is not None:
        figures.outcomes[course.outcome] += 1
