"""The product's own services, each killed and each made to fail at every failpoint, under load: the whole stack."""

import asyncio
import dataclasses
import signal
import time
from pathlib import Path

import pytest
from chaos import evidence
from chaos.cluster import READY_PATIENCE, Cluster
from chaos.contacts import draw_contacts
from chaos.load import Load
from chaos.reconcile import reconcile
from chaos.run import DRAIN_PATIENCE, drain

from anliegen.kit import failpoints
from anliegen.stack import applications

RATE = 4.0  # contacts a second
PATIENCE = 8.0  # seconds for a process to come to its point; not every service comes to each
ALWAYS = {
    point
    for point in failpoints.POINTS
    if point.startswith(("write.", "relay.", "consume.", "commit.", "revoke.", "assign."))
} - {"consume.parked", "consume.set_aside"}
"""Reached by one service at least, whatever is brought; for the others a handler has to fail, or a timer to be due."""

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]


async def arm(cluster: Cluster, name: str, settings: str) -> int:
    """Start this process anew, armed; whoever starts it after it died starts it unarmed. Tells its number."""
    unarmed = cluster.programs[name]
    environment = {**unarmed.environment, "ANLIEGEN_FAILPOINTS": settings}
    cluster.programs[name] = dataclasses.replace(unarmed, environment=environment)
    before = cluster.process(name)
    cluster.away.add(name)
    cluster.signal(name, signal.SIGKILL)
    try:
        async with asyncio.timeout(60):
            while (process := cluster.process(name)) is None or process == before:
                await asyncio.sleep(0.05)
    finally:
        cluster.programs[name] = unarmed
    cluster.away.add(name)  # its next end is no surprise either
    return process.pid


def has_ended(cluster: Cluster, name: str, pid: int) -> bool:
    process = cluster.process(name)
    return process is None or process.pid != pid


async def until_ready(cluster: Cluster, name: str, pid: int) -> None:
    """Wait until the process has started, or has ended already."""
    deadline = time.monotonic() + READY_PATIENCE
    while time.monotonic() < deadline and not has_ended(cluster, name, pid):
        if await asyncio.to_thread(applications.health, cluster.programs[name].port, timeout=2.0) == "ready":
            return
        await asyncio.sleep(0.2)


async def kill_everywhere(cluster: Cluster) -> dict[str, set[str]]:
    """Arm every process of every service at one point after the other; tells which came to die there."""
    died: dict[str, set[str]] = {}
    names = [name for name in cluster.programs if name.startswith(("worker-", "http-intake"))]
    for point in failpoints.POINTS:
        armed = dict(zip(names, await asyncio.gather(*(arm(cluster, n, f"{point}=kill") for n in names)), strict=True))
        await asyncio.gather(*(until_ready(cluster, name, pid) for name, pid in armed.items()))
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not all(has_ended(cluster, *one) for one in armed.items()):
            await asyncio.sleep(0.2)
        died[point] = {name for name, pid in armed.items() if has_ended(cluster, name, pid)}
        print(point, *sorted(died[point]))
    return died


async def fail_everywhere(cluster: Cluster, action: str) -> None:
    """Arm every process of every service at all points, and give them time to come there."""
    settings = ",".join(f"{point}={action}" for point in failpoints.POINTS)
    names = [name for name in cluster.programs if name.startswith("worker-")]
    armed = await asyncio.gather(*(arm(cluster, name, settings) for name in names))
    await asyncio.gather(*(until_ready(cluster, name, pid) for name, pid in zip(names, armed, strict=True)))
    await asyncio.sleep(4 * PATIENCE)


async def test_all_services_killed_and_failing_everywhere_lose_and_double_nothing(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "home")
    try:
        await cluster.start()
        contacts = draw_contacts(seed=1, planned=6000, rate=RATE)  # more than there will be time for
        load = Load(cluster.stack, contacts, rate=RATE)
        loading = asyncio.create_task(load.run())
        died = await kill_everywhere(cluster)
        for action in ("raise", "trouble"):
            await fail_everywhere(cluster, action)
        await cluster.heal()
        contacts.clear()  # nothing new; what has begun is finished
        await loading
        bootstrap = f"127.0.0.1:{cluster.ports.read()['kafka']}"
        left = await drain(cluster.postgres, bootstrap, cluster.stack.services, seconds=DRAIN_PATIENCE)
        await load.look_at_messages()
        found = await evidence.collect(cluster.postgres, bootstrap, cluster.stack.services, cluster.home.mailbox)
        assert not left
        assert len(load.ledger.accepted) > 500
        assert [line for line in reconcile(load.ledger, found) if not line.is_well] == []
        assert not [point for point in ALWAYS if not died[point]]
    finally:
        await cluster.stop()
