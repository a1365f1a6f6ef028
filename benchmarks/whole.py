"""The whole stack at low load and at rest: contact → journey, and what it costs while nothing happens."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx

from .cpu import Meter, memory
from .plan import Plan
from .results import Result, percentile
from .stack_world import OUTSIDE, World

SERVICES_IN_FULL = 11


async def measure_journey(world: World, plan: Plan) -> AsyncIterator[Result]:
    """A contact after the other: until it is accepted, and from then until its journey shows it."""
    token = {"Authorization": f"Bearer {world.stack.token('agent', subject='bench')}"}
    intake = httpx.AsyncClient(base_url=f"http://127.0.0.1:{world.port('http-intake')}", headers=token, timeout=30)
    journey = httpx.AsyncClient(base_url=f"http://127.0.0.1:{world.port('http-journey')}", headers=token, timeout=30)
    accepted, visible = [], []
    async with intake, journey:
        for number in range(plan.journey_contacts + 10):
            one, other = await _one_contact(intake, journey)
            if number >= 10:
                accepted.append(one * 1000)
                visible.append(other * 1000)
            await asyncio.sleep(0.02)
    for name, values in (("accepted", accepted), ("accepted → shown by its journey", visible)):
        for share in (0.5, 0.99):
            yield Result(f"one contact at a time: {name}, p{share * 100:g}", percentile(values, share), "ms")


async def _one_contact(intake: httpx.AsyncClient, journey: httpx.AsyncClient) -> tuple[float, float]:
    note = {
        "channel": "phone",
        "text": "Die Kundin fragt, wann die Filiale am Samstag geöffnet ist.",
        "sender": {"kind": "phone", "value": f"+49171{uuid4().int % 10**7:07}"},
    }
    began = time.perf_counter()
    answer = await intake.post("/intake/v1/contacts", json=note)
    accepted = time.perf_counter()
    answer.raise_for_status()
    path = f"/journey/v1/journeys/{answer.json()['journey_id']}/timeline"
    while not (await journey.get(path)).is_success:
        if time.perf_counter() - accepted > 30:
            raise RuntimeError("A contact did not reach its journey within 30 s.")
        await asyncio.sleep(0.001)
    return accepted - began, time.perf_counter() - accepted


async def measure_rest(world: World, plan: Plan) -> AsyncIterator[Result]:
    """CPU and memory while nothing happens."""
    await world.settle()
    await asyncio.sleep(min(3.0, plan.idle_seconds))
    pids = world.pids()
    meter = Meter(pids)
    await asyncio.sleep(plan.idle_seconds)
    used = {name: seconds / (time.perf_counter() - meter.began) * 100 for name, seconds in meter.read().items()}
    workers = sum(share for name, share in used.items() if name.startswith("worker-"))
    services = len(world.stack.services)
    yield Result(f"at rest: relays and consumers of {services} services", workers, "% of a core")
    yield Result("at rest: relays and consumers of eleven services, reckoned", workers / services * SERVICES_IN_FULL,
                 "% of a core")  # fmt: skip
    http = sum(share for name, share in used.items() if name.startswith("http-"))
    yield Result(f"at rest: HTTP of {services} services", http, "% of a core")
    for name in ("postgres", "kafka"):
        yield Result(f"at rest: {name}", used[name], "% of a core")
        yield Result(f"at rest: memory of {name}", memory(pids[name]) / 1e6, "MB")
    ours = [pid for name, pid in pids.items() if name not in {*OUTSIDE, "postgres", "kafka"}]
    yield Result(f"at rest: memory of our {len(ours)} processes", sum(map(memory, ours)) / 1e6, "MB")
