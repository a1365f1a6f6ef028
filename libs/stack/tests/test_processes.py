import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from anliegen.stack import processes as processes_module
from anliegen.stack.processes import Processes, shorten, tail

SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)",
]
ENVIRONMENT = {"PATH": os.environ["PATH"]}


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    (tmp_path / "run").mkdir()
    found = Processes(tmp_path / "run", tmp_path / "logs")
    yield found
    for process in found.all_marked():
        process.kill()


def _wait_for(log: Path, word: str = "here") -> None:
    deadline = time.monotonic() + 10
    while word not in tail(log) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert word in tail(log)


def test_process_is_started_apart_recorded_and_stopped(processes: Processes) -> None:
    record = processes.start("web", SLEEP, environment=ENVIRONMENT, port=81)
    assert os.getsid(record.pid) == record.pid
    assert processes.running("web") == record
    assert record.port == 81
    processes.stop("web")
    assert not psutil.pid_exists(record.pid)
    assert processes.running("web") is None
    assert list(processes.run.iterdir()) == []


def test_process_survives_the_command_that_started_it(processes: Processes) -> None:
    code = (
        "import pathlib; from anliegen.stack.processes import Processes\n"
        f"Processes(pathlib.Path({str(processes.run)!r}), pathlib.Path({str(processes.logs)!r}))"
        f".start('web', {SLEEP!r}, environment={ENVIRONMENT!r})\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    record = processes.running("web")
    assert record is not None
    processes.stop("web")


def test_recycled_number_is_never_killed(processes: Processes) -> None:
    stranger = subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL)
    try:
        processes.record("web", stranger.pid, SLEEP, port=None)
        file = processes.run / "web.json"
        noted = json.loads(file.read_text())
        # The kernel gave our dead process's number to a stranger, an hour later.
        file.write_text(json.dumps({**noted, "create_time": noted["create_time"] - 3600}))
        assert processes.running("web") is None
        processes.stop("web")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_process_without_record_is_found_by_its_mark(processes: Processes) -> None:
    record = processes.start("web", SLEEP, environment=ENVIRONMENT)
    _wait_for(processes.log("web"))
    (processes.run / "web.json").unlink()
    found = processes.running("web")
    assert found is not None
    assert found.pid == record.pid
    processes.stop("web")
    assert not psutil.pid_exists(record.pid)


def test_unreadable_record_is_no_trouble(processes: Processes) -> None:
    processes.start("web", SLEEP, environment=ENVIRONMENT)
    _wait_for(processes.log("web"))
    (processes.run / "web.json").write_text("{")
    assert processes.running("web") is not None


def test_marks_of_another_home_do_not_count(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "other" / "run").mkdir(parents=True)
    other = Processes(tmp_path / "other" / "run", tmp_path / "other" / "logs")
    record = other.start("web", SLEEP, environment=ENVIRONMENT)
    try:
        _wait_for(other.log("web"))
        assert processes.running("web") is None
        processes.stop("web")
        assert other.running("web") is not None
    finally:
        other.stop("web")
    assert not psutil.pid_exists(record.pid)


def test_process_that_will_not_end_is_killed(processes: Processes) -> None:
    record = processes.start("web", STUBBORN, environment=ENVIRONMENT)
    _wait_for(processes.log("web"))
    processes.stop("web", patience=0.2)
    assert record.process() is None


def test_children_end_with_their_parent(processes: Processes) -> None:
    parent = [
        sys.executable,
        "-c",
        f"import subprocess, sys, time; subprocess.Popen({SLEEP!r}); print('here', flush=True); time.sleep(60)",
    ]
    processes.start("web", parent, environment=ENVIRONMENT)
    _wait_for(processes.log("web"))
    processes.stop("web")
    assert processes.all_marked() == []


def test_ended_child_of_ours_counts_as_ended(processes: Processes) -> None:
    record = processes.start("web", [sys.executable, "-c", "pass"], environment=ENVIRONMENT)
    deadline = time.monotonic() + 10
    while record.process() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes.running("web") is None


def test_log_is_shortened_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes_module, "LONGEST_LOG", 1000)
    monkeypatch.setattr(processes_module, "KEPT_OF_LOG", 100)
    log = tmp_path / "web.log"
    with log.open("a") as writer:
        writer.writelines(f"line {number:04}\n" for number in range(200))
        writer.flush()
        shorten(log)
        assert log.read_text().splitlines()[-1] == "line 0199"
        assert log.stat().st_size <= 100
        writer.write("after\n")
    assert log.read_text().splitlines()[-2:] == ["line 0199", "after"]
    assert "\0" not in log.read_text()
