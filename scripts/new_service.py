"""Begin a service: a small one that works, with its tests, to be filled with what it is answerable for."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = Path(__file__).resolve().parent / "service_template"
NAME = re.compile(r"[a-z]+(-[a-z]+)*")
LISTS = {
    "deploy/k8s/base/kustomization.yaml": "  - ../../../services/{name}/deploy\n",
    "deploy/k8s/platform/services/kustomization.yaml": "  - ../../../../services/{name}/deploy/platform\n",
}
"""Where Kubernetes is told which services there are, and the line of one."""
COMPOSE = "docker-compose.yml"
LIKE = "helpdesk"
"""The service whose containers a new one's are like."""


def begin(name: str, *, root: Path = ROOT) -> list[Path]:
    """Write `services/<name>` from the template; tells the files. Raises ValueError, FileExistsError."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name for a service: small letters, words joined by hyphens")
    target = root / "services" / name
    if target.exists():
        raise FileExistsError(f"services/{name} is there already")
    package, title = name.replace("-", "_"), name.replace("-", " ").capitalize()
    written = []
    for source in sorted(path for path in TEMPLATE.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        place = target / source.relative_to(TEMPLATE).as_posix().replace("new_service", package)
        place.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text("utf-8")
        place.write_text(
            text.replace("new-service", name).replace("new_service", package).replace("New service", title)
        )
        written.append(place)
    for file, line in LISTS.items():
        if (root / file).is_file():
            enter(root / file, line, name)
    if (root / COMPOSE).is_file():
        enter_in_compose(root / COMPOSE, name)
    return written


def enter(file: Path, line: str, name: str) -> None:
    """Put the service's line among those of the others, in the order of the alphabet."""
    before, after = line.split("{name}")
    lines = file.read_text("utf-8").splitlines(keepends=True)
    places = [number for number, text in enumerate(lines) if text.startswith(before) and text.endswith(after)]
    own = line.format(name=name)
    later = [number for number in places if lines[number] > own]
    lines.insert(later[0] if later else places[-1] + 1, own)
    file.write_text("".join(lines), "utf-8")


def enter_in_compose(file: Path, name: str) -> None:
    """Give the service its containers, each block before the one of the next service in the order of the alphabet."""
    text = file.read_text("utf-8")
    listed = re.search(r"^x-services: &services (.+)$", text, re.MULTILINE)
    if listed is None:
        raise ValueError(f"{file.name} has no line x-services")
    names = sorted([*listed[1].split(), name])
    text = text.replace(listed[0], f"x-services: &services {' '.join(names)}")
    for begins in ("x-{name}: &{name}\n", "  {name}-migrate:\n"):
        block = text[text.index(begins.format(name=LIKE)) :].partition("\n\n")[0] + "\n\n"
        own = block.replace(LIKE, name)
        if later := names[names.index(name) + 1 :]:
            place = text.index(begins.format(name=later[0]))
        else:
            last = text.index(begins.format(name=names[-2]))
            place = text.index("\n\n", last) + 2
        text = text[:place] + own + text[place:]
    file.write_text(text, "utf-8")


def main() -> int:
    """The command."""
    if len(sys.argv) != 2:
        print("Name the service: make new-service NAME=parcel-tracing", file=sys.stderr)
        return 2
    try:
        written = begin(sys.argv[1])
    except (ValueError, FileExistsError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"Wrote services/{sys.argv[1]} ({len(written)} files). Next:")
    print(f"  make install && .venv/bin/pytest services/{sys.argv[1]}")
    print("  then CONTRIBUTING.md, “Add a service”.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
