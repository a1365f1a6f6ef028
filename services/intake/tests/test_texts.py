"""Texts for people: every key in every language, and nothing in them that a caller can do harm with."""

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest

from anliegen.events import CaseStatus
from anliegen.intake.domain.replies import ACKNOWLEDGEMENT, LANGUAGES
from anliegen.intake.rules.packs import load_rules
from anliegen.intake.texts import FOLDER, TextMissing, Texts

TEXTS = Texts()
SERVICES = Path(__file__).parents[2]
VALUES = {
    "answer": "Das Paket kommt morgen.", "reference": "K7QM-4X2T", "answer_by": "2026-03-02T17:00:00+00:00",
    "invoice_number": "R-2026-004711", "count": "3", "first_amount": "900 EUR", "due_on": "2026-03-20",
    "last_on": "2026-05-20", "kind": "sepa_mandate", "account": "DE89 … 3000", "mandate_reference": "M-1",
    "outcome": "Ihre Beschwerde ist berechtigt.", "reasons": "Der Fehler liegt bei uns.",
    "other_ways": "- Ombudsstelle", "until": "2026-03-20",
    "sender_name": "Kundenservice", "amount": "2500 EUR", "code": "ABCD-EFGH-JKLM-NPQR", "valid_until": "2027-03-02",
    "old_number": "R-1", "total": "4865 CHF", "difference": "12972 CHF", "open_amount": "4865 CHF",
    "account_credit": "0 CHF", "reversed_number": "R-1-K1",
    "option_1": "billing_inquiry", "option_2": "claims", "option_3": "feedback",
}  # fmt: skip


def keys_used() -> set[str]:
    """Every template that any service names in a reply it asks for."""
    found = {ACKNOWLEDGEMENT}
    for file in SERVICES.glob("*/anliegen/**/*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "template" and isinstance(node.value, ast.Constant):
                found.add(str(node.value.value))
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                if any(name.endswith("TEMPLATE") for name in names):
                    found.add(str(node.value.value))
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("channel", ["email", "whatsapp", "page"])
@pytest.mark.parametrize("key", sorted({*TEXTS.keys, *keys_used()}))
def test_every_key_is_written_in_every_language(key: str, channel: str, language: str) -> None:
    rendered = TEXTS.render(key, language=language, channel=channel, zone="Europe/Zurich", values=VALUES)
    assert rendered.subject
    assert "K7QM-4X2T" in rendered.text
    assert "{" not in rendered.text
    assert "\n\n\n" not in rendered.text


def test_there_is_no_template_without_its_siblings() -> None:
    names = {path.name for path in FOLDER.glob("*.j2")} - {"status_page.html.j2"}
    wanted = {f"{key}.{lang}.{part}.j2" for key in TEXTS.keys for lang in LANGUAGES for part in ("subject", "text")}
    assert names == wanted


def test_the_status_page_has_every_word_in_every_language() -> None:
    keys = {language: set(TEXTS.words(language)) for language in LANGUAGES}
    assert len({frozenset(found) for found in keys.values()}) == 1
    assert {status.value for status in CaseStatus} <= keys["de"]


def test_values_are_words_not_templates() -> None:
    values = {**VALUES, "answer": "{{ 7 * 7 }} {% raw %} <b>"}
    rendered = TEXTS.render("helpdesk_answer", language="de", channel="email", zone="UTC", values=values)
    assert "{{ 7 * 7 }} {% raw %} <b>" in rendered.text


def test_a_subject_is_one_line() -> None:
    values = {**VALUES, "subject_line": "Hallo\r\nBcc: x@evil.example"}
    rendered = TEXTS.render("helpdesk_answer", language="de", channel="email", zone="UTC", values=values)
    assert "\n" not in rendered.subject
    assert "\r" not in rendered.subject


def test_a_missing_value_or_key_is_told() -> None:
    for key, values in (("helpdesk_answer", {}), ("nothing", VALUES), ("../settings", VALUES)):
        with pytest.raises(TextMissing):
            TEXTS.render(key, language="de", channel="email", zone="UTC", values=values)


def test_the_page_escapes_what_it_shows() -> None:
    page = TEXTS.status_page(
        language="fr", reference="K7QM-4X2T", received_at=datetime(2026, 3, 2, 8, tzinfo=UTC), zone="Europe/Zurich",
        cases=["resolved", "nonsense"], acknowledgement="<script>x</script>", answers=["<b>"], documents=[],
    )  # fmt: skip
    assert "<script>" not in page
    assert "Résolu" in page
    assert "le lundi 2 mars 2026 à 09 h 00" in page


def test_the_rules_are_whole() -> None:
    rules = load_rules()
    assert rules.channels_pack.name == "channels"
    friday_night = datetime(2026, 3, 6, 21, 7, tzinfo=UTC)
    for rule in rules.channels:
        due = rules.answer_by(rule.channel, friday_night)
        assert due > friday_night
        assert due.timestamp() % 1800 == 0


@pytest.mark.parametrize(
    ("language", "amount", "day"),
    [
        ("de", "25,00\xa0€", "2. März 2027"),
        ("en", "€25.00", "2 March 2027"),
        ("fr", "25,00\xa0€", "2 mars 2027"),
        ("it", "25,00\xa0€", "2 marzo 2027"),
    ],
)
def test_amounts_and_days_are_told_as_people_read_them(language: str, amount: str, day: str) -> None:
    code, credit = (
        TEXTS.render(key, language=language, channel="email", zone="Europe/Zurich", values=VALUES).text
        for key in ("goodwill_code", "goodwill_credit")
    )
    assert amount in code and day in code
    assert amount in credit and day not in credit, "a credit does not lapse"
    yen = TEXTS.render(
        "goodwill_credit", language="en", channel="email", zone="Asia/Tokyo", values=VALUES | {"amount": "700 JPY"}
    )
    assert "¥700" in yen.text
