"""What is written from the code is up to date, and what is written by hand points to what is there."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from house_rules import documents, hold
from house_rules.workspace import REPOSITORY

from anliegen.events import ContactReceived
from anliegen.kit import Handlers, Service


def test_generated_documents_are_up_to_date() -> None:
    command = [sys.executable, "-W", "ignore", "scripts/docs.py", "--check"]
    process = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert process.returncode == 0, process.stderr


def test_links_lead_somewhere(workspace) -> None:
    hold(documents.links_broken(workspace))


def test_tests_that_pages_name_are_there(workspace) -> None:
    hold(documents.tests_unknown(workspace))


def test_decisions_are_counted_without_a_gap(workspace) -> None:
    hold(documents.decisions_misnumbered(workspace))


def test_readme_marks_what_is_written(workspace) -> None:
    hold(documents.readmes_unmarked(workspace))


def test_make_help_lists_every_command(workspace) -> None:
    hold(documents.commands_undescribed(workspace))


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """scripts/docs.py, at work in an empty folder."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))
    spec = importlib.util.spec_from_file_location("docs", REPOSITORY / "scripts" / "docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def test_written_part_of_a_readme_follows_the_handlers(docs, tmp_path: Path) -> None:
    handlers = Handlers("toy")

    @handlers.on(ContactReceived)
    async def open_toy(event, tx) -> None:
        """A contact opens a toy. It is closed later."""

    readme = tmp_path / "services" / "toy" / "README.md"
    readme.parent.mkdir(parents=True)
    readme.write_text(f"# Toy\n{docs.BEGIN}\nstale\n{docs.END}\nOwn words.\n")
    service = Service(name="toy", title="Toy", description="Toy.", handlers=handlers)
    path, text = docs.readme_of(service)
    assert path == readme
    assert "| `ContactReceived` | `open_toy`: A contact opens a toy |" in text
    assert "Announces nothing." in text
    assert "stale" not in text
    assert text.startswith("# Toy\n")
    assert text.endswith("\nOwn words.\n")
    readme.write_text(text)
    assert docs.readme_of(service) == (readme, text)


def test_hearers_of_an_event_are_the_services_that_want_it(docs) -> None:
    handlers = Handlers("toy")

    @handlers.on(ContactReceived)
    async def open_toy(event, tx) -> None:
        """A contact opens a toy."""

    consumers = docs.consumers_of([Service(name="toy", title="Toy", description="Toy.", handlers=handlers)])
    heard = {kind for kind, names in consumers.items() if names == ["toy"]}
    assert heard == {"intake.contact_received.v1", "intake.journeys_merged.v1", "intake.journeys_split.v1"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[a](other.md) [b](https://example.org) [c](#part) [d](../LICENSE)", 0),
        ("[a](missing.md)", 1),
        ("![picture](missing.svg)", 1),
    ],
)
def test_broken_link_is_found(toy, text, found) -> None:
    assert len(list(documents.links_broken(toy({"/docs/a.md": text, "/docs/other.md": "", "/LICENSE": ""})))) == found


def test_test_that_is_not_there_is_found(toy) -> None:
    files = {"/docs/a.md": "`test_one` `test_two`", "/services/toy/tests/test_toy.py": "def test_one() -> None: ..."}
    assert list(documents.tests_unknown(toy(files))) == ["docs/a.md: there is no test_two"]


@pytest.mark.parametrize(
    "names", [["0002-second.md"], ["0001-first.md", "0003-third.md"], ["0001-first.md", "0001-again.md"], ["first.md"]]
)
def test_gap_between_decisions_is_found(toy, names) -> None:
    text = "# T\n\n" + "\n".join(f"## {heading}\n" for heading in documents.PARTS)
    assert list(documents.decisions_misnumbered(toy({f"/docs/decisions/{name}": text for name in names})))
    shutil.rmtree(toy({}).root / "docs")
    assert not list(documents.decisions_misnumbered(toy({"/docs/decisions/0001-first.md": text})))
    assert list(documents.decisions_misnumbered(toy({"/docs/decisions/0001-first.md": "# T\n"})))


def test_unmarked_readme_is_found(toy) -> None:
    assert list(documents.readmes_unmarked(toy({"/services/toy/README.md": "# Toy\n"})))


def test_undescribed_command_is_found(toy) -> None:
    described = "".join(f"{name}: ## it\n.PHONY: {name}\n" for name in documents.COMMANDS)
    assert not list(documents.commands_undescribed(toy({"/Makefile": described})))
    assert list(documents.commands_undescribed(toy({"/Makefile": described.replace("demo: ## it", "demo:")})))
