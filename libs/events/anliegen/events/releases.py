"""The releases of every event type: its schema and golden example as they were when a version of the product left.

`libs/events/schemas/released/<type>/<n>.schema.json` and `<n>.example.json` are written once and never again; their
checksums stand in `SHA256SUMS` beside them. Every class has to keep what all releases of its type promised, towards old
events and old consumers (`compatibility.py`). `python -m anliegen.events.releases` (`make release-schemas`) releases
what differs; `--check` says what has not been released yet.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import registry
from .base import Event
from .compatibility import breaches, promise, reworded
from .documentation import read_example
from .generated import LIBRARY
from .schemas import FOLDER as SCHEMAS
from .schemas import schema_of

FOLDER = SCHEMAS / "released"
INDEX = "SHA256SUMS"
RETIRED = "RETIRED"
_FILE = re.compile(r"([a-z_.]+\.v[0-9]+)/([1-9][0-9]*)\.(schema|example)\.json")

NEVER_EDITED = (
    "What was released is never edited, since events of it lie in topics: restore it (git checkout); change the class "
    "and its example instead."
)
A_NEW_TYPE = (
    "Within a version only optional fields with defaults and values of open lists are added. Take the change back, or "
    "declare a new type {next} beside this one: CONTRIBUTING.md, Break with a version."
)


@dataclass(frozen=True, slots=True)
class Release:
    """One release of an event type."""

    event_type: str
    number: int
    schema: dict[str, Any]
    example: dict[str, Any]
    """A record: `{"topic": text, "headers": {name: text}, "key": text, "data": {…}}`."""

    def __str__(self) -> str:
        return f"release {self.number} of {self.event_type}"


def all_releases(folder: Path = FOLDER) -> list[Release]:
    """Every release, sorted by type and number."""
    found = sorted((kind, int(number)) for kind, number, part in map(_parts, _files(folder)) if part == "schema")
    return [
        Release(kind, number, _read(folder, kind, number, "schema"), _read(folder, kind, number, "example"))
        for kind, number in found
    ]


def retired_types(folder: Path = FOLDER) -> set[str]:
    """The types that nobody announces or reads any more: they need no class, and keep their releases."""
    path = folder / RETIRED
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def tampered(folder: Path = FOLDER) -> Iterator[str]:
    """What was done to released files: each that was changed, removed, or put there by another way than releasing."""
    listed = _index(folder)
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.json")}
    for name, checksum in listed.items():
        if name not in found:
            yield f"{name} is gone. {NEVER_EDITED}"
        elif hashlib.sha256(found[name].read_bytes()).hexdigest() != checksum:
            yield f"{name} was changed. {NEVER_EDITED}"
    for name in sorted(found.keys() - listed.keys()):
        yield f"{name} stands not in {INDEX}. Remove it; `make release-schemas` writes releases."


def unkept(cls: type[Event], release: Release) -> Iterator[str]:
    """What this class does not keep of what the release promised, and what to do."""
    advice = A_NEW_TYPE.format(next=registry.next_version(cls.event_type))
    for breach in breaches(release.schema, schema_of(cls)):
        yield f"{release}: {breach} ({breach.rule}) {advice}"
    topic = registry.topic_of(cls)
    if topic != release.example["topic"]:
        was = release.example["topic"]
        yield f"{release}: travelled on {was} and now on {topic}, which its consumers do not read (moved) {advice}"


def all_unkept(releases: list[Release], retired: set[str]) -> Iterator[str]:
    """What today's classes do not keep of these releases."""
    for release in releases:
        cls = registry.find_class(release.event_type)
        if cls is not None:
            yield from unkept(cls, release)
        elif release.event_type not in retired:
            yield (
                f"{release}: its class is gone, and events of it lie in topics (removed). Bring it back; or, once "
                f"nobody announces or reads it, name it in libs/events/schemas/released/{RETIRED}."
            )


def unreleased(releases: list[Release]) -> Iterator[tuple[type[Event], Release | None]]:
    """The classes that promise something else than the last release of their type, with that release."""
    last = {release.event_type: release for release in releases}
    for cls in registry.classes_in("anliegen.events"):
        release = last.get(cls.event_type)
        if release is None or promise(release.schema) != promise(schema_of(cls)):
            yield cls, release


def write_release(cls: type[Event], number: int, folder: Path = FOLDER) -> None:
    """Release the class as it is now, with its present example; the files get their lines in the index."""
    example = {"topic": registry.topic_of(cls), **read_example(cls.event_type)}
    lines = _index(folder)
    for part, content in (("schema", schema_of(cls)), ("example", example)):
        path = folder / cls.event_type / f"{number}.{part}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
        lines[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / INDEX).write_text("".join(f"{lines[name]}  {name}\n" for name in sorted(lines)), "utf-8")


def main(arguments: list[str] | None = None, *, folder: Path = FOLDER) -> int:
    """The command; returns the exit code: 1 where something is refused or, with --check, not released yet."""
    parser = argparse.ArgumentParser(prog="python -m anliegen.events.releases", description="Release event schemas.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something is not released yet")
    check = parser.parse_args(arguments).check
    if not (LIBRARY / "pyproject.toml").is_file():
        sys.stderr.write("Releases are kept in a checkout; this is an installed package.\n")
        return 2
    refused = list(tampered(folder)) or list(all_unkept(all_releases(folder), retired_types(folder)))
    if refused:
        sys.stderr.write("\n".join([*refused, ""]))
        return 1
    releases = all_releases(folder)
    waiting = list(unreleased(releases))
    for cls, last in waiting:
        if check:
            sys.stderr.write(f"Not released yet: {cls.event_type}. Run: make release-schemas\n")
            continue
        number = last.number + 1 if last else 1
        write_release(cls, number, folder)
        sys.stdout.write(f"Released {cls.event_type}, release {number}\n")
        for field in reworded(last.schema, schema_of(cls)) if last else ():
            sys.stdout.write(
                f"  The description of {field} changed. Does it still mean the same? No machine can tell.\n"
            )
    return 1 if check and waiting else 0


def _files(folder: Path) -> Iterator[str]:
    return (path.relative_to(folder).as_posix() for path in folder.glob("*/*.json"))


def _parts(name: str) -> tuple[str, str, str]:
    match = _FILE.fullmatch(name)
    return (match[1], match[2], match[3]) if match else ("", "0", "")


def _read(folder: Path, event_type: str, number: int, part: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / event_type / f"{number}.{part}.json").read_text("utf-8"))
    return content


def _index(folder: Path) -> dict[str, str]:
    path = folder / INDEX
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}


if __name__ == "__main__":
    sys.exit(main())
