"""The write side: locks, sequences, announcements; all or nothing."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY

from anliegen.events import ContactReceived, QuestionOpened
from anliegen.events.builders import build
from anliegen.kit.mistakes import EventLost, KeyNotLocked, LockOrderBroken


def contact(journey: UUID, text: str = "hello") -> ContactReceived:
    return build(ContactReceived, journey_id=journey, text=text)


async def test_publishing_under_a_key_that_is_not_locked_is_refused(tx) -> None:
    await tx.lock(uuid4())
    with pytest.raises(KeyNotLocked):
        tx.publish(contact(uuid4()))


async def test_sequences_count_up_by_one_in_each_stream(begin, context) -> None:
    a, b = uuid4(), uuid4()
    for texts in (["1", "2"], ["3"], ["4", "5", "6"]):
        async with begin() as tx:
            await tx.lock(a, b)
            for text in texts:
                tx.publish(contact(a, text))
            tx.publish(contact(b, "b"))
    async with context.pool.acquire() as connection:
        rows = await connection.fetch("SELECT sequence, headers FROM outbox WHERE key = $1 ORDER BY seq", str(a))
        other = await connection.fetch("SELECT sequence FROM outbox WHERE key = $1 ORDER BY seq", str(b))
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["headers"]["ce_sequence"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert [row["sequence"] for row in other] == [1, 2, 3]


async def test_concurrent_writers_of_one_stream_have_one_order(begin, context) -> None:
    journeys = [uuid4() for _ in range(3)]

    async def write(n: int) -> None:
        async with begin() as tx:
            await tx.lock(journeys[n % 3])
            tx.publish(contact(journeys[n % 3], str(n)))
            await asyncio.sleep(0.001 * (n % 4))

    await asyncio.gather(*(write(n) for n in range(60)))
    async with context.pool.acquire() as connection:
        for journey in journeys:
            rows = await connection.fetch("SELECT sequence FROM outbox WHERE key = $1 ORDER BY seq", str(journey))
            assert [row["sequence"] for row in rows] == list(range(1, 21))


async def test_transactions_with_many_keys_never_wait_for_each_other_in_a_circle(begin) -> None:
    old = [uuid4() for _ in range(6)]
    async with begin() as tx:
        await tx.lock(*old[:3])

    async def work(n: int) -> None:
        mine = [old[(n + step) % 6] for step in range(4)]
        async with begin() as tx:
            await tx.lock(*reversed(mine), uuid4())
            await asyncio.sleep(0)

    await asyncio.wait_for(asyncio.gather(*(work(n) for n in range(40))), timeout=20)


async def test_new_keys_are_made_in_rising_order_however_they_are_given(begin) -> None:
    low, high = sorted(uuid4() for _ in range(2))

    async def lock_both() -> None:
        async with begin() as tx:
            await tx.lock(high, low)

    async with begin() as tx:
        await tx.lock(low)
        both = asyncio.create_task(lock_both())
        await asyncio.sleep(0.2)
        # The other one waits for the lower key, and holds nothing that is wanted here.
        async with asyncio.timeout(0.5):
            await tx.lock(high)
    await both


async def test_locking_key_after_key_never_waits_in_a_circle_with_locking_both(begin) -> None:
    known, new = sorted(uuid4() for _ in range(2))
    async with begin() as tx:
        await tx.lock(known)

    async def lock_both() -> None:
        async with begin() as tx:
            await tx.lock(known, new)

    async with begin() as tx:
        await tx.lock(known)
        both = asyncio.create_task(lock_both())
        await asyncio.sleep(0.2)
        # Whoever wants both waits for the known one, and must not have made the new one already.
        async with asyncio.timeout(0.5):
            await tx.lock(new)
    await both


async def test_a_lower_key_after_a_higher_one_is_refused(tx) -> None:
    low, high = sorted((uuid4(), uuid4()))
    await tx.lock(high)
    await tx.lock(high)
    with pytest.raises(LockOrderBroken):
        await tx.lock(low)


async def test_an_exception_takes_state_and_announcement_back(begin, context, ledger) -> None:
    journey = uuid4()
    with pytest.raises(RuntimeError):
        async with begin() as tx:
            await tx.lock(journey)
            await tx.execute("INSERT INTO ledger (contact_id, journey_id, text) VALUES ($1, $1, 'x')", journey)
            tx.publish(contact(journey))
            raise RuntimeError
    assert await ledger() == []
    async with context.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0


async def test_what_is_announced_is_counted_once_it_is_committed(begin) -> None:
    def counted() -> float:
        labels = {"service": "kit-toy", "type": QuestionOpened.event_type}
        return REGISTRY.get_sample_value("events_announced_total", labels) or 0.0

    before, event = counted(), build(QuestionOpened)
    with pytest.raises(RuntimeError):
        async with begin() as tx:
            await tx.lock(event.key)
            tx.publish(event)
            raise RuntimeError
    assert counted() == before
    async with begin() as tx:
        await tx.lock(event.key)
        tx.publish(event)
        assert counted() == before
    assert counted() == before + 1


async def test_no_state_is_committed_without_its_announcement(begin, ledger, count, monkeypatch) -> None:
    async def insert_none(_connection, *, rows) -> int:
        return 0

    monkeypatch.setattr("anliegen.kit.streams.insert_outbox", insert_none)
    journey = uuid4()
    with pytest.raises(EventLost):
        async with begin() as tx:
            await tx.lock(journey)
            await tx.execute("INSERT INTO ledger (contact_id, journey_id, text) VALUES ($1, $1, 'x')", journey)
            tx.publish(contact(journey))
    assert await ledger() == []
    assert await count("streams") == 0


async def test_the_service_role_cannot_change_tables(context) -> None:
    async with context.pool.acquire() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DROP TABLE outbox")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE mine (x int)")


async def test_two_migrations_at_once_apply_everything_once(database, service, ledger_table) -> None:
    from anliegen.kit.database import connect
    from anliegen.kit.migrate import migrate_database

    async with (
        connect(database.owner_address, application="a") as one,
        connect(database.owner_address, application="b") as two,
    ):
        await one.execute("DROP TABLE _pogo_migration, _pogo_version; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        await asyncio.gather(
            migrate_database(one, service, role=None), migrate_database(two, service, role=service.package)
        )
        assert await one.fetchval("SELECT count(*) FROM business_clock") == 1
        # The toy's own table went with the schema.
        await one.execute(ledger_table)
        await one.execute("GRANT ALL ON ledger TO kit_toy")
