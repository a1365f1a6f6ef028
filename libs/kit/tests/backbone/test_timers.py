"""Timers run once, when the business clock has come to them, whatever fails on the way."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from anliegen.kit.clock import SystemClock, get_offset, set_offset
from anliegen.kit.ticker import tick


async def set_one(begin, clock, *, subject=None, hours=1):
    subject = subject or uuid4()
    async with begin() as tx:
        await tx.set_timer("toy_due", key=subject, subject=subject, due_at=clock.now() + timedelta(hours=hours))
    return subject


async def test_a_timer_waits_for_its_time_and_runs_once(begin, clock, run_timers, toy) -> None:
    subject = await set_one(begin, clock)
    assert await run_timers() == 0
    clock.advance(timedelta(hours=1))
    await run_timers()
    await run_timers()
    assert toy.fired == [subject]


async def test_a_timer_that_is_set_again_moves(begin, clock, run_timers, toy) -> None:
    subject = await set_one(begin, clock, hours=1)
    await set_one(begin, clock, subject=subject, hours=3)
    clock.advance(timedelta(hours=2))
    await run_timers()
    assert toy.fired == []
    clock.advance(timedelta(hours=1))
    await run_timers()
    assert toy.fired == [subject]


async def test_a_timer_that_was_taken_back_never_runs(begin, clock, run_timers, toy) -> None:
    subject = await set_one(begin, clock)
    async with begin() as tx:
        await tx.cancel_timer("toy_due", subject=subject)
    clock.advance(timedelta(days=1))
    await run_timers()
    assert toy.fired == []


async def test_a_timer_that_is_taken_back_while_it_is_about_to_run_never_runs(begin, clock, run_timers, toy) -> None:
    subject = await set_one(begin, clock)
    clock.advance(timedelta(hours=2))
    async with begin() as tx:
        await tx.lock(subject)
        running = asyncio.create_task(run_timers())
        await asyncio.sleep(0.3)
        await tx.cancel_timer("toy_due", subject=subject)
    await running
    assert toy.fired == []


async def test_workers_that_see_the_same_timer_run_it_once(begin, clock, run_timers, toy) -> None:
    subject = await set_one(begin, clock)
    clock.advance(timedelta(hours=2))
    await asyncio.gather(*(run_timers() for _ in range(3)))
    assert toy.fired == [subject]


async def test_a_timer_whose_handler_fails_is_tried_again(begin, clock, run_timers, toy, count) -> None:
    subject = await set_one(begin, clock)
    other = await set_one(begin, clock)
    toy.broken.add(str(subject))
    clock.advance(timedelta(hours=1))
    await run_timers()
    assert toy.fired == [other]
    assert await count("timers") == 1
    toy.broken.clear()
    clock.advance(timedelta(minutes=10))
    await run_timers()
    assert toy.fired == [other, subject]


async def test_a_kind_that_nobody_handles_cannot_be_set(tx, clock) -> None:
    with pytest.raises(LookupError):
        await tx.set_timer("nobody", key=uuid4(), subject=uuid4(), due_at=clock.now())


async def test_the_tick_fires_timers_and_retries_keys(begin, clock, context, toy) -> None:
    subject = await set_one(begin, clock)
    assert not await tick(context)
    clock.advance(timedelta(hours=1))
    assert await tick(context)
    assert toy.fired == [subject]


async def test_the_business_clock_lies_in_the_database(context) -> None:
    async with context.pool.acquire() as connection:
        await set_offset(connection, timedelta(days=3, seconds=0.5))
        assert await get_offset(connection) == timedelta(days=3, seconds=0.5)


async def test_a_business_clock_that_was_moved_is_heeded_by_the_next_tick(begin, clock, context, toy) -> None:
    system = SystemClock()
    subject = await set_one(begin, system)
    async with context.pool.acquire() as connection:
        await set_offset(connection, timedelta(hours=2))
    live = replace(context, settings=context.settings.model_copy(update={"environment": "production"}), clock=system)
    assert not await tick(live), "where customers are served, the clock cannot be moved"
    assert await tick(replace(context, clock=system))
    assert toy.fired == [subject]
