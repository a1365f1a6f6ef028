"""Random histories of dunning on the real SQL: money, cases and time, told in any order, twice, with crashes between.

Each customer's dunning is reckoned a second time here, day by day and by its own arithmetic, from the law and the terms
alone: whether it is held, when a reminder goes out, and what it asks for to the minor unit.
`HYPOTHESIS_PROFILE=long .venv/bin/pytest services/billing-inquiry/tests/test_dunning_histories.py` plays 10,000 of
them, 100 customers at a time; `DUNNING_SEED=7` the seventh hundred alone.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from dunning_customer import Customer
from dunning_law import DAY, ZONE

from anliegen.kit import ticker
from anliegen.kit.clock import FixedClock
from anliegen.kit.failpoints import TroubleOnPurpose
from anliegen.kit.service import Context

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
HISTORIES, TOGETHER = (int(os.environ.get("HYPOTHESIS_PLAYS", "10000")), 100) if LONG else (25, 25)
SEEDS = [int(seed) for seed in os.environ.get("DUNNING_SEED", "").split()] or range(HISTORIES // TOGETHER)
DAYS = 230


# The play -------------------------------------------------------------------------------------------------------------
@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"database_pool_size": 6}


@pytest.mark.parametrize("seed", SEEDS)
async def test_dunning_is_as_it_ought_to_be_after_any_history(
    seed: int, context: Context, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    first = date(2024, 1, 1) + chance.randint(0, 600) * DAY
    customers = [Customer(f"{seed}.{n}", context, random.Random(f"{seed}.{n}"), first) for n in range(TOGETHER)]
    die_now_and_then(monkeypatch, chance)
    at_work = asyncio.Semaphore(5)

    async def of_all(work: Callable[[Customer], Awaitable[None]], among: list[Customer]) -> None:
        async def one(customer: Customer) -> None:
            async with at_work:
                await work(customer)

        await asyncio.gather(*map(one, among))

    nines: list[datetime] = []
    away_until = datetime.combine(first, time(0), tzinfo=ZONE)
    for day in (first + n * DAY for n in range(DAYS)):
        for hour in (7, 9, 15):
            clock.time = now = datetime.combine(day, time(hour), tzinfo=ZONE)
            if hour == 9:
                nines.append(now)
            if now < away_until:
                continue
            if chance.random() < 0.02:
                away_until = now + timedelta(hours=chance.choice([5, 30, 60, 100]))
                continue
            for customer in customers:
                customer.look_back([nine for nine in nines if nine < now])
            nines.clear()
            if chance.random() < 0.5:
                await work_all_timers(context, clock)
                for customer in customers:
                    customer.work_timers(now)
            busy = [one for one in customers if one.deeds and one.deeds[0][0] <= now]
            await of_all(lambda customer, now=now: customer.do(now), busy)  # type: ignore[misc]
            await work_all_timers(context, clock)
            for customer in customers:
                customer.work_timers(now)
            await of_all(
                lambda customer, now=now: customer.compare(now),  # type: ignore[misc]
                [one for one in customers if one.touched],
            )
    await of_all(lambda customer: customer.compare(clock.time), customers)
    for customer in customers:
        assert not customer.deeds
        for one in customer.invoices.values():
            assert not customer.is_held(one.number, clock.time), "every case is settled"
    await read_the_announcements(context, customers)


def die_now_and_then(monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
    """Have timers die when their work is done and not committed yet."""

    def reach(point: str) -> None:
        if point == "timer.handled" and chance.random() < 0.05:
            raise TroubleOnPurpose

    monkeypatch.setattr(ticker.failpoints, "reach", reach)


async def work_all_timers(context: Context, clock: FixedClock) -> None:
    """Until none is due; those that died are tried again after some seconds."""
    while True:
        if await ticker.fire_due_timers(context):
            continue
        async with context.pool.acquire() as connection:
            waiting = await connection.fetchval("SELECT max(retry_at) FROM timers WHERE due_at <= $1", clock.time)
        if waiting is None:
            return
        clock.time = max(clock.time, waiting)


async def read_the_announcements(context: Context, customers: list[Customer]) -> None:
    """What was announced tells the same story: no step while held, each once."""
    async with context.pool.acquire() as connection:
        rows = await connection.fetch(
            """
            SELECT payload ->> 'invoice_number' AS number, split_part(type, '.', 2) AS what,
                payload ->> 'round' AS round, payload ->> 'level' AS level
            FROM (SELECT seq, type, convert_from(payload, 'UTF8')::jsonb AS payload FROM outbox
                  WHERE type LIKE 'billing_inquiry.dunning_%') AS told ORDER BY seq
            """
        )
    held: dict[str, bool] = {}
    steps: dict[str, list[tuple[str, str]]] = {}
    for number, what, turn, level in rows:
        if what == "dunning_held":
            assert not held.get(number), "held once at a time"
        elif what == "dunning_released":
            assert held.get(number), "nothing is released that was not held"
        elif what == "dunning_step_reached":
            assert not held.get(number), "no step goes out while it is held"
            steps.setdefault(number, []).append((turn, level))
        held[number] = what == "dunning_held"
    for customer in customers:
        for one in customer.invoices.values():
            ought = [(str(step["round"]), str(step["level"])) for step in one.every_step]
            assert steps.get(one.number, []) == ought
            assert not held.get(one.number) or one.cleared
