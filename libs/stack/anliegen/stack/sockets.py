"""The folder for PostgreSQL's Unix socket, whose path the kernel limits to 107 bytes."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path
from secrets import token_hex
from tempfile import gettempdir

from anliegen.stack.accounts import Account
from anliegen.stack.errors import StackError

LONGEST_PATH = 107 - len("/.s.PGSQL.65535")  # bytes; the kernel's limit less the file's name
NOTE = "socket-folder"


def make_socket_folder(data: Path, account: Account | None) -> Path:
    """The folder for the Unix socket: beside the data, or a short temporary one where that path is too long."""
    folder = data / "socket"
    if len(os.fsencode(folder)) > LONGEST_PATH:
        folder = _temporary(data) or Path(gettempdir()) / f"anliegen-{token_hex(8)}"
        # Noted before it is made, so that it is found and removed whatever happens in between.
        (data / NOTE).write_text(str(folder))
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), account.uid if account else os.geteuid()}:
        raise StackError(
            f"The folder {folder} belongs to somebody else. Remove {data / 'socket-folder'} and try again."
        )
    if account is not None:
        account.own(folder)
    return folder


def _temporary(data: Path) -> Path | None:
    with contextlib.suppress(FileNotFoundError):
        return Path((data / NOTE).read_text())
    return None


def remove_socket_folder(data: Path) -> None:
    """Remove a temporary folder that was made for the socket of the server with these files."""
    if (folder := _temporary(data)) is not None:
        shutil.rmtree(folder, ignore_errors=True)
        (data / NOTE).unlink(missing_ok=True)
