"""Opening hours: when a channel is open, and when a span of working time will have passed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FARTHEST = 400
"""Days that are searched; hours that never open are refused when they are read."""


@dataclass(frozen=True, slots=True)
class Hours:
    """The intervals of each weekday (0 is Monday), in the time of `zone`. An interval to 24:00 ends at midnight."""

    zone: ZoneInfo
    week: tuple[tuple[tuple[time, time | None], ...], ...]

    def intervals(self, day: date) -> list[tuple[datetime, datetime]]:
        """The open intervals of a date, in UTC."""
        found = []
        for opens, closes in self.week[day.weekday()]:
            start = datetime.combine(day, opens, self.zone)
            end_day, end_time = (day, closes) if closes is not None else (day + timedelta(days=1), time())
            found.append((start.astimezone(UTC), datetime.combine(end_day, end_time, self.zone).astimezone(UTC)))
        return found

    def is_open(self, moment: datetime) -> bool:
        """Whether somebody is there."""
        day = moment.astimezone(self.zone).date()
        return any(start <= moment < end for start, end in self.intervals(day))

    def next_opening(self, moment: datetime) -> datetime:
        """The next time somebody is there; the moment itself where it is open. UTC."""
        return self.after(moment, timedelta())

    def after(self, moment: datetime, span: timedelta) -> datetime:
        """When this much open time will have passed since the moment. UTC."""
        moment = moment.astimezone(UTC)
        day = moment.astimezone(self.zone).date()
        for ahead in range(_FARTHEST):
            for start, end in self.intervals(day + timedelta(days=ahead)):
                begin = max(start, moment)
                if begin >= end:
                    continue
                if begin + span <= end:
                    return begin + span
                span -= end - begin
        raise ValueError("these hours never open long enough")


def read_hours(zone: str, week: Mapping[str, Sequence[str]]) -> Hours:
    """Read `{"monday": ["08:00-12:00", "13:00-18:00"]}`. Raises ValueError where it cannot be meant."""
    unknown = set(week) - set(DAYS)
    if unknown:
        raise ValueError(f"not a weekday: {', '.join(sorted(unknown))}")
    days = tuple(tuple(_interval(text) for text in week.get(day, ())) for day in DAYS)
    if not any(days):
        raise ValueError("hours that never open")
    return Hours(ZoneInfo(zone), days)


def _interval(text: str) -> tuple[time, time | None]:
    opens, _, closes = text.partition("-")
    start = time.fromisoformat(opens)
    end = None if closes == "24:00" else time.fromisoformat(closes)
    if end is not None and end <= start:
        raise ValueError(f"an interval ends after it begins: {text}")
    return start, end
