"""A backup of the whole stack while it is at work, and its restore into an empty folder.

All databases are one server's, so its physical backup is a state of all of them at one moment. Kafka is not backed up:
what was announced and not heard by everybody lies in the databases, too, and is announced again to the empty one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from anliegen.stack import lifecycle
from anliegen.stack.accounts import unprivileged
from anliegen.stack.errors import StackError
from anliegen.stack.home import Home, write_private
from anliegen.stack.postgres import ENVIRONMENT, SUPERUSER, programs
from anliegen.stack.progress import Reporter, Silent
from anliegen.stack.stack import Stack

COMPLETE = "backup.json"
"""Written last: a folder without it is no backup."""
PATIENCE = 6 * 3600.0  # seconds


@dataclass(frozen=True)
class Backup:
    """What a folder holds: everything that was committed before `begun_at`, and perhaps some of until `taken_at`."""

    begun_at: str
    taken_at: str
    services: list[str]
    files: int
    bytes: int


def back_up(folder: Path, home: Path | None = None, *, reporter: Reporter | None = None) -> Backup:
    """Copy databases, files and secrets of a running stack into `folder`, which must not hold anything yet.

    The stack goes on meanwhile. The folder then holds every secret and what customers wrote. Raises StackError.
    """
    heard = reporter or Silent()
    stack = lifecycle.read_stack(Home.find(home).root)
    if stack.postgres.port is None or stack.postgres.socket is None:
        raise StackError("This stack uses a PostgreSQL of yours: back it up with your own means.")
    if folder.exists() and any(folder.iterdir()):
        raise StackError(f"{folder} is not empty. A backup gets a folder of its own.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    begun = _now()
    with heard.step("databases"):
        command = [
            *("--host", str(stack.postgres.socket), "--port", str(stack.postgres.port), "--username", SUPERUSER),
            *("--pgdata", str(folder / "postgres"), "--wal-method=stream", "--checkpoint=fast", "--no-password"),
        ]
        password = stack.home.secrets.get("postgres_superuser")
        _run("pg_basebackup", command, {"PGPASSWORD": password})
    taken = _now()
    with heard.step("verify"):
        _run("pg_verifybackup", [str(folder / "postgres")])
    with heard.step("files") as step:
        # After the databases: what a row names was written before the row, and files never change.
        files = _copy_files(stack.home.files, folder / "files")
        step.say(f"{files} files")
    for source in (stack.home.secrets.path, stack.home.issuer_key):
        if source.exists():
            write_private(folder / source.name, source.read_text())
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    backup = Backup(begun, taken, stack.services, files, size)
    write_private(folder / COMPLETE, json.dumps(asdict(backup), indent=2) + "\n")
    return backup


def restore(
    folder: Path, home: Path | None = None, *, processes: bool = False, reporter: Reporter | None = None
) -> Stack:
    """Make a stack from a backup where there is none, start it, and let its consumers begin in the empty Kafka.

    `processes` is that of `up`. Raises StackError; a folder that holds a stack's data already is left as it is.
    """
    heard = reporter or Silent()
    backup = read_backup(folder)
    place = Home.find(home)
    place.make()
    with place.locked("anliegen restore"):
        if (place.postgres / "cluster").exists() or (place.kafka / "logs").exists():
            raise StackError(
                f"There is a stack in {place.root}. Restore into an empty folder (ANLIEGEN_HOME), or delete this one "
                "with `anliegen reset`."
            )
        with heard.step("verify"):
            _run("pg_verifybackup", [str(folder / "postgres")])
        with heard.step("files"):
            for name, target in (("secrets.json", place.secrets.path), ("issuer-key.json", place.issuer_key)):
                if (folder / name).exists():
                    write_private(target, (folder / name).read_text())
            _copy_files(folder / "files", place.files)
        with heard.step("databases"):
            _put_cluster(folder / "postgres", place.postgres)
    stack = lifecycle.up(place.root, processes=processes, services=backup.services, reporter=heard)
    with heard.step("positions"):
        _renew_positions(stack, reason=f"restored from the backup of {backup.taken_at}")
    return stack


def read_backup(folder: Path) -> Backup:
    """What the folder holds. Raises StackError where it is no complete backup."""
    try:
        return Backup(**json.loads((folder / COMPLETE).read_text()))
    except (FileNotFoundError, NotADirectoryError) as missing:
        raise StackError(f"{folder} is no complete backup: it has no {COMPLETE}.") from missing
    except (ValueError, TypeError) as broken:
        raise StackError(f"{folder / COMPLETE} cannot be read.") from broken


def _put_cluster(source: Path, data: Path) -> None:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    account = unprivileged(folder=data, program=programs() / "postgres")
    unfinished = data / "cluster.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(source, unfinished)
    unfinished.chmod(0o700)
    if account is not None:
        for path in (unfinished, *unfinished.rglob("*")):
            account.own(path)
    unfinished.rename(data / "cluster")


def _copy_files(source: Path, target: Path) -> int:
    copied = 0
    for file in source.rglob("*") if source.is_dir() else ():
        if file.is_file():
            place = target / file.relative_to(source)
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                shutil.copy2(file, place)
            except FileNotFoundError:  # it was deleted meanwhile, or got its name
                continue
            copied += 1
    return copied


def _renew_positions(stack: Stack, *, reason: str) -> None:
    command = [
        *(sys.executable, "-m", "anliegen.kit.cli", "positions", "renew", *stack.services),
        *("--as", "anliegen restore", "--reason", reason),
    ]
    _done("The positions of the consumers", command, stack.environment())


def _run(program: str, words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    _done(program, [str(programs() / program), *words], {**ENVIRONMENT, **(environment or {})})


def _done(what: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - our own words and paths
        command, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=PATIENCE,
    )  # fmt: skip
    if done.returncode != 0:
        raise StackError(f"{what} failed: {(done.stderr or done.stdout).strip()[-2000:]}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
