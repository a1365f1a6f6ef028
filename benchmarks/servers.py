"""The servers of a run: a PostgreSQL and a Kafka of their own, fresh, with the settings of the embedded stack."""

import contextlib
import fcntl
import logging
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr

from anliegen.events.topics import manifest
from anliegen.kit import Service, Settings
from anliegen.kit.consumer.records import Place
from anliegen.kit.consumer.store import insert_position
from anliegen.kit.kafka import describe
from anliegen.kit.migrate import migrate_database
from anliegen.stack.databases import package_name, prepare_databases
from anliegen.stack.home import Home
from anliegen.stack.kafka import KafkaServer, start_kafka
from anliegen.stack.lifecycle import reset
from anliegen.stack.ports import Ports
from anliegen.stack.postgres import PostgresServer, start_postgres
from anliegen.stack.processes import Processes

REPOSITORY = Path(__file__).resolve().parents[1]
IDENTITY_SECRET = secrets.token_hex(32)


@dataclass
class Servers:
    """PostgreSQL, and Kafka once it is asked for. Files are below `home`, and deleted afterwards."""

    home: Home
    postgres: PostgresServer
    _kafka: KafkaServer | None = field(default=None, repr=False)

    @property
    def postgres_pid(self) -> int:
        """The process number of PostgreSQL's first process."""
        assert self.postgres.pid is not None
        return self.postgres.pid

    @property
    def kafka(self) -> KafkaServer:
        """The broker with all topics of the manifest; started at the first use."""
        if self._kafka is None:
            self._kafka = start_kafka(
                self.home.kafka,
                topics=manifest("development"),
                processes=Processes(self.home.run, self.home.logs),
                ports=Ports(self.home.ports_file),
            )
        return self._kafka

    def restart_kafka(self) -> None:
        """Start the broker again, on the same files and port, after it was killed; it has answered on return."""
        self._kafka = None
        _ = self.kafka

    async def skip_records(self, service: Service) -> None:
        """Let a service that has no positions yet begin behind all that lies in its topics."""
        settings = Settings(database_url="", environment="test", kafka_bootstrap=self.kafka.bootstrap)
        # What a broker that has just started tells of a topic's partitions may not be all of them.
        cluster, partitions_of = await describe(settings, service.handlers.topics)
        client = AIOKafkaConsumer(bootstrap_servers=self.kafka.bootstrap, enable_auto_commit=False)
        await client.start()
        try:
            for topic, count in partitions_of.items():
                partitions = [TopicPartition(topic, part) for part in range(count)]
                async with self.connected(service.name) as connection:
                    for place, end in (await client.end_offsets(partitions)).items():
                        await insert_position(
                            connection, group=service.name, place=Place(*place), cluster_id=cluster, offset=end
                        )
        finally:
            await client.stop()

    def environment(self, *, with_kafka: bool = False) -> dict[str, str]:
        """What a process of a service is told, as in production; where it works with Kafka, topics are small ones."""
        return {
            **os.environ,
            "ANLIEGEN_ENVIRONMENT": "embedded" if with_kafka else "production",
            "ANLIEGEN_DATABASE_URL": self.postgres.service_url_template,
            "ANLIEGEN_OIDC_ISSUER": "https://issuer.example",
            "ANLIEGEN_IDENTITY_SECRET": IDENTITY_SECRET,
            "ANLIEGEN_FILES_URL": self.home.files.as_uri(),
            "ANLIEGEN_LOG_LEVEL": "WARNING",
            # The load generator says in X-Forwarded-For whom it speaks for, as a gateway does: limits count callers.
            "ANLIEGEN_TRUSTED_PROXIES": "127.0.0.1",
            "MALLOC_ARENA_MAX": "2",
            **({"ANLIEGEN_KAFKA_BOOTSTRAP": self.kafka.bootstrap} if with_kafka else {}),
        }

    def settings(self, service: Service) -> Settings:
        """What a service is told that runs in this process."""
        return service.settings(
            environment="embedded",
            database_url=self.postgres.service_url_template,
            identity_secret=SecretStr(IDENTITY_SECRET),
        )

    def address(self, service: str) -> str:
        """The address under which a service works."""
        package = package_name(service)
        return self.postgres.url_for(role=package, database=package, password=self.postgres.service_password)

    def owner_address(self, service: str) -> str:
        """The address of the owner of a service's tables."""
        package = package_name(service)
        return self.postgres.url_for(role=f"{package}_owner", database=package, password=self.postgres.owner_password)

    async def prepare(self, service: Service, *, more: str = "") -> None:
        """Have the service's database, up to date; `more` is further SQL that its owner runs."""
        logging.getLogger("pogo_core").setLevel(logging.ERROR)  # it tells each migration as a warning
        prepare_databases(self.postgres, [service.name])
        async with self.connected(service.name) as connection:
            await migrate_database(connection, service, role=None)
            await connection.execute(more or "SELECT 1")
            await migrate_database(connection, service, role=service.package)

    @contextlib.asynccontextmanager
    async def connected(self, service: str) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the owner of a service's tables."""
        connection = await asyncpg.connect(self.owner_address(service))
        try:
            yield connection
        finally:
            await connection.close()

    async def execute(self, statements: str, *, service: str) -> None:
        """Run SQL as the owner of a service's tables."""
        async with self.connected(service) as connection:
            await connection.execute(statements, timeout=600)

    async def ask(self, question: str) -> str:
        """One value, asked by the superuser."""
        connection = await asyncpg.connect(self.postgres.address)
        try:
            return str(await connection.fetchval(question))
        finally:
            await connection.close()


@contextlib.contextmanager
def fresh_servers(folder: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[Servers]:
    """Servers for as long as the block lasts; `folder` is emptied before and afterwards."""
    home = Home.find(folder)
    reset(folder)
    home.make()
    processes = Processes(home.run, home.logs)
    try:
        server = start_postgres(
            home.postgres,
            log=processes.log("postgres"),
            secrets=home.secrets,
            settings=settings,
            mark=processes.mark("postgres"),
        )
        if server.pid is not None and server.port is not None:
            processes.record("postgres", server.pid, ["postgres"], port=server.port)
        yield Servers(home, server)
    finally:
        reset(folder)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one run at a time use this folder: a second one would empty it under the first. Raises SystemExit."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(f"Another run is at work in {folder}. Wait for it, or give another --home.") from None
        yield
