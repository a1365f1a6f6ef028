"""Bringing the services' databases up to date, as a step of `up`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from anliegen.stack.errors import StackError
from anliegen.stack.processes import MARK, shorten, tail
from anliegen.stack.stack import Stack

PATIENCE = 600.0  # seconds; a migration of much data may take a while


def migrate(stack: Stack, *, log: Path, mark: str) -> None:
    """Run `anliegen migrate` for the stack's services, marked as ours. Raises StackError with the end of its log."""
    shorten(log)
    since = log.stat().st_size if log.exists() else 0
    command = [sys.executable, "-m", "anliegen.kit.cli", "migrate", *stack.services]
    with log.open("ab") as output:
        done = subprocess.run(  # noqa: S603 - our own words
            command,
            env={**stack.environment(), MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
            timeout=PATIENCE,
        )
    if done.returncode != 0:
        raise StackError(f"The migrations failed. The end of their log ({log}):\n{tail(log, since=since)}")
