"""The folder that holds everything of one embedded stack: data, secrets, ports, logs, records of processes."""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from anliegen.stack.errors import StackError

IGNORE_ALL = "*\n"
ROOM_NEEDED = 500 * 1024 * 1024  # bytes; PostgreSQL's first files and Kafka's first segments take about 100 MB


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step, readable by its owner alone; a crash leaves the old or the new content."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Secrets:
    """Generated passwords and keys in one file of mode 0600; each is made when first asked for and then stays."""

    path: Path

    def get(self, name: str) -> str:
        """The secret of this name, 64 hexadecimal characters (32 random bytes)."""
        known = self.read()
        if name not in known:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self.path.with_name(f".{self.path.name}.lock"), "secrets"):
                known = self.read()
                known.setdefault(name, secrets.token_hex(32))
                write_private(self.path, json.dumps(known, indent=2, sort_keys=True) + "\n")
        return known[name]

    def read(self) -> dict[str, str]:
        """All secrets so far, by name."""
        try:
            known: dict[str, str] = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        return known


class SecretSource(Protocol):
    """Where passwords come from."""

    def get(self, name: str) -> str:
        """The secret of this name, 64 hexadecimal characters."""
        ...


@dataclass(frozen=True)
class DerivedSecrets:
    """Secrets that follow from one other secret, for a server that is used from several places without a home."""

    root: str = field(repr=False)

    def get(self, name: str) -> str:
        """The secret of this name, 64 hexadecimal characters."""
        return hmac.new(self.root.encode(), name.encode(), "sha256").hexdigest()


@contextlib.contextmanager
def _locked(path: Path, what: str, *, wait: bool = True) -> Iterator[None]:
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another command"
            raise StackError(
                f"{holder} is working on the stack in {path.parent}. Wait until it has finished, then try again."
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"{what} (process {os.getpid()})")
        file.flush()
        yield
        file.truncate(0)


@dataclass(frozen=True)
class Home:
    """The folders of one stack. `root` is absolute; two stacks with different roots do not meet."""

    root: Path

    @classmethod
    def find(cls, root: Path | None = None) -> Home:
        """The home named by the argument, else by ANLIEGEN_HOME, else `.anliegen` in the current folder."""
        named = root or Path(os.environ.get("ANLIEGEN_HOME") or ".anliegen")
        return cls(named.expanduser().resolve())

    @property
    def secrets(self) -> Secrets:
        return Secrets(self.root / "secrets.json")

    @property
    def ports_file(self) -> Path:
        return self.root / "ports.json"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def mailbox(self) -> Path:
        return self.root / "mailbox"

    @property
    def issuer_key(self) -> Path:
        return self.root / "issuer-key.json"

    @property
    def state(self) -> Path:
        return self.root / "stack.json"

    @property
    def routes(self) -> Path:
        """Which port the gateway passes each service's requests on to."""
        return self.root / "routes.json"

    @property
    def files(self) -> Path:
        return self.root / "files"

    @property
    def ignore(self) -> Path:
        """Keeps the folder out of git, whatever its name: it holds keys, and what customers wrote."""
        return self.root / ".gitignore"

    def exists(self) -> bool:
        return self.run.is_dir()

    def make(self) -> None:
        """Create the folders, private to the user who starts the stack.

        Started by root the outermost folder may be passed through (not listed) by others, because PostgreSQL
        refuses to run as root and must reach its own folder below under another account.
        """
        try:
            is_new = not self.root.exists()
            self.root.mkdir(parents=True, exist_ok=True)
            if is_new:  # in a folder that was there before, it would hide what is somebody's own
                self.ignore.write_text(IGNORE_ALL)
            self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
            for folder in (self.run, self.logs, self.mailbox, self.files):
                folder.mkdir(mode=0o700, exist_ok=True)
        except PermissionError as refused:
            raise StackError(
                f"The folder {self.root} belongs to another user or may not be written. Remove it, or set "
                "ANLIEGEN_HOME to a folder of your own."
            ) from refused
        free = shutil.disk_usage(self.root).free
        if free < ROOM_NEEDED:
            raise StackError(
                f"Only {free // 1_048_576} MB are free on the disk of {self.root}; the stack needs "
                f"{ROOM_NEEDED // 1_048_576} MB. Make room, or set ANLIEGEN_HOME to a folder on another disk."
            )

    @contextlib.contextmanager
    def locked(self, what: str) -> Iterator[None]:
        """Let one command at a time change this stack; a second one is refused at once and told who is at work.

        The lock is the kernel's and ends with the process, so a killed command leaves none behind.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with _locked(self.root / "lock", what, wait=False):
            yield
