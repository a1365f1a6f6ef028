"""The stack of one run: every service in processes of its own, PostgreSQL and Kafka behind a proxy of ours.

Whatever ends is started again with the same environment and in the same slot, as a cluster does.
"""

import asyncio
import dataclasses
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import psutil

from anliegen.events.topics import manifest
from anliegen.stack import applications
from anliegen.stack.applications import Program
from anliegen.stack.databases import prepare_databases
from anliegen.stack.home import Home
from anliegen.stack.kafka import KafkaServer, start_kafka
from anliegen.stack.migrations import migrate
from anliegen.stack.ports import Ports
from anliegen.stack.postgres import PostgresServer, server_at, start_postgres
from anliegen.stack.processes import Processes, end
from anliegen.stack.routes import write_routes
from anliegen.stack.stack import Stack

from .proxy import Proxy

SLOTS = 140
"""PostgreSQL's connections: enough for five services, few enough to be filled."""
STARTS_AGAIN_AFTER = 0.3
LOOKS_EVERY = 0.2
PROBES_EVERY = 10.0
PROBES_FAILED = 3
READY_PATIENCE = 60.0


class Cluster:
    """Everything that runs, by name: the services' processes, `postgres`, `kafka`."""

    def __init__(self, home: Path) -> None:
        self.home = Home(home.resolve())
        self.home.make()
        self.processes = Processes(self.home.run, self.home.logs)
        self.ports = Ports(self.home.ports_file)
        self.proxies: dict[str, Proxy] = {}
        self.programs: dict[str, Program] = {}
        self.locks: dict[str, asyncio.Lock] = {}
        self.away: set[str] = set()
        """Processes that were killed, told to end or paused on purpose."""
        self.surprises: Counter[str] = Counter()
        """Processes that ended, or stopped to answer, by themselves."""
        self.postgres: PostgresServer
        self.stack: Stack
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Bring up everything, and wait until it is ready."""
        kafka_settings = await self._open_proxies()
        self.postgres, _ = await asyncio.gather(
            asyncio.to_thread(self.start_postgres), asyncio.to_thread(self.start_kafka, kafka_settings)
        )
        services = applications.installed_services()
        await asyncio.to_thread(prepare_databases, self.postgres, services)
        chosen = {use: self.ports.choose(use) for use in _uses(services)}
        direct = Stack(
            home=self.home, services=services, http_port=chosen["http"], outside_port=chosen["outside"],
            smtp_port=chosen["smtp"], postgres=self.postgres, bootstrap=f"127.0.0.1:{self.ports.read()['kafka']}",
        )  # fmt: skip
        direct.save()
        await asyncio.to_thread(migrate, direct, log=self.processes.log("migrate"), mark=self.processes.mark("migrate"))
        password = self.home.secrets.get("postgres_superuser")
        through = f"postgresql://postgres:{password}@127.0.0.1:{self.proxies['postgres'].port}/postgres"
        self.stack = dataclasses.replace(
            direct,
            postgres=server_at(through, self.home.secrets),
            bootstrap=f"127.0.0.1:{self.proxies['kafka'].port}",
        )
        write_routes(self.home.routes, {name: chosen[f"http-{name}"] for name in services})
        made = applications.programs(services, self.stack.environment(), self.home.root, chosen.__getitem__, alone=True)
        self.programs = {program.name: program for program in made}
        for name in self.programs:
            self.start_program(name)
        await self.wait_until_ready()
        await self._checkpoint()
        self._keepers = [asyncio.create_task(self._keep()), asyncio.create_task(self._probe())]

    async def _open_proxies(self) -> dict[str, str]:
        """Tells Kafka's settings: a listener of its own for those who come through the proxy, which is advertised to
        them, since clients go where the broker says."""
        names = ("postgres", "kafka", "kafka_controller", "kafka_through")
        port = {name: self.ports.choose(name) for name in names}
        self.proxies = {"postgres": Proxy(port["postgres"]), "kafka": Proxy(port["kafka_through"])}
        through = {name: await proxy.start() for name, proxy in self.proxies.items()}
        local = "127.0.0.1"
        return {
            "listeners": f"PLAINTEXT://{local}:{port['kafka']},CONTROLLER://{local}:{port['kafka_controller']},"
            f"THROUGH://{local}:{port['kafka_through']}",
            "advertised.listeners": f"PLAINTEXT://{local}:{port['kafka']},THROUGH://{local}:{through['kafka']}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,THROUGH:PLAINTEXT",
        }

    async def _checkpoint(self) -> None:
        """Bring the fresh databases to disk, so that the first recovery takes no longer than later ones."""
        connection = await asyncpg.connect(self.postgres.address, timeout=10)
        try:
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()

    # Starting ---------------------------------------------------------------------------------------------------------
    def start_postgres(self) -> PostgresServer:
        """Start PostgreSQL on its files, with its recovery where it was killed."""
        server = start_postgres(
            self.home.postgres, port=self.ports.read()["postgres"], log=self.processes.log("postgres"),
            settings={"max_connections": str(SLOTS)}, secrets=self.home.secrets, mark=self.processes.mark("postgres"),
        )  # fmt: skip
        if server.port != self.ports.read()["postgres"] or server.pid is None:
            raise RuntimeError("PostgreSQL's port was taken while it was away.")
        self.processes.record("postgres", server.pid, ["postgres"], port=server.port)
        return server

    def start_kafka(self, settings: dict[str, str] | None = None) -> KafkaServer:
        """Start the broker on its data; `settings` hold from then on."""
        self._kafka_settings = settings or self._kafka_settings
        return start_kafka(
            self.home.kafka, topics=manifest("development"), processes=self.processes, ports=self.ports,
            settings=self._kafka_settings,
        )  # fmt: skip

    def start_program(self, name: str) -> None:
        """Start one of the services' processes."""
        program = self.programs[name]
        self.processes.start(
            name, program.command, environment=program.environment, port=program.port, fingerprint=program.fingerprint
        )

    async def wait_until_ready(self) -> None:
        """Wait for every process to say that it is ready. Raises TimeoutError."""
        deadline = time.monotonic() + READY_PATIENCE
        waiting = set(self.programs)
        while waiting:
            for name in sorted(waiting):
                if await asyncio.to_thread(applications.health, self.programs[name].port, timeout=2.0) == "ready":
                    waiting.discard(name)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not ready: {', '.join(sorted(waiting))}")
            await asyncio.sleep(LOOKS_EVERY)

    # Processes --------------------------------------------------------------------------------------------------------
    def lock(self, target: str) -> asyncio.Lock:
        """Held while something is done to a target, so that one fault at a time meets it."""
        return self.locks.setdefault(target, asyncio.Lock())

    def process(self, name: str) -> psutil.Process | None:
        """The running process of this name."""
        record = self.processes.records().get(name)
        return None if record is None else record.process()

    def family(self, name: str) -> list[psutil.Process]:
        """The process and its children."""
        process = self.process(name)
        try:
            return [] if process is None else [process, *process.children(recursive=True)]
        except psutil.Error:
            return []

    def signal(self, name: str, number: signal.Signals, *, children: bool = False) -> bool:
        """Send a signal to the process we started under this name; tells whether it was there."""
        found = self.family(name)[: None if children else 1]
        for process in found:
            try:
                process.send_signal(number)
            except psutil.Error:
                continue
        return bool(found)

    async def wait_for_end(self, name: str) -> None:
        """Until the process is gone."""
        while self.process(name) is not None:
            await asyncio.sleep(0.05)

    async def _keep(self) -> None:
        """Start again whatever ended, as a cluster does."""
        while True:
            for name in self.programs:
                if self.process(name) is None:
                    if name not in self.away:
                        self.surprises[f"{name} ended by itself"] += 1
                    await asyncio.sleep(STARTS_AGAIN_AFTER)
                    self.start_program(name)
                    self.away.discard(name)
            await asyncio.sleep(LOOKS_EVERY)

    async def _probe(self) -> None:
        """Ask every service's process whether it is alive, and end one that says no three times in a row; one that has
        not said yes yet is still starting."""
        failed: Counter[str] = Counter()
        started: dict[str, int] = {}
        async with httpx.AsyncClient(timeout=3.0, trust_env=False) as client:
            while True:
                await asyncio.sleep(PROBES_EVERY)
                asked = [name for name in self.programs if name.startswith(("http", "worker"))]
                answers = await asyncio.gather(*(self._is_alive(client, name) for name in asked))
                for name, well in zip(asked, answers, strict=True):
                    process = self.process(name)
                    pid = process.pid if process else 0
                    if well:
                        started[name] = pid
                    starting = started.get(name) != pid
                    failed[name] = 0 if well or starting or name in self.away else failed[name] + 1
                    if failed[name] >= PROBES_FAILED:
                        failed[name] = 0
                        self.surprises[f"{name} did not answer its liveness probe"] += 1
                        self.away.add(name)
                        self.signal(name, signal.SIGKILL)

    async def _is_alive(self, client: httpx.AsyncClient, name: str) -> bool:
        try:
            return (await client.get(f"http://127.0.0.1:{self.programs[name].port}/livez")).is_success
        except httpx.HTTPError:
            return False

    # Ends -------------------------------------------------------------------------------------------------------------
    async def heal(self) -> None:
        """Everything runs and is reachable again."""
        for proxy in self.proxies.values():
            proxy.open_hole()
        for name in [*self.programs, "postgres", "kafka"]:
            self.signal(name, signal.SIGCONT, children=True)
        await self.wait_until_ready()

    async def stop(self, *, say: Callable[[str], None] = lambda _: None) -> None:
        """End everything we started; the data stays."""
        from anliegen.stack.lifecycle import down

        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for proxy in self.proxies.values():
            proxy.open_hole()
        for process in self.processes.all_marked():
            try:
                process.send_signal(signal.SIGCONT)
            except psutil.Error:
                continue
        say("stopping everything")
        await asyncio.to_thread(down, self.home.root)
        for process in self.processes.all_marked():
            await asyncio.to_thread(end, process, patience=5.0)
        for proxy in self.proxies.values():
            await proxy.close()


def _uses(services: list[str]) -> list[str]:
    return ["http", "outside", "smtp", *(f"{part}-{name}" for name in services for part in ("http", "worker"))]
