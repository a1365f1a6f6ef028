"""The workspace that the rules are held against, and small broken ones that show each rule fail."""

from collections.abc import Callable
from pathlib import Path

import pytest
from house_rules.workspace import Workspace

PROJECT = """
[project]
name = "anliegen-toy"
description = "Toy."
[project.entry-points."anliegen.services"]
toy = "anliegen.toy.main:service"
"""


@pytest.fixture(scope="session")
def workspace() -> Workspace:
    """This repository."""
    return Workspace()


@pytest.fixture
def toy(tmp_path: Path) -> Callable[[dict[str, str]], Workspace]:
    """Make a workspace with one service from files, named from its package, or with a slash from the root."""

    def make(files: dict[str, str]) -> Workspace:
        service = tmp_path / "services" / "toy"
        for name, text in {"/services/toy/pyproject.toml": PROJECT, **files}.items():
            path = tmp_path / name[1:] if name.startswith("/") else service / "anliegen" / "toy" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return Workspace(tmp_path)

    return make
