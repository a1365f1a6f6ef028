"""Running a program under an unprivileged account when the stack is started by root.

PostgreSQL refuses to run as root. Its program (in the virtual environment) and its data may lie below a folder that
no other account may enter, /root for one. Opening that folder to everybody would be a lasting change to somebody
else's machine, so instead the one process gets the one capability to pass through folders; files it may not
write stay unwritable.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anliegen.stack.errors import StackError

# The first that exists is taken. No account is created: nothing of us may stay on the machine.
ACCOUNTS = ("nobody", "daemon")
# Read-and-search is all that is needed; containers often leave root only the broader one.
CAPABILITIES = ("dac_read_search", "dac_override")
# PostgreSQL asks access(2) whether it may run its programs, and that leaves capabilities out unless told otherwise.
COUNTED = ("--securebits=+no_setuid_fixup",)


@dataclass(frozen=True)
class Account:
    """Whom a program runs as: the command line to put before it, and the arguments for subprocess.Popen."""

    uid: int
    gid: int
    prefix: tuple[str, ...] = ()

    @property
    def popen(self) -> dict[str, Any]:
        if self.prefix:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give `path` to this account; a folder becomes its alone."""
        os.chown(path, self.uid, self.gid)


def unprivileged(*, folder: Path, program: Path) -> Account | None:
    """The account under which `program` can run and use `folder`; None when we are not root and need none.

    The folder is given to the account. Raises StackError, saying what helps, when no way works.
    """
    if os.geteuid() != 0:
        return None
    entry = next((found for name in ACCOUNTS if (found := _entry(name))), None)
    if entry is None:
        raise StackError("PostgreSQL does not run as root and there is no account 'nobody'. Run as an ordinary user.")
    plain = Account(entry.pw_uid, entry.pw_gid)
    plain.own(folder)
    for account in (plain, *_with_capabilities(entry)):
        if _can_run(account, folder, program):
            return account
    raise StackError(
        f"PostgreSQL does not run as root, and the account '{entry.pw_name}' cannot reach {program} and {folder}. "
        "Run as an ordinary user; or put the checkout, and the folder named by ANLIEGEN_HOME, where others may "
        "enter; or give the address of a PostgreSQL of your own in ANLIEGEN_POSTGRES."
    )


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _with_capabilities(entry: pwd.struct_passwd) -> list[Account]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return []
    switch = (setpriv, f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups")
    return [
        Account(
            entry.pw_uid,
            entry.pw_gid,
            (*switch, *bits, f"--inh-caps=-all,+{capability}", f"--ambient-caps=-all,+{capability}", "--"),
        )
        for bits in (COUNTED, ())
        for capability in CAPABILITIES
    ]


def _can_run(account: Account, folder: Path, program: Path) -> bool:
    probe = 'cd "$1" && : >.probe && rm .probe && [ -x "$2" ] && exec "$2" --version'
    command = [*account.prefix, "/bin/sh", "-c", probe, "probe", str(folder), str(program)]
    try:
        found = subprocess.run(  # noqa: S603 - our own words and paths
            command, capture_output=True, check=False, cwd="/", timeout=30, **account.popen
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return found.returncode == 0
