"""What is written for people: links that lead somewhere, decisions in order, commands that say what they do."""

import re
from collections.abc import Iterator

from .workspace import Workspace

BEGIN = "<!-- written by make docs -->"
END = "<!-- end -->"
LINK = re.compile(r"\]\(([^)\s]+)\)")
TEST = re.compile(r"`(test_\w+)`")
PARTS = ("Why", "What we do", "What it costs")
COMMANDS = (
    "help", "install", "demo", "test", "search", "stories", "check", "up", "down", "bench", "lock", "docs",
    "release-schemas", "new-service",
)  # fmt: skip


def links_broken(workspace: Workspace) -> Iterator[str]:
    """Every link from one page to another leads to a file that is there."""
    for path in workspace.files:
        if path.suffix != ".md":
            continue
        place = path.relative_to(workspace.root).as_posix()
        for target in LINK.findall(path.read_text("utf-8")):
            file = target.partition("#")[0]
            if file and "://" not in file and not file.startswith("mailto:") and not (path.parent / file).exists():
                yield f"{place}: {target} leads nowhere"


def tests_unknown(workspace: Workspace) -> Iterator[str]:
    """Every test that a page names, as what keeps a promise, is there."""
    known = {name for source in workspace.sources for name in re.findall(r"def (test_\w+)", source.text)}
    for path in workspace.files:
        if path.suffix == ".md" and path.is_relative_to(workspace.root / "docs"):
            for name in TEST.findall(path.read_text("utf-8")):
                if name not in known:
                    yield f"{path.relative_to(workspace.root).as_posix()}: there is no {name}"


def decisions_misnumbered(workspace: Workspace) -> Iterator[str]:
    """Decisions are counted from 0001 without a gap, and each says why, what and at what cost."""
    for expected, path in enumerate(sorted((workspace.root / "docs" / "decisions").glob("*.md")), start=1):
        if not re.fullmatch(rf"{expected:04}-[a-z0-9]+(-[a-z0-9]+)*\.md", path.name):
            yield f"docs/decisions/{path.name}: expected number {expected:04} and a name"
        found = [line.removeprefix("## ") for line in path.read_text("utf-8").splitlines() if line.startswith("## ")]
        if not set(PARTS) <= set(found):
            yield f"docs/decisions/{path.name}: say {', '.join(PARTS)}"


def readmes_unmarked(workspace: Workspace) -> Iterator[str]:
    """A service's README has a place for what `make docs` writes."""
    for service in workspace.services:
        readme = service.folder / "README.md"
        text = readme.read_text("utf-8") if readme.is_file() else ""
        if text.count(BEGIN) != 1 or text.count(END) != 1:
            yield f"{service.place}/README.md: put {BEGIN} and {END} below '## Hears and announces'"


def commands_undescribed(workspace: Workspace) -> Iterator[str]:
    """`make help` lists every command with what it does."""
    text = (workspace.root / "Makefile").read_text("utf-8")
    for command in COMMANDS:
        if not re.search(rf"^{command}:.*## \S", text, re.MULTILINE):
            yield f"Makefile: {command} does not say what it does"
