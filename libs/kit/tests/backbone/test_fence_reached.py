"""How far the relay announced is written down with the deletion of the rows, by partition."""

import asyncio
from types import SimpleNamespace

from anliegen.kit.fence.reached import Reached


async def acknowledged(reached: Reached, *places: tuple[str, int, int], count: int) -> None:
    for topic, part, offset in places:
        send = asyncio.get_running_loop().create_future()
        reached.watch(send, count=count)
        send.set_result(SimpleNamespace(topic=topic, partition=part, offset=offset))
    await asyncio.sleep(0)


async def test_the_end_of_what_was_acknowledged_is_told_once() -> None:
    reached = Reached()
    await acknowledged(reached, ("b", 1, 40), ("a", 0, 7), ("a", 0, 10), count=3)
    assert reached.take() == (["a", "b"], [0, 1], [13, 43])
    assert reached.take() == ([], [], [])


async def test_what_failed_or_has_no_place_moves_nothing() -> None:
    reached = Reached()
    await acknowledged(reached, ("a", 0, -1), count=3)
    failed, given_up = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
    reached.watch(failed, count=1)
    reached.watch(given_up, count=1)
    failed.set_exception(ConnectionError("away"))
    given_up.cancel()
    await asyncio.sleep(0)
    assert reached.take() == ([], [], [])
