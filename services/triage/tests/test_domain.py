"""Patterns over words, the rule packs' own checks, and the repeat-failure guard."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from anliegen.events import Concern, Flag, Task
from anliegen.events.builders import build
from anliegen.triage.domain import Decided
from anliegen.triage.guard import EarlierFailure, guarded
from anliegen.triage.packs import Guard, Packs, load_packs
from anliegen.triage.words import Matcher, Pattern, PatternMalformed, Text, fold

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
GUARD = Guard(window_days=90, one_failure_raises_by=1, top_tier_from=2)


def found(pattern: str, text: str, subject: str | None = None) -> str | None:
    """What a pattern finds in a text, None where nothing."""
    words = Text.of(text, subject)
    span = Matcher([Pattern.of(pattern)]).find(words).get(0)
    if span is None:
        return None
    start, end = words.words[span.first].start, words.words[span.last].end
    return text[start:end] if start is not None else "(subject)"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("kündig*", "Wir KUENDIGEN heute", "KUENDIGEN"),
        ("kündig*", "ungekündigt", None),
        ("*rechnung", "meine Stromrechnung.", "Stromrechnung"),
        ("strasse", "Neue Straße 5", "Straße"),
        ("*ech*", "Rechnungen", "Rechnungen"),
        ("wie richte ich", "Sagen Sie, wie richte ich das ein?", "wie richte ich"),
        ("geht nicht", "Es geht. Nicht heute.", None),
        ("wann .. offen|auf", "Wann haben Sie denn morgen auf?", "Wann haben Sie denn morgen auf"),
        ("wann .. auf", "Wann haben Sie denn an dem Tag auf?", None),
        ("rechnung & falsch|zu hoch", "Zu hoch ist die Rechnung!", "Zu hoch ist die Rechnung"),
        ("rechnung & falsch|zu hoch", "Die Rechnung kam an. Der Rasen ist zu hoch.", None),
        ("rechnung ! kopie", "Die Rechnung bitte", "Rechnung"),
        ("rechnung ! kopie", "Rechnung, eine Kopie davon", None),
        ("(heute|morgen) früh", "bis morgen früh", "morgen früh"),
        ("don't work", "They don't work", "don't work"),
        ("e-mail", "per E-Mail bitte", "E-Mail"),
        ("um 8 uhr", "am 1.5. um 8 Uhr", "um 8 Uhr"),
    ],
)
def test_pattern_finds_what_it_says(pattern: str, text: str, expected: str | None) -> None:
    assert found(pattern, text) == expected


def test_subject_is_a_sentence_of_its_own() -> None:
    assert found("falsche rechnung", "Rechnung", subject="Falsche") is None
    assert found("falsche rechnung", "Hallo", subject="Falsche Rechnung") == "(subject)"


@pytest.mark.parametrize("pattern", ["", "a &", "a | ", "! b", "a .. ", "(a|b c)", "a & & b", "***"])
def test_pattern_that_says_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(PatternMalformed):
        Pattern.of(pattern)


@given(st.text(max_size=200))
def test_offsets_point_into_any_text(text: str) -> None:
    for word in Text.of(text).words:
        assert word.start is not None and word.end is not None
        assert fold(text[word.start : word.end]) == word.folded


@given(st.text(max_size=40))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(text.upper()) == fold(text.upper())
    assert not any(letter in fold(text) for letter in "äöüß")


def concern(tier: int, *, continues: bool = False) -> Decided:
    case_id = uuid4()
    made = build(Concern, task=Task.HELPDESK, tier=tier, case_id=case_id if continues else None)
    return Decided(made, case_id, tier)


@pytest.mark.parametrize(
    ("base", "failures", "tier"), [(1, 0, 1), (1, 1, 2), (2, 1, 3), (3, 1, 3), (1, 2, 3), (2, 5, 3), (3, 0, 3)]
)
def test_one_failure_raises_and_two_go_to_the_top(base: int, failures: int, tier: int) -> None:
    suffered = [EarlierFailure(uuid4(), uuid4(), NOW - timedelta(days=n)) for n in range(failures)]
    assert guarded(concern(base), suffered, received_at=NOW, guard=GUARD).concern.tier == tier


@pytest.mark.parametrize(("days", "tier"), [(0, 2), (89, 2), (90, 1), (-0.1, 1)])
def test_window_of_the_guard(days: float, tier: int) -> None:
    suffered = [EarlierFailure(uuid4(), uuid4(), NOW - timedelta(days=days))]
    assert guarded(concern(1), suffered, received_at=NOW, guard=GUARD).concern.tier == tier


@pytest.mark.parametrize(("continues", "tier"), [(False, 1), (True, 2)])
def test_failure_in_a_case_counts_for_who_comes_back_to_it(continues: bool, tier: int) -> None:
    one = concern(1, continues=continues)
    suffered = [EarlierFailure(uuid4(), one.case_id, NOW - timedelta(days=1))]
    assert guarded(one, suffered, received_at=NOW, guard=GUARD).concern.tier == tier


def test_packs_that_ship_are_whole() -> None:
    packs = load_packs()
    assert set(packs.languages) == {"de", "en", "es", "fr", "it"}
    for language, pack in packs.languages.items():
        missing = {*Flag} - {Flag.UNKNOWN} - {*pack.flags}
        assert not missing, f"{language} has no signs for {sorted(missing)}"
    assert packs.version("de") == "routing/2026.1 intents/2026.1 words_de/2026.1"


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("de.toml", 'owner = "', 'ownr = "'),
        ("de.toml", "[flags]\nlegal", "[flags]\nlegall"),
        ("de.toml", '"gerichtsvollzieher*|pfändung*"', '"gerichtsvollzieher* & "'),
        ("intents.toml", 'task = "claims"', 'task = "claimz"'),
        ("routing.toml", "window_days = 90", "window_days = 0"),
    ],
)
def test_slip_of_the_pen_in_a_pack_stops_the_start(tmp_path: Path, file: str, old: str, new: str) -> None:
    rules = Path(__file__).parents[1] / "anliegen/triage/rules"
    for entry in rules.iterdir():
        text = entry.read_text("utf-8")
        if entry.name == file:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / entry.name).write_text(text, "utf-8")
    with pytest.raises(ValidationError):
        load_packs(tmp_path)


def test_packs_load_from_any_folder_alike() -> None:
    rules = Path(__file__).parents[1] / "anliegen/triage/rules"
    assert isinstance(load_packs(rules), Packs)
