"""Who may do what inside a service: only doors begin, only the store speaks SQL, only the clock tells the time."""

import ast
import re
from collections.abc import Iterator

from .workspace import ServiceFolder, Source, Workspace, dotted

INNER = {"actions", "store", "domain"}
ENDS = {"commit", "rollback", "transaction", "savepoint"}
QUERIES = {"fetch", "fetchrow", "fetchval", "execute", "executemany", "copy_records_to_table", "cursor", "prepare"}
SQL = re.compile(
    r"^\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+(AS\s+\w+\s+)?SET\s|DELETE\s+FROM\s|WITH\s+(RECURSIVE\s+)?\w+.*\sAS\s"
    r"|CREATE\s+(TABLE|INDEX)\s|TRUNCATE\s|LOCK\s+TABLE\s|BEGIN\b|COMMIT\b|ROLLBACK\b)"
)
CLOCKS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now",
    "datetime.datetime.utcnow", "datetime.date.today", "time.time", "time.time_ns",
}  # fmt: skip
CHANCE = {"random", "secrets", "uuid.uuid1", "uuid.uuid4", "uuid.uuid7", "os.urandom"}
MONOTONIC = {"time.monotonic", "time.perf_counter"}
DOMAIN_MAY_USE_OF_THE_KIT = {
    f"anliegen.kit.{name}" for name in ("ids", "errors", "calendars", "Delivery", "AnyDelivery", "Principal")
}
STAND_IN = "stand_in"
"""What a module is called that plays a party outside, such as a provider: it has a clock and answers of its own."""
OUTSIDE = {
    "aiokafka", "aiosmtplib", "asyncio", "asyncpg", "fastapi", "httpx", "obstore", "os", "pathlib", "requests",
    "shutil", "socket", "starlette", "subprocess", "tempfile", "threading", "urllib.request",
}  # fmt: skip


def commits_elsewhere(workspace: Workspace) -> Iterator[str]:
    """Nothing in a service ends a transaction: the kit's doors do."""
    for service in workspace.services:
        for source in service.sources:
            for name, call in source.calls():
                if name.rpartition(".")[2] in ENDS and "." in name:
                    yield source.at(call, f"{name}: only the kit's doors commit or roll back")


def beginnings_elsewhere(workspace: Workspace) -> Iterator[str]:
    """Handlers, actions, store and domain never begin a transaction, nor does anything they import: theirs is given.

    What stands outside them may, by the kit's `begin`: a part of the worker, or a door of several transactions.
    """
    for service in workspace.services:
        inside = _imported_by(service, {"handlers", *INNER})
        for source in service.sources:
            if service.module_of(source) not in inside:
                continue
            for name, call in source.calls():
                if name.rpartition(".")[2] == "begin":
                    yield source.at(call, f"{name}: the transaction is given; only doors and parts begin one")


def _imported_by(service: ServiceFolder, layers: set[str]) -> set[str]:
    """The modules of these layers, and every module of the service that they import, however far."""
    modules = {service.module_of(source): source for source in service.sources}
    reached = {name for name, source in modules.items() if service.layer_of(source) in layers}
    waiting = list(reached)
    while waiting:
        name = waiting.pop()
        for imported in _own_imports(service, name, modules[name]):
            for candidate in (imported, imported.rpartition(".")[0]):
                if candidate in modules and candidate not in reached:
                    reached.add(candidate)
                    waiting.append(candidate)
    return reached


def _own_imports(service: ServiceFolder, module: str, source: Source) -> Iterator[str]:
    here = module.split(".") if source.path.name == "__init__.py" else module.split(".")[:-1]
    own = f"anliegen.{service.package}."
    for name, _ in source.imports():
        dots = len(name) - len(name.lstrip("."))
        if dots:
            yield ".".join([*here[: len(here) - dots + 1], name.lstrip(".")])
        elif name.startswith(own):
            yield name.removeprefix(own)


def sql_elsewhere(workspace: Workspace) -> Iterator[str]:
    """SQL and the calls that run it stand in the store alone."""
    for service in workspace.services:
        for source in service.sources:
            if service.layer_of(source) == "store":
                continue
            for name, call in source.calls():
                if name.startswith("tx.") and name.rpartition(".")[2] in QUERIES:
                    yield source.at(call, f"{name}: SQL lives in store")
            for node in source.nodes:
                if isinstance(node, ast.Attribute) and dotted(node) == "tx.connection":
                    yield source.at(node, "tx.connection: SQL lives in store")
                text = node.value if isinstance(node, ast.Constant) and id(node) not in source.docstrings else None
                if isinstance(text, str) and SQL.match(text):
                    yield source.at(node, f"{text.strip()[:30]!r}: SQL lives in store")


def environment_elsewhere(workspace: Workspace) -> Iterator[str]:
    """A service never looks at the environment: the kit reads its settings, once."""
    for service in workspace.services:
        for source in service.sources:
            for node in source.nodes:
                if isinstance(node, ast.Attribute) and dotted(node) in {"os.environ", "os.getenv", "os.environb"}:
                    yield source.at(node, f"{dotted(node)}: settings come from the kit")
            for name, node in source.imports():
                if name in {"os.environ", "os.getenv"}:
                    yield source.at(node, f"{name}: settings come from the kit")


def clocks_elsewhere(workspace: Workspace) -> Iterator[str]:
    """Time is given, not asked for: `tx.now` and `tx.wall` come from the kit's clock, which tests move."""
    for service in workspace.services:
        for source in service.sources:
            if source.path.stem.endswith(STAND_IN):
                continue
            for name, call in source.calls():
                if name in CLOCKS:
                    yield source.at(call, f"{name}: take the time from tx.now or the context's clock")


def brokers_elsewhere(workspace: Workspace) -> Iterator[str]:
    """Only the relay and the consumer talk to Kafka."""
    for service in workspace.services:
        for source in service.sources:
            for name, node in source.imports():
                if name.partition(".")[0] in {"aiokafka", "kafka", "confluent_kafka"}:
                    yield source.at(node, f"{name}: announce by tx.publish, hear by handlers")


def impure_domains(workspace: Workspace) -> Iterator[str]:
    """The domain touches nothing: no input or output, no clock, no chance."""
    for service in workspace.services:
        for source in service.part("domain"):
            yield from _impurities(source)


def _impurities(source: Source) -> Iterator[str]:
    for name, node in source.imports():
        if any(name == one or name.startswith(f"{one}.") for one in OUTSIDE | CHANCE):
            yield source.at(node, f"{name}: the domain touches nothing")
        if name.startswith("anliegen.kit.") and not any(
            name == one or name.startswith(f"{one}.") for one in DOMAIN_MAY_USE_OF_THE_KIT
        ):
            yield source.at(node, f"{name}: of the kit, the domain uses ids, errors and plain data")
    for name, call in source.calls():
        if name in CLOCKS | MONOTONIC | CHANCE or name.partition(".")[0] in {"random", "secrets"}:
            yield source.at(call, f"{name}: time, ids and chance come in as arguments")
        if name in {"open", "print", "input"}:
            yield source.at(call, f"{name}: the domain touches nothing")
    for node in source.nodes:
        if isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield source.at(node, "async: the domain waits for nothing")


def statuses_elsewhere(workspace: Workspace) -> Iterator[str]:
    """Errors are named; which HTTP status they have is the kit's to say."""
    for service in workspace.services:
        for source in service.sources:
            if source.path.stem.endswith(STAND_IN):
                continue
            for name, node in source.imports():
                if name.rpartition(".")[2] in {"HTTPException", "JSONResponse"} and name.startswith(
                    ("fastapi", "starlette")
                ):
                    yield source.at(node, f"{name}: raise a named error of the domain")
            if service.layer_of(source) in {"handlers", *INNER}:
                for name, node in source.imports():
                    if name.startswith(("fastapi", "starlette", "anliegen.kit.http")):
                        yield source.at(node, f"{name}: HTTP ends at api")


RULES = (
    commits_elsewhere, beginnings_elsewhere, sql_elsewhere, environment_elsewhere, clocks_elsewhere, brokers_elsewhere,
    impure_domains, statuses_elsewhere,
)  # fmt: skip
