"""A small town: real services at work in this process, on a real PostgreSQL and a real Kafka, whose databases can be
copied and put back."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from anliegen.events import Envelope
from anliegen.events.envelope import from_headers
from anliegen.events.topics import manifest
from anliegen.kit import Context
from anliegen.kit.service import Service, load_service, open_context
from anliegen.kit.testing.clients import ISSUER, TestClient, jwks_address, open_client
from anliegen.kit.testing.databases import TestDatabase, TestServer
from anliegen.kit.testing.logs import skip_the_past
from anliegen.kit.testing.plugin import IDENTITY_SECRET
from anliegen.kit.worker import run_parts

T = TypeVar("T")
PATIENCE = 30.0  # seconds


async def wait_until(look: Callable[[], Awaitable[T]], what: str) -> T:
    """The first true thing that `look` tells."""
    last: Any = None
    try:
        async with asyncio.timeout(PATIENCE):
            while not (last := await look()):
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{what} did not come") from None
    return last


@dataclass
class Worker:
    """One worker of a service, in a task of this process."""

    context: Context
    task: asyncio.Task[None]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@dataclass
class House:
    """One service at work: its worker and its door."""

    service: Service
    database: TestDatabase
    settings: Any
    server: TestServer
    opened: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    workers: list[Worker] = field(default_factory=list)
    client: TestClient | None = None

    async def serve(self) -> TestClient:
        """Open the door."""
        context = await self.opened.enter_async_context(open_context(self.service, self.settings, part="http"))
        self.client = await self.opened.enter_async_context(open_client(context))
        return self.client

    async def work(self, slot: str = "0") -> Worker:
        """Start a worker."""
        settings = self.settings.model_copy(update={"worker_slot": slot})
        context = await self.opened.enter_async_context(open_context(self.service, settings, part="work"))
        worker = Worker(context, asyncio.create_task(run_parts(context)))
        self.workers.append(worker)
        return worker

    async def start(self) -> None:
        """Open the door and start a worker; it is free to work."""
        await self.serve()
        worker = await self.work()
        await asyncio.wait_for(worker.context.gate.passed.wait(), PATIENCE)

    async def start_without_waiting(self) -> None:
        """The same, where the worker may find itself fenced."""
        await self.serve()
        await self.work()

    async def stop(self) -> None:
        """End everything."""
        for worker in self.workers:
            await worker.stop()
        self.workers.clear()
        await self.opened.aclose()
        self.client = None

    @property
    def administrator(self) -> Any:
        assert self.client is not None
        return self.client.as_administrator()

    @property
    def agent(self) -> Any:
        assert self.client is not None
        return self.client.as_agent()

    # The database, as its administrators see it ------------------------------------------------------------------
    @contextlib.asynccontextmanager
    async def sql(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.database.owner_address)
        try:
            yield connection
        finally:
            await connection.close()

    async def rows(self, query: str, *values: object) -> list[Any]:
        async with self.sql() as connection:
            return [tuple(row) for row in await connection.fetch(query, *values)]

    async def back_up(self) -> str:
        """A copy of the database as it is now. Every session in it ends, as at a failover."""
        name = self.database.name
        copy = f"{name}_{uuid4().hex[:8]}"
        self.server.prepared.add(copy)
        await self._on_server(
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
            f"CREATE DATABASE {copy} TEMPLATE {name} OWNER {self.service.package}_owner",
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS true",
        )
        return copy

    async def restore(self, copy: str) -> None:
        """Put the state of the copy in the database's place, for as often as it is wanted."""
        name, package = self.database.name, self.service.package
        await self._on_server(
            f"DROP DATABASE {name} WITH (FORCE)",
            f"CREATE DATABASE {name} TEMPLATE {copy} OWNER {package}_owner",
            f"GRANT CONNECT ON DATABASE {name} TO {package}",
        )

    async def _on_server(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.server.server.address)
        try:
            for statement in statements:
                await _insist(connection, statement)
        finally:
            await connection.close()

    # What it says of itself ------------------------------------------------------------------------------------------
    async def fence(self) -> dict[str, Any]:
        """What `GET …/fence` tells."""
        answer = await self.administrator.get(f"/{self.service.name}/v1/fence")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def is_fenced(self) -> dict[str, Any]:
        """The fence, once its list is complete."""

        async def listed() -> dict[str, Any] | None:
            found = await self.fence()
            return found["fence"] if found["fenced"] and found["fence"]["listed_at"] else None

        return await wait_until(listed, "a fence with its list")

    async def listed(self, **query: object) -> list[dict[str, Any]]:
        """The whole list, page by page."""
        found, cursor = [], {}
        while cursor is not None:
            page = await self.administrator.get(
                f"/{self.service.name}/v1/fence/events", params={"limit": 7, **query, **cursor}
            )
            assert page.status_code == 200, page.text
            found += page.json()["items"]
            cursor = {"cursor": page.json()["next"]} if page.json()["next"] else None
        return found

    async def release(self) -> Any:
        return await self.administrator.post(
            f"/{self.service.name}/v1/fence/release", json={"reason": "the list was worked off"}
        )


async def _insist(connection: asyncpg.Connection, statement: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await connection.execute(statement)
                return
            except asyncpg.ObjectInUseError:  # a session that was told to end takes a moment
                await asyncio.sleep(0.05)


@dataclass
class Town:
    """The houses, and the log between them."""

    houses: dict[str, House]
    kafka: str
    left: list[Envelope]
    """What earlier tests left in the log."""

    def __getitem__(self, name: str) -> House:
        return self.houses[name]

    async def records(self, service: str) -> list[Envelope]:
        """Every event of a service in the log since the test began."""
        return [envelope for envelope, _ in await self.log(service)]

    async def log(self, service: str) -> list[tuple[Envelope, str]]:
        """The same with their topics, in the order of each partition."""
        before = {envelope.id for envelope in self.left}
        return [(e, topic) for e, topic in await read_log(self.kafka) if e.service == service and e.id not in before]


async def read_log(bootstrap: str) -> list[tuple[Envelope, str]]:
    """Everything in Kafka: envelopes and topics."""
    client = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await client.start()
    try:
        topics = [spec for spec in manifest("development") if not spec.name.startswith("anliegen.partner.")]
        partitions = [TopicPartition(spec.name, part) for spec in topics for part in range(spec.partitions)]
        ends = {p: end for p, end in (await client.end_offsets(partitions)).items() if end}
        client.assign(list(ends))
        found = []
        while any([await client.position(partition) < end for partition, end in ends.items()]):
            for records in (await client.getmany(timeout_ms=200)).values():
                found += [(from_headers(record.headers, record.key), record.topic) for record in records]
        return found
    finally:
        await client.stop()


def misnumbered(records: list[tuple[Envelope, str]]) -> list[str]:
    """The keys of one service whose numbers were given twice, or do not rise within a topic, by first appearances."""
    seen: set[UUID] = set()
    numbers: dict[str, list[int]] = defaultdict(list)
    by_topic: dict[tuple[str, str], list[int]] = defaultdict(list)
    for envelope, topic in records:
        if envelope.id not in seen:
            seen.add(envelope.id)
            numbers[envelope.key].append(envelope.sequence)
            by_topic[topic, envelope.key].append(envelope.sequence)
    wrong = [f"{key}: {found}" for key, found in numbers.items() if len(found) != len(set(found))]
    return wrong + [f"{place}: {found}" for place, found in by_topic.items() if found != sorted(found)]


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    """The first true thing that a function tells: `await until(look, "what was waited for")`."""
    return wait_until


@pytest.fixture
def wrong_numbers() -> Callable[[list[tuple[Envelope, str]]], list[str]]:
    """What is wrong with the sequences of one service."""
    return misnumbered


@pytest.fixture
async def town(request, postgres, migrated, kafka, tmp_path) -> AsyncIterator[Town]:
    """The services that the test names by `indirect`, with empty databases, opened but not at work."""
    houses: dict[str, House] = {}
    for name in request.param:
        service = load_service(name)
        database = await migrated(service)
        await database.empty()
        settings = service.settings(
            environment="test",
            database_url=database.address,
            kafka_bootstrap=kafka,
            identity_secret=IDENTITY_SECRET,
            oidc_issuer=ISSUER,
            oidc_jwks_url=jwks_address(),
            files_url=f"file://{tmp_path}/{name}",
            shutdown_seconds=5,
            # No mail server is here; nothing is to be given up while the test runs.
            **({"send_attempts": 10_000} if name == "intake" else {}),
        )
        async with open_context(service, settings, part="test") as context:
            await skip_the_past(context)
        houses[name] = House(service, database, settings, postgres)
    try:
        yield Town(houses, kafka, [envelope for envelope, _ in await read_log(kafka)])
    finally:
        for house in houses.values():
            await house.stop()
            await house.database.empty()
