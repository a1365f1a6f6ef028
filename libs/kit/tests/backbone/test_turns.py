"""Connections are handed out first come, first served, and waiting for one has an end."""

import asyncio
import contextlib

import pytest

from anliegen.kit import database


async def test_who_comes_first_gets_a_connection_first(context) -> None:
    served: list[int] = []

    async def take(n: int) -> None:
        async with context.turns.connection() as connection:
            served.append(n)
            await connection.execute("SELECT 1")

    size = context.settings.database_pool_size
    opened = asyncio.Barrier(size)

    async def open_one() -> None:
        async with context.turns.connection():
            await opened.wait()

    await asyncio.gather(*(open_one() for _ in range(size)))
    waiting = [asyncio.create_task(take(n)) for n in range(12 * size)]
    for n in range(12 * size, 24 * size):
        await asyncio.sleep(0)
        waiting.append(asyncio.create_task(take(n)))  # newcomers, while others wait
    await asyncio.gather(*waiting)
    # Those whose turn it is at the same moment may come in any order; nobody is passed by more than these.
    assert all(abs(place - n) <= 2 * size for place, n in enumerate(served))


async def test_who_waits_is_counted(context) -> None:
    size = context.settings.database_pool_size
    async with contextlib.AsyncExitStack() as holders:
        for _ in range(size):
            await holders.enter_async_context(context.turns.connection())
        assert context.turns.waiting == 0
        waiting = asyncio.create_task(context.turns.connection().__aenter__())
        await asyncio.sleep(0)
        assert context.turns.waiting == 1
        waiting.cancel()
        await asyncio.wait({waiting})
    assert context.turns.waiting == 0


async def test_waiting_for_a_connection_has_an_end_and_leaves_no_gap(context, monkeypatch) -> None:
    monkeypatch.setattr(database, "ACQUIRE_SECONDS", 0.05)
    size = context.settings.database_pool_size
    holders = [context.turns.connection() for _ in range(size)]
    for holder in holders:
        await holder.__aenter__()
    with pytest.raises(TimeoutError):
        async with context.turns.connection():
            pass
    for holder in holders:
        await holder.__aexit__(None, None, None)
    for _ in range(size + 1):
        async with context.turns.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1
