"""Every service has the same shape."""

import re
import tomllib
from collections.abc import Iterator

from .workspace import ServiceFolder, Workspace

LAYERS = ("domain", "store", "actions", "handlers", "api", "main")
TESTED = ("domain", "store", "actions", "handlers", "api")
HEADINGS = ("## Hears and announces", "## Tables", "## Endpoints")
EVERYWHERE = ("test_second_delivery_changes_nothing", "test_topics_in_any_order")
TABLE = re.compile(r"^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)


def missing_files(workspace: Workspace) -> Iterator[str]:
    """The files of the table in CONTRIBUTING.md; a layer may be a package instead."""
    for service in workspace.services:
        for name in ("README.md", "pyproject.toml", f"anliegen/{service.package}/__init__.py"):
            if not (service.folder / name).is_file():
                yield f"{service.place}/{name} is missing"
        for layer in LAYERS:
            if not service.part(layer):
                yield f"{service.place}/anliegen/{service.package}/{layer}.py is missing"
        if not list((service.code / "migrations").glob("0001_*.sql")):
            yield f"{service.place}/anliegen/{service.package}/migrations/0001_….sql is missing"
        if not (service.code / "py.typed").is_file():
            yield f"{service.place}/anliegen/{service.package}/py.typed is missing"
        if (service.folder / "anliegen" / "__init__.py").exists():
            yield f"{service.place}/anliegen/__init__.py: anliegen is a namespace, shared by all"


def missing_tests(workspace: Workspace) -> Iterator[str]:
    """The tests mirror the files, and two of them stand in every service."""
    for service in workspace.services:
        names = [source.path.name for source in service.tests]
        for layer in TESTED:
            if not any(re.match(rf"test_{layer}(_\w+)?\.py$", name) for name in names):
                yield f"{service.place}/tests/test_{layer}.py is missing"
        text = "\n".join(source.text for source in service.tests)
        for name in EVERYWHERE:
            if not re.search(rf"^async def {name}\w*\(", text, re.MULTILINE):
                yield f"{service.place}/tests: {name} is missing"


def projects_misdeclared(workspace: Workspace) -> Iterator[str]:
    """The project is called after the service and names it as an entry point."""
    for service in workspace.services:
        content = tomllib.loads((service.folder / "pyproject.toml").read_text("utf-8"))
        project = content.get("project", {})
        if project.get("name") != f"anliegen-{service.name}":
            yield f"{service.place}/pyproject.toml: call it anliegen-{service.name}"
        found = project.get("entry-points", {}).get("anliegen.services", {})
        if found != {service.name: f"anliegen.{service.package}.main:service"}:
            yield f"{service.place}/pyproject.toml: the entry point anliegen.services names the service"
        if not project.get("description"):
            yield f"{service.place}/pyproject.toml: say in a sentence what it is for"


def readmes_incomplete(workspace: Workspace) -> Iterator[str]:
    """A README has its headings, and names every table."""
    for service in workspace.services:
        readme = service.folder / "README.md"
        if not readme.is_file():
            continue
        text = readme.read_text("utf-8")
        found = [heading for heading in HEADINGS if re.search(rf"^{heading}\b", text, re.MULTILINE)]
        if found != list(HEADINGS) or not text.startswith("# "):
            yield f"{service.place}/README.md: the headings are {', '.join(HEADINGS)}"
        for table in sorted(tables_of(service)):
            if f"`{table}`" not in text:
                yield f"{service.place}/README.md: the table `{table}` is not named"


def tables_of(service: ServiceFolder) -> set[str]:
    """The tables that the service's migrations create."""
    files = (service.code / "migrations").glob("*.sql")
    return {table for file in files for table in TABLE.findall(file.read_text("utf-8"))}


RULES = (missing_files, missing_tests, projects_misdeclared, readmes_incomplete)
