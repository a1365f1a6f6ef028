"""A pipeline of three small services in processes of their own, on a real Kafka and a real PostgreSQL."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from pipeline.broker import Broker
from pipeline.children import Nursery, open_nursery
from pipeline.house import House, caller
from pipeline.ledger import Ledger
from pipeline.services import SERVICES, TABLES

from anliegen.kit import Settings
from anliegen.kit.database import connect
from anliegen.kit.service import open_context
from anliegen.kit.testing.clients import ISSUER, jwks_address
from anliegen.kit.testing.plugin import IDENTITY_SECRET
from anliegen.stack.ports import any_free

HERE = Path(__file__).parent
PATIENCE = 300  # seconds


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole matrix takes many minutes: it runs where it is asked for."""
    everything = os.environ.get("ANLIEGEN_FAULTS") == "full"
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(PATIENCE))  # the first one starts PostgreSQL, Kafka and four processes
        if item.get_closest_marker("full") and not everything:
            item.add_marker(pytest.mark.skip(reason="ANLIEGEN_FAULTS=full runs the whole matrix"))


@pytest.fixture(scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Broker]:
    """A real Kafka of these tests' own, which they may stop and start."""
    broker = Broker(tmp_path_factory.mktemp("faults-kafka"))
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


@pytest.fixture(scope="session")
async def databases(postgres, migrated) -> AsyncIterator[dict[str, asyncpg.Connection]]:
    """The owner's connection to the database of each service of the pipeline."""
    async with contextlib.AsyncExitStack() as stack:
        opened = {}
        for name, service in SERVICES.items():
            database = await migrated(service)
            connection = await stack.enter_async_context(connect(database.owner_address, application="faults"))
            await connection.execute(TABLES[name])
            opened[name] = connection
        yield opened


@pytest.fixture(scope="session")
async def nursery(broker, postgres, tmp_path_factory) -> AsyncIterator[Nursery]:
    """What bears the processes."""
    environment = {
        "ANLIEGEN_ENVIRONMENT": "test",
        "ANLIEGEN_DATABASE_URL": postgres.service_url_template,
        "ANLIEGEN_KAFKA_BOOTSTRAP": broker.bootstrap,
        "ANLIEGEN_IDENTITY_SECRET": IDENTITY_SECRET,
        "ANLIEGEN_OIDC_ISSUER": ISSUER,
        "ANLIEGEN_OIDC_JWKS_URL": jwks_address(),
        "ANLIEGEN_FILES_URL": f"file://{tmp_path_factory.mktemp('faults-files')}",
    }
    async with open_nursery(tmp_path_factory.mktemp("faults-logs"), environment) as nursery:
        yield nursery


@pytest.fixture(scope="session")
async def ledger(broker, databases) -> AsyncIterator[Ledger]:
    """Reads databases and log."""
    log = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="none", enable_auto_commit=False)
    await log.start()
    try:
        yield Ledger(databases, log)
    finally:
        await log.stop()


@pytest.fixture(scope="session")
async def pipeline(nursery, ledger, broker, postgres) -> AsyncIterator[House]:
    """The house; its processes are started by the first test."""
    port, address = any_free(), postgres.service_url_template
    settings = Settings(environment="test", database_url=address, kafka_bootstrap=broker.bootstrap)
    async with caller(port) as client, open_context(SERVICES["fault-door"], settings, part="test") as door:
        yield House(nursery, ledger, broker, door, port, client)


@pytest.fixture
async def house(pipeline: House) -> House:
    """The pipeline with all its processes at work and nothing on its way."""
    await pipeline.begin_anew()
    return pipeline
