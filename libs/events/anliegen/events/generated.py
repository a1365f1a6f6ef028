"""What the schemas and the catalogue have in common: files that follow from the classes and are kept up to date."""

import sys
from collections.abc import Mapping
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2]
"""The folder of this library in a checkout; generated files are kept there, not in an installed package."""
REPOSITORY = LIBRARY.parents[1]


def stale_files(wanted: Mapping[Path, str], *, folder: Path | None = None) -> list[Path]:
    """The files that are missing, differ from what is wanted, or lie in `folder` (`*.json`) without being wanted."""
    differing = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
    unwanted = [path for path in folder.glob("*.json") if path not in wanted] if folder else []
    return sorted({*differing, *unwanted})


def bring_up_to_date(wanted: Mapping[Path, str], *, folder: Path | None = None, command: str, check: bool) -> int:
    """Write what is stale and say so; with `check` only say so. Returns the process's exit code: 1 for stale files."""
    if not (LIBRARY / "pyproject.toml").is_file():
        sys.stderr.write("Generated files are kept in a checkout; this is an installed package.\n")
        return 2
    stale = stale_files(wanted, folder=folder)
    for path in stale:
        if check:
            sys.stderr.write(f"Out of date: {path.relative_to(REPOSITORY)}. Run: python -m {command}\n")
        elif path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], "utf-8")
            sys.stdout.write(f"Wrote {path.relative_to(REPOSITORY)}\n")
        else:
            path.unlink()
            sys.stdout.write(f"Removed {path.relative_to(REPOSITORY)}\n")
    return 1 if check and stale else 0
