"""Documents: the same for the same values, data and never markup, and no page without its number."""

import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from anliegen.events import Money
from anliegen.kit.documents import LANGUAGES, DocumentNotRendered, render
from anliegen.kit.wording import amount_text, date_text, money_text, read_money, share_text

TEMPLATE = """#import "letter.typ": given, letter
#show: letter
#given.words
"""
VALUES = {
    "sender": {"name": "Muster AG", "lines": ["Musterweg 1"], "footer": ["Muster AG"]},
    "recipient": ["Renate Högl", "8000 Zürich"], "date": "2. März 2026", "subject": "Ihre Rechnung",
}  # fmt: skip


@pytest.fixture
def template(tmp_path: Path) -> Path:
    file = tmp_path / "note.typ"
    file.write_text(TEMPLATE)
    return file


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_values_make_the_same_bytes_in_every_process(template: Path, language: str) -> None:
    values = VALUES | {"words": "Guten Tag"}
    ours = render(template, values, language)
    assert ours.startswith(b"%PDF-")
    script = (
        "import sys, pathlib; from anliegen.kit.documents import render;"
        f"sys.stdout.buffer.write(render(pathlib.Path({str(template)!r}), {values!r}, {language!r}))"
    )
    environment = {**os.environ, "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "1"}
    theirs = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment).stdout
    assert theirs == ours
    assert render(template, values | {"words": "Anderes"}, language) != ours


def test_what_somebody_wrote_is_text_and_never_a_command(template: Path) -> None:
    for words in ('#read("/etc/passwd")', "$ x $ *fett* _k_ #panic()", '"#import', "\\ \u202e \u0000"):
        assert render(template, VALUES | {"words": words}, "de").startswith(b"%PDF-")


def test_what_does_not_fit_its_template_is_named_without_what_it_says(template: Path) -> None:
    with pytest.raises(DocumentNotRendered) as refused:
        render(template, VALUES | {"subject": "Renate Högl"}, "de")
    assert "Högl" not in str(refused.value)


def test_a_long_document_has_as_many_pages_as_it_needs(template: Path) -> None:
    pdf = render(template, VALUES | {"words": "Guten Tag. " * 2000}, "it")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > 1


def test_money_and_days_are_told_as_people_read_them() -> None:
    francs, yen = Money(amount=104250, currency="CHF"), Money(amount=1500, currency="JPY")
    assert money_text(francs, language="de").replace("\N{NO-BREAK SPACE}", " ") == "1.042,50 CHF"
    assert money_text(francs, language="en").replace("\N{NO-BREAK SPACE}", " ") == "CHF 1,042.50"
    assert amount_text(yen, language="en") == "1,500"
    assert amount_text(Money(amount=-5, currency="KWD"), language="it") == "-0,005"
    assert share_text(770, language="fr").replace("\N{NO-BREAK SPACE}", " ") == "7,7 %"
    assert read_money(str(francs)) == francs
    assert date_text(date(2026, 3, 2), language="de") == "2. März 2026"
    assert date_text(date(2026, 3, 2), language="it") == "2 marzo 2026"
