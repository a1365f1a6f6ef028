import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

from anliegen.kit.cli import main
from anliegen.stack import lifecycle
from anliegen.stack.applications import installed_services
from anliegen.stack.errors import StackError
from anliegen.stack.home import Home
from anliegen.stack.ports import answers, any_free
from anliegen.stack.processes import Processes
from anliegen.stack.restart import restart
from anliegen.stack.stack import Stack
from anliegen.stack.status import look

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
ONE = installed_services()[:1]
ALL = {"postgres", "kafka", "outside", "http", "workers"}
AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module", autouse=True)
def same_code() -> Iterator[None]:
    """Somebody may write code while the tests run, upon which `up` replaces processes; here it should not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anliegen.stack.applications.code_version", lambda: "unchanged")
        yield


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder below which PostgreSQL can be reached when the tests run as root; pytest's own is locked."""
    folder = Path(tempfile.mkdtemp(prefix="anliegen-test-"))
    folder.chmod(0o711)
    yield folder / "home"
    lifecycle.down(folder / "home")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stack(home: Path) -> Stack:
    return lifecycle.up(home, services=ONE)


def _processes(home: Path) -> Processes:
    place = Home.find(home)
    return Processes(place.run, place.logs)


def _pids(home: Path) -> dict[str, int]:
    return {name: record.pid for name, record in _processes(home).records().items() if record.process() is not None}


def _get(address: str, token: str | None = None) -> int:
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(answer.status)


def _command(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, list(words), env={"ANLIEGEN_HOME": str(home)})


def test_everything_is_ready_after_up(stack: Stack, home: Path) -> None:
    assert set(_pids(home)) == ALL
    assert {process.name: process.health for process in look(stack.home)} == dict.fromkeys(ALL, "ready")
    assert _get(f"{stack.http_url}/readyz") == _get(stack.mailbox_url) == 200
    assert answers(stack.smtp_port)


def test_services_take_the_stacks_tokens(stack: Stack) -> None:
    address = f"{stack.http_url}/{ONE[0]}/v1/nothing-here"
    with pytest.raises(urllib.error.HTTPError) as refused:
        _get(address, stack.token("administrator"))
    with refused.value:
        assert refused.value.code == 404


def test_secrets_are_private_and_stay(stack: Stack) -> None:
    for file in (stack.home.secrets.path, stack.home.issuer_key, stack.home.state):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(stack.environment()["ANLIEGEN_IDENTITY_SECRET"]) == 64


def test_up_again_changes_nothing(stack: Stack, home: Path) -> None:
    before = _pids(home)
    begun = time.monotonic()
    again = lifecycle.up(home, services=ONE)
    assert time.monotonic() - begun < 10
    assert _pids(home) == before
    assert again.http_url == stack.http_url


def test_processes_carry_on_without_the_command(stack: Stack, home: Path) -> None:
    for record in _processes(home).records().values():
        process = psutil.Process(record.pid)
        assert os.getsid(record.pid) != os.getsid(0)
        assert process.terminal() is None


@pytest.mark.parametrize("name", sorted(ALL))
def test_what_was_killed_is_there_after_the_next_up(stack: Stack, home: Path, name: str) -> None:
    before = _pids(home)
    os.kill(before[name], signal.SIGKILL)
    lifecycle.up(home, services=ONE)
    after = _pids(home)
    assert after[name] != before[name]
    assert {other: pid for other, pid in after.items() if other != name} == {
        other: pid for other, pid in before.items() if other != name
    }
    assert _get(f"{stack.http_url}/readyz") == 200


def test_status_says_what_is_down(stack: Stack, home: Path) -> None:
    well = _command(home, "status")
    assert well.exit_code == 0
    assert all(name in well.output for name in ALL)
    os.kill(_pids(home)["workers"], signal.SIGKILL)
    ill = _command(home, "status")
    assert ill.exit_code == 1
    assert "Not well: workers" in ill.output
    lifecycle.up(home, services=ONE)


def test_second_up_at_once_is_refused(stack: Stack, home: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with stack.home.locked("anliegen up"):
            inside.set()
            go_on.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        inside.wait(10)
        with pytest.raises(StackError, match="is working on the stack"):
            lifecycle.up(home, services=ONE)
        refused = _command(home, "down")
        assert refused.exit_code == 1
        assert "Wait until it has finished" in refused.output
    finally:
        go_on.set()
        holder.join()


def test_token_logs_and_clock_commands(stack: Stack, home: Path) -> None:
    assert _command(home, "token", "agent", "--task", "claims").output.count(".") == 2
    assert "ready to accept connections" in _command(home, "logs", "postgres").output
    assert "There is no log 'nothing'" in _command(home, "logs", "nothing").output
    moved = _command(home, "clock", "advance", "3d")
    assert "3 days, 0:00:00 ahead" in moved.output
    assert "3 days, 1:30:00 ahead" in _command(home, "clock", "advance", "1h30m").output
    assert "2030-01-01 00:00:0" in _command(home, "clock", "set", "2030-01-01").output
    assert "not a duration" in _command(home, "clock", "advance", "soon").output
    assert "as the machine" in _command(home, "clock", "reset").output


def test_killed_up_is_mended_by_the_next(home: Path, stack: Stack) -> None:
    lifecycle.down(home)
    code = f"import pathlib; from anliegen.stack import up; up(pathlib.Path({str(home)!r}), services={ONE!r})"
    killed = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    time.sleep(1.5)
    killed.kill()
    killed.wait()
    again = lifecycle.up(home, services=ONE)
    assert {process.name: process.health for process in look(again.home)} == dict.fromkeys(ALL, "ready")
    assert len(_roots(home)) == len(ALL)


def _roots(home: Path) -> set[int]:
    """Processes of the stack that are no children of one another."""
    marked = {process.pid: process for process in _processes(home).all_marked()}
    return {pid for pid, process in marked.items() if process.ppid() not in marked}


def test_each_service_alone_behind_the_gateway_and_back(stack: Stack, home: Path) -> None:
    alone = lifecycle.up(home, services=ONE, processes=True)
    names = {"postgres", "kafka", "outside", "http", f"http-{ONE[0]}", f"worker-{ONE[0]}"}
    assert set(_pids(home)) == names
    assert _get(f"{alone.http_url}/readyz") == 200
    with urllib.request.urlopen(f"{alone.http_url}/openapi.json", timeout=20) as answer:
        assert any(path.startswith(f"/{ONE[0]}/v1") for path in json.load(answer)["paths"])
    before = _pids(home)
    assert restart(home) == ONE
    after = _pids(home)
    assert set(after) == names
    changed = {name for name in names if before[name] != after[name]}
    assert changed == {f"http-{ONE[0]}", f"worker-{ONE[0]}"}
    assert _get(f"{alone.http_url}/readyz") == 200
    lifecycle.up(home, services=ONE, processes=True)
    assert _pids(home) == after, "what was restarted is what `up` would start"
    with pytest.raises(StackError, match="no service nobody here"):
        restart(home, services=["nobody"])
    together = lifecycle.up(home, services=ONE)
    assert set(_pids(home)) == ALL
    assert together.http_url == alone.http_url


def test_processes_that_all_services_share_are_restarted_together(stack: Stack, home: Path) -> None:
    lifecycle.up(home, services=ONE)
    before = _pids(home)
    assert restart(home) == ONE
    after = _pids(home)
    assert {name for name in ALL if before[name] != after[name]} == {"http", "workers"}
    assert {process.name: process.health for process in look(stack.home)} == dict.fromkeys(ALL, "ready")
    lifecycle.up(home, services=ONE)
    assert _pids(home) == after, "what was restarted is what `up` would start"


def test_nothing_is_left_behind_after_down_and_data_stays(stack: Stack, home: Path) -> None:
    kept = stack.home.secrets.read()
    assert lifecycle.down(home) is True
    assert _processes(home).all_marked() == []
    assert list(stack.home.run.iterdir()) == []
    assert not any(map(answers, (stack.http_port, stack.outside_port, stack.smtp_port)))
    assert not list((stack.home.postgres / "socket").iterdir())
    assert stack.home.secrets.read() == kept


def test_ports_stay_and_one_that_was_taken_is_left_to_its_owner(stack: Stack, home: Path) -> None:
    lifecycle.down(home)
    with socket.create_server(("127.0.0.1", stack.http_port)):
        again = lifecycle.up(home, services=ONE)
        assert again.http_port != stack.http_port
        assert _get(f"{again.http_url}/readyz") == 200
    assert (again.outside_port, again.smtp_port, again.bootstrap) == (
        stack.outside_port, stack.smtp_port, stack.bootstrap,
    )  # fmt: skip


def test_ports_that_somebody_takes_while_they_are_chosen_give_way_to_others(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where two folders' stacks are started at once: both see the same port free, and one is quicker."""
    look_for_ports = lifecycle._Start.choose_ports
    taken: dict[str, int] = {}
    with contextlib.ExitStack() as opened:

        def be_quicker(starting: lifecycle._Start) -> dict[str, int]:
            chosen = look_for_ports(starting)
            if not taken:
                taken.update(chosen)
                for use in ("http", "outside", "smtp", "kafka"):
                    opened.enter_context(socket.create_server(("127.0.0.1", chosen[use])))
            return chosen

        monkeypatch.setattr(lifecycle._Start, "choose_ports", be_quicker)
        with lifecycle.running_stack(home.with_name("slower"), services=ONE) as stack:
            assert {process.name: process.health for process in look(stack.home)} == dict.fromkeys(ALL, "ready")
            had = {taken["http"], taken["outside"], taken["smtp"]}
            assert not had & {stack.http_port, stack.outside_port, stack.smtp_port}
            assert stack.bootstrap != f"127.0.0.1:{taken['kafka']}"


def test_a_port_that_was_taken_for_a_moment_alone_is_tried_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where another folder's stack ends while ours starts: nobody is there any more when we look who it was."""
    start, tried = lifecycle._Start.start, []

    def be_late(starting: lifecycle._Start, chosen: dict[str, int]) -> Stack:
        tried.append(chosen)
        if len(tried) == 1:
            raise StackError("The process outside ended while it started: [Errno 98] Address already in use")
        if len(tried) == 2:
            raise StackError("The process outside ended while it started: something else")
        return start(starting, chosen)

    monkeypatch.setattr(lifecycle._Start, "start", be_late)
    with pytest.raises(StackError, match="something else"):
        lifecycle.up(home, services=ONE)
    assert len(tried) == 2
    lifecycle.up(home, services=ONE)


def test_servers_of_ones_own_are_taken_by_address(stack: Stack, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.up(home, services=ONE)
    password = stack.home.secrets.get("postgres_superuser")
    port = json.loads(stack.home.ports_file.read_text())["postgres"]
    monkeypatch.setenv("ANLIEGEN_POSTGRES", f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres")
    monkeypatch.setenv("ANLIEGEN_KAFKA", stack.bootstrap)
    guest = home.with_name("guest")
    with lifecycle.running_stack(guest, services=ONE) as second:
        # Both serve the same databases here, so they have to agree on the roles' passwords.
        assert set(_pids(guest)) == {"outside", "http", "workers"}
        assert second.bootstrap == stack.bootstrap
        assert _get(f"{second.http_url}/readyz") == 200
        assert not (guest / "postgres").exists()
        assert not (guest / "kafka").exists()
    assert answers(port)


def test_unknown_service_and_unreachable_kafka_are_named(
    home: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StackError, match="There is no service nothing"):
        lifecycle.up(home, services=["nothing"])
    lifecycle.up(home, services=ONE)
    before = _pids(home)
    monkeypatch.setenv("ANLIEGEN_KAFKA", f"127.0.0.1:{any_free()}")
    monkeypatch.setattr(lifecycle, "GIVEN_KAFKA_PATIENCE", 0.2)
    with pytest.raises(StackError, match="does not answer"):
        lifecycle.up(home, services=ONE)
    assert _pids(home) == before


def test_reset_deletes_everything(home: Path, stack: Stack) -> None:
    assert _pids(home)
    lifecycle.reset(home)
    assert not home.exists()
    assert "There is nothing to delete" in _command(home, "reset", "--yes").output


@pytest.mark.skipif(not AS_ROOT, reason="LOUD: only root can try how it is for an ordinary user; run the tests as root")
def test_ordinary_user_can_do_all_of_it() -> None:
    entry = pwd.getpwnam("nobody")
    folder = Path(tempfile.mkdtemp(prefix="anliegen-test-"))
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    # The Python that runs the tests may lie below a folder of root's alone; reading is all that is granted.
    switch = [
        setpriv, f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups",
        "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search", "--",
    ]  # fmt: skip
    code = (
        "import os, pathlib; from anliegen.stack import up, down, reset\n"
        "from anliegen.stack.status import look\n"
        f"home = pathlib.Path({str(folder / 'home')!r}); stack = up(home, services={ONE!r})\n"
        "print(os.geteuid(), *sorted(p.name + '=' + p.health for p in look(stack.home)))\n"
        "reset(home); print(home.exists())"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "ANLIEGEN_CACHE": str(folder / "cache")}
    if (maven := Path.home() / ".m2" / "repository").is_dir():
        shutil.copytree(maven, folder / "maven")
        environment["M2_REPO"] = str(folder / "maven")
        for path in (folder / "maven", *(folder / "maven").rglob("*")):
            os.chown(path, entry.pw_uid, entry.pw_gid)
    try:
        done = subprocess.run(
            [*switch, sys.executable, "-c", code],
            env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        first, last = done.stdout.splitlines()
        assert first.split() == [str(entry.pw_uid), *sorted(f"{name}=ready" for name in ALL)]
        assert last == "False"
    finally:
        shutil.rmtree(folder)
