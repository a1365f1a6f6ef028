"""Detached processes with records: started in a session of their own, found again after any crash, never mistaken.

A record alone is not believed, because the kernel gives process numbers out again: the process must also have been
started at the recorded moment. Every process we start carries a mark in its environment as well, so that one whose
record was never written (the command was killed in between) is still found.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from anliegen.stack.home import write_private

MARK = "ANLIEGEN_STACK_PROCESS"
# psutil reckons a start time from the clock of the machine, which may be set while the process runs.
START_TOLERANCE = 2.0  # seconds
LONGEST_LOG = 20 * 1024 * 1024  # bytes
KEPT_OF_LOG = 5 * 1024 * 1024  # bytes


@dataclass(frozen=True)
class ProcessRecord:
    """What is known of one process of the stack. `create_time` is in seconds since 1970, as psutil gives it."""

    name: str
    pid: int
    create_time: float
    command: list[str]
    port: int | None
    started_at: str
    fingerprint: str = ""

    def process(self) -> psutil.Process | None:
        """The running process this record speaks of; None when it has ended or its number is another's now."""
        try:
            process = psutil.Process(self.pid)
            with process.oneshot():
                if abs(process.create_time() - self.create_time) > START_TOLERANCE:
                    return None
                if process.status() == psutil.STATUS_ZOMBIE:
                    _reap(self.pid)
                    return None
        except psutil.Error:
            return None
        return process


@dataclass(frozen=True)
class Processes:
    """The processes of one stack: records in `run`, logs in `logs`. `mark` tells its processes from all others."""

    run: Path
    logs: Path

    def mark(self, name: str) -> str:
        return f"{self.run.parent}:{name}"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        port: int | None = None,
        folder: Path | None = None,
        fingerprint: str = "",
    ) -> ProcessRecord:
        """Start `command` detached with exactly this environment, its output appended to the log of `name`."""
        shorten(self.log(name))
        marked = {**environment, MARK: self.mark(name)}
        pid = launch(command, log=self.log(name), environment=marked, folder=folder)
        return self.record(name, pid, command, port=port, fingerprint=fingerprint)

    def record(
        self, name: str, pid: int, command: Sequence[str], *, port: int | None, fingerprint: str = ""
    ) -> ProcessRecord:
        """Write down that process `pid` is our `name`."""
        try:
            created = psutil.Process(pid).create_time()
        except psutil.Error:
            created = 0.0  # it has ended already; the caller's look at its health will say so
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        record = ProcessRecord(name, pid, created, list(command), port, started_at, fingerprint)
        write_private(self.run / f"{name}.json", json.dumps(asdict(record), indent=2) + "\n")
        return record

    def records(self) -> dict[str, ProcessRecord]:
        """All records by name, of running and of ended processes."""
        found = {}
        for file in sorted(self.run.glob("*.json")):
            with contextlib.suppress(OSError, ValueError, TypeError):  # unreadable: the mark finds the process
                found[file.stem] = ProcessRecord(**json.loads(file.read_text()))
        return found

    def running(self, name: str) -> ProcessRecord | None:
        """The record of `name` while its process runs; found by its mark when the record is missing or stale."""
        record = self.records().get(name)
        if record is not None and record.process() is not None:
            return record
        for process in self.marked(name):
            if not _marked_parent(process, self.mark(name)):
                return self.record(name, process.pid, process.cmdline(), port=record.port if record else None)
        return None

    def forget(self, name: str) -> None:
        (self.run / f"{name}.json").unlink(missing_ok=True)

    def marked(self, name: str) -> list[psutil.Process]:
        """Every running process that carries the mark of `name`, children included."""
        mark = self.mark(name)
        return [process for process in psutil.process_iter() if _mark_of(process) == mark]

    def all_marked(self) -> list[psutil.Process]:
        """Every running process of this stack, whatever its name."""
        prefix = f"{self.run.parent}:"
        return [process for process in psutil.process_iter() if (_mark_of(process) or "").startswith(prefix)]

    def stop(self, name: str, *, patience: float = 20.0, first: signal.Signals = signal.SIGTERM) -> None:
        """Ask the process of `name` to end, wait up to `patience` seconds, kill what is left of it, forget it."""
        record = self.running(name)
        family = self.marked(name)
        if record is not None and (process := record.process()) is not None:
            end(process, patience=patience, first=first)
        for stray in family:
            end(stray, patience=1.0)
        self.forget(name)


def launch(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    folder: Path | None = None,
    popen: Mapping[str, Any] | None = None,
) -> int:
    """Start `command` in a session of its own with its output appended to `log`; return its process number."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - the commands of this package
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
            **(popen or {}),
        )
    # It lives on without us; a returncode keeps subprocess from warning that we leave it running.
    process.returncode = 0
    return process.pid


def end(process: psutil.Process, *, patience: float, first: signal.Signals = signal.SIGTERM) -> None:
    """Signal the process, wait up to `patience` seconds for its end, then kill it. Gone already is well."""
    with contextlib.suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            process.send_signal(first)
        if wait_for_end(process, patience):
            return
        process.kill()
        wait_for_end(process, 5.0)


def wait_for_end(process: psutil.Process, patience: float) -> bool:
    """Whether the process ended within `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                _reap(process.pid)
                return True
            if not process.is_running():
                return True
        except psutil.Error:
            return True
        time.sleep(0.01)
    return False


def shorten(log: Path) -> None:
    """Cut a log that has grown beyond 20 MB to its last 5 MB, in place, so that its writer may keep it open."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size <= LONGEST_LOG:
            return
        with log.open("r+b") as file:
            file.seek(-KEPT_OF_LOG, os.SEEK_END)
            file.readline()
            kept = file.read()
            file.seek(0)
            file.truncate()
            # Appended, because the writer may append at the same moment.
            os.set_blocking(file.fileno(), True)
            file.write(kept)


def shorten_all(folder: Path) -> None:
    """`shorten` for every log in a folder."""
    for log in folder.glob("*.log"):
        shorten(log)


def tail(log: Path, lines: int = 15, *, since: int = 0) -> str:
    """The last lines of a log, for an error message; `since` is the byte from which on it is of interest."""
    with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(since, file.tell() - 200 * lines))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    return ""


def _mark_of(process: psutil.Process) -> str | None:
    with contextlib.suppress(psutil.Error, OSError):
        return process.environ().get(MARK)
    return None


def _marked_parent(process: psutil.Process, mark: str) -> bool:
    with contextlib.suppress(psutil.Error):
        parent = process.parent()
        return parent is not None and _mark_of(parent) == mark
    return False


def _reap(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.waitpid(pid, os.WNOHANG)
