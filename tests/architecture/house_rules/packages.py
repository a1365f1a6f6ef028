"""Third-party packages: named where they are used, pinned with hashes, from no named index."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from .workspace import Workspace

# Put together here, so that this file does not hold what it looks for.
INDEXES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs", "org"), ("registry", "yarnpkg", "com"),
        ("repo1", "maven", "org"), ("repo", "maven", "apache", "org"), ("repo", "maven", "org"),
        ("proxy", "golang", "org"), ("static", "crates", "io"), ("index", "crates", "io"), ("rubygems", "org"),
        ("conda", "anaconda", "org"),
    )
)  # fmt: skip
OPTIONS = re.compile(r"(?:index[-_]" + r"url|find-" + r"links)[ =\"']+\S*://")
FOLDERS = "|".join(("wo" + "rk", "ro" + "ot", "ho" + "me", "Us" + "ers"))
MACHINE = re.compile(rf"(?<![\w.:/$}}~-])/(?:{FOLDERS})/\w")
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)

COMES_WITH = {
    "fastapi": {"starlette", "anyio"},
    "pydantic": {"pydantic-core"},
    "opentelemetry-sdk": {"opentelemetry-api"},
}
"""What a package is made of or stands on, so that whoever names it may use these, too."""


def indexes_named(workspace: Workspace) -> Iterator[str]:
    """No file names the host of a package index: where packages come from is the machine's to say."""
    for place, number, line in _lines(workspace):
        found = next((host for host in INDEXES if host in line), None) or OPTIONS.search(line)
        if found:
            yield f"{place}:{number}: a package index is named"


def machine_paths(workspace: Workspace) -> Iterator[str]:
    """No file holds an absolute path of the machine it was written on."""
    for place, number, line in _lines(workspace):
        if MACHINE.search(line):
            yield f"{place}:{number}: an absolute path of one machine"


def _lines(workspace: Workspace) -> Iterator[tuple[str, int, str]]:
    for path in workspace.files:
        content = path.read_bytes()
        if b"\0" in content[:8000]:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
            yield path.relative_to(workspace.root).as_posix(), number, line


def wanted(workspace: Workspace) -> dict[str, list[Requirement]]:
    """Third-party requirements by the place that names them."""
    found: dict[str, list[Requirement]] = {}
    for path in [workspace.root / "pyproject.toml", *workspace.projects]:
        if not path.is_file():
            continue
        content = tomllib.loads(path.read_text("utf-8"))
        named = [
            *content.get("project", {}).get("dependencies", []),
            *(one for extra in content.get("project", {}).get("optional-dependencies", {}).values() for one in extra),
            *(one for group in content.get("dependency-groups", {}).values() for one in group),
        ]
        place = path.relative_to(workspace.root).as_posix()
        found[place] = [Requirement(one) for one in named if not one.startswith("anliegen-")]
    return found


def pins(workspace: Workspace) -> dict[str, Version]:
    """What requirements.txt pins."""
    text = (workspace.root / "requirements.txt").read_text("utf-8")
    return {canonicalize_name(name): Version(version) for name, version in PIN.findall(text)}


def pins_missing(workspace: Workspace) -> Iterator[str]:
    """Each requirement that a project names is pinned, to a version that it allows."""
    pinned = pins(workspace)
    for place, requirements in wanted(workspace).items():
        for requirement in requirements:
            version = pinned.get(canonicalize_name(requirement.name))
            if version is None:
                yield f"{place}: {requirement.name} is not in requirements.txt; run make lock"
            elif not requirement.specifier.contains(version, prereleases=True):
                yield f"{place}: {requirement} does not allow the pinned {version}; run make lock"


def pins_without_hash(workspace: Workspace) -> Iterator[str]:
    """Each pin has at least one hash, so what is installed is what was chosen."""
    text = (workspace.root / "requirements.txt").read_text("utf-8")
    for entry in re.split(r"\n(?=\S)", text):
        match = PIN.match(entry)
        if match and "--hash=sha256:" not in entry:
            yield f"requirements.txt: {match[1]} has no hash"
        if not match and entry.strip() and not entry.startswith("#"):
            yield f"requirements.txt: {entry.splitlines()[0]!r} is no pin"


def pins_unasked(workspace: Workspace) -> Iterator[str]:
    """Each pin is asked for: by a project, or by a package that is installed because one asks for it."""
    pinned = pins(workspace)
    asked = {canonicalize_name(one.name) for named in wanted(workspace).values() for one in named}
    for name in sorted(pinned):
        try:
            asked |= {canonicalize_name(Requirement(one).name) for one in requires(name) or ()}
        except PackageNotFoundError:
            continue  # for another operating system
    yield from (f"requirements.txt: nothing asks for {name}; run make lock" for name in sorted(set(pinned) - asked))


def names_clashing(workspace: Workspace, providers: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """What we call our packages is nobody else's name. `providers`: the distributions of each top-level name."""
    ours = {f"anliegen-{path.parent.name}" for path in workspace.projects}
    top = {path.parent.parent.name for path in workspace.root.glob("*/*/anliegen/*")} | {"anliegen"}
    for name in sorted({"anliegen"} & top):
        others = sorted({canonicalize_name(one) for one in providers.get(name, ())} - ours)
        yield from (f"{other} brings a package {name}, too" for other in others)
    yield from (f"requirements.txt pins {name}, which is ours" for name in sorted(set(pins(workspace)) & ours))


def imports_undeclared(
    workspace: Workspace, providers: Mapping[str, Iterable[str]], standard: Iterable[str]
) -> Iterator[str]:
    """What a project imports, it names, or its kit does; the events need pydantic and nothing else."""
    own = {place: {canonicalize_name(one.name) for one in named} for place, named in wanted(workspace).items()}
    kit = own.get("libs/kit/pyproject.toml", set())
    known = {name: {canonicalize_name(one) for one in found} for name, found in providers.items()}
    for project in workspace.projects:
        place = project.parent.relative_to(workspace.root).as_posix()
        allowed = set(own.get(f"{place}/pyproject.toml", set()))
        if place != "libs/events":
            allowed |= kit | {"pydantic", "pytest"}
        allowed |= {part for whole in allowed & set(COMES_WITH) for part in COMES_WITH[whole]}
        for source in workspace.sources:
            if not source.place.startswith(f"{place}/anliegen/"):
                continue
            for name, node in source.imports():
                top = name.partition(".")[0]
                if not top or top == "anliegen" or top in standard or name.startswith("."):
                    continue
                if not known.get(top, {top}) & allowed:
                    yield source.at(node, f"{top} is not named in {place}/pyproject.toml")


def extras_unnamed(workspace: Workspace) -> Iterator[str]:
    """A service that uses a part of the kit with packages of its own names that extra: its image holds them then."""
    kit = workspace.root / "libs" / "kit" / "pyproject.toml"
    if not kit.is_file():
        return
    extras = tomllib.loads(kit.read_text("utf-8"))["project"].get("optional-dependencies", {})
    for project in workspace.projects:
        place = project.parent.relative_to(workspace.root).as_posix()
        named = tomllib.loads(project.read_text("utf-8"))["project"].get("dependencies", [])
        chosen = {extra for one in named if one.startswith("anliegen-kit[") for extra in Requirement(one).extras}
        for source in workspace.sources:
            if place == "libs/kit" or not source.place.startswith(f"{place}/anliegen/"):
                continue
            for name, node in source.imports():
                part = name.removeprefix("anliegen.kit.").partition(".")[0]
                if name.startswith("anliegen.kit.") and part in extras and part not in chosen:
                    yield source.at(node, f"name anliegen-kit[{part}] in {place}/pyproject.toml")
