"""Business days are counted by the calendar of a place, to the minute, over holidays and changes of the clocks."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anliegen.kit.calendars import Calendar, Day

ENGLAND = Calendar(country="GB", subdivision="ENG", zone="Europe/London")
BAVARIA = Calendar(country="DE", subdivision="BY", zone="Europe/Berlin")
ZURICH = Calendar(country="CH", subdivision="ZH", zone="Europe/Zurich", closes=time(18))
MOMENTS = st.integers(1577836800, 2051222400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("calendar", "received", "number", "ends"),
    [
        # Thursday, then Good Friday, a weekend, Easter Monday: the third business day is Thursday; summer time began.
        (ENGLAND, "2026-04-02T10:00", 3, "2026-04-09T23:00"),
        # The clocks go forward on Sunday, 29 March: the end of Monday is 23:00 UTC, of the Friday before 24:00.
        (ENGLAND, "2026-03-26T09:00", 1, "2026-03-28T00:00"),
        (ENGLAND, "2026-03-26T09:00", 2, "2026-03-30T23:00"),
        # They go back on Sunday, 25 October.
        (ENGLAND, "2026-10-22T09:00", 1, "2026-10-23T23:00"),
        (ENGLAND, "2026-10-22T09:00", 2, "2026-10-27T00:00"),
        # Boxing Day is a Saturday in 2026: Monday, 28 December is a bank holiday instead.
        (ENGLAND, "2026-12-23T12:00", 2, "2026-12-30T00:00"),
        # Half past eleven at night in London is the next day in Berlin.
        (ENGLAND, "2026-06-30T22:30", 1, "2026-07-01T23:00"),
        (BAVARIA, "2026-06-30T22:30", 1, "2026-07-02T22:00"),
        # A business day that closes at six in Zurich: 17:00 UTC in winter, 16:00 in summer.
        (ZURICH, "2026-03-26T09:00", 1, "2026-03-27T17:00"),
        (ZURICH, "2026-03-26T09:00", 2, "2026-03-30T16:00"),
    ],
)
def test_business_days_end_to_the_minute(calendar: Calendar, received: str, number: int, ends: str) -> None:
    assert calendar.add_business_days(utc(received), number) == utc(ends)


def test_every_day_says_why_it_does_not_count() -> None:
    assert BAVARIA.explain(utc("2026-06-02T10:00"), utc("2026-06-08T10:00")) == [
        Day(date(2026, 6, 3), True),
        Day(date(2026, 6, 4), False, "Corpus Christi"),
        Day(date(2026, 6, 5), True),
        Day(date(2026, 6, 6), False, "weekend"),
        Day(date(2026, 6, 7), False, "weekend"),
        Day(date(2026, 6, 8), True),
    ]


def test_parts_of_a_country_have_holidays_of_their_own() -> None:
    assert Calendar(country="DE", subdivision="HH", zone="Europe/Berlin").look_at(date(2026, 6, 4)).counts
    assert not BAVARIA.look_at(date(2026, 6, 4)).counts


@given(MOMENTS, st.integers(1, 60))
def test_adding_and_counting_agree(moment: datetime, number: int) -> None:
    ends = BAVARIA.add_business_days(moment, number)
    last_moment = ends - timedelta(minutes=1)
    assert BAVARIA.business_days_between(moment, last_moment) == number
    assert BAVARIA.look_at(BAVARIA.date_of(last_moment)).counts


@given(MOMENTS, MOMENTS)
def test_an_explanation_leaves_out_no_day(one: datetime, other: datetime) -> None:
    earlier, later = sorted([one, other])
    days = ENGLAND.explain(earlier, later)
    assert len(days) == (ENGLAND.date_of(later) - ENGLAND.date_of(earlier)).days
    assert all(day.counts != bool(day.why) for day in days)


@pytest.mark.parametrize("wrong", [{"country": "XX"}, {"zone": "Europe/Nowhere"}, {"subdivision": "ATLANTIS"}])
def test_a_calendar_nobody_can_count_by_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises((ValueError, KeyError, NotImplementedError)):
        Calendar(**({"country": "DE", "zone": "Europe/Berlin"} | wrong))
