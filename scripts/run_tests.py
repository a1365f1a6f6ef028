"""Run every test, in two processes beside each other: most of the time a test waits for a server, not for a core.

One runs the tests of libraries and services and says so as it goes; what the other says about the whole (stories,
faults, integration, benchmarks, deployment) follows when both are through. tests/architecture is `make check`'s.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ["libs", "services"]
WHOLE = ["tests"]
OPTIONS = ["--ignore=tests/architecture", "--durations=10", "--durations-min=1"]


def begin(paths: Sequence[str], *, into: int | None = None) -> "subprocess.Popen[bytes]":
    """Run pytest on these paths, in a process group of its own; `into` is a file for what it says."""
    command = [sys.executable, "-m", "pytest", *paths, *OPTIONS]
    return subprocess.Popen(command, cwd=ROOT, stdout=into, stderr=into, process_group=0)


def main() -> int:
    """Run both; the exit code is that of the first that failed."""
    with tempfile.TemporaryFile() as said:
        both = [begin(WHOLE, into=said.fileno()), begin(PARTS)]
        try:
            codes = [one.wait() for one in reversed(both)]
        except KeyboardInterrupt:
            for one in both:
                os.killpg(one.pid, signal.SIGINT)
            return max(one.wait() for one in both) or 130
        said.seek(0)
        sys.stdout.buffer.write(said.read())
        sys.stdout.flush()
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
