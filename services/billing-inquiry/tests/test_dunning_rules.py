"""The packs of dunning: their worked examples, and what they refuse."""

import tomllib
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest

from anliegen.billing_inquiry.dunning.rules import PACKS, read_pack, rules_for
from anliegen.billing_inquiry.dunning.simulate import simulate

RULES = files("anliegen.billing_inquiry") / "rules"
PACK_TEXT = (RULES / "dunning_de.toml").read_text(encoding="utf-8")


def worked_examples() -> list[Any]:
    found = []
    for pack in PACKS:
        told = tomllib.loads((RULES / "examples" / f"{pack.name}.toml").read_text(encoding="utf-8"))
        assert told["pack"] == pack.pack, "a new version needs its examples reckoned again"
        found += [pytest.param(pack, example, id=f"{pack.name}: {example['name']}") for example in told["examples"]]
    return found


@pytest.mark.parametrize(("pack", "example"), worked_examples())
def test_worked_example_comes_out_to_the_day_and_the_minor_unit(pack: Any, example: dict[str, Any]) -> None:
    told = simulate(
        issued_on=example["issued_on"], due_on=example["due_on"], amount=example["amount"],
        business=example["business"], told_of_default=example["told_of_default"], currency=pack.currencies[0],
        rules=pack, until=example.get("until", example["due_on"] + timedelta(days=365)),
    )  # fmt: skip
    steps = [happening.step for happening in told if happening.step is not None]
    assert [
        {
            "name": step.name, "on": pack.day_of(step.reached_at), "pay_by": step.pay_by, "fee": step.fee,
            "interest": step.interest, "lump_sum": step.lump_sum, "default_since": step.default_since,
        }
        for step in steps
    ] == [{"pay_by": None, "default_since": None} | step for step in example["steps"]]  # fmt: skip
    assert all(step.reached_at.astimezone(pack.zone).hour == 9 for step in steps)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "payment_reminder"', 'name = "payment_reminder"\nfee = { EUR = 100 }'),
        ("fee = { EUR = 120 }\n\n[[levels]]", "fee = { EUR = 130 }\n\n[[levels]]"),
        ("{ valid_from = 2025-07-01, rate = 127 }", "{ valid_from = 2023-07-01, rate = 127 }"),
        ('name = "last_dunning"', 'name = "first_dunning"'),
        ('first = "12-20", last = "01-06"', 'first = "01-01", last = "12-31"'),
        ("points_consumer = 500", "points_consumer = 5.5"),
        ("pay_within_days = 14", "pay_within_days = 0"),
        ('zone = "Europe/Berlin"', 'zone = "Europe/Nowhere"'),
    ],
    ids=str,
)
def test_senseless_pack_is_refused(old: str, new: str) -> None:
    assert old in PACK_TEXT
    with pytest.raises((ValueError, LookupError)):
        read_pack(PACK_TEXT.replace(old, new))


def test_currency_without_a_pack_is_dunned_by_nobody() -> None:
    assert rules_for("EUR").pack == "dunning_de/1"  # type: ignore[union-attr]
    assert rules_for("CHF").pack == "dunning_ch/1"  # type: ignore[union-attr]
    assert rules_for("JPY") is None


def test_sending_time_is_nine_in_the_zone_in_summer_and_in_winter() -> None:
    rules = rules_for("EUR")
    assert rules is not None
    # The clocks go forward on Sunday, 29 March 2026, and back on Sunday, 25 October.
    assert rules.sending_moment(date(2026, 3, 27)) == datetime(2026, 3, 27, 8, tzinfo=UTC)
    assert rules.sending_moment(date(2026, 3, 28)) == datetime(2026, 3, 30, 7, tzinfo=UTC)
    assert rules.sending_moment(date(2026, 10, 24)) == datetime(2026, 10, 26, 8, tzinfo=UTC)


def test_step_that_missed_its_hour_waits_for_the_next_open_day() -> None:
    rules = rules_for("EUR")
    assert rules is not None
    friday = date(2026, 3, 6)
    noon = datetime(2026, 3, 6, 12, tzinfo=UTC)
    assert rules.sending_moment(friday, not_before=noon) == datetime(2026, 3, 9, 8, tzinfo=UTC)
    why = dict(rules.skipped(friday, date(2026, 3, 9)))
    assert list(why) == [date(2026, 3, 6), date(2026, 3, 7), date(2026, 3, 8)]
    assert "had passed" in why[friday]
