"""A transaction that begins late: one statement where that is enough, and the same rules as any other."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit.mistakes import KeyNotLocked, NotBegun

INSERT = "INSERT INTO ledger (contact_id, journey_id, text) VALUES ($1, $2, $3)"


def contact(journey: UUID, text: str = "hello") -> ContactReceived:
    return build(ContactReceived, journey_id=journey, text=text)


@pytest.fixture
def statements(context, monkeypatch):
    """Every statement that goes to the server."""
    seen: list[str] = []
    for name in ("execute", "fetchrow", "fetch", "fetchval"):
        original = getattr(asyncpg.Connection, name)

        def spy(self, query, *values, original=original, **options):
            seen.append(" ".join(query.split()))
            return original(self, query, *values, **options)

        monkeypatch.setattr(asyncpg.Connection, name, spy)
    return seen


async def outbox(context) -> list[tuple[str, int]]:
    async with context.pool.acquire() as connection:
        rows = await connection.fetch("SELECT key, sequence, headers FROM outbox ORDER BY seq")
    assert all(row["headers"]["ce_sequence"] == str(row["sequence"]) for row in rows)
    return [(row["key"], row["sequence"]) for row in rows]


async def test_rows_and_announcements_of_one_key_are_one_statement(begin, context, ledger, statements) -> None:
    journey = uuid4()
    for text in ("first", "second"):
        async with begin(late=True) as tx:
            await tx.lock(journey)
            tx.write(INSERT, uuid4(), journey, text)
            tx.publish(contact(journey))
            tx.publish(contact(journey))
            del statements[:]
        assert [s.startswith("WITH held AS") for s in statements] == [True]
    assert await ledger() == ["first", "second"]
    assert await outbox(context) == [(str(journey), n) for n in (1, 2, 3, 4)]


async def test_concurrent_single_statements_have_one_order_without_a_gap(begin, context, ledger) -> None:
    journey = uuid4()

    async def add(n: int, late: bool) -> None:
        async with begin(late=late) as tx:
            await tx.lock(journey)
            tx.write(INSERT, uuid4(), journey, str(n))
            tx.publish(contact(journey, str(n)))

    # Both ways of writing, at once: they take the same lock.
    await asyncio.gather(*(add(n, late=n % 3 > 0) for n in range(60)))
    assert [sequence for _, sequence in await outbox(context)] == list(range(1, 61))
    assert len(await ledger()) == 60


async def test_a_single_statement_waits_for_the_lock_and_draws_its_number_after_it(begin, context) -> None:
    journey, held = uuid4(), asyncio.Event()

    async def slow() -> None:
        async with begin() as tx:
            await tx.lock(journey)
            held.set()
            await asyncio.sleep(0.1)
            tx.publish(contact(journey, "slow"))

    async def quick() -> None:
        await held.wait()
        async with begin(late=True) as tx:
            await tx.lock(journey)
            tx.publish(contact(journey, "quick"))

    await asyncio.gather(slow(), quick())
    async with context.pool.acquire() as connection:
        rows = await connection.fetch("SELECT sequence, payload FROM outbox ORDER BY seq")
    assert [row["sequence"] for row in rows] == [1, 2]
    assert b"slow" in rows[0]["payload"] and b"quick" in rows[1]["payload"]


async def test_a_row_that_is_refused_takes_everything_with_it(begin, context, ledger) -> None:
    journey = uuid4()
    with pytest.raises(asyncpg.NotNullViolationError):
        async with begin(late=True) as tx:
            await tx.lock(journey)
            tx.write(INSERT, None, journey, "no contact")
            tx.publish(contact(journey))
    assert (await outbox(context), await ledger()) == ([], [])
    async with begin(late=True) as tx:
        await tx.lock(journey)
        tx.publish(contact(journey))
    assert await outbox(context) == [(str(journey), 1)]


async def test_a_read_begins_the_transaction_under_its_locks_and_sees_what_was_written(begin, context) -> None:
    journey = uuid4()
    async with begin(late=True) as tx:
        await tx.lock(journey)
        tx.write(INSERT, uuid4(), journey, "seen")
        assert await tx.fetchval("SELECT text FROM ledger") == "seen"
        async with context.pool.acquire() as other:
            locked = await other.fetch("SELECT 1 FROM streams WHERE key = $1 FOR UPDATE SKIP LOCKED", str(journey))
        assert locked == []
        tx.publish(contact(journey))
    assert await outbox(context) == [(str(journey), 1)]


async def test_an_exception_leaves_nothing_whether_or_not_it_had_begun(begin, context, ledger) -> None:
    for begun in (False, True):
        with pytest.raises(ZeroDivisionError):
            async with begin(late=True) as tx:
                await tx.lock("some key")
                tx.write(INSERT, uuid4(), uuid4(), "gone")
                if begun:
                    await tx.fetchval("SELECT 1")
                raise ZeroDivisionError
    assert (await outbox(context), await ledger()) == ([], [])


async def test_several_keys_are_locked_in_order_before_anything_is_written(begin, context, ledger) -> None:
    keys = [uuid4() for _ in range(4)]

    async def add(n: int) -> None:
        async with begin(late=True) as tx:
            await tx.lock(*(keys if n % 2 else reversed(keys)))
            tx.write(INSERT, uuid4(), keys[0], str(n))
            for key in keys:
                tx.publish(contact(key))

    await asyncio.gather(*(add(n) for n in range(20)))
    found = await outbox(context)
    for key in keys:
        assert [sequence for at, sequence in found if at == str(key)] == list(range(1, 21))


async def test_rows_without_an_announcement_are_written_in_their_order(begin, ledger) -> None:
    async with begin(late=True) as tx:
        for n in range(7):
            tx.write(INSERT, uuid4(), uuid4(), str(n))
    assert await ledger() == [str(n) for n in range(7)]


async def test_more_rows_than_one_statement_takes_are_one_transaction_all_the_same(begin, context, ledger) -> None:
    journey = uuid4()
    async with begin(late=True) as tx:
        await tx.lock(journey)
        for n in range(7):
            tx.write(INSERT, uuid4(), journey, str(n))
        tx.publish(contact(journey))
    assert await ledger() == [str(n) for n in range(7)]
    assert await outbox(context) == [(str(journey), 1)]


async def test_a_lock_alone_asks_the_server_for_nothing(begin, statements) -> None:
    async with begin(late=True) as tx:
        await tx.lock(uuid4())
        del statements[:]
    assert statements == []


async def test_a_peek_begins_nothing(begin, statements) -> None:
    async with begin(late=True) as tx:
        del statements[:]
        row = await tx.peek("SELECT 1 AS one")
        assert row is not None and row["one"] == 1
        with pytest.raises(NotBegun):
            _ = tx.connection
    assert statements == ["SELECT 1 AS one"]


async def test_a_key_that_is_not_locked_is_refused_here_too(begin) -> None:
    with pytest.raises(KeyNotLocked):
        async with begin(late=True) as tx:
            tx.publish(contact(uuid4()))
