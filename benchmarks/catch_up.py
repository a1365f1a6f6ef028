"""A consumer that was away while many events were announced: until it has caught up, and whether others notice."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator

from anliegen.kit.service import load_service

from . import toy
from .children import running
from .cpu import memory
from .filling import fill_outbox
from .flow import WORKER, until_it_flows, write_and_compare
from .plan import Plan
from .relay import drain
from .results import Result
from .servers import Servers

AWAY = "journey"
"""A real service, which hears everything and keeps every event."""
PATIENCE = 180.0


async def measure(servers: Servers, plan: Plan) -> AsyncIterator[Result]:
    """The journey was away for ten minutes at 100 events a second; the toy was not, and goes on at low load."""
    service = load_service(AWAY)
    await servers.prepare(service)
    await servers.prepare(toy.toy_service(), more=toy.TABLES)
    await servers.execute("TRUNCATE outbox, inbox, effects, streams, consumer_position", service=toy.NAME)
    await servers.skip_records(service)
    # Positions are at the end; what is announced from here on is what the journey misses.
    await fill_outbox(servers, service=toy.NAME, events=plan.backlog, first=5_000_000)
    await drain(servers, plan.backlog)
    await servers.skip_records(toy.toy_service())
    environment = servers.environment(with_kafka=True)
    command = (sys.executable, "-m", "anliegen.kit.cli", "work", AWAY)
    async with running(WORKER, environment=environment), servers.connected(toy.NAME) as connection:
        await until_it_flows(servers, connection)
        before, _ = await write_and_compare(servers, connection, seconds=min(4.0, plan.latency_seconds))
        async with running(command, environment=environment) as pid:
            began = time.monotonic()
            others = asyncio.create_task(write_and_compare(servers, connection, seconds=min(8.0, plan.latency_seconds)))
            async with servers.connected(AWAY) as away, asyncio.timeout(PATIENCE):
                first = 0.0
                while (kept := await away.fetchval("SELECT count(*) FROM events")) < plan.backlog:
                    first = first or (time.monotonic() - began if kept else 0.0)
                    await asyncio.sleep(0.1)
            took = time.monotonic() - began
            used = memory(pid)
        during, _ = await others
    yield Result(f"catch-up: {AWAY} takes {plan.backlog:,} missed events, from its start", took, "s")
    yield Result("catch-up: of that until its first event", first, "s")
    yield Result("catch-up: events a second", plan.backlog / max(took - first, 0.001), "events/s")
    yield Result(f"catch-up: memory of {AWAY}", used / 1e6, "MB")
    for share in (0.5, 0.99):
        bound = before.result("", share).value
        figure = during.result("catch-up: another service's commit → handler meanwhile", share)
        yield Result(figure.name, figure.value, "ms", bound, "the same before")
