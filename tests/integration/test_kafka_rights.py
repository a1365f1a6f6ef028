"""A worker does all its work in a Kafka that lets it do what its KafkaUser says, and Kafka lets it do no more.

Whether a list of rights is complete cannot be read from the code of a client library, so it is tried: a real broker
with an authorizer, the very rights that are written for Kubernetes, and the worker's own parts.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from anliegen.events.topics import manifest, partner_topic
from anliegen.kit import Context
from anliegen.kit import topics as manifest_check
from anliegen.kit.service import all_services, load_service, open_context
from anliegen.kit.testing.clients import ISSUER, jwks_address
from anliegen.kit.testing.plugin import IDENTITY_SECRET
from anliegen.kit.worker import run_parts
from anliegen.stack.world import until

from .guarded_kafka import Attempts, GuardedKafka, guarded_kafka, written_for

TOPICS = {spec.name for spec in manifest("development")}
PARTNER = {"erp": {"subjects": ["erp"], "sources": ["urn:example:erp"], "types": ["*"]}}
PATIENCE = 20.0  # seconds
Prepare = Callable[[Any], Awaitable[Any]]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedKafka]:
    """A Kafka that knows the user of every service."""
    with guarded_kafka(tmp_path_factory.mktemp("kafka"), [written_for(name)[0] for name in all_services()]) as kafka:
        yield kafka


@pytest.fixture(scope="module")
async def rights(kafka: GuardedKafka) -> None:
    """Every service has what is written for it, and every topic a record that no handler wants."""
    for name in all_services():
        await kafka.grant(*written_for(name))
    producer = AIOKafkaProducer(bootstrap_servers=kafka.open)
    await producer.start()
    try:
        for topic in TOPICS:
            await producer.send_and_wait(
                topic, b"{}", key=b"nobody", headers=[("ce_type", b"of.nobody.v1")], partition=0
            )
    finally:
        await producer.stop()


@contextlib.asynccontextmanager
async def at_work(name: str, kafka: GuardedKafka, migrated: Prepare, folder: Path) -> Any:
    """The worker of a service under its own name; gives its context."""
    service = load_service(name)
    database = await migrated(service)
    given = {
        "environment": "test",
        "database_url": database.address,
        "identity_secret": IDENTITY_SECRET,
        "oidc_issuer": ISSUER,
        "oidc_jwks_url": jwks_address(),
        "files_url": f"file://{folder}/files",
        **kafka.settings_of(written_for(name)[0]),
    }
    if service.handlers.take_partner_records is not None:
        given["partners"] = PARTNER
    async with open_context(service, service.settings(**given), part="test") as context:
        working = asyncio.create_task(run_parts(context))
        try:
            yield context
        finally:
            working.cancel()
            await asyncio.wait({working})
            await database.empty()


async def announce(context: Context) -> None:
    """A row for each topic of the service's own in its outbox."""
    for topic in context.service.topics:
        await context.pool.execute(
            """
            INSERT INTO outbox (event_id, topic, key, type, sequence, payload)
            VALUES ($1, $2, 'nobody', 'of.nobody.v1', 1, '{}')
            """,
            uuid4(), topic,
        )  # fmt: skip


async def unread(context: Context) -> set[str]:
    """The topics that the service hears, and of which it has not taken anything yet."""
    rows = await context.pool.fetch("SELECT DISTINCT topic FROM consumer_position WHERE next_offset > 0")
    return set(context.service.handlers.topics_under(context.settings)) - {row["topic"] for row in rows}


async def told(kafka: GuardedKafka, group: str) -> set[str]:
    """The topics of which the group has told Kafka how far it is."""
    async with kafka.administrator() as client:
        return {place.topic for place in await client.list_consumer_group_offsets(group)}


@pytest.mark.parametrize("name", all_services())
async def test_worker_does_all_its_work_with_its_rights(
    name: str, kafka: GuardedKafka, rights: None, migrated: Prepare, tmp_path: Path
) -> None:
    async with at_work(name, kafka, migrated, tmp_path) as context:
        parts, heard = context.health.parts, set(context.service.handlers.topics_under(context.settings))

        async def done() -> bool:
            failed = {part.name: part.last_error for part in parts.values() if part.failures}
            assert failed == {}
            unsent = await context.pool.fetchval("SELECT count(*) FROM outbox")
            return not unsent and not await unread(context) and await told(kafka, name) >= heard

        await announce(context)
        async with asyncio.timeout(PATIENCE):
            await context.gate.passed.wait()  # after reading what lies on its own topics
        await until(done, "work done", seconds=PATIENCE)
        # What it cannot see it does not hold against the manifest, and says nothing: so it is asked here.
        cluster = await manifest_check.describe(context.settings)
        wanted = {spec.name for spec in manifest_check.wanted_by(context.service, context.settings)}
        assert {topic for topic, found in cluster.topics.items() if found.config} == wanted


@pytest.mark.parametrize("name", all_services())
async def test_nothing_else_is_let_through(name: str, kafka: GuardedKafka, rights: None) -> None:
    service = load_service(name)
    own, heard = set(service.topics), set(service.handlers.topics)
    if service.handlers.take_partner_records is not None:
        heard |= set(map(partner_topic, PARTNER))
    attempts = Attempts(kafka, written_for(name)[0])
    assert await attempts.seen() == own | heard
    assert await attempts.read(own | heard) == own | heard
    assert await attempts.write(TOPICS) == own
    assert await attempts.belong({*all_services(), "of-nobody"}) == {name}
    assert await attempts.administer(min(own | heard)) == set()
