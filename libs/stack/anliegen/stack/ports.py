"""Free ports on the loopback address, and the memory of which were taken last time."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from anliegen.stack.home import write_private

LOOPBACK = "127.0.0.1"
LETTING_GO = 1.5  # seconds


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def any_free() -> int:
    """A port that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


def answers(port: int, *, timeout: float = 0.5) -> bool:
    """Whether something listens on this port of the loopback address."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout):
            return True
    except OSError:
        return False


def listens(family: Iterable[psutil.Process], port: int) -> bool:
    """Whether one of these processes is the one that listens on this port, so that no stranger's answer is believed.

    Where the system does not let us look, it is taken for granted.
    """
    for process in family:
        try:
            found = process.net_connections(kind="tcp")
        except psutil.AccessDenied:
            return True
        except psutil.Error:
            continue
        if any(c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port for c in found):
            return True
    return False


def speaks_postgres(port: int, *, timeout: float = 5.0) -> bool:
    """Whether a PostgreSQL server at this port takes up a conversation, which one that is dying no longer does."""
    # Length and code of PostgreSQL's SSLRequest, the one question that needs neither role nor password.
    question = struct.pack("!ii", 8, 80877103)
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout) as connection:
            connection.sendall(question)
            return connection.recv(1) in {b"S", b"N"}
    except OSError:
        return False


def _wait_until_free(port: int) -> None:
    """Give a process that was killed a moment ago the time to let go of its port."""
    deadline = time.monotonic() + LETTING_GO
    while not is_free(port) and time.monotonic() < deadline:
        time.sleep(0.02)


@dataclass
class Ports:
    """The ports of one stack by the name of their use; they stay the same from run to run where they can."""

    path: Path
    moved: dict[str, tuple[int, int]] = field(default_factory=dict)

    def read(self) -> dict[str, int]:
        try:
            known: dict[str, int] = json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return known

    def choose(self, name: str, *, preferred: int | None = None) -> int:
        """The port kept for `name`, or the preferred one, or any; the first of them that is free.

        A kept port that somebody else has taken meanwhile is noted in `moved` as (old, new).
        """
        known = self.read()
        kept = known.get(name)
        if kept is not None:
            _wait_until_free(kept)
        others = {port for use, port in known.items() if use != name}
        for port in (kept, preferred):
            if port is not None and port not in others and is_free(port):
                break
        else:
            port = self.fresh()
        if kept is not None and kept != port:
            self.moved[name] = (kept, port)
        self.keep(name, port)
        return port

    def fresh(self) -> int:
        """A free port that is kept for no use."""
        known = set(self.read().values())
        while (port := any_free()) in known:
            pass
        return port

    def keep(self, name: str, port: int) -> None:
        """From now on `name` has this port."""
        known = self.read()
        if known.get(name) != port:
            known[name] = port
            write_private(self.path, json.dumps(known, indent=2, sort_keys=True) + "\n")
