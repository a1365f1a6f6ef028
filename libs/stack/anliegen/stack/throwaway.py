"""A PostgreSQL server for one test run: its files are temporary, and one that a killed run left behind is removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from anliegen.stack.home import Secrets
from anliegen.stack.postgres import PostgresServer, start_postgres, stop_postgres

PREFIX = "anliegen-postgres-"


@contextlib.contextmanager
def throwaway_postgres(settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """A fresh server with its files in the temporary folder; server and files are gone afterwards.

    It starts in about half a second. `settings` are PostgreSQL's, for example `{"max_connections": "300"}`.
    """
    remove_orphans()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    # Passed through, not listed, by the account that PostgreSQL runs as when we are root.
    folder.chmod(0o711)
    data = folder / "data"
    try:
        yield start_postgres(data, settings=settings, secrets=Secrets(folder / "secrets.json"), durable=False)
    finally:
        remove(folder)


def remove_orphans() -> None:
    """Stop and remove throw-away servers of this user whose test run no longer exists."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        run = folder.name.removeprefix(PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.geteuid() and run.isdigit() and not psutil.pid_exists(int(run)):
                remove(folder)


def remove(folder: Path) -> None:
    stop_postgres(folder / "data")
    shutil.rmtree(folder, ignore_errors=True)
