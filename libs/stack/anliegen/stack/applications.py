"""The Python processes of the stack: which there are, what they are told, and when each is ready."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from anliegen.stack.errors import StackError
from anliegen.stack.home import Home
from anliegen.stack.ports import LOOPBACK, listens
from anliegen.stack.processes import Processes, ProcessRecord, tail

SERVICES = "anliegen.services"
START_PATIENCE = 90.0  # seconds
ADOPTED_PATIENCE = 15.0  # seconds; one that has been running answers at once, or hangs
STOP_PATIENCE = 45.0  # seconds; services finish what they have begun within that


@dataclass(frozen=True)
class Program:
    """One Python process to be: its name, command, environment, and the port on which `/readyz` is answered."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    port: int
    needs_kafka: bool = False

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the command, with what it is told and with the code, so that a stale process is replaced."""
        told = {name: value for name, value in self.environment.items() if name.startswith("ANLIEGEN_")}
        content = json.dumps([self.command, told, code_version()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def installed_services() -> list[str]:
    """The names of the installed services, sorted."""
    return sorted(entry.name for entry in entry_points(group=SERVICES))


def code_version() -> str:
    """A hash of the names, sizes and times of all files of this product's packages."""
    found = hashlib.sha256()
    for root in sorted(import_module("anliegen").__path__):
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(files):
                with contextlib.suppress(FileNotFoundError):  # an editor's, gone again
                    status = Path(folder, name).stat()
                    found.update(f"{folder}/{name}:{status.st_size}:{status.st_mtime_ns}\n".encode())
    return found.hexdigest()[:16]


def programs(
    services: list[str], environment: Mapping[str, str], home: Path, port_for: Callable[[str], int], *, alone: bool
) -> list[Program]:
    """The processes in the order of their start. `alone` gives each service two of its own behind a gateway."""
    outside = Program(
        "outside",
        _python("anliegen.stack.outside", f"--home={home}", f"--port={port_for('outside')}",
                f"--smtp-port={port_for('smtp')}"),
        environment,
        port_for("outside"),
    )  # fmt: skip
    if not alone:
        return [
            outside,
            _serve("http", services, environment, port_for("http")),
            _work("workers", services, environment, port_for("workers")),
        ]
    told = {**environment, "ANLIEGEN_TRUSTED_PROXIES": LOOPBACK}
    return [
        outside,
        *(_serve(f"http-{name}", [name], told, port_for(f"http-{name}")) for name in services),
        *(_work(f"worker-{name}", [name], told, port_for(f"worker-{name}")) for name in services),
        Program(
            "http",
            _python("anliegen.stack.gateway", f"--port={port_for('http')}", f"--routes={Home(home).routes}"),
            told,
            port_for("http"),
        ),
    ]


def _serve(name: str, services: list[str], environment: Mapping[str, str], port: int) -> Program:
    return Program(name, _anliegen("serve", *services, f"--host={LOOPBACK}", f"--port={port}"), environment, port)


def _work(name: str, services: list[str], environment: Mapping[str, str], port: int) -> Program:
    return Program(name, _anliegen("work", *services, f"--port={port}"), environment, port, needs_kafka=True)


def _anliegen(*words: str) -> tuple[str, ...]:
    return _python("anliegen.kit.cli", *words)


def _python(module: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *words)


def ensure(program: Program, processes: Processes, *, say: Callable[[str], None]) -> ProcessRecord:
    """Have the program running and ready: take a running one that is what it should be, replace any other.

    Raises StackError with the end of its log when it does not become ready.
    """
    record = processes.running(program.name)
    if record is not None and record.fingerprint == program.fingerprint:
        if becomes_ready(program, record, ADOPTED_PATIENCE):
            say(f"was running, port {program.port}")
            return record
        say("hangs, is started anew")
    if record is not None:
        processes.stop(program.name, patience=STOP_PATIENCE)
    record = processes.start(
        program.name,
        program.command,
        environment=program.environment,
        port=program.port,
        fingerprint=program.fingerprint,
    )
    say(f"port {program.port}")
    if not becomes_ready(program, record, START_PATIENCE):
        log = processes.log(program.name)
        what = "does not become ready" if record.process() is not None else "ended while it started"
        raise StackError(f"The process {program.name} {what}. The end of its log ({log}):\n{tail(log)}")
    return record


def is_current(program: Program, processes: Processes) -> bool:
    """Whether the program runs as it should be."""
    record = processes.running(program.name)
    return record is not None and record.fingerprint == program.fingerprint


def health(port: int, *, timeout: float = 3.0) -> str:
    """`ready`, or in a word what is wrong."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=timeout):
            return "ready"
    except urllib.error.HTTPError as refused:
        with refused:
            return _detail(refused.read()) or f"status {refused.code}"
    except OSError:
        return "does not answer"


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body).get("detail", ""))
    except (ValueError, AttributeError):
        return ""


def becomes_ready(program: Program, record: ProcessRecord, patience: float) -> bool:
    """Whether the program that runs as `record` answers that it is ready, within `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        process = record.process()
        if process is None:
            return False
        if health(program.port) == "ready" and listens([process], program.port):
            return True
        time.sleep(0.05)
    return False
