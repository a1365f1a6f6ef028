"""Restart services one after the other while everybody goes on using them, as a rolling update of a cluster does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from anliegen.stack import applications
from anliegen.stack.applications import Program
from anliegen.stack.errors import StackError
from anliegen.stack.home import Home
from anliegen.stack.lifecycle import read_stack
from anliegen.stack.ports import Ports
from anliegen.stack.processes import Processes, ProcessRecord, end, tail
from anliegen.stack.progress import Reporter, Silent
from anliegen.stack.routes import Routes, write_routes
from anliegen.stack.stack import Stack

ON_THE_WAY = 0.3  # seconds in which a request that was passed on before the change has reached the old process


def restart(
    home: Path | None = None, *, services: Sequence[str] | None = None, reporter: Reporter | None = None
) -> list[str]:
    """Put new processes in the place of these services' (of all, without), and tell which services that was.

    With `up --processes` no request fails: a new HTTP process is ready before the gateway turns to it; the old one
    finishes what it has begun, and its live streams end with the hint to come back. A worker ends and starts again in
    its place. Without, all services share their processes: only all can be restarted, and nobody answers meanwhile.

    Raises StackError, and leaves a service's old HTTP process where the new one behind the gateway does not become
    ready.
    """
    place = Home.find(home)
    stack = read_stack(place.root)
    processes = Processes(place.run, place.logs)
    chosen = [name for name in stack.services if services is None or name in services]
    if unknown := sorted(set(services or ()) - set(chosen)):
        raise StackError(f"There is no service {', '.join(unknown)} here. There are: {', '.join(stack.services)}.")
    with place.locked("anliegen restart"):
        heard = reporter or Silent()
        if any(processes.running(f"http-{name}") for name in stack.services):
            for name in chosen:
                with heard.step(f"restart {name}") as step:
                    step.say(f"port {_Restart(place, stack, processes, name).run()}")
        elif not processes.running("http"):
            raise StackError("No service is running. Start them with `anliegen up`.")
        elif chosen != stack.services:
            raise StackError(
                f"All services share one process here, so {', '.join(chosen)} cannot be restarted alone. Restart all "
                "with `anliegen restart`, or give each its own processes first with `anliegen up --processes`."
            )
        else:
            _restart_together(place, stack, processes, heard)
    return chosen


def _restart_together(home: Home, stack: Stack, processes: Processes, reporter: Reporter) -> None:
    """The two processes that all services share, one after the other, each in its place."""
    ports = Ports(home.ports_file).read()
    programs = applications.programs(stack.services, stack.environment(), home.root, ports.__getitem__, alone=False)
    for program in programs:
        if program.name in {"http", "workers"}:
            with reporter.step(f"restart {program.name}") as step:
                processes.stop(program.name, patience=applications.STOP_PATIENCE)
                applications.ensure(program, processes, say=step.say)


class _Restart:
    def __init__(self, home: Home, stack: Stack, processes: Processes, service: str) -> None:
        self.home = home
        self.stack = stack
        self.processes = processes
        self.service = service
        self.ports = Ports(home.ports_file)

    def run(self) -> int:
        """Both processes of the service; tells the port of the new one."""
        port = self.replace_http()
        worker = self.program(f"worker-{self.service}")
        self.processes.stop(worker.name, patience=applications.STOP_PATIENCE)
        applications.ensure(worker, self.processes, say=lambda _: None)
        return port

    def replace_http(self) -> int:
        name = f"http-{self.service}"
        port = self.ports.fresh()
        program = self.program(name, port)
        old = self.processes.running(name)
        new = self.processes.start(
            name, program.command, environment=program.environment, port=port, fingerprint=program.fingerprint
        )
        if not applications.becomes_ready(program, new, applications.START_PATIENCE):
            self._take_back(new, old)
            log = self.processes.log(name)
            raise StackError(f"The new process {name} does not become ready. The end of its log ({log}):\n{tail(log)}")
        write_routes(self.home.routes, {**Routes(self.home.routes)(), self.service: port})
        self.ports.keep(name, port)
        time.sleep(ON_THE_WAY)
        _end(old)
        return port

    def _take_back(self, new: ProcessRecord, old: ProcessRecord | None) -> None:
        _end(new)
        if old is not None:
            self.processes.record(old.name, old.pid, old.command, port=old.port, fingerprint=old.fingerprint)

    def program(self, name: str, port: int | None = None) -> Program:
        """The program of this name as it is to be; `port` is another one than it had."""
        known = self.ports.read()
        if port is not None:
            known[name] = port
        made = applications.programs(
            self.stack.services, self.stack.environment(), self.home.root, known.__getitem__, alone=True
        )
        return next(program for program in made if program.name == name)


def _end(record: ProcessRecord | None) -> None:
    if record is not None and (process := record.process()) is not None:
        end(process, patience=applications.STOP_PATIENCE)
