"""Up and down: the whole stack, safe to repeat, and mended by the next `up` whatever was killed when."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from anliegen.stack import applications
from anliegen.stack.applications import Program
from anliegen.stack.databases import prepare_databases
from anliegen.stack.errors import StackError
from anliegen.stack.home import IGNORE_ALL, Home
from anliegen.stack.kafka import KafkaServer, make_topics, start_kafka, stop_kafka
from anliegen.stack.migrations import migrate
from anliegen.stack.ports import LOOPBACK, Ports, is_free, listens
from anliegen.stack.postgres import PostgresServer, server_at, start_postgres, stop_postgres
from anliegen.stack.processes import Processes, end
from anliegen.stack.progress import Reporter, Silent
from anliegen.stack.routes import write_routes
from anliegen.stack.stack import Stack

HTTP_PORT = 8400
OUTSIDE_PORT = 8401
PREFERRED = {"http": HTTP_PORT, "outside": OUTSIDE_PORT}
GIVEN_KAFKA_PATIENCE = 10.0  # seconds
STARTS = 3  # the first, and those after somebody took a port between our look and the listening
IN_USE = "address already in use"  # how the system says so in the log of a process that ended for it


def up(
    home: Path | None = None,
    *,
    processes: bool = False,
    services: Sequence[str] | None = None,
    reporter: Reporter | None = None,
) -> Stack:
    """Start what does not run, take what does, and return the addresses of everything.

    `home` is the folder for data (see Home.find), `processes` gives each service processes of its own, `services`
    starts only some of the installed ones. Raises StackError; then what has been started stays for the next `up`.
    """
    place = Home.find(home)
    place.make()
    chosen = _chosen(services)
    with place.locked("anliegen up"):
        return _Start(place, chosen, alone=processes, reporter=reporter or Silent()).run()


def down(home: Path | None = None, *, reporter: Reporter | None = None) -> bool:
    """End every process of the stack and leave only its data; False when there was nothing to end."""
    place = Home.find(home)
    if not place.exists():
        return False
    with place.locked("anliegen down"):
        return _stop(place, reporter or Silent())


def reset(home: Path | None = None, *, reporter: Reporter | None = None) -> None:
    """`down`, then delete the data. Only what the stack made is deleted, never a stranger's file in the folder."""
    place = Home.find(home)
    if not place.root.is_dir():
        return
    with place.locked("anliegen reset"):
        if place.exists():
            _stop(place, reporter or Silent())
        for folder in (place.run, place.logs, place.postgres, place.kafka, place.mailbox, place.files):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (place.secrets.path, place.ports_file, place.state, place.routes, place.issuer_key):
            file.unlink(missing_ok=True)
        if place.ignore.is_file() and place.ignore.read_text() == IGNORE_ALL:
            place.ignore.unlink()
        for lock in (*place.root.glob(".*.lock"), place.root / "lock"):
            lock.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody keeps something of their own in it
            place.root.rmdir()


@contextlib.contextmanager
def running_stack(
    home: Path, *, services: Sequence[str] | None = None, processes: bool = False, reporter: Reporter | None = None
) -> Iterator[Stack]:
    """A stack for as long as the block lasts, for tests and benchmarks; its data stays in `home`."""
    try:
        yield up(home, services=services, processes=processes, reporter=reporter)
    finally:
        down(home)


def _chosen(services: Sequence[str] | None) -> list[str]:
    installed = applications.installed_services()
    unknown = sorted(set(services or ()) - set(installed))
    if unknown:
        raise StackError(f"There is no service {', '.join(unknown)}. Installed: {', '.join(installed) or 'none'}.")
    if not installed:
        raise StackError("No service is installed. Run `make install` first.")
    return [name for name in installed if services is None or name in services]


class _Start:
    def __init__(self, home: Home, services: list[str], *, alone: bool, reporter: Reporter) -> None:
        self.home = home
        self.services = services
        self.alone = alone
        self.reporter = reporter
        self.processes = Processes(home.run, home.logs)
        self.ports = Ports(home.ports_file)

    def run(self) -> Stack:
        """Start, and once more with other ports where somebody took one meanwhile, such as another folder's `up`."""
        for _ in range(STARTS - 1):
            chosen = self.choose_ports()
            try:
                return self.start(chosen)
            except StackError as trouble:
                # Whoever was quicker may be gone again by now.
                taken = self.taken_from_us(chosen)
                if not taken and IN_USE not in str(trouble).lower():
                    raise
                ports = ", ".join(map(str, taken)) or "that we wanted"
                self.reporter.note(f"Somebody was quicker at a port ({ports}); ports are chosen again.")
        return self.start(self.choose_ports())

    def start(self, chosen: dict[str, int]) -> Stack:
        """Everything at once, as far as it does not need each other: two cores are busy for the whole time."""
        with ThreadPoolExecutor(32, thread_name_prefix="up") as executor:
            kafka = executor.submit(self.kafka)
            stack = Stack(
                home=self.home,
                services=self.services,
                http_port=chosen["http"],
                outside_port=chosen["outside"],
                smtp_port=chosen["smtp"],
                postgres=self.postgres(),
                bootstrap=os.environ.get("ANLIEGEN_KAFKA") or f"{LOOPBACK}:{chosen['kafka']}",
            )
            if os.environ.get("ANLIEGEN_KAFKA"):
                kafka.result()  # nothing that runs is touched for the sake of an address that does not answer
            wanted = applications.programs(
                self.services, stack.environment(), self.home.root, chosen.__getitem__, alone=self.alone
            )
            if self.alone:
                write_routes(self.home.routes, {name: chosen[f"http-{name}"] for name in self.services})
            self.stop_others({program.name for program in wanted})
            if not all(applications.is_current(program, self.processes) for program in wanted):
                self.migrate(stack)
            starting = [executor.submit(self.program, program, kafka) for program in wanted]
            if kafka.result().bootstrap != stack.bootstrap:
                raise StackError("Kafka's port was taken while it started. Run `anliegen up` again.")
            for started in starting:
                started.result()
        stack.save()
        return stack

    def kafka(self) -> KafkaServer:
        from anliegen.events.topics import manifest

        topics = manifest("development")
        with self.reporter.step("Kafka") as step:
            if given := os.environ.get("ANLIEGEN_KAFKA"):
                step.say(f"yours at {given}")
                make_topics(given, topics, patience=GIVEN_KAFKA_PATIENCE)
                return KafkaServer(given)
            server = start_kafka(
                self.home.kafka,
                topics=topics,
                processes=self.processes,
                ports=self.ports,
                progress=lambda done, total: step.say(f"{done} of {total} jars"),
            )
            step.say(f"{server.bootstrap}, {len(topics)} topics")
            return server

    def postgres(self) -> PostgresServer:
        with self.reporter.step("PostgreSQL") as step:
            if given := os.environ.get("ANLIEGEN_POSTGRES"):
                server = server_at(given, self.home.secrets)
                step.say(f"yours at {given.rpartition('@')[2]}")
            else:
                server = start_postgres(
                    self.home.postgres,
                    port=self.ports.read().get("postgres"),
                    log=self.processes.log("postgres"),
                    secrets=self.home.secrets,
                    mark=self.processes.mark("postgres"),
                )
                if server.pid is not None and server.port is not None:
                    self.ports.keep("postgres", server.port)
                    self.processes.record("postgres", server.pid, ["postgres"], port=server.port)
                step.say(f"port {server.port}")
            prepare_databases(server, self.services)
            return server

    def choose_ports(self) -> dict[str, int]:
        """Ports by the name of their use. One that our own running process holds stays its own."""
        known, chosen = self.ports.read(), {}
        for use, holder in self.holders().items():
            held = use in known and self.processes.running(holder) is not None
            chosen[use] = known[use] if held else self.ports.choose(use, preferred=PREFERRED.get(use))
            if use in PREFERRED and chosen[use] != PREFERRED[use] and not held:
                self.reporter.note(f"Port {PREFERRED[use]} is taken; {use} has port {chosen[use]} instead.")
        return chosen

    def holders(self) -> dict[str, str]:
        """The uses of ports, and the process that listens there."""
        holders = {"http": "http", "outside": "outside", "smtp": "outside", "workers": "workers", "kafka": "kafka"}
        if self.alone:
            holders |= {f"{part}-{name}": f"{part}-{name}" for name in self.services for part in ("http", "worker")}
        return holders

    def taken_from_us(self, chosen: dict[str, int]) -> list[int]:
        """Those of the chosen ports at which somebody else listens."""
        taken = []
        for use, holder in self.holders().items():
            record = self.processes.running(holder)
            ours = record.process() if record is not None else None
            if not is_free(chosen[use]) and not (ours is not None and listens([ours], chosen[use])):
                taken.append(chosen[use])
        return taken

    def stop_others(self, wanted: set[str]) -> None:
        """End processes of another arrangement: those of `--processes` when it is not asked for, and the reverse."""
        others = set(self.processes.records()) - wanted - {"postgres", "kafka"}
        for name in others:
            self.processes.stop(name, patience=applications.STOP_PATIENCE)

    def migrate(self, stack: Stack) -> None:
        with self.reporter.step("Migrations") as step:
            migrate(stack, log=self.processes.log("migrate"), mark=self.processes.mark("migrate"))
            step.say(", ".join(self.services))

    def program(self, program: Program, kafka: Future[KafkaServer]) -> None:
        if program.needs_kafka:
            kafka.result()
        with self.reporter.step(program.name) as step:
            applications.ensure(program, self.processes, say=step.say)


def _stop(home: Home, reporter: Reporter) -> bool:
    processes = Processes(home.run, home.logs)
    names = [name for name in processes.records() if name not in {"postgres", "kafka"}]
    running = bool(processes.all_marked())
    with ThreadPoolExecutor(max(8, len(names)), thread_name_prefix="down") as executor:
        list(executor.map(lambda name: _stop_program(processes, name, reporter), names))
        list(executor.map(lambda stop: stop(home, processes, reporter), (_stop_kafka, _stop_postgres)))
    # Those whose record was never written: the command that started them was killed in between.
    for stray in processes.all_marked():
        end(stray, patience=5.0)
    return running


def _stop_program(processes: Processes, name: str, reporter: Reporter) -> None:
    with reporter.step(f"stop {name}"):
        processes.stop(name, patience=applications.STOP_PATIENCE)


def _stop_kafka(home: Home, processes: Processes, reporter: Reporter) -> None:
    if home.kafka.is_dir():
        with reporter.step("stop Kafka"):
            stop_kafka(home.kafka, processes=processes)


def _stop_postgres(home: Home, processes: Processes, reporter: Reporter) -> None:
    if home.postgres.is_dir():
        with reporter.step("stop PostgreSQL"):
            stop_postgres(home.postgres, log=processes.log("postgres"))
            processes.forget("postgres")


def read_stack(home: Path | None = None) -> Stack:
    """The stack that was started last in this folder. Raises StackError when there is none."""
    place = Home.find(home)
    try:
        return Stack.load(place)
    except FileNotFoundError as missing:
        raise StackError(f"There is no stack in {place.root}. Start one with `anliegen up`.") from missing
    except (ValueError, KeyError, TypeError) as broken:
        raise StackError(f"{place.state} cannot be read. Run `anliegen up` again.") from broken
