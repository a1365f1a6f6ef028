"""`make chaos-compose RATE=20 SEED=1`: every container of docker-compose.yml is killed and started again under load.

It starts a project of its own with fresh data, kills one container after the other in an order drawn from the seed,
reconciles as `make chaos` does, and takes everything away again. With ROLLING=1 each service has two containers of
each kind, which are restarted one after the other, and no request may fail. Needs a Docker engine with compose; DOCKER
and DOCKER_COMPOSE name other commands than `docker` and `docker compose`. The images are those that compose builds
and pulls.
"""

import argparse
import asyncio
import json
import os
import random
import shlex
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import uvloop

from anliegen.stack.home import Home
from anliegen.stack.stack import Stack

from . import evidence
from .contacts import draw_contacts, journeys
from .load import Load
from .reading import read_on
from .reconcile import reconcile
from .report import Report, take_ledger, text
from .run import DRAIN_PATIENCE, Say, drain

REPOSITORY = Path(__file__).resolve().parents[3]
PROJECT = "anliegen-chaos"
ONCE = ("setup", "secrets", "-migrate")
"""Containers that end by themselves."""
OUTSIDE = "outside"
SENDER = "intake-worker"
AWAY_SECONDS = (1.0, 5.0)
BETWEEN_SECONDS = (4.0, 8.0)
LONGEST_START = 40.0
"""Seconds that a container takes to start, with those before it that end by themselves."""
START_PATIENCE = 120.0


class Containers:
    """The compose project of a run."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self._command = shlex.split(os.environ.get("DOCKER_COMPOSE", "docker compose"))
        self._docker = shlex.split(os.environ.get("DOCKER", "docker"))
        self._environment = {**os.environ, "ANLIEGEN_COMPOSE_HOME": str(root)}

    async def tell(self, *words: str) -> str:
        """What a compose command says. Raises RuntimeError where it fails."""
        return await self._run(*self._command, f"--project-name={PROJECT}", *words)

    async def restart(self, container: str) -> None:
        """Restart this one container, and none of its siblings."""
        await self._run(*self._docker, "restart", "--time=50", container)

    async def _run(self, *words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *words, cwd=REPOSITORY, env=self._environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, complained = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{' '.join(words)}: {complained.decode()[-2_000:]}")
        return said.decode()

    async def all_of(self, names: list[str]) -> list[tuple[str, bool]]:
        """The containers of these names, each with whether it is ready."""
        found = map(json.loads, (await self.tell("ps", "--all", "--format=json", *names)).splitlines())
        return sorted((one["Name"], one["Health"] == "healthy") for one in found)

    async def names(self) -> list[str]:
        """Those that run for as long as the project does."""
        found = (await self.tell("config", "--services")).split()
        return sorted(name for name in found if not name.endswith(ONCE))

    async def not_ready(self, names: list[str]) -> list[str]:
        """Those of them that do not run, or run and are not healthy yet."""
        lines = (await self.tell("ps", "--all", "--format=json")).splitlines()
        found = {one["Service"]: one for one in map(json.loads, lines)}
        fine = {name for name, one in found.items() if one["State"] == "running" and one["Health"] in {"", "healthy"}}
        return sorted(set(names) - fine)


async def run(containers: Containers, *, seed: int, rate: float, rounds: int, rolling: bool, say: Say) -> Report:
    """Start, kill or restart each container, drain, reconcile."""
    names = await containers.names()
    services = sorted(name for name in names if f"{name}-worker" in names)
    twice = [place for name in services for place in (name, f"{name}-worker")] if rolling else []
    await _begin(containers, names, twice, say=say)
    stack = Stack.load(containers.home)
    chance = random.Random(f"containers {seed}")
    broken = twice or [name for _ in range(rounds) for name in chance.sample(names, len(names))]
    # More contacts than are needed until the last kill: the rest is not brought.
    planned = round(rate * len(broken) * (BETWEEN_SECONDS[1] + AWAY_SECONDS[1] + LONGEST_START))
    contacts = draw_contacts(seed=seed, planned=planned, rate=rate)
    load = Load(stack, contacts, rate=rate, repeats=not rolling)
    failed: list[str] = []
    answers: list[int] = []
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        if rolling:
            reading = group.create_task(read_on(stack, failed, answers))
            done = await _restart_each(containers, twice, say=say)
            reading.cancel()
        else:
            done = await _kill_each(containers, load, broken, chance, say=say)
        await asyncio.sleep(BETWEEN_SECONDS[0])
        load.end()
    accepted = len(load.ledger.accepted)
    plan = "each container anew" if rolling else "each container killed"
    report = Report(seed, (time.monotonic() - begun) / 60, rate, plan, accepted, journeys(contacts))
    report.load_seconds = time.monotonic() - begun
    begun = time.monotonic()
    report.leftovers = await drain(stack.postgres, stack.bootstrap, stack.services, seconds=DRAIN_PATIENCE, say=say)
    report.drain_seconds = time.monotonic() - begun
    await load.look_at_messages()
    mailbox = containers.home.root / OUTSIDE / "mailbox"
    found = await evidence.collect(stack.postgres, stack.bootstrap, stack.services, mailbox)
    report.leftovers |= found.leftovers
    report.lines = reconcile(load.ledger, found)
    take_ledger(report, load.ledger, await evidence.arrivals(stack.postgres))
    report.faults, report.kills = dict(done), 0 if rolling else sum(done.values())
    if rolling:
        say(f"{len(answers)} lists read")
        report.leftovers |= Counter(f"failed: {one[:100]}" for one in [*failed, *load.ledger.unsettled.values()])
    return report


async def _begin(containers: Containers, names: list[str], twice: list[str], *, say: Say) -> None:
    begun = time.monotonic()
    await containers.tell("build")
    say(f"images built after {time.monotonic() - begun:.0f} s")
    begun = time.monotonic()
    await containers.tell("up", "--detach", *(f"--scale={name}=2" for name in twice))
    while waiting := await containers.not_ready(names):
        if time.monotonic() - begun > START_PATIENCE:
            raise RuntimeError(f"not ready after {START_PATIENCE:.0f} s: {', '.join(waiting)}")
        await asyncio.sleep(1)
    say(f"healthy after {time.monotonic() - begun:.0f} s")


async def _kill_each(
    containers: Containers, load: Load, names: list[str], chance: random.Random, *, say: Say
) -> Counter[str]:
    done = Counter[str]()
    for name in names:
        await asyncio.sleep(chance.uniform(*BETWEEN_SECONDS))
        say(f"kill {name} ({len(load.ledger.accepted)} accepted, {load.ledger.repeated} requests repeated)")
        await _kill(containers, load, name, seconds=chance.uniform(*AWAY_SECONDS))
        done[name] += 1
    return done


async def _restart_each(containers: Containers, names: list[str], *, say: Say) -> Counter[str]:
    done = Counter[str]()
    for container, _ in await containers.all_of(names):
        begun = time.monotonic()
        await containers.restart(container)
        restarted = time.monotonic()
        while (container, True) not in await containers.all_of(names):
            if time.monotonic() - restarted > START_PATIENCE:
                raise RuntimeError(f"{container} is not ready")
            await asyncio.sleep(0.2)
        healthy = time.monotonic()
        say(f"{container}: stopped and started in {restarted - begun:.1f} s, healthy after {healthy - restarted:.1f} s")
        done[container] += 1
    return done


async def _kill(containers: Containers, load: Load, name: str, *, seconds: float) -> None:
    if name == OUTSIDE:
        # WhatsApp's stand-in keeps what it got in memory; it is read before, while nothing is sent to it.
        await containers.tell("stop", SENDER)
        await load.look_at_messages()
    await containers.tell("kill", name)
    await asyncio.sleep(seconds)
    await containers.tell("start", name)
    if name == OUTSIDE:
        load.begin_messages_anew()
        await containers.tell("start", SENDER)


async def _main(chosen: argparse.Namespace) -> int:
    root = chosen.home or Path(tempfile.mkdtemp(prefix="anliegen-containers-"))
    containers = Containers(root.resolve())
    begun = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - begun:7.1f}] {what}", flush=True)

    try:
        report = await run(
            containers, seed=chosen.seed, rate=chosen.rate, rounds=chosen.rounds, rolling=chosen.rolling, say=say
        )
    finally:
        await containers.tell("down", "--volumes", "--timeout=10")
    print("\n" + text(report))
    if chosen.report:
        chosen.report.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    if report.faults_found:
        print(f"\nSecrets and mails are in {root}.", file=sys.stderr)
        return 1
    shutil.rmtree(root, ignore_errors=True)
    return 0


def main() -> int:
    """Run once; the exit code is 1 where anything was lost, doubled, out of order or left over."""
    parser = argparse.ArgumentParser(prog="make chaos-compose", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=20.0, help="contacts a second")
    parser.add_argument("--rounds", type=int, default=1, help="how often each container is killed")
    parser.add_argument("--rolling", action="store_true", help="restart each container of a service, two of each kind")
    parser.add_argument("--report", type=Path, help="write the report as JSON, too")
    parser.add_argument("--home", type=Path, help="keep secrets and mails in this new folder")
    return uvloop.run(_main(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
