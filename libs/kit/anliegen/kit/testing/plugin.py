"""The pytest plugin. A test below `services/<name>/tests` gets the fixtures of that service."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from anliegen.events import Event

    from ..clock import FixedClock
    from ..service import Context, Service
    from ..settings import Settings
    from ..transaction import Transaction
    from .clients import TestClient
    from .databases import TestDatabase, TestServer
    from .deliveries import Postman

# The kit is imported inside the fixtures: pytest loads this plugin even where none of them is used.

MONDAY_MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
IDENTITY_SECRET = "5a" * 32


@pytest.fixture(scope="session")
def postgres() -> "Iterator[TestServer]":
    """A real PostgreSQL server: the one in ANLIEGEN_TEST_POSTGRES, else an embedded one."""
    from .databases import test_server

    with test_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: "TestServer") -> "Callable[[Service], Awaitable[TestDatabase]]":
    """Prepare and migrate a service's database, once in a test run."""
    ready: dict[str, TestDatabase] = {}

    async def prepare(service: "Service") -> "TestDatabase":
        if service.name not in ready:
            database = postgres.prepare(service)
            await database.migrate()
            ready[service.name] = database
        return ready[service.name]

    return prepare


@pytest.fixture
def service(request: pytest.FixtureRequest) -> "Service":
    """The service whose folder the test lies in. Tests elsewhere name theirs by a fixture of the same name."""
    from ..service import load_service

    parts = request.path.parts
    if "services" not in parts:
        raise pytest.UsageError("this test lies below no service: give it a fixture `service` of its own")
    return load_service(parts[parts.index("services") + 1])


@pytest.fixture
async def database(
    service: "Service", migrated: "Callable[[Service], Awaitable[TestDatabase]]"
) -> "AsyncIterator[TestDatabase]":
    """The service's real database, empty, and emptied again afterwards."""
    database = await migrated(service)
    yield database
    await database.empty()


@pytest.fixture
def clock() -> "FixedClock":
    """A clock that stands on Monday, 2 March 2026, 09:00 UTC, until `clock.advance(…)` moves it."""
    from ..clock import FixedClock

    return FixedClock(MONDAY_MORNING)


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    """Settings that a test wants other than they are; override this fixture."""
    return {}


@pytest.fixture
def settings(
    service: "Service", database: "TestDatabase", settings_overrides: dict[str, Any], tmp_path: Any
) -> "Settings":
    """The service's settings for a test."""
    from .clients import ISSUER, jwks_address

    given = {
        "environment": "test",
        "database_url": database.address,
        "identity_secret": IDENTITY_SECRET,
        "oidc_issuer": ISSUER,
        "oidc_jwks_url": jwks_address(),
        "files_url": f"file://{tmp_path}/files",
    }
    return service.settings(**{**given, **settings_overrides})


@pytest.fixture
async def context(service: "Service", settings: "Settings", clock: "FixedClock") -> "AsyncIterator[Context]":
    """The service at work on its database, with the movable clock."""
    from ..service import open_context

    async with open_context(service, settings, part="test", clock=clock) as context:
        yield context


@pytest.fixture
async def tx(context: "Context") -> "AsyncIterator[Transaction]":
    """An open transaction that is rolled back; what it announces stands in `tx.outgoing`."""
    from ..transaction import Transaction

    async with context.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        yield Transaction(connection, context, principal=None, cause=None)
        if not connection.is_closed():
            await transaction.rollback()


@pytest.fixture
def begin(context: "Context") -> "Callable[..., Any]":
    """Open a transaction that commits: `async with begin() as tx`."""
    from functools import partial

    from ..transaction import begin

    return partial(begin, context)


@pytest.fixture
def postman(context: "Context") -> "Postman":
    """Delivers events through the real consumer: one batch is one transaction, with position, inbox and locks."""
    from .deliveries import Postman

    return Postman(context)


@pytest.fixture
def deliver(postman: "Postman") -> "Callable[..., Awaitable[Any]]":
    """`await deliver(event, …)`; see `Postman.deliver`."""
    return postman.deliver


@pytest.fixture
def published(context: "Context") -> "Callable[..., Awaitable[list[Event]]]":
    """`await published()`: the events in the outbox in their order; `await published(QuestionOpened)` some of them."""
    from anliegen.events import codec

    async def read(*classes: type) -> "list[Event]":
        async with context.pool.acquire() as connection:
            rows = await connection.fetch("SELECT type, payload FROM outbox ORDER BY seq")
        events = [event for row in rows if (event := codec.decode(row["type"], row["payload"])) is not None]
        return [event for event in events if not classes or isinstance(event, classes)]

    return read


@pytest.fixture
def run_timers(context: "Context") -> "Callable[[], Awaitable[int]]":
    """`await run_timers()`: fire what is due on the clock; tells how many."""
    from ..ticker import fire_due_timers

    return lambda: fire_due_timers(context)


@pytest.fixture
def retry_parked(context: "Context") -> "Callable[[], Awaitable[int]]":
    """`await retry_parked()`: try the parked keys that are due on the clock; tells how many."""
    from ..retry import retry_due_keys

    return lambda: retry_due_keys(context)


@pytest.fixture
async def client(context: "Context") -> "AsyncIterator[TestClient]":
    """The service's HTTP door on its real database: `await client.as_agent().get(…)`; see `TestClient`."""
    from .clients import open_client

    async with open_client(context) as client:
        yield client


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[str]":
    """The bootstrap address of a real Kafka with the manifest's topics: ANLIEGEN_TEST_KAFKA, else an embedded one."""
    from anliegen.events.topics import manifest
    from anliegen.stack.kafka import make_topics, start_kafka

    given = os.environ.get("ANLIEGEN_TEST_KAFKA")
    if given:
        make_topics(given, manifest("development"), patience=30.0)
        yield given
        return
    server = start_kafka(tmp_path_factory.mktemp("kafka"), topics=manifest("development"))
    try:
        yield server.bootstrap
    finally:
        server.stop()
