"""Heavy work runs beside the event loop, and its trouble is named."""

import asyncio
import math
import os
import signal
import time

import psutil
import pytest

from anliegen.kit.heavy import HeavyWork, HeavyWorkFailed, HeavyWorkTooLong


@pytest.fixture
def heavy():
    heavy = HeavyWork()
    yield heavy
    heavy.close()


async def test_work_is_done_elsewhere_and_the_loop_goes_on(heavy) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    assert await heavy.run(math.factorial, 5) == 120
    assert await heavy.run(os.getpid) != os.getpid()
    await heavy.run(time.sleep, 0.2)
    ticking.cancel()
    assert ticks > 10


async def test_what_the_work_raises_is_raised(heavy) -> None:
    with pytest.raises(ValueError, match="negative"):
        await heavy.run(math.factorial, -1)


async def test_a_process_that_is_killed_is_named_and_the_next_work_is_done(heavy) -> None:
    pid = await heavy.run(os.getpid)
    working = asyncio.create_task(heavy.run(time.sleep, 5))
    await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(HeavyWorkFailed):
        await working
    assert await heavy.run(math.factorial, 3) == 6


async def test_work_that_takes_too_long_is_ended(heavy) -> None:
    process = psutil.Process(await heavy.run(os.getpid))
    with pytest.raises(HeavyWorkTooLong):
        await heavy.run_within(0.2, time.sleep, 30)
    for _ in range(100):
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("the process still runs")
