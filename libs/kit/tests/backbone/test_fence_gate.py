"""The gate of one process: commands are refused without a question each, and parts stop for a fence."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest

from anliegen.kit.database import connect
from anliegen.kit.fence import gate as module
from anliegen.kit.fence import store
from anliegen.kit.fence.gate import Fenced, Gate, NotLookedAt
from anliegen.kit.health import Health


@pytest.fixture
async def owner(database):
    async with connect(database.owner_address, application="gate test") as connection:
        yield connection


async def test_a_fence_is_noticed_within_a_second_and_so_is_its_release(context, owner) -> None:
    async def until(refused: bool) -> None:
        async with asyncio.timeout(module.WAIT_SECONDS + 1):
            while True:
                try:
                    await context.gate.refuse_commands(context)
                except Fenced:
                    if refused:
                        return
                else:
                    if not refused:
                        return
                await asyncio.sleep(0.05)

    await until(False)
    fence = await store.insert_fence(owner, by="olga", reason="a drill")
    await until(True)
    await store.update_released(owner, fence_id=fence.fence_id, by="olga", reason="over")
    await until(False)


async def test_commands_do_not_ask_each_and_one_after_a_rest_waits_for_the_answer(context, owner, monkeypatch) -> None:
    asked = 0
    plain = store.get_standing

    async def get_standing(door):
        nonlocal asked
        asked += 1
        return await plain(door)

    monkeypatch.setattr(module.store, "get_standing", get_standing)
    await asyncio.gather(*(context.gate.refuse_commands(context) for _ in range(100)))
    assert asked == 1
    await store.insert_fence(owner, by="olga", reason="a drill")
    context.gate._looked -= 3600  # an hour without a command
    with pytest.raises(Fenced):
        await context.gate.refuse_commands(context)
    assert asked == 2


async def test_another_database_takes_no_command_before_it_was_looked_at(context, owner) -> None:
    await context.gate.refuse_commands(context)  # a new one has nothing to be compared
    await store.upsert_looked_at(owner, incarnation="another")
    with pytest.raises(NotLookedAt):
        await context.gate.look(context)
        await context.gate.refuse_commands(context)
    standing = await store.get_standing(owner)
    await store.upsert_looked_at(owner, incarnation=standing.incarnation)
    await context.gate.look(context)
    await context.gate.refuse_commands(context)


async def test_a_database_that_is_away_is_told_and_asked_again(context) -> None:
    @contextlib.asynccontextmanager
    async def acquire(**_options):
        raise ConnectionError("away")
        yield

    away = SimpleNamespace(pool=SimpleNamespace(acquire=acquire), health=Health("kit-toy"))
    gate = Gate()
    with pytest.raises(ConnectionError):
        await gate.refuse_commands(away)
    await gate.refuse_commands(context)


async def test_whoever_is_told_to_end_while_the_parts_stop_ends() -> None:
    gate, stopping = Gate(), asyncio.Event()

    async def parts() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopping.set()
            await asyncio.sleep(0.05)

    running = asyncio.create_task(gate.run_until_shut(parts))
    await asyncio.sleep(0)
    gate.shut.set()
    await stopping.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_fails_is_raised() -> None:
    async def parts() -> None:
        raise LookupError("on purpose")

    with pytest.raises(LookupError):
        await Gate().run_until_shut(parts)
