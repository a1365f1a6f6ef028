"""Carry out what was planned. Each fault ends by itself: what it stopped goes on, what it killed is started again."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import psutil

from anliegen.stack.databases import package_name

from .cluster import SLOTS, Cluster
from .plan import Fault

Say = Callable[[str], None]
ATTEMPTS = 3
POSTGRES_STARTS_AGAIN_AFTER = 0.5


class Breaker:
    """Breaks a cluster as planned, and counts what it did."""

    def __init__(self, cluster: Cluster, *, say: Say) -> None:
        self.cluster = cluster
        self.done: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        """Faults that found nothing to break, such as a database that was away already."""
        self._say = say

    async def run(self, faults: Sequence[Fault]) -> None:
        """All of them, each at its time, whether or not the last one is over."""
        begun = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(max(0.0, begun + fault.at - asyncio.get_running_loop().time()))
                group.create_task(self._carry_out(fault))

    async def _carry_out(self, fault: Fault) -> None:
        async with self.cluster.lock(fault.target):
            lasts = f", {fault.seconds:.1f} s" if fault.seconds else ""
            self._say(f"{fault.at:7.1f}  {fault.kind} {fault.target}{lasts}")
            try:
                broken = await _FAULTS[fault.kind](self.cluster, fault)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, psutil.Error):
                broken = False  # what it would have broken was broken already
            (self.done if broken else self.missed)[fault.kind] += 1

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return sum(count for kind, count in self.done.items() if kind.startswith("kill"))


# Kills ----------------------------------------------------------------------------------------------------------------
async def _kill_program(cluster: Cluster, fault: Fault) -> bool:
    return await _end_program(cluster, fault, signal.SIGKILL)


async def _restart_program(cluster: Cluster, fault: Fault) -> bool:
    return await _end_program(cluster, fault, signal.SIGTERM)


async def _end_program(cluster: Cluster, fault: Fault, number: signal.Signals) -> bool:
    cluster.away.add(fault.target)
    if not cluster.signal(fault.target, number):
        return False
    while fault.target in cluster.away:
        await asyncio.sleep(0.1)
    return True


async def _kill_postgres(cluster: Cluster, _: Fault) -> bool:
    killed = cluster.signal("postgres", signal.SIGKILL)
    await cluster.wait_for_end("postgres")
    await asyncio.sleep(POSTGRES_STARTS_AGAIN_AFTER)
    cluster.postgres = await asyncio.to_thread(cluster.start_postgres)
    return killed


async def _kill_kafka(cluster: Cluster, _: Fault) -> bool:
    killed = cluster.signal("kafka", signal.SIGKILL)
    await cluster.wait_for_end("kafka")
    await asyncio.to_thread(cluster.start_kafka)
    return killed


async def _kill_backend(cluster: Cluster, fault: Fault) -> bool:
    """One of a service's server processes; PostgreSQL then ends all others, too, and recovers."""
    rows = await _backends(cluster, fault.target)
    if not rows:
        return False
    pid = rows[int(fault.chance * len(rows))]["pid"]
    if pid not in {process.pid for process in cluster.family("postgres")}:
        return False
    psutil.Process(pid).kill()
    return True


# Pauses and cuts ------------------------------------------------------------------------------------------------------
async def _pause(cluster: Cluster, fault: Fault) -> bool:
    cluster.away.add(fault.target)
    try:
        stopped = cluster.signal(fault.target, signal.SIGSTOP, children=True)
        await asyncio.sleep(fault.seconds)
        cluster.signal(fault.target, signal.SIGCONT, children=True)
    finally:
        cluster.away.discard(fault.target)
    return stopped


async def _reset(cluster: Cluster, fault: Fault) -> bool:
    return cluster.proxies[fault.target].reset() > 0


async def _hole(cluster: Cluster, fault: Fault) -> bool:
    """Nothing passes; afterwards everything goes on, or, in half of the cases, the connections are forgotten."""
    proxy = cluster.proxies[fault.target]
    proxy.close_hole()
    await asyncio.sleep(fault.seconds)
    if fault.chance < 0.5:
        proxy.reset()
    proxy.open_hole()
    return True


# Connections ----------------------------------------------------------------------------------------------------------
async def _terminate_relay(cluster: Cluster, fault: Fault) -> bool:
    """The relay loses its lock, and with it its leadership."""
    return await _terminate(cluster, fault.target, f"anliegen {fault.target} relay") > 0


async def _terminate_backends(cluster: Cluster, fault: Fault) -> bool:
    return await _terminate(cluster, fault.target, "anliegen%") > 0


async def _terminate(cluster: Cluster, service: str, application: str) -> int:
    connection = await _connect(cluster)
    try:
        rows = await connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE $2",
            package_name(service), application,
        )  # fmt: skip
        return len(rows)
    finally:
        await connection.close()


async def _fill_slots(cluster: Cluster, fault: Fault) -> bool:
    """Take every free connection, then end those of one service, which finds no other for a while."""
    taken: list[asyncpg.Connection] = []
    address = cluster.stack.owner_database_url(fault.target).replace(
        f":{cluster.proxies['postgres'].port}/", f":{cluster.postgres.port}/"
    )
    try:
        for _ in range(SLOTS):
            connection = await asyncpg.connect(address, timeout=5, server_settings={"application_name": "crowd"})
            taken.append(connection)
    except asyncpg.TooManyConnectionsError:
        await _terminate(cluster, fault.target, "anliegen%")
        await asyncio.sleep(fault.seconds)
        return True
    finally:
        for connection in taken:
            connection.terminate()
    return False


async def _backends(cluster: Cluster, service: str) -> list[asyncpg.Record]:
    connection = await _connect(cluster)
    try:
        return await connection.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'anliegen%' ORDER BY pid",
            package_name(service),
        )  # fmt: skip
    finally:
        await connection.close()


async def _connect(cluster: Cluster) -> asyncpg.Connection:
    for attempt in range(ATTEMPTS):
        try:
            return await asyncpg.connect(cluster.postgres.address, timeout=5)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            if attempt + 1 == ATTEMPTS:
                raise
            await asyncio.sleep(1)
    raise AssertionError


_FAULTS: dict[str, Callable[[Cluster, Fault], Awaitable[bool]]] = {
    "kill_worker": _kill_program,
    "kill_http": _kill_program,
    "kill_postgres": _kill_postgres,
    "kill_backend": _kill_backend,
    "kill_kafka": _kill_kafka,
    "restart_worker": _restart_program,
    "restart_http": _restart_program,
    "pause_worker": _pause,
    "sleep_worker": _pause,
    "pause_http": _pause,
    "pause_postgres": _pause,
    "pause_kafka": _pause,
    "reset_postgres": _reset,
    "reset_kafka": _reset,
    "hole_postgres": _hole,
    "hole_kafka": _hole,
    "terminate_relay": _terminate_relay,
    "terminate_backends": _terminate_backends,
    "fill_slots": _fill_slots,
}
