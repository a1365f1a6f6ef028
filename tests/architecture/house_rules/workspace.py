"""The workspace as the rules see it: its files, its services, and what each Python file says."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

LAYERS = frozenset({"domain", "store", "actions", "handlers", "api", "main"})
REPOSITORY = Path(__file__).resolve().parents[3]
NOT_OURS = {".git", ".venv", ".anliegen", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis", "node_modules"}


@dataclass(frozen=True)
class Source:
    """One Python file. `place` is its path from the workspace's root."""

    path: Path
    place: str

    @cached_property
    def text(self) -> str:
        """What stands in it."""
        return self.path.read_text("utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text, self.place)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))

    @cached_property
    def docstrings(self) -> set[int]:
        """The ids of the nodes that are docstrings, of attributes too."""
        return {
            id(node.value) for node in self.nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }

    def at(self, node: ast.AST, what: str) -> str:
        """A violation at this node."""
        return f"{self.place}:{getattr(node, 'lineno', 1)}: {what}"

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Every call with the dotted name of what is called: `tx.fetch`, `datetime.now`, `….execute`."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield dotted(node.func), node

    def imports(self) -> Iterator[tuple[str, ast.AST]]:
        """Everything that is imported, by its full name as far as the file says it; relative ones keep their dots."""
        for node in self.nodes:
            if isinstance(node, ast.Import):
                yield from ((alias.name, node) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                start = "." * node.level + (node.module or "")
                joint = "" if start.endswith(".") or not start else "."
                yield from ((f"{start}{joint}{alias.name}", node) for alias in node.names)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """The functions at the top level."""
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a name or a chain of attributes; what is not a name is an ellipsis."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{dotted(value)}.{attribute}"
    return "…"


@dataclass(frozen=True)
class ServiceFolder:
    """One service in the tree."""

    folder: Path
    root: Path

    @property
    def name(self) -> str:
        """As the folder is called, with hyphens."""
        return self.folder.name

    @property
    def package(self) -> str:
        """With underscores."""
        return self.name.replace("-", "_")

    @property
    def place(self) -> str:
        """The folder from the workspace's root."""
        return self.folder.relative_to(self.root).as_posix()

    @property
    def code(self) -> Path:
        """The folder of its package."""
        return self.folder / "anliegen" / self.package

    @cached_property
    def sources(self) -> list[Source]:
        """Its Python files without the tests."""
        return python_files(self.folder / "anliegen", self.root)

    @cached_property
    def tests(self) -> list[Source]:
        """The Python files of its tests."""
        return python_files(self.folder / "tests", self.root)

    def part(self, name: str) -> list[Source]:
        """The files of one layer, be it one file or a package: `store.py` or `store/…`."""
        return [source for source in self.sources if self.layer_of(source) == name]

    def layer_of(self, source: Source) -> str:
        """The first name below the package: `store` for `store.py` and for `store/vault.py`.

        A subject that is as large as a service has a package of its own with the same layers: `goodwill/store.py`.
        """
        if not self._holds(source):
            return ""
        parts = [part.removesuffix(".py") for part in source.path.relative_to(self.code).parts]
        return parts[1] if parts[0] not in LAYERS and len(parts) > 1 and parts[1] in LAYERS else parts[0]

    def module_of(self, source: Source) -> str:
        """The name below the package: `store.vault`."""
        return ".".join(source.path.relative_to(self.code).with_suffix("").parts).removesuffix(".__init__")

    def _holds(self, source: Source) -> bool:
        return source.path.is_relative_to(self.code)


@dataclass(frozen=True)
class Workspace:
    """Everything below one root folder; the tests of the rules make small broken ones."""

    root: Path = field(default=REPOSITORY)

    @cached_property
    def services(self) -> list[ServiceFolder]:
        """The folders below `services`, sorted."""
        folder = self.root / "services"
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        return [ServiceFolder(one, self.root) for one in found if (one / "pyproject.toml").is_file()]

    @cached_property
    def projects(self) -> list[Path]:
        """The pyproject.toml of every library and service."""
        return sorted([*self.root.glob("libs/*/pyproject.toml"), *self.root.glob("services/*/pyproject.toml")])

    @cached_property
    def sources(self) -> list[Source]:
        """Every Python file of the workspace, tests among them."""
        return python_files(self.root, self.root)

    @cached_property
    def tests(self) -> list[Source]:
        """The Python files of all tests."""
        return [source for source in self.sources if is_test(source)]

    @cached_property
    def files(self) -> list[Path]:
        """Every file that is kept in version control or will be; every file at all where there is none."""
        command = ["git", "-C", str(self.root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        try:
            listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
        except (OSError, subprocess.CalledProcessError):
            return [path for path in sorted(self.root.rglob("*")) if path.is_file() and not _ignored(path, self.root)]
        return [path for name in sorted(listed) if name and (path := self.root / name).is_file()]


def python_files(folder: Path, root: Path) -> list[Source]:
    """The Python files below a folder, sorted."""
    return [
        Source(path, path.relative_to(root).as_posix())
        for path in sorted(folder.rglob("*.py"))
        if not _ignored(path, root)
    ]


def is_test(source: Source) -> bool:
    """Whether a file belongs to tests."""
    return "tests" in Path(source.place).parts[:-1]


def _ignored(path: Path, root: Path) -> bool:
    return bool(NOT_OURS & set(path.relative_to(root).parts))
