"""How long a file may be: one that outgrows its size is split by verb or by subject."""

from collections.abc import Iterator

from .workspace import Workspace, is_test

LONGEST_SOURCE = 300
LONGEST_TEST = 500
LONGEST_README = 60
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc"}


def long_files(workspace: Workspace) -> Iterator[str]:
    """Source files have at most 300 lines, tests 500."""
    for source in workspace.sources:
        lines = source.text.count("\n")
        most = LONGEST_TEST if is_test(source) else LONGEST_SOURCE
        if lines > most:
            yield f"{source.place}: {lines} lines, at most {most}"


def vague_files(workspace: Workspace) -> Iterator[str]:
    """No file is called after nothing: what is split off has a subject or a verb."""
    for source in workspace.sources:
        if source.path.stem in VAGUE or VAGUE & set(source.place.split("/")):
            yield f"{source.place}: name it after what it holds"


def long_readmes(workspace: Workspace) -> Iterator[str]:
    """A service's README fits on a screen or two."""
    for service in workspace.services:
        readme = service.folder / "README.md"
        if readme.is_file() and (lines := readme.read_text("utf-8").count("\n")) > LONGEST_README:
            yield f"{service.place}/README.md: {lines} lines, at most {LONGEST_README}"


RULES = (long_files, vague_files, long_readmes)
