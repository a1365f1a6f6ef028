"""How soon a contact stands in the journey, and what the stack costs while nothing happens.

`make bench` runs this against the embedded stack. Percentiles are of single contacts, one after the other (low load);
`fsync` is asked of the server and printed. The resting cost is of all Python processes of the stack together.
"""

import argparse
import asyncio
import platform
import statistics
import time
from uuid import uuid4

import asyncpg
import httpx
import psutil

from anliegen.stack.lifecycle import read_stack
from anliegen.stack.status import look
from anliegen.stack.world import World

PYTHON_PROCESSES = ("http", "workers", "outside")


async def one_contact(agent: httpx.AsyncClient) -> tuple[float, float]:
    """Seconds until a contact was accepted, and from then until its journey shows it."""
    note = {
        "channel": "phone",
        "text": "Die Kundin fragt, wann die Filiale am Samstag geöffnet ist.",
        "sender": {"kind": "phone", "value": f"+49171{uuid4().int % 10**7:07}"},
    }
    began = time.perf_counter()
    answer = await agent.post("/intake/v1/contacts", json=note)
    accepted = time.perf_counter()
    answer.raise_for_status()
    path = f"/journey/v1/journeys/{answer.json()['journey_id']}/timeline"
    while not (await agent.get(path)).is_success:
        if time.perf_counter() - accepted > 30:
            raise SystemExit("A contact did not reach its journey within 30 s.")
        await asyncio.sleep(0.001)
    return accepted - began, time.perf_counter() - accepted


def percentile(values: list[float], share: float) -> float:
    """The value below which this share lies, in milliseconds."""
    return statistics.quantiles(values, n=1000, method="inclusive")[int(share * 1000) - 1] * 1000


async def latency(world: World, contacts: int) -> None:
    agent = await world.person("agent", name="bench")
    for _ in range(20):
        await one_contact(agent)
    accepted, visible = [], []
    for _ in range(contacts):
        one, other = await one_contact(agent)
        accepted.append(one)
        visible.append(other)
        await asyncio.sleep(0.05)
    connection = await asyncpg.connect(world.stack.database_url("intake"))
    fsync = await connection.fetchval("SHOW fsync")
    await connection.close()
    print(f"{contacts} contacts one after the other, fsync={fsync}")
    for name, values, bound in (
        ("accepted", accepted, ""),
        ("accepted → in the journey", visible, "bar: p50 ≤ 60 ms, p99 ≤ 300 ms"),
    ):
        numbers = "  ".join(f"p{share * 100:g} {percentile(values, share):6.1f} ms" for share in (0.5, 0.9, 0.99))
        print(f"  {name:<28}{numbers}  {bound}")


def resting(world: World, seconds: float) -> None:
    processes = {p.name: psutil.Process(p.pid) for p in look(world.stack.home) if p.name in PYTHON_PROCESSES and p.pid}
    time.sleep(3)
    before = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
    time.sleep(seconds)
    print(f"at rest for {seconds:.0f} s, {len(world.stack.services)} services")
    total_core, total_memory = 0.0, 0.0
    for name, process in processes.items():
        core = (sum(process.cpu_times()[:2]) - before[name]) / seconds * 100
        memory = process.memory_full_info().pss / 1e6
        total_core, total_memory = total_core + core, total_memory + memory
        print(f"  {name:<28}{core:5.2f} % of a core   {memory:6.1f} MB")
    print(f"  {'together':<28}{total_core:5.2f} % of a core   {total_memory:6.1f} MB  bar: ≤ 3 %, ≤ 500 MB")
    share = total_core / len(world.stack.services)
    print(f"  {'eleven services, reckoned':<28}{share * 11:5.2f} % of a core   {'':>9}  bar: ≤ 5 %")


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--contacts", type=int, default=300)
    arguments.add_argument("--rest", type=float, default=60.0, help="seconds")
    chosen = arguments.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}"
    )
    async with World(read_stack()) as world:
        await latency(world, chosen.contacts)
        await asyncio.to_thread(resting, world, chosen.rest)


if __name__ == "__main__":
    asyncio.run(main())
