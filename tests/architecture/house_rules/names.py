"""Names say what things are; a machine can check the forms."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from .workspace import Workspace

STORE_VERBS = (
    "insert_",
    "upsert_",
    "find_",
    "get_",
    "list_",
    "count_",
    "has_",
    "update_",
    "delete_",
    "lock_",
    "claim_",
    "peek_",  # before anything is locked: `tx.peek`
    "add_",  # with the announcements: `tx.write`
)
WRITES = ("insert_", "upsert_", "update_")
MIGRATION = re.compile(r"^(\d{4})_(create|add|alter|drop|rename|split|fill|move|index)(_[a-z0-9]+)+\.sql$")
EVENT_TYPE = re.compile(r"^[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*\.v[1-9]\d*$")
FORWARD_ONLY = "-- migrate: rollback\n-- Forward only: what is wrong is mended by the next migration.\n"
FEWEST_WORDS = 3


def migrations_misnamed(workspace: Workspace) -> Iterator[str]:
    """`NNNN_verb_object.sql`, counted without a gap, each after the one before, and forward only."""
    folders = {path.parent for path in workspace.root.glob("*/*/anliegen/*/migrations/*.sql")}
    for folder in sorted(folders):
        before = ""
        for expected, path in enumerate(sorted(folder.glob("*.sql")), start=1):
            place, text = path.relative_to(workspace.root).as_posix(), path.read_text("utf-8")
            match = MIGRATION.match(path.name)
            if match is None:
                yield f"{place}: name it NNNN_verb_object.sql"
            elif int(match[1]) != expected:
                yield f"{place}: expected number {expected:04}"
            if (f"\n-- depends: {before}".rstrip() + "\n") not in text:
                yield f"{place}: it comes after {before or 'nothing'}: '-- depends: {before}'"
            if not text.startswith("-- ") or "\n-- migrate: apply\n" not in text:
                yield f"{place}: begin with '-- what it does', '-- depends:' and '-- migrate: apply'"
            if not text.endswith(FORWARD_ONLY):
                yield f"{place}: end with {FORWARD_ONLY!r}"
            before = path.stem


def event_types_misnamed(workspace: Workspace) -> Iterator[str]:
    """`service.fact.vN`, declared in a module of the service that announces it: `service.py`, `service_subject.py`."""
    for folder in sorted(workspace.root.glob("libs/events/anliegen/events")):
        for path in sorted(folder.glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.ClassDef):
                    continue
                given = [k.value.value for k in node.keywords if k.arg == "type" and isinstance(k.value, ast.Constant)]
                for kind in given:
                    place = f"{path.relative_to(workspace.root).as_posix()}:{node.lineno}"
                    if not EVENT_TYPE.match(str(kind)):
                        yield f"{place}: {kind!r} is not of the form service.fact.vN"
                    elif not f"{path.stem}_".startswith(f"{str(kind).partition('.')[0]}_"):
                        yield f"{place}: {kind!r} stands in the module of another service"


def handlers_misnamed(workspace: Workspace) -> Iterator[str]:
    """Handlers and actions say their effect; never `handle_x` or `on_x`."""
    for service in workspace.services:
        for source in [*service.part("handlers"), *service.part("actions")]:
            for function in source.functions():
                if re.match(r"(handle|on|process|do)(_|$)", function.name):
                    yield source.at(function, f"{function.name}: say the effect, as in open_inquiry")


def store_functions_misnamed(workspace: Workspace) -> Iterator[str]:
    """A store function begins with what it does; `tx` and what is written come first, the rest by keyword.

    A part of the worker that listens on a connection of its own gives that instead of `tx`.

    `find_` may return None, `get_` raises.
    """
    for service in workspace.services:
        for source in service.part("store"):
            for function in source.functions():
                if not isinstance(function, ast.AsyncFunctionDef) or function.name.startswith("_"):
                    continue
                if not function.name.startswith(STORE_VERBS):
                    yield source.at(function, f"{function.name}: begin with {' '.join(STORE_VERBS)}")
                positional = [argument.arg for argument in [*function.args.posonlyargs, *function.args.args]]
                most = 2 if function.name.startswith(WRITES) else 1
                if positional[:1] not in (["tx"], ["connection"]) or len(positional) > most:
                    yield source.at(function, f"{function.name}({', '.join(positional)}): tx, then by keyword")
                returns = ast.unparse(function.returns) if function.returns else ""
                if function.name.startswith("get_") and re.search(r"\bNone\b", returns):
                    yield source.at(function, f"{function.name}: get_ raises where find_ may return None")


def tests_misnamed(workspace: Workspace) -> Iterator[str]:
    """A test's name states the behaviour, in three words at least."""
    for source in workspace.tests:
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
                words = [word for word in node.name.removeprefix("test").split("_") if word]
                if len(words) < FEWEST_WORDS and _is_test(source.path, node):
                    yield source.at(node, f"{node.name}: state the behaviour, as in test_credit_clears_dunning")


def _is_test(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    fixture = any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)
    return path.name.startswith("test_") and not fixture


def tests_in_packages(workspace: Workspace) -> Iterator[str]:
    """Tests have no `__init__.py`: they are no package, and nothing imports them."""
    for source in workspace.tests:
        if source.path.name == "__init__.py" and source.path.parent.name in {"tests"} | {
            path.parent.name for path in source.path.parent.glob("test_*.py")
        }:
            yield f"{source.place}: tests are no package"


RULES = (
    migrations_misnamed, event_types_misnamed, handlers_misnamed, store_functions_misnamed, tests_misnamed,
    tests_in_packages,
)  # fmt: skip
