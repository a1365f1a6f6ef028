"""Every failpoint once with SIGKILL: whatever was accepted has its effect exactly once, in the order of its journey.

`ANLIEGEN_FAULTS=full` drives each of them with every action, one at a time.
"""

import asyncio

import pytest
from pipeline.house import SERVING, House, journeys
from pipeline.ledger import Accepted
from pipeline.services import QUICK, RING

from anliegen.kit import failpoints

WRITE = [point for point in failpoints.POINTS if point.startswith("write.")]
RELAY = [point for point in failpoints.POINTS if point.startswith("relay.")]
# What comes after a restore is in `restore/`: these services have no topics of their own that could be looked at.
READ = [point for point in failpoints.POINTS if not point.startswith(("write.", "relay.", "fence."))]
PLACES = [
    *((SERVING, point) for point in WRITE),
    *(("door", point) for point in RELAY),
    *(("desk", point) for point in READ),
]
"""Which process fails where. What stands in more than one process fails in each in the full matrix."""
MORE_PLACES = [
    *(("desk", point) for point in [*WRITE, *RELAY]),
    *(("shelf", point) for point in [*WRITE, *READ] if point not in {
        # A projection locks and announces nothing, and this one has nothing to fail at.
        "write.locked", "write.flushed", "consume.parked", "consume.set_aside", "retry.locked", "retry.handled",
        "retry.committed", "retry.failed", "timer.locked", "timer.handled",
    }),
]  # fmt: skip
MAY_REPEAT = {"relay.fetched", "relay.sent", "relay.acknowledged", "relay.deleted"}
"""Where a relay has records in Kafka, or on their way to it, that it has not deleted yet: the next one is in flight."""

THORNS = {
    "consume.parked": "not_yet", "consume.set_aside": "thorny", "retry.locked": "not_yet", "retry.handled": "not_yet",
    "retry.committed": "not_yet", "retry.failed": "thorny",
}  # fmt: skip
"""Where a handler has to fail before the point is reached."""
BEYOND_THE_THORN = {"retry.handled", "retry.committed"}


async def drive(house: House, role: str, *settings: str, text: str = "") -> None:
    """Arm the process of this role, have contacts accepted before and while it fails, and reconcile."""
    points = {setting.partition("=")[0] for setting in settings}
    thorn = next((THORNS[point] for point in sorted(points) if point in THORNS), None)
    text = RING if any(point.startswith("timer.") for point in points) else text
    known, fresh, accepted, since = journeys(2), journeys(1), Accepted(), await house.ledger.ends()

    await house.kill(role)
    if role != SERVING:
        await house.accept(known, 3, into=accepted, text=text, thorn=thorn)
    child = await house.start(role, *settings)
    accepting = asyncio.create_task(house.accept([*known, *fresh], 2, into=accepted, lanes=2, text=text))
    if thorn and points & BEYOND_THE_THORN:
        # What needs the thorn comes first: without it no key waits any more, and nothing is set aside or comes to wait.
        for point in sorted(points & (THORNS.keys() - BEYOND_THE_THORN)):
            await child.has_failed_at(point)
        await until_parked(house)
        await house.lift_thorns()
    repeats = 1 + len(points & MAY_REPEAT)
    if any(setting.partition("=")[2].startswith("kill") for setting in settings):
        assert await child.dies() == -9, child.tail()
        await house.start(role)
        repeats = 1 if role == SERVING else 2  # with a worker dies its relay, wherever that is just then
    else:
        failing = asyncio.create_task(child.has_failed())
        while not failing.done():  # some points need something to do
            await house.accept(fresh, 1, into=accepted)
            await asyncio.wait({failing}, timeout=0.2)
        await failing
    await house.lift_thorns()
    await accepting
    await house.settle(accepted, since=since, repeats=repeats)


async def test_a_retry_that_is_killed_before_it_commits_keeps_what_waits(house: House) -> None:
    """Nothing else announces anything here, so the first transaction that comes to this point is the retry's."""
    known, accepted, since = journeys(2), Accepted(), await house.ledger.ends()
    await house.accept(known, 3, into=accepted, thorn="not_yet")
    async with asyncio.timeout(20):
        while await house.ledger.desk.fetchval("SELECT count(*) FROM parked_events") < accepted.count:
            await asyncio.sleep(0.02)
    await house.kill("desk")
    await house.lift_thorns()
    child = await house.start("desk", "write.flushed=kill")
    assert await child.dies() == -9, child.tail()
    await house.start("desk")
    await house.settle(accepted, since=since, repeats=2)


@pytest.mark.parametrize("point", ["write.begun", "write.committed"])
async def test_a_door_that_is_killed_at_a_write_of_one_statement_loses_and_doubles_nothing(
    house: House, point: str
) -> None:
    await drive(house, SERVING, f"{point}=kill", text=QUICK)


@pytest.mark.parametrize("action", ["raise", "trouble"])
@pytest.mark.parametrize(
    ("role", "points"),
    [(SERVING, WRITE), ("door", RELAY), ("desk", [*WRITE, *READ])],
    ids=["http", "relay", "desk"],
)
async def test_a_process_that_fails_everywhere_goes_on_by_itself(
    house: House, role: str, points: list[str], action: str
) -> None:
    """One process meets all of them, one after the other; nobody starts it anew."""
    if action == "trouble":  # each of these would have its key wait for a quarter of a minute; the full matrix waits
        points = [point for point in points if not point.startswith("retry.")]
    await drive(house, role, *(f"{point}={action}" for point in points))


@pytest.mark.full
@pytest.mark.parametrize("action", ["raise", "trouble"])
@pytest.mark.parametrize(("role", "point"), [*PLACES, *MORE_PLACES])
async def test_a_process_that_fails_here_goes_on_by_itself(house: House, role: str, point: str, action: str) -> None:
    await drive(house, role, f"{point}={action}")


@pytest.mark.full
@pytest.mark.parametrize(("role", "point"), MORE_PLACES)
async def test_another_process_that_is_killed_here_loses_and_doubles_nothing(
    house: House, role: str, point: str
) -> None:
    await drive(house, role, f"{point}=kill")


async def until_parked(house: House) -> None:
    async with asyncio.timeout(20):
        while not await house.ledger.desk.fetchval("SELECT count(*) FROM parked_keys"):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("role", "point"), PLACES)
async def test_a_process_that_is_killed_here_loses_and_doubles_nothing(house: House, role: str, point: str) -> None:
    await drive(house, role, f"{point}=kill")
