"""Parts of a worker in a process of their own, to be measured: `python -m benchmarks.parts relay|consumer …`.

Each prints one JSON object. CPU and memory are those of the process itself; PostgreSQL's and Kafka's are read beside.
"""

import argparse
import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import asdict, dataclass
from typing import Any

import uvloop
from prometheus_client import REGISTRY

from anliegen.kit.consumer import loop
from anliegen.kit.relay import Relay
from anliegen.kit.service import open_context
from anliegen.kit.telemetry.start import start_telemetry

from . import toy
from .cpu import Meter, memory

LOOK_EVERY = 0.02


@dataclass
class Progress:
    """What happened between two looks: events, seconds, CPU seconds by process, and memory at the end in bytes."""

    events: int
    seconds: float
    cpu: dict[str, float]
    memory: int


def _counted(name: str, **labels: str) -> int:
    """A counter of the kit, as Prometheus would read it."""
    return int(REGISTRY.get_sample_value(f"{name}_total", {"service": toy.NAME, **labels}) or 0)


@contextlib.asynccontextmanager
async def _running(part: Coroutine[Any, Any, None]) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(part)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def relay(total: int, meter: Meter) -> Progress:
    """Drain an outbox of `total` events; measured from the moment this relay leads until the outbox is empty."""
    async with open_context(toy.toy_service(), part="relay") as context:
        leader = Relay(context)
        async with _running(leader.run()) as task:
            while not leader.leads:
                await asyncio.sleep(0.001)
            meter.begin()
            while _counted("outbox_published") < total:
                await asyncio.sleep(LOOK_EVERY)
                if task.done():
                    task.result()
            async with context.pool.acquire() as connection:
                while await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
                    await asyncio.sleep(0.005)
            return Progress(total, time.perf_counter() - meter.began, meter.read(), memory(os.getpid()))


async def consumer(total: int, meter: Meter, *, batch: int, many: bool) -> Progress:
    """Consume `total` events; measured from the first that are done, so without joining the group."""
    loop.BATCH = batch
    async with (
        open_context(toy.toy_service(many=many), part="consumer") as context,
        _running(loop.Consumer(context).run()) as task,
    ):
        first = 0
        while True:
            done = _counted("events_processed", result="done")
            if not first and done:
                first = done
                meter.begin()
            if done >= total:
                return Progress(done - first, time.perf_counter() - meter.began, meter.read(), memory(os.getpid()))
            if task.done():
                task.result()
            await asyncio.sleep(0.002)


async def _main(chosen: argparse.Namespace) -> None:
    service = toy.toy_service()
    start_telemetry([service], part="work")
    pids = {name: int(pid) for name, pid in (word.split("=") for word in chosen.beside)}
    meter = Meter({"ours": os.getpid(), **pids})
    if chosen.part == "relay":
        progress = await relay(chosen.total, meter)
    else:
        progress = await consumer(chosen.total, meter, batch=chosen.batch, many=chosen.many)
    print(json.dumps(asdict(progress)))


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("part", choices=["relay", "consumer"])
    asked.add_argument("--total", type=int, required=True)
    asked.add_argument("--batch", type=int, default=500)
    asked.add_argument("--many", action="store_true")
    asked.add_argument("--beside", action="append", default=[], metavar="NAME=PID", help="CPU read beside ours")
    uvloop.run(_main(asked.parse_args()))
