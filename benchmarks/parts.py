"""Parts of the toy in a process of their own, to be measured: `python -m benchmarks.parts relay|consumer|writer …`.

Each prints one JSON object. CPU and memory are those of the process itself; PostgreSQL's and Kafka's are read beside.
`worker` is the toy's whole worker, as any service's, until it is told to end.
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
from uuid import uuid4

import uvloop
from prometheus_client import Counter

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit import begin, collector
from anliegen.kit.consumer import loop
from anliegen.kit.relay import Relay
from anliegen.kit.service import open_context
from anliegen.kit.telemetry import metrics
from anliegen.kit.telemetry.start import start_telemetry
from anliegen.kit.worker import work

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


def _counted(counter: Counter, **labels: str) -> int:
    """How far a counter of the kit has come; asking the registry would reckon up all of them at every look."""
    wanted = {"service": toy.NAME, **labels}
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return int(sum(s.value for s in samples if s.name.endswith("_total") and s.labels == wanted))


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
            while _counted(metrics.outbox_published) < total:
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
            done = _counted(metrics.events_processed, result="done")
            if not first and done:
                first = done
                meter.begin()
            if done >= total:
                return Progress(done - first, time.perf_counter() - meter.began, meter.read(), memory(os.getpid()))
            if task.done():
                task.result()
            await asyncio.sleep(0.002)


@dataclass
class Written:
    """When each contact was committed (Unix time), and the CPU seconds that other processes used meanwhile."""

    commits: dict[str, float]
    seconds: float
    cpu: dict[str, float]


async def writer(rate: float, seconds: float, meter: Meter) -> Written:
    """Announce so many contacts a second, as an HTTP process does."""
    sample = build(ContactReceived)
    commits: dict[str, float] = {}
    async with open_context(toy.toy_service()) as context:
        due = began = time.monotonic()
        meter.begin()
        while due < began + seconds:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            event = sample.model_copy(update={"journey_id": uuid4(), "contact_id": uuid4()})
            async with begin(context) as tx:
                await tx.lock(event.journey_id)
                tx.publish(event)
            commits[str(event.contact_id)] = time.time()
            due += 1 / rate
        return Written(commits, time.monotonic() - began, meter.read())


async def _main(chosen: argparse.Namespace) -> None:
    service = toy.toy_service()
    start_telemetry([service], part="work")
    collector.settle()
    if chosen.part == "worker":
        await work([toy.toy_service(announces=False)])
        return
    pids = {name: int(pid) for name, pid in (word.split("=") for word in chosen.beside)}
    meter = Meter({"ours": os.getpid(), **pids})
    found: Progress | Written
    if chosen.part == "writer":
        found = await writer(chosen.rate, chosen.seconds, meter)
    elif chosen.part == "relay":
        found = await relay(chosen.total, meter)
    else:
        found = await consumer(chosen.total, meter, batch=chosen.batch, many=chosen.many)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("part", choices=["relay", "consumer", "writer", "worker"])
    asked.add_argument("--total", type=int, default=0)
    asked.add_argument("--batch", type=int, default=500)
    asked.add_argument("--many", action="store_true")
    asked.add_argument("--rate", type=float, default=50.0, help="contacts a second")
    asked.add_argument("--seconds", type=float, default=10.0)
    asked.add_argument("--beside", action="append", default=[], metavar="NAME=PID", help="CPU read beside ours")
    uvloop.run(_main(asked.parse_args()))
