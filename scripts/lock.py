"""Compile every third-party requirement of the workspace into requirements.txt, with hashes and no index address."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Third-party pins with hashes, compiled from the pyproject.toml files by `make lock`. Do not edit.\n"


def third_party() -> list[str]:
    """All requirements named in the workspace that are not our own packages, sorted, without repeats."""
    wanted: set[str] = set()
    projects = [*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]
    for file in [ROOT / "pyproject.toml", *sorted(projects)]:
        content = tomllib.loads(file.read_text())
        wanted.update(content.get("project", {}).get("dependencies", []))
        wanted.update(content.get("dependency-groups", {}).get("dev", []))
    return sorted(w for w in wanted if not w.startswith("anliegen-"))


def main() -> None:
    compiled = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "-", "--quiet", "--generate-hashes", "--universal"),
            *("--python-version", "3.11", "--no-header", "--no-annotate"),
            *("--no-emit-index-url", "--no-emit-find-links"),
            *sys.argv[1:],
        ],
        input="\n".join(third_party()),
        text=True,
        check=True,
        capture_output=True,
        cwd=ROOT,
    ).stdout
    (ROOT / "requirements.txt").write_text(HEADER + compiled)


if __name__ == "__main__":
    main()
