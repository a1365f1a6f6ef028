"""Who imports whom: the contracts in pyproject.toml, held by import-linter, and seen to fail on broken packages."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from house_rules.workspace import REPOSITORY

FILES = {
    "events": {"__init__.py": "", "base.py": ""},
    "kit": {
        "__init__.py": "",
        "testing/databases.py": "from anliegen.stack import throwaway\n",
        "testing/__init__.py": "",
        "clock.py": "",
    },
    "stack": {"__init__.py": "", "throwaway.py": "from anliegen.kit import clock\n"},
    "toy": {
        "__init__.py": "",
        "domain.py": "from anliegen.events import base\n",
        "store.py": "from . import domain\nimport asyncpg\n",
        "actions.py": "from . import store\n",
        "handlers.py": "from . import actions\n",
        "api.py": "from . import actions\nimport fastapi\n",
        "main.py": "from . import api, handlers\n",
    },
    "doll": {"__init__.py": "", "domain/__init__.py": "", "domain/dress.py": "", "wardrobe.py": ""},
}


@pytest.fixture
def lint(tmp_path: Path) -> Callable[[dict[str, str]], str]:
    """Run import-linter with our contracts over the small packages above, some of their files replaced."""

    def run(changes: dict[str, str]) -> str:
        files = {f"{package}/{name}": text for package, found in FILES.items() for name, text in found.items()}
        for name, text in {**files, **changes}.items():
            path = tmp_path / "anliegen" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return lint_imports(tmp_path)

    return run


ONLY_THERE = """
import os, sys, importlinter.cli
if sys.argv[2:]:
    sys.path[:] = [sys.argv[2], *(path for path in sys.path if not os.path.isdir(os.path.join(path, "anliegen")))]
sys.exit(importlinter.cli.lint_imports(config_filename=sys.argv[1], no_cache=True, no_logo=True))
"""


def lint_imports(*folders: Path) -> str:
    """What import-linter says with our contracts: of what is installed, or of the packages in this folder alone."""
    process = subprocess.run(
        [sys.executable, "-P", "-c", ONLY_THERE, str(REPOSITORY / "pyproject.toml"), *map(str, folders)],
        capture_output=True, text=True, check=False, cwd=REPOSITORY, env={"COLUMNS": "200"},
    )  # fmt: skip
    return process.stdout + process.stderr


def test_imports_keep_every_contract() -> None:
    said = lint_imports()
    assert " 0 broken" in said, said


def test_small_packages_keep_every_contract(lint) -> None:
    said = lint({})
    assert " 0 broken" in said, said
    assert "Contracts: 4 kept" in said
    assert re.search(r"Analyzed [12]\d files", said), said


@pytest.mark.parametrize(
    "changes",
    [
        {"toy/actions.py": "from anliegen.doll import wardrobe\n"},
        {"toy/actions.py": "from anliegen.stack import throwaway\n"},
        {"kit/clock.py": "from anliegen.doll import wardrobe\n"},
        {"kit/clock.py": "from anliegen.stack import throwaway\n"},
        {"events/base.py": "from anliegen.kit import clock\n"},
        {"toy/store.py": "from . import actions\n", "toy/actions.py": ""},
        {"toy/domain.py": "from . import helper\n", "toy/helper.py": "from . import store\n"},
        {"toy/api.py": "from . import handlers\n"},
        {"doll/dress/store.py": "from . import actions\n", "doll/dress/actions.py": "", "doll/dress/__init__.py": ""},
        {"doll/dress/domain.py": "import asyncpg\n", "doll/dress/__init__.py": ""},
        {"toy/actions.py": "from . import api\n", "toy/api.py": "", "toy/main.py": ""},
        {"toy/domain.py": "import asyncpg\n"},
        {"doll/domain/dress.py": "from anliegen.doll import wardrobe\n", "doll/wardrobe.py": "import httpx\n"},
    ],
    ids=str,
)
def test_broken_contract_is_found(lint, changes) -> None:
    said = lint(changes)
    assert " 1 broken" in said or " 2 broken" in said, said
