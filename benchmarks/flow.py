"""The toy's worker and a writer: how long from commit to handler, and how soon it flows again after a death."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import asyncpg

from . import toy
from .children import run_json, running
from .parts import Written
from .plan import Plan
from .results import Result, percentile
from .servers import Servers

RATE = 50.0
"""Events a second: low load."""
WORKER = (sys.executable, "-m", "benchmarks.parts", "worker")
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Delays:
    """From commit to handler, in seconds."""

    values: list[float]

    def result(self, name: str, share: float) -> Result:
        """A percentile in milliseconds."""
        return Result(f"{name}, p{share * 100:g}", percentile(self.values, share) * 1000, "ms")


async def measure_latency(servers: Servers, plan: Plan) -> AsyncIterator[Result]:
    """Commit → handler at low load, with the CPU that it takes."""
    await _prepare(servers)
    async with _worker(servers) as pid, servers.connected(toy.NAME) as connection:
        await until_it_flows(servers, connection)
        beside = {"worker": pid, "postgres": servers.postgres_pid, "kafka": servers.kafka.pid or 0}
        delays, written = await write_and_compare(servers, connection, seconds=plan.latency_seconds, beside=beside)
        yield delays.result("commit → handler at 50 events/s", 0.5)
        yield delays.result("commit → handler at 50 events/s", 0.99)
        for name in beside:
            used = written.cpu[name]
            yield Result(f"commit → handler at 50 events/s: CPU of {name}", used / written.seconds * 100, "% of a core")


async def measure_failures(servers: Servers, plan: Plan) -> AsyncIterator[Result]:
    """Worker and broker killed under load and started again: seconds until events are handled again."""
    await _prepare(servers)
    environment = servers.environment(with_kafka=True)
    seconds = 8.0 + plan.latency_seconds
    async with servers.connected(toy.NAME) as connection:
        async with contextlib.AsyncExitStack() as first:
            pid = await first.enter_async_context(running(WORKER, environment=environment))
            await until_it_flows(servers, connection)
            writing = asyncio.create_task(_write(servers, seconds, {}))
            await asyncio.sleep(3.0)
            os.kill(pid, signal.SIGKILL)
        killed = await _handled(connection)
        await asyncio.sleep(1.0)
        async with _worker(servers):
            started = time.monotonic()
            await _until_more(connection, killed)
            yield Result("worker killed under load: until events are handled again", time.monotonic() - started, "s")
            await _until_all(connection, (await writing).commits)

            writing = asyncio.create_task(_write(servers, seconds, {}))
            await asyncio.sleep(2.0)
            os.kill(servers.kafka.pid or 0, signal.SIGKILL)
            await asyncio.sleep(1.0)
            stopped = await _handled(connection)
            down = time.monotonic()
            await asyncio.to_thread(servers.restart_kafka)
            ready = time.monotonic()
            await _until_more(connection, stopped)
            yield Result("broker killed under load: from ready until events are handled again",
                         time.monotonic() - ready, "s")  # fmt: skip
            yield Result("broker killed under load: its own start before that", ready - down, "s")
            await _until_all(connection, (await writing).commits)


async def write_and_compare(
    servers: Servers, connection: asyncpg.Connection, *, seconds: float, beside: Mapping[str, int] | None = None
) -> tuple[Delays, Written]:
    """Write at low load for so long, wait for the last, and compare when each was committed and handled."""
    written = await _write(servers, seconds, beside or {})
    commits = written.commits
    await _until_all(connection, commits)
    rows = await connection.fetch(
        "SELECT contact_id::text, extract(epoch FROM at)::float8 AS at FROM effects "
        "WHERE contact_id = ANY ($1::uuid[])",
        list(commits),
    )  # fmt: skip
    return Delays([row["at"] - commits[row["contact_id"]] for row in rows]), written


async def _prepare(servers: Servers) -> None:
    await servers.prepare(toy.toy_service(), more=toy.TABLES)
    await servers.execute("TRUNCATE outbox, inbox, effects, streams, consumer_position", service=toy.NAME)
    await servers.skip_records(toy.toy_service())


@contextlib.asynccontextmanager
async def _worker(servers: Servers) -> AsyncIterator[int]:
    async with running(WORKER, environment=servers.environment(with_kafka=True)) as pid:
        yield pid


async def _write(servers: Servers, seconds: float, beside: Mapping[str, int]) -> Written:
    words = [f"--beside={name}={pid}" for name, pid in beside.items()]
    found = await run_json(
        "benchmarks.parts", "writer", f"--rate={RATE}", f"--seconds={seconds}", *words,
        environment=servers.environment(),
    )  # fmt: skip
    return Written(**found)


async def _handled(connection: asyncpg.Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM effects"))


async def until_it_flows(servers: Servers, connection: asyncpg.Connection) -> None:
    """Write for a second and wait until all of it is handled."""
    await _until_all(connection, (await _write(servers, 1.0, {})).commits)


async def _until_more(connection: asyncpg.Connection, than: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while await _handled(connection) <= than:
            await asyncio.sleep(0.01)


async def _until_all(connection: asyncpg.Connection, commits: dict[str, float]) -> None:
    """Everything that was committed is handled: nothing is lost on the way."""
    async with asyncio.timeout(PATIENCE):
        while await connection.fetchval(
            "SELECT count(*) FROM effects WHERE contact_id = ANY ($1::uuid[])", list(commits)
        ) < len(commits):
            await asyncio.sleep(0.05)
