"""Legal clocks: every worked example of the packs to the minute, whatever the order in which things became known."""

import itertools
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anliegen.complaints.clocks import packs as clock_packs
from anliegen.complaints.clocks.domain import ENDED, History, Pause, Stage, explain, reckon
from anliegen.complaints.clocks.packs import PACKS, Fact, Packs, read_pack

RULES = Path(clock_packs.__file__).parent.parent / "rules"
EXAMPLES = tomllib.loads((RULES / "examples/clocks.toml").read_text("utf-8"))["examples"]
MINUTE = timedelta(minutes=1)


def history_of(example: dict[str, Any]) -> History:
    facts = {Fact(fact): moment for fact, moment in example.get("facts", {}).items()}
    pauses = tuple(Pause(**pause) for pause in example.get("pauses", []))
    return History(started_at=example["received_at"], facts=facts, pauses=pauses)


def rule_and_calendar(example: dict[str, Any]) -> tuple[Any, Any]:
    pack = PACKS.get(example["pack"])
    rule = pack.rule_of(example["rule"])
    return rule, PACKS.calendar(pack, rule, country=example["country"])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one['pack']} {one['rule']} {one['received_at']}")
def test_worked_examples_hold_to_the_minute(example: dict[str, Any]) -> None:
    rule, calendar = rule_and_calendar(example)
    history, due_at = history_of(example), example["due_at"]
    now = example.get("standing_at", due_at - MINUTE)
    standing = reckon(rule, calendar, history, now=now)
    assert standing.due_at == due_at
    assert standing.warns_at == example.get("warns_at", standing.warns_at)
    assert standing.stage == example.get("stage", standing.stage)
    assert reckon(rule, calendar, history, now=due_at - MINUTE).stage is not Stage.BREACHED
    assert reckon(rule, calendar, history, now=due_at).stage is Stage.BREACHED
    days = explain(rule, calendar, history, now=now)
    assert len(days) == example.get("days_looked_at", len(days))
    assert [day.number for day in days if day.number] == list(range(1, standing.days + 1))
    assert calendar.end_of_day(days[-1].date) == due_at
    assert all((day.number is None) == bool(day.why) for day in days), "who does not count says why"


def test_every_clock_of_every_pack_has_a_worked_example() -> None:
    shown = {example["pack"] for example in EXAMPLES}
    assert shown == {pack.pack for pack in map(read_pack, texts_of_packs())}


def texts_of_packs() -> list[str]:
    return [file.read_text("utf-8") for file in sorted((RULES / "clocks").glob("*.toml"))]


@pytest.mark.parametrize(
    ("country", "line", "names"),
    [
        ("GB", "banking", ["fca_disp"]),
        ("GB", "payment_services", ["fca_payment_services"]),
        ("DE", "insurance_motor", ["bafin"]),
        ("AT", "insurance_life", ["eiopa"]),
        ("CH", "telecom", ["generic"]),
        ("DE", "telecom", ["generic"]),
    ],
)
def test_country_and_line_say_which_packs_apply(country: str, line: str, names: list[str]) -> None:
    found = PACKS.for_complaint(country=country, line=line, received_at=datetime(2026, 3, 2, tzinfo=UTC))
    assert [pack.name for pack in found] == names


def test_a_complaint_keeps_to_the_version_that_was_in_force_when_it_came() -> None:
    generic = read_pack((RULES / "clocks/generic.toml").read_text("utf-8"))
    old = read_pack((RULES / "clocks/bafin.toml").read_text("utf-8"))
    new = old.model_copy(update={"version": 2, "valid_from": date(2026, 7, 1)})
    packs = Packs([new, old, generic], PACKS.markets)
    # Half past eleven at night in UTC on the last day of June is the first of July in Berlin.
    before, after = (datetime(2026, 6, 30, hour, 30, tzinfo=UTC) for hour in (21, 22))
    found = [
        packs.for_complaint(country="DE", line="insurance_life", received_at=when)[0].pack for when in (before, after)
    ]
    assert found == ["bafin/1", "bafin/2"]


MARCH = datetime(2026, 3, 2, 9, tzinfo=UTC)
MOMENTS = st.integers(0, 60 * 24 * 60).map(lambda minutes: MARCH + minutes * MINUTE)


@given(st.data())
def test_stages_go_forward_and_the_end_is_where_it_was_announced(data: Any) -> None:
    rule, calendar = rule_and_calendar({"pack": "bafin/1", "rule": "answer", "country": "DE"})
    edges = sorted(data.draw(st.lists(MOMENTS, min_size=0, max_size=4)))
    pauses = tuple(Pause(began_at=one, ended_at=other) for one, other in itertools.pairwise(edges) if one < other)[::2]
    met_at = data.draw(st.none() | MOMENTS)
    facts = {} if met_at is None else {Fact.FINAL_RESPONSE: met_at}
    history = History(started_at=MARCH, facts=facts, pauses=pauses)
    end = reckon(rule, calendar, history, now=MARCH + timedelta(days=400))
    assert end.due_at is not None
    if met_at is not None and met_at < end.due_at:
        assert (end.stage, end.ended_at) == (Stage.MET, met_at)
    else:
        assert end.stage is Stage.BREACHED
    assert reckon(rule, calendar, history, now=end.due_at - MINUTE).stage is not Stage.BREACHED
    counted = [day for day in explain(rule, calendar, history, now=end.due_at) if day.number]
    assert len(counted) == rule.days
    for day in counted:
        last = calendar.end_of_day(day.date) - timedelta(microseconds=1)
        assert not any(pause.covers(last) for pause in pauses)
    now = data.draw(MOMENTS)
    ahead = reckon(rule, calendar, history, now=now).next_at(now)
    assert ahead is None or ahead > now


@given(st.permutations([0, 1, 2]))
def test_order_in_which_pauses_became_known_is_nothing(order: list[int]) -> None:
    rule, calendar = rule_and_calendar({"pack": "generic/1", "rule": "answer", "country": "CH"})
    days = [timedelta(days=n) for n in (1, 3, 8, 9, 14, 16)]
    pauses = [Pause(began_at=MARCH + days[2 * n], ended_at=MARCH + days[2 * n + 1]) for n in range(3)]
    shuffled = History(started_at=MARCH, facts={}, pauses=tuple(pauses[n] for n in order))
    ordered = History(started_at=MARCH, facts={}, pauses=tuple(pauses))
    now = MARCH + timedelta(days=5)
    assert reckon(rule, calendar, shuffled, now=now) == reckon(rule, calendar, ordered, now=now)


def test_an_open_pause_has_no_end_and_says_so() -> None:
    rule, calendar = rule_and_calendar({"pack": "generic/1", "rule": "answer", "country": "CH"})
    history = History(started_at=MARCH, facts={}, pauses=(Pause(began_at=MARCH + timedelta(days=1)),))
    now = MARCH + timedelta(days=4)
    standing = reckon(rule, calendar, history, now=now)
    assert (standing.stage, standing.due_at, standing.next_at(now)) == (Stage.PAUSED, None, None)
    assert [day.why for day in explain(rule, calendar, history, now=now)][1:] == ["paused"] * 4


def test_what_ended_otherwise_is_neither_met_nor_breached() -> None:
    rule, calendar = rule_and_calendar({"pack": "generic/1", "rule": "answer", "country": "CH"})
    history = History(started_at=MARCH, facts={}, stopped_at=MARCH + timedelta(days=2))
    standing = reckon(rule, calendar, history, now=MARCH + timedelta(days=90))
    assert standing.stage is Stage.STOPPED
    assert standing.stage in ENDED


def test_a_holding_reply_counts_to_the_last_moment_of_the_last_day_and_not_after_it() -> None:
    pack = next(pack for pack in map(read_pack, texts_of_packs()) if any(one.extension for one in pack.clocks))
    rule = next(one for one in pack.clocks if one.extension)
    assert rule.extension is not None
    calendar = PACKS.calendar(PACKS.get(pack.pack), rule, country="GB")
    started_at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    plain = reckon(rule, calendar, History(started_at=started_at, facts={}), now=started_at)
    assert plain.due_at is not None
    for after, days in ((-timedelta(microseconds=1), rule.extension.days), (timedelta(), rule.days)):
        held = History(started_at=started_at, facts={rule.extension.after: plain.due_at + after})
        assert reckon(rule, calendar, held, now=started_at).days == days


def test_a_pause_begins_with_its_first_moment_and_ends_before_its_last() -> None:
    moment = datetime(2026, 3, 2, 9, tzinfo=UTC)
    pause = Pause(began_at=moment, ended_at=moment + MINUTE)
    assert [pause.covers(one) for one in (moment - MINUTE, moment, moment + MINUTE)] == [False, True, False]
    assert Pause(began_at=moment).covers(moment + timedelta(days=400))


def test_a_clock_that_knows_no_pause_runs_on_while_the_customer_is_waited_for() -> None:
    rule, calendar = rule_and_calendar({"pack": "fca_disp/1", "rule": "final_response", "country": "GB"})
    waited = History(started_at=MARCH, facts={}, pauses=(Pause(began_at=MARCH + timedelta(days=1)),))
    for now in (MARCH + timedelta(days=3), MARCH + timedelta(days=90)):
        assert reckon(rule, calendar, waited, now=now) == reckon(
            rule, calendar, History(started_at=MARCH, facts={}), now=now
        )
