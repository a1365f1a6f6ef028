"""The annual report: figures that follow from each complaint's history, and agree with each other in every form."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anliegen.complaints.domain import Decision
from anliegen.complaints.reports.domain import ENDED, Course, Report, Standing, Step
from anliegen.complaints.reports.letter import letter_values
from anliegen.complaints.reports.packs import REPORTS, read_pack
from anliegen.complaints.reports.table import columns_of, csv_of, rows_of
from anliegen.complaints.states import Outcome, Response, State
from anliegen.kit.documents import render

PACK = REPORTS["bafin"]
TEMPLATE = Path(str(files("anliegen.complaints") / "documents" / "annual_report.typ"))
URL = "/complaints/v1/reports/bafin"
LATER = datetime(2030, 6, 1, tzinfo=UTC)
REJECTED = Decision(outcome=Outcome.REJECTED, reasons=("as_agreed",), other_ways=("ombudsman",))


def course(
    *steps: tuple[str, str], line: str = "insurance_life", intent: str = "delay", outcome: str | None = None
) -> Course:
    """A complaint that came into these states on these days, at noon in UTC."""
    times = [Step(State(state), datetime.fromisoformat(f"{day}T12:00:00+00:00")) for state, day in steps]
    return Course(
        line=line, intent=intent, outcome=Outcome(outcome) if outcome else None, opened_at=times[0].at, steps=times
    )


def report(*courses: Course, year: int = 2026, now: datetime = LATER) -> Report:
    return Report.of(PACK, year, courses, now=now)


def test_a_complaint_counts_in_the_year_of_the_place_where_the_report_is_due() -> None:
    # Half past midnight on New Year's Day in Berlin is still the old year in UTC.
    at = datetime(2025, 12, 31, 23, 30, tzinfo=UTC)
    one = Course(line="insurance_life", intent="delay", outcome=None, opened_at=at, steps=[Step(State.RECEIVED, at)])
    assert (report(one, year=2025).total.received, report(one, year=2026).total.received) == (0, 1)


def test_what_was_reopened_after_the_year_had_ended_in_it_all_the_same() -> None:
    one = course(
        ("received", "2026-11-02"), ("communicated", "2026-12-01"), ("reopened", "2027-01-10"),
        ("communicated", "2027-02-01"), outcome="partly",
    )  # fmt: skip
    first, second = report(one), report(one, year=2027)
    assert (first.total.received, first.total.standing[Standing.ANSWERED], first.total.days) == (1, 1, [29])
    assert (second.total.reopened, second.total.carried_over, second.total.days) == (1, 0, [91])


def test_duration_counts_to_the_first_day_on_which_it_stayed_ended() -> None:
    one = course(
        ("received", "2026-03-02"), ("communicated", "2026-03-16"), ("followed_up", "2026-04-13"),
        ("closed", "2026-04-27"), outcome="upheld",
    )  # fmt: skip
    total = report(one).total
    assert (total.days, total.classes((14, 28, 56)), total.success_share) == ([14], [1, 0, 0, 0], 10_000)


def test_other_lines_are_left_out_and_unknown_reasons_are_others() -> None:
    made = report(course(("received", "2026-03-02"), line="telecom"), course(("received", "2026-03-02"), intent="new"))
    assert (made.total.received, made.total.reasons) == (1, {"other": 1})


DAYS = st.dates(date(2024, 1, 1), date(2028, 12, 31))
LATER_STATES = st.sampled_from([state for state in State if state is not State.RECEIVED])


@st.composite
def courses(draw: st.DrawFn) -> Course:
    days = sorted(draw(st.lists(DAYS, min_size=1, max_size=6)))
    states = [
        State.RECEIVED,
        *(draw(st.sampled_from([one for one in State if one != State.RECEIVED])) for _ in days[1:]),
    ]
    moments = [datetime(day.year, day.month, day.day, draw(st.integers(0, 23)), tzinfo=UTC) for day in days]
    steps = [Step(state, at) for state, at in zip(states, sorted(moments), strict=True)]
    return Course(
        line=draw(st.sampled_from([*(line.line for line in PACK.lines), "telecom"])),
        intent=draw(st.sampled_from(["delay", "staff", "unheard_of"])),
        outcome=draw(st.sampled_from([None, *Outcome])), opened_at=steps[0].at, steps=steps,
    )  # fmt: skip


@given(st.lists(courses(), max_size=25))
def test_sums_agree_within_a_year_over_lines_and_from_year_to_year(found: Sequence[Course]) -> None:
    years = {year: report(*found, year=year) for year in range(2023, 2030)}
    for year, made in years.items():
        for figures in (*made.lines.values(), made.total):
            assert figures.in_work == figures.standing.total() == figures.ended + figures.standing[Standing.OPEN]
            assert figures.ended == len(figures.days) == sum(figures.classes(PACK.duration.up_to_days))
            assert figures.reasons.total() == figures.received
            assert figures.outcomes.total() <= figures.standing[Standing.ANSWERED]
            assert min(figures.days, default=0) >= 0
        for name in ("carried_over", "received", "reopened", "ended"):
            assert getattr(made.total, name) == sum(getattr(one, name) for one in made.lines.values())
        if year + 1 in years:
            assert years[year + 1].total.carried_over == made.total.standing[Standing.OPEN]
    counted = [one for one in found if one.line != "telecom"]
    assert sum(made.total.received for made in years.values()) == len(counted)
    open_now = [one for one in counted if one.steps[-1].state not in ENDED]
    assert years[2029].total.standing[Standing.OPEN] == len(open_now)


@given(st.lists(courses(), max_size=8))
def test_the_table_and_the_letter_say_the_same(found: Sequence[Course]) -> None:
    made = report(*found)
    text = csv_of(made).decode("utf-8-sig")
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert text.endswith("\r\n") and read[0] == ["Abschnitt", "Angabe", *columns_of(made)]
    sections = letter_values(made, today=LATER.date())["sections"]
    said = [[section["name"], says, *figures] for section in sections for says, figures in section["rows"]]
    assert read[1 : len(said) + 1] == said == [[section, says, *figures] for section, says, figures in rows_of(made)]
    # Nothing that a spreadsheet would take for a formula.
    assert not [cell for row in read for cell in row if cell[:1] in {"=", "+", "-", "@", "\t"}]


def test_the_letter_is_made_of_a_year_without_complaints_too() -> None:
    values = letter_values(report(), today=LATER.date())
    assert render(TEMPLATE, values, "de").startswith(b"%PDF-")


@pytest.mark.parametrize(
    "broken",
    [
        ('line = "insurance_life"', 'line = "unknown"'),
        ('line = "insurance_health"', 'line = "insurance_life"'),
        ('other = "Sonstige Gründe"', ""),
        ("[14, 28, 56]", "[28, 14]"),
        ('due = "03-01"', 'due = "13-01"'),
        ('zone = "Europe/Berlin"', 'zone = "Europe/Nowhere"'),
    ],
)
def test_a_broken_pack_is_refused(broken: tuple[str, str]) -> None:
    text = (files("anliegen.complaints") / "rules" / "reports" / "bafin.toml").read_text("utf-8")
    assert broken[0] in text
    with pytest.raises((ValueError, KeyError)):
        read_pack(text.replace(*broken))


# Over HTTP ------------------------------------------------------------------------------------------------------------
async def test_a_year_as_figures_as_a_table_and_as_a_letter(
    client: Any, open_complaint: Any, assess: Any, do: Any, clock: Any
) -> None:
    year = clock.now().year
    first, second, third, other = [(await open_complaint(intent="delay")).case_id for _ in range(4)]
    for case_id in (first, second, third):
        await assess(case_id, country="DE", line="insurance_motor")
    await assess(other, country="CH", line="insurance_motor")
    clock.advance(timedelta(days=20))
    await do("decide_complaint", first, decision=Decision(outcome=Outcome.PARTLY, reasons=("our_mistake",)))
    await do("answer_complaint", first, response=Response.ACCEPT, answer="Es tut uns leid.", language=None)
    await do("decide_complaint", second, decision=REJECTED)
    await do("answer_complaint", second, response=Response.REJECT, answer="Leider nein.", language=None)
    supervisor = client.as_supervisor()
    told = (await supervisor.get(f"{URL}/{year}")).json()
    motor = told["lines"]["insurance_motor"]
    assert motor == told["total"]
    assert (motor["received"], motor["ended"], motor["standing"]) == (3, 2, {"answered": 2, "open": 1})
    assert (motor["outcomes"], motor["success_share"]) == ({"partly": 1, "rejected": 1}, 5000)
    assert (motor["days"], motor["mean_days"], motor["reasons"]) == ([0, 2, 0, 0], 20.0, {"delay": 3})
    assert (told["complete"], told["due_on"]) == (False, f"{year + 1}-03-01")
    table = await supervisor.get(f"{URL}/{year}/table.csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.content.startswith(b"\xef\xbb\xbfAbschnitt,Angabe,")
    assert "Anzahl,Eingegangen,0,0,3,0,3\r\n" in table.text
    letter = await supervisor.get(f"{URL}/{year}/letter.pdf")
    assert letter.headers["content-type"] == "application/pdf" and letter.content.startswith(b"%PDF-")
    # A year later nothing has changed of what this one was.
    clock.advance(timedelta(days=400))
    again = (await supervisor.get(f"{URL}/{year}")).json()
    assert again == {**told, "complete": True}
    assert (await supervisor.get(f"{URL}/{year + 1}")).json()["total"]["carried_over"] == 1


async def test_a_report_is_for_supervisors_and_of_years_that_have_begun(client: Any, clock: Any) -> None:
    year = clock.now().year
    for path in (f"{URL}/{year}", f"{URL}/{year}/table.csv", f"{URL}/{year}/letter.pdf"):
        assert (await client.as_agent().get(path)).status_code == 403
        assert (await client.anonymous.get(path)).status_code == 401
    supervisor = client.as_supervisor()
    assert (await supervisor.get(f"{URL}/{year + 1}")).json()["code"] == "year_not_begun"
    assert (await supervisor.get(f"{URL}/1066")).status_code == 422
    assert (await supervisor.get(f"/complaints/v1/reports/unknown/{year}")).status_code == 422
