"""Processes that stand still while others take their place, and then go on as if nothing had happened; members of a
group that come and go, and callbacks of the client library that fail."""

import asyncio
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from pipeline.children import Child
from pipeline.house import House, journeys
from pipeline.ledger import Accepted

from anliegen.kit import failpoints

WITH_NOTHING_OPEN = ["consume.polled", "consume.committed", "commit.begun", "commit.told", "assign.loaded"]
IN_A_TRANSACTION = [
    "write.begun", "write.locked", "write.flushed", "consume.positioned", "consume.entered", "consume.locked",
    "consume.handled",
]  # fmt: skip
RELAY = ["relay.leads", "relay.fetched@2", "relay.sent@2", "relay.acknowledged@2", "relay.deleted"]


@pytest.fixture
async def superuser(postgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.server.address)
    yield connection
    await connection.close()


async def stop_at(house: House, role: str, setting: str, accepted: Accepted) -> tuple[Child, list]:
    """Have the process of this role stand still at the point, with contacts on their way."""
    known = journeys(3)
    await house.kill(role)
    if role == "door":
        await house.flood(known, 200, into=accepted)
    else:
        await house.accept(known, 3, into=accepted)
    point, _, time = setting.partition("@")
    zombie = await house.start(role, f"{point}=stop" + (f"@{time}" if time else ""))
    await zombie.stands_still()
    return zombie, known


async def end_leadership(superuser: asyncpg.Connection, service: str) -> None:
    """End the relay's connection, as when a database fails over: the lock is free, and a sleeper does not know.

    Otherwise nobody would announce anything before the sleeper is woken or killed: its connection lives, so it leads.
    """
    await superuser.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
        f"anliegen {service} relay",
    )


async def check_zombie(house: House, superuser: asyncpg.Connection, setting: str, *, holds: bool) -> None:
    accepted, since = Accepted(), await house.ledger.ends()
    zombie, known = await stop_at(house, "desk", setting, accepted)
    await end_leadership(superuser, "fault-desk")
    await house.start("desk")
    await house.accept(known, 3, into=accepted)
    if holds:  # what it has locked nobody else gets before it ends; the replacement waits, and nobody is parked
        await asyncio.sleep(1.0)
    else:
        await house.settle(accepted, since=since, repeats=2)
    zombie.signal(signal.SIGCONT)
    await house.accept(known, 3, into=accepted)
    await house.settle(accepted, since=since, repeats=2)
    await zombie.kill()


@pytest.mark.parametrize("point", ["consume.committed"])
async def test_a_worker_that_slept_while_another_went_on_changes_nothing(
    house: House, superuser: asyncpg.Connection, point: str
) -> None:
    await check_zombie(house, superuser, point, holds=False)


@pytest.mark.parametrize("point", ["consume.handled"])
async def test_a_worker_that_slept_in_its_transaction_ends_it_before_another_goes_on(
    house: House, superuser: asyncpg.Connection, point: str
) -> None:
    await check_zombie(house, superuser, point, holds=True)


@pytest.mark.full
@pytest.mark.parametrize("point", WITH_NOTHING_OPEN)
async def test_a_worker_that_slept_anywhere_between_transactions_changes_nothing(
    house: House, superuser: asyncpg.Connection, point: str
) -> None:
    await check_zombie(house, superuser, point, holds=False)


@pytest.mark.full
@pytest.mark.parametrize("point", IN_A_TRANSACTION)
async def test_a_worker_that_slept_anywhere_in_its_transaction_changes_nothing(
    house: House, superuser: asyncpg.Connection, point: str
) -> None:
    await check_zombie(house, superuser, point, holds=True)


@pytest.mark.full
async def test_a_worker_that_slept_for_longer_than_its_transaction_may_last_has_lost_it(
    house: House, superuser: asyncpg.Connection
) -> None:
    accepted, since = Accepted(), await house.ledger.ends()
    zombie, known = await stop_at(house, "desk", "consume.handled", accepted)
    await end_leadership(superuser, "fault-desk")
    await house.start("desk")
    await house.accept(known, 3, into=accepted)
    await house.ledger.drain(seconds=100)  # PostgreSQL ends a transaction that is idle for a minute
    zombie.signal(signal.SIGCONT)
    await house.settle(accepted, since=since, repeats=2)
    await zombie.kill()


@pytest.mark.parametrize("setting", ["relay.sent@2"])
async def test_a_relay_that_slept_while_another_led_turns_nothing(
    house: House, superuser: asyncpg.Connection, setting: str
) -> None:
    await check_relay(house, superuser, setting)


@pytest.mark.full
@pytest.mark.parametrize("setting", RELAY)
async def test_a_relay_that_slept_anywhere_turns_nothing(
    house: House, superuser: asyncpg.Connection, setting: str
) -> None:
    await check_relay(house, superuser, setting)


async def check_relay(house: House, superuser: asyncpg.Connection, setting: str) -> None:
    accepted, since = Accepted(), await house.ledger.ends()
    zombie, known = await stop_at(house, "door", setting, accepted)
    await end_leadership(superuser, "fault-door")
    await house.start("door")
    await house.accept(known, 3, into=accepted)
    await house.settle(accepted, since=since, repeats=2)
    zombie.signal(signal.SIGCONT)
    await house.accept(known, 3, into=accepted)
    await asyncio.sleep(1.0)  # what the sleeper had fetched goes to Kafka now, behind what came after it
    await house.settle(accepted, since=since, repeats=3)
    await zombie.kill()


# Members that come and go -------------------------------------------------------------------------------------------
async def forgotten(house: House, group: str) -> None:
    """Wait until the group has no member: one that comes back before its session has ended is no news to the others."""
    admin = AIOKafkaAdminClient(bootstrap_servers=house.broker.bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(60):
            while (await admin.describe_consumer_groups([group]))[0].groups[0][2] not in {"Empty", "Dead"}:
                await asyncio.sleep(0.5)
    finally:
        await admin.close()


async def come_and_go(house: House, *settings: str, dies: bool, alone: bool) -> None:
    """Two more workers join the first one, which is armed; `alone`: nobody is there before, and at the end they go."""
    accepted, since, known = Accepted(), await house.ledger.ends(), journeys(6)
    await house.kill("desk")
    if alone:
        await forgotten(house, "fault-desk")
    first = await house.start("desk", *settings)
    await house.accept(known, 2, into=accepted)
    others: list[Child] = []
    try:
        for slot in ("1", "2"):
            others.append(await house.nursery.work("fault-desk", worker_slot=slot))
            await asyncio.gather(house.accept(known, 5, into=accepted), asyncio.sleep(0 if dies else 3.5))
        if dies:
            assert await first.dies() == -9
            await house.start("desk")
        else:
            await first.has_failed()
        await house.settle(accepted, since=since, repeats=2 if dies else 1)
    finally:
        for other in others:
            await other.kill()
    if alone:  # once their sessions have ended
        await house.accept(known, 2, into=accepted)
        await house.settle(accepted, since=since, repeats=4)


async def test_callbacks_that_fail_while_members_come_and_go_lose_and_double_nothing(house: House) -> None:
    """The client library logs what a callback raises, and goes on."""
    await come_and_go(
        house, "revoke.begun=raise@2", "revoke.drained=raise@2", "assign.loaded=raise@2", dies=False, alone=False
    )


@pytest.mark.full
@pytest.mark.parametrize("point", [p for p in failpoints.POINTS if p.startswith(("revoke.", "assign."))])
@pytest.mark.parametrize("action", ["raise", "trouble", "kill"])
async def test_a_member_that_fails_while_others_come_loses_and_doubles_nothing(
    house: House, point: str, action: str
) -> None:
    await come_and_go(house, f"{point}={action}@2", dies=action == "kill", alone=True)


@pytest.mark.full
async def test_a_member_that_slept_while_others_took_its_partitions_changes_nothing(
    house: House, superuser: asyncpg.Connection
) -> None:
    accepted, since = Accepted(), await house.ledger.ends()
    zombie, known = await stop_at(house, "desk", "consume.committed", accepted)
    await end_leadership(superuser, "fault-desk")
    house.at_work.pop("desk")
    other = await house.nursery.work("fault-desk", worker_slot="1")
    await house.accept(known, 3, into=accepted)
    await house.ledger.drain(seconds=80)  # the group waits for the sleeper until its session ends
    zombie.signal(signal.SIGCONT)
    await house.accept(known, 10, into=accepted)
    await house.settle(accepted, since=since, repeats=3)
    await zombie.kill()
    await house.start("desk")
    await other.kill()
