"""One run from beginning to end."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from aiokafka.errors import KafkaError

from anliegen.stack.postgres import PostgresServer

from . import evidence
from .cluster import Cluster
from .contacts import draw_contacts, journeys
from .faults import Breaker
from .load import Load
from .plan import draw_faults, fingerprint
from .reconcile import reconcile
from .report import Report, take_ledger

Say = Callable[[str], None]
DRAIN_PATIENCE = 300.0
LOOKS_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. `rate` in contacts a second."""

    seed: int
    minutes: float
    rate: float
    home: Path
    drain_seconds: float = DRAIN_PATIENCE


async def run(wish: Wish, *, say: Say) -> Report:
    """Start, break, heal, drain, reconcile. Everything that was started has ended when this returns."""
    cluster = Cluster(wish.home)
    try:
        say("starting the stack")
        await cluster.start()
        return await _run(cluster, wish, say)
    finally:
        await cluster.stop(say=say)


async def _run(cluster: Cluster, wish: Wish, say: Say) -> Report:
    services = cluster.stack.services
    planned = round(wish.minutes * 60 * wish.rate)
    contacts = draw_contacts(seed=wish.seed, planned=planned, rate=wish.rate)
    faults = draw_faults(seed=wish.seed, minutes=wish.minutes, services=services)
    report = Report(wish.seed, wish.minutes, wish.rate, fingerprint(faults), planned, journeys(contacts))
    say(f"plan {report.plan}: {planned} contacts, {len(faults)} faults, {sum(f.is_kill for f in faults)} kills")
    load, breaker = Load(cluster.stack, contacts, rate=wish.rate), Breaker(cluster, say=say)
    begun = time.monotonic()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run())
            group.create_task(breaker.run(faults))
            watch = group.create_task(_tell(load, say))
            await asyncio.sleep(0)
            group.create_task(_end_with(watch, planned, load))
    finally:
        _keep_ledger(load, wish.home)
    report.load_seconds = time.monotonic() - begun
    say("healing")
    await cluster.heal()
    begun = time.monotonic()
    bootstrap = f"127.0.0.1:{cluster.ports.read()['kafka']}"
    report.leftovers = await drain(cluster.postgres, bootstrap, services, seconds=wish.drain_seconds, say=say)
    report.drain_seconds = time.monotonic() - begun
    await load.look_at_messages()
    say("reading the databases and Kafka")
    found = await evidence.collect(cluster.postgres, bootstrap, services, cluster.home.mailbox)
    report.leftovers |= found.leftovers
    report.lines = reconcile(load.ledger, found)
    take_ledger(report, load.ledger, await evidence.arrivals(cluster.postgres))
    report.faults, report.missed_faults = dict(breaker.done), dict(breaker.missed)
    report.kills, report.surprises = breaker.kills, dict(cluster.surprises)
    return report


async def drain(
    server: PostgresServer, bootstrap: str, services: Sequence[str], *, seconds: float, say: Say = lambda _: None
) -> dict[str, int]:
    """Wait until nothing is on its way any more; tells what still is after so many seconds."""
    deadline, said = time.monotonic() + seconds, 0.0
    left: dict[str, int] = {"nothing could be asked": 1}
    while left and time.monotonic() < deadline:
        try:
            left = await evidence.unsettled(server, bootstrap, services)
        except (OSError, TimeoutError, asyncpg.PostgresError, KafkaError) as problem:
            left = {f"nothing could be asked ({type(problem).__name__})": 1}
        if left:
            if time.monotonic() - said > 10:
                said = time.monotonic()
                say(f"draining: {left}")
            await asyncio.sleep(LOOKS_EVERY)
    return left


async def _tell(load: Load, say: Say) -> None:
    while True:
        await asyncio.sleep(10)
        ledger = load.ledger
        say(f"         {len(ledger.accepted)} accepted, {ledger.repeated} requests repeated")


async def _end_with(watch: asyncio.Task[None], planned: int, load: Load) -> None:
    while len(load.ledger.accepted) + len(load.ledger.unsettled) < planned:
        await asyncio.sleep(0.2)
    watch.cancel()


def _keep_ledger(load: Load, home: Path) -> None:
    """For whoever looks for the cause of a difference."""
    lines = [json.dumps([one.number, one.person, one.channel, one.at]) for one in load.ledger.accepted]
    (home / "ledger.jsonl").write_text("\n".join(lines) + "\n")
