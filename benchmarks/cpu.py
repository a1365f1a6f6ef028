"""How much CPU and memory processes use, each with its children; PostgreSQL's ended sessions included."""

import contextlib
import time
from collections.abc import Mapping

import psutil


def seconds(pid: int) -> float:
    """CPU seconds of a process and its children so far; those of children that ended are in their parent's account."""
    total = 0.0
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])  # user, system, and both of children that were waited for
    return total


def memory(pid: int) -> int:
    """Bytes that a process and its children have for themselves, and their share of what they share (PSS)."""
    total = 0
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


def family(pid: int) -> list[psutil.Process]:
    """A process with its children; empty where it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


class Meter:
    """CPU seconds of several processes, by name, between `begin` and `read`."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self.began = 0.0
        self._before: dict[str, float] = {}
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._before = {name: seconds(pid) for name, pid in self._pids.items()}
        self.began = time.perf_counter()

    def read(self) -> dict[str, float]:
        """CPU seconds used since then, by name."""
        return {name: max(0.0, seconds(pid) - self._before[name]) for name, pid in self._pids.items()}
