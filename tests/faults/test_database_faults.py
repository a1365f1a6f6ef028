"""PostgreSQL ends connections, has none left, or keeps a lock for longer than anybody waits."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from pipeline.house import House, journeys
from pipeline.ledger import Accepted


@pytest.fixture
async def superuser(postgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.server.address)
    yield connection
    for role in ("fault_door", "fault_desk"):
        await connection.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")
    await connection.close()


async def end_connections(superuser: asyncpg.Connection, like: str) -> int:
    """End these connections on the server's side; tells how many there were."""
    return await superuser.fetchval(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE $1", like
    )


async def until_ended(superuser: asyncpg.Connection, like: str) -> None:
    async with asyncio.timeout(10):
        while not await end_connections(superuser, like):
            await asyncio.sleep(0.01)


async def test_connections_that_are_ended_again_and_again_lose_and_double_nothing(house: House, superuser) -> None:
    accepted, since = Accepted(), await house.ledger.ends()
    accepting = asyncio.create_task(house.accept(journeys(4), 15, into=accepted, lanes=2))
    for like in ("anliegen fault-door relay", "anliegen fault-desk work", "anliegen fault-desk relay") * 2:
        await until_ended(superuser, like)
        await asyncio.sleep(0.15)
    await end_connections(superuser, "anliegen %")  # everybody's, the door's and the notifier's among them
    await accepting
    await house.settle(accepted, since=since, repeats=4)


async def test_a_database_without_free_connections_loses_and_parks_nothing(house: House, superuser) -> None:
    accepted, since = Accepted(), await house.ledger.ends()
    known = journeys(4)
    await house.accept(known, 3, into=accepted)
    accepting = asyncio.create_task(house.accept(known, 6, into=accepted))
    for role in ("fault_door", "fault_desk"):
        await superuser.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    await end_connections(superuser, "anliegen fault-%")
    await asyncio.sleep(1.5)
    assert not accepting.done(), "the door had no connection"
    for role in ("fault_door", "fault_desk"):
        await superuser.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")
    await accepting
    await house.settle(accepted, since=since, repeats=2)


@pytest.mark.full
async def test_a_lock_that_is_held_for_longer_than_anybody_waits_parks_nothing(house: House) -> None:
    accepted, since = Accepted(), await house.ledger.ends()
    known = journeys(3)
    await house.accept(known, 2, into=accepted)
    await house.settle(accepted, since=since)
    async with house.ledger.desk.transaction():
        await house.ledger.desk.execute("SELECT 1 FROM streams WHERE key = $1 FOR UPDATE", str(known[0]))
        await house.accept(known, 3, into=accepted)
        await asyncio.sleep(12)  # the consumer waits for ten seconds, gives up, and tries again
        assert await house.ledger.desk.fetchval("SELECT count(*) FROM parked_keys") == 0
    await house.settle(accepted, since=since)
