"""How the processes of a stack are: which run, on which port, with how much memory and work; whether they answer."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from anliegen.stack.applications import health
from anliegen.stack.home import Home
from anliegen.stack.ports import answers, listens, speaks_postgres
from anliegen.stack.postgres import postmaster
from anliegen.stack.processes import Processes, ProcessRecord

WATCHED = 0.5  # seconds over which the use of the processor is measured


@dataclass(frozen=True)
class ProcessStatus:
    """One process with its children. `memory` in bytes, `processor` in percent of one core."""

    name: str
    pid: int | None
    port: int | None
    memory: int
    processor: float
    health: str
    started_at: str

    @property
    def is_well(self) -> bool:
        return self.health == "ready"


def look(home: Home) -> list[ProcessStatus]:
    """The state of every process that the last `up` started, in the order of their names."""
    processes = Processes(home.run, home.logs)
    families = {name: _family(home, record) for name, record in processes.records().items()}
    before = {name: _seconds(family) for name, family in families.items()}
    time.sleep(WATCHED)
    return [
        _status(record, families[name], (_seconds(families[name]) - before[name]) / WATCHED * 100)
        for name, record in processes.records().items()
        if name in families
    ]


def _status(record: ProcessRecord, family: list[psutil.Process], processor: float) -> ProcessStatus:
    return ProcessStatus(
        name=record.name,
        pid=family[0].pid if family else None,
        port=record.port,
        memory=sum(map(_memory, family)),
        processor=max(0.0, processor),
        health=_health(record, family) if family else "down",
        started_at=record.started_at,
    )


def _health(record: ProcessRecord, family: list[psutil.Process]) -> str:
    if record.port is None:
        return "has no known port"
    if not listens(family, record.port):
        return "its port is somebody else's" if answers(record.port) else "does not answer"
    if record.name == "postgres":
        return "ready" if speaks_postgres(record.port) else "does not answer"
    if record.name == "kafka":
        return "ready" if answers(record.port) else "does not answer"
    return health(record.port)


def _family(home: Home, record: ProcessRecord) -> list[psutil.Process]:
    process = record.process()
    if process is None and record.name == "postgres" and (pid := postmaster(Path(home.postgres, "cluster"))):
        process = psutil.Process(pid)
    if process is None:
        return []
    with contextlib.suppress(psutil.Error):
        return [process, *process.children(recursive=True)]
    return [process]


def _memory(process: psutil.Process) -> int:
    """What it has for itself and its share of what it shares; PostgreSQL's processes share most of theirs."""
    with contextlib.suppress(psutil.Error, AttributeError):
        return int(process.memory_full_info().pss)
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _seconds(family: list[psutil.Process]) -> float:
    total = 0.0
    for process in family:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total
