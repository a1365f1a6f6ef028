"""Kafka lost what it was told, or is another: everybody hears it again, and goes on where the inbox knows the rest."""

import asyncio
import contextlib
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from click.testing import CliRunner

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit import Handlers, Service, ticker
from anliegen.kit.cli import main
from anliegen.kit.consumer.loop import Consumer, PositionOutOfRange
from anliegen.kit.consumer.renew import NothingLost, find_lost, renew
from anliegen.kit.database import connect
from anliegen.kit.operations.journal import Operator
from anliegen.kit.relay import Relay
from anliegen.kit.testing.databases import TestDatabase
from anliegen.kit.testing.logs import skip_the_past

OLGA = Operator("olga", "Kafka was set up anew")


@pytest.fixture
def settings_overrides(kafka) -> dict[str, object]:
    return {"kafka_bootstrap": kafka}


class Announcer(Service):
    """A service that announces on intake's topics, and looks there for what it announced."""

    @property
    def topics(self) -> tuple[str, ...]:
        return ("anliegen.intake", "anliegen.intake.words")


@pytest.fixture
def service(request) -> Service:
    """It hears what it says itself. Each test has one with a name, and so a past, of its own."""
    name = f"kit-lost-{zlib.crc32(request.node.name.encode()):x}"
    handlers = Handlers(name)

    @handlers.on(ContactReceived)
    async def enter_contact(event: ContactReceived, tx) -> None:
        await tx.execute(
            "INSERT INTO ledger (contact_id, journey_id, text) VALUES ($1, $2, $3)",
            event.contact_id, event.journey_id, event.text,
        )  # fmt: skip

    return Announcer(name=name, title="Toy", description="A ledger.", handlers=handlers)


@pytest.fixture
async def database(service, migrated, ledger_table) -> AsyncIterator[TestDatabase]:
    database = await migrated(service)
    async with connect(database.owner_address, application="toy") as connection:
        await connection.execute(ledger_table)
        await connection.execute(f"GRANT ALL ON ledger TO {service.package}")
    yield database
    await database.empty()


@pytest.fixture(autouse=True)
async def at_the_end(context) -> None:
    """Positions at the end of what earlier tests left in the log."""
    await skip_the_past(context)


@contextlib.asynccontextmanager
async def running(*parts):
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition, *, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


@pytest.fixture
def say(begin):
    async def say(journey, *texts: str) -> None:
        for text in texts:
            async with begin() as tx:
                await tx.lock(journey)
                tx.publish(build(ContactReceived, journey_id=journey, text=text))

    return say


@pytest.fixture
def sql(context):
    async def execute(statement: str, *values: object) -> list[tuple]:
        async with context.pool.acquire() as connection:
            return [tuple(row) for row in await connection.fetch(statement, *values)]

    return execute


@pytest.fixture
def all_sent(count):
    async def all_sent() -> bool:
        return await count("outbox") == 0

    return all_sent


async def test_what_was_announced_to_a_cluster_that_is_gone_reaches_those_who_had_not_heard_it(
    context, say, sql, ledger, count, all_sent
) -> None:
    journeys = {name: uuid4() for name in ("anna", "bert", "cleo")}
    for name, journey in journeys.items():
        await say(journey, f"{name}:1", f"{name}:2")

    async def heard_by_all() -> bool:
        return len(await ledger()) == 6

    async with running(Relay(context).run(), Consumer(context).run()):
        await until(heard_by_all)
    async with running(Relay(context).run()):  # published, deleted from the outbox, and heard by nobody
        for name, journey in journeys.items():
            await say(journey, f"{name}:3", f"{name}:4")
        await until(all_sent)
    for name, journey in journeys.items():
        await say(journey, f"{name}:5")
    assert await count("announced") == 12

    # The cluster is another; what the old one held is behind where this one is heard from.
    await sql("UPDATE relay_position SET cluster_id = 'burnt', next_offset = 7")
    await sql("UPDATE consumer_position SET cluster_id = 'burnt', next_offset = 9")
    begins = datetime.now(UTC)
    async with running(Relay(context).run()):
        await until(all_sent)
        with pytest.raises(PositionOutOfRange):
            await Consumer(context).run()
        _, lost = await find_lost(context, since=datetime.now(UTC) + timedelta(hours=1))
        assert lost and all(one.following == one.end for one in lost), "nothing is as young as that"
        renewed = await renew(context, since=begins, operator=OLGA)
        assert {one.place for one in renewed} == {one.place for one in lost}
        async with running(Consumer(context).run()):

            async def all_heard() -> bool:
                return sum(text.partition(":")[0] in journeys for text in await ledger()) >= 15

            await until(all_heard)
            await asyncio.sleep(0.3)
            await until(all_sent)
        with pytest.raises(NothingLost):
            await renew(context, since=begins, operator=OLGA)
    ours, found = defaultdict(list), await ledger()
    for text in found:
        name, _, number = text.partition(":")
        ours[name].append(number)
    assert {name: ours[name] for name in journeys} == {name: list("12345") for name in journeys}
    assert await sql("SELECT count(*) FROM announced") == [(15,)], "for the next time"
    assert await sql("SELECT who, did, reason FROM operator_actions") == [("olga", "renewed positions", OLGA.reason)]


async def test_what_is_announced_again_but_not_yet_published_when_the_relay_dies_is_not_forgotten(
    context, say, sql, all_sent, monkeypatch
) -> None:
    async with running(Relay(context).run()):
        await say(uuid4(), "1", "2")
        await until(all_sent)
    await sql("UPDATE relay_position SET cluster_id = 'burnt'")
    relay = Relay(context)

    async def dies() -> None:
        raise ConnectionError

    monkeypatch.setattr(relay, "_lead", dies)
    with pytest.raises(ConnectionError):
        await relay.run()
    assert await sql("SELECT count(*) FROM outbox") == [(2,)]
    async with running(Relay(context).run()):
        await until(all_sent)
    assert await sql("SELECT count(*) FROM announced") == [(2,)]


async def test_a_day_after_it_was_announced_it_is_forgotten(context, say, sql, all_sent) -> None:
    async with running(Relay(context).run()):
        await say(uuid4(), "1", "2", "3")
        await until(all_sent)
    await sql("UPDATE announced SET announced_at = announced_at - interval '23 hours'")
    await ticker.purge(context)
    assert await sql("SELECT count(*) FROM announced") == [(3,)]
    await sql("UPDATE announced SET announced_at = announced_at - interval '61 minutes' WHERE sequence < 3")
    await ticker.purge(context)
    assert await sql("SELECT sequence FROM announced") == [(3,)]


async def test_whoever_is_on_call_does_the_same_on_the_command_line(context, service, settings, monkeypatch, sql):
    monkeypatch.setattr("anliegen.kit.consumer.commands.load_service", lambda _: service)
    monkeypatch.setattr("anliegen.kit.operations.cli.group.all_services", lambda: [service.name])
    environment = {
        "ANLIEGEN_DATABASE_URL": settings.database_url, "ANLIEGEN_ENVIRONMENT": "test",
        "ANLIEGEN_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
    }  # fmt: skip

    async def anliegen(*words: str) -> str:
        result = await asyncio.to_thread(CliRunner(env=environment).invoke, main, ["positions", *words])
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    said = ("--as", "olga", "--reason", "a drill")
    assert "Kafka knows every position." in await anliegen("lost", service.name)
    await sql("UPDATE consumer_position SET cluster_id = 'burnt' WHERE part = 0")
    assert (await anliegen("lost")).count("burnt") == (await anliegen("renew", *said)).count("burnt") >= 1
    assert "Kafka knows every position." in await anliegen("renew", *said)
