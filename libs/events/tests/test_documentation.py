"""The catalogue for people is complete, links to itself, and is up to date."""

import re
from pathlib import Path

import pytest

from anliegen.events import documentation, generated, registry
from anliegen.events.documentation import PAGE, render, without_hearers

CLASSES = registry.classes_in("anliegen.events")


def test_written_page_is_up_to_date() -> None:
    assert without_hearers(PAGE.read_text("utf-8")) == render(), "Run: python -m anliegen.events.documentation"
    assert documentation.main(["--check"]) == 0


def test_every_link_leads_to_one_heading() -> None:
    page = render()
    headings = [heading.lower() for heading in re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)]
    links = set(re.findall(r"\(#([^)]+)\)", page))
    assert len(headings) == len(set(headings))
    assert links <= set(headings)
    assert {cls.__name__.lower() for cls in CLASSES} <= links


def test_every_event_tells_type_topic_and_example() -> None:
    page = render()
    for cls in CLASSES:
        assert f"Type `{cls.event_type}` on topic `{registry.topic_of(cls)}`" in page
        assert f'"ce_type": "{cls.event_type}"' in page
    assert page.count("It carries what a person wrote.") == sum(cls.words for cls in CLASSES)


def test_services_that_hear_an_event_are_named() -> None:
    page = render({"intake.contact_received.v1": ["triage", "journey"]})
    assert "Heard by: journey, triage." in page
    assert page.count("Heard by: ") == len(CLASSES)
    assert page.count("Heard by: nobody.") == len(CLASSES) - 1
    assert without_hearers(page) == render()


def test_page_with_hearers_stays_where_they_are_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "events.md"
    monkeypatch.setattr(generated, "REPOSITORY", tmp_path)
    monkeypatch.setattr(documentation, "PAGE", page)
    assert documentation.main(["--check"]) == 1
    assert documentation.main([], consumers={"intake.contact_received.v1": ["triage"]}) == 0
    written = page.read_text("utf-8")
    assert "Heard by: triage." in written
    assert documentation.main(["--check"]) == 0
    assert documentation.main([]) == 0
    assert page.read_text("utf-8") == written
    assert documentation.main(["--check"], consumers={}) == 1
    page.write_text(written.replace("contact", "parcel"), "utf-8")
    assert documentation.main(["--check"]) == 1
