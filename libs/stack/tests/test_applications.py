import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from anliegen.stack import applications, status
from anliegen.stack.applications import Program, code_version, ensure, health, programs
from anliegen.stack.errors import StackError
from anliegen.stack.ports import any_free
from anliegen.stack.processes import Processes

ENVIRONMENT = {"ANLIEGEN_ENVIRONMENT": "embedded", "HOME": "/"}
SERVER = (
    "import http.server, sys\n"
    "class Ready(http.server.BaseHTTPRequestHandler):\n"
    "  def do_GET(self): self.send_response(200); self.end_headers()\n"
    "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Ready).serve_forever()"
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    (tmp_path / "run").mkdir()
    found = Processes(tmp_path / "run", tmp_path / "logs")
    yield found
    for process in found.all_marked():
        process.kill()


def _program(port: int, *, code: str = SERVER, told: str = "one") -> Program:
    return Program("web", (sys.executable, "-c", code, str(port)), {**ENVIRONMENT, "ANLIEGEN_TOLD": told}, port)


def test_program_is_started_once_and_replaced_when_it_is_told_something_else(processes: Processes) -> None:
    port, said = any_free(), []
    first = ensure(_program(port), processes, say=said.append)
    assert ensure(_program(port), processes, say=said.append) == first
    second = ensure(_program(port, told="two"), processes, say=said.append)
    assert second.pid != first.pid
    assert first.process() is None
    assert said == [f"port {port}", f"was running, port {port}", f"port {port}"]


def test_a_stranger_that_answers_on_the_port_is_not_taken_for_ours(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applications, "START_PATIENCE", 1.0)
    stranger = http.server.HTTPServer(("127.0.0.1", 0), _Ready)
    threading.Thread(target=stranger.serve_forever, daemon=True).start()
    port = stranger.server_address[1]
    try:
        assert health(port) == "ready"
        with pytest.raises(StackError, match="does not become ready"):
            ensure(_program(port, code="import time; time.sleep(60)"), processes, say=lambda _: None)
        record = processes.running("web")
        assert record is not None
        process = record.process()
        assert process is not None
        assert status._health(record, [process]) == "its port is somebody else's"
    finally:
        stranger.shutdown()
        stranger.server_close()


class _Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_program_that_hangs_is_replaced(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applications, "ADOPTED_PATIENCE", 0.2)
    monkeypatch.setattr(applications, "STOP_PATIENCE", 0.2)
    port, said = any_free(), []
    first = ensure(_program(port), processes, say=said.append)
    process = first.process()
    assert process is not None
    process.suspend()
    monkeypatch.setattr("anliegen.stack.applications.health", _impatient)
    second = ensure(_program(port), processes, say=said.append)
    assert second.pid != first.pid
    assert "hangs, is started anew" in said


def _impatient(port: int) -> str:
    return health(port, timeout=0.2)


def test_program_that_ends_shows_the_end_of_its_log(processes: Processes) -> None:
    broken = _program(any_free(), code="raise SystemExit('no such luck')")
    with pytest.raises(StackError, match=r"ended while it started(.|\n)*no such luck"):
        ensure(broken, processes, say=lambda _: None)


def test_fingerprint_follows_command_settings_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _program(1).fingerprint == _program(1).fingerprint
    assert _program(1).fingerprint != _program(2).fingerprint
    assert _program(1, told="one").fingerprint != _program(1, told="two").fingerprint
    before = _program(1).fingerprint
    monkeypatch.setattr(applications, "code_version", lambda: "newer")
    assert _program(1).fingerprint != before


def test_code_version_follows_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("anliegen")
    package.__path__ = [str(tmp_path)]
    monkeypatch.setattr(applications, "import_module", lambda _: package)
    (tmp_path / "a.py").write_text("1")
    before = code_version()
    assert code_version() == before
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("1")
    assert code_version() == before
    (tmp_path / "a.py").write_text("22")
    assert code_version() != before


def test_health_tells_what_is_wrong() -> None:
    class Ill(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(b'{"detail": "helpdesk: not running"}')

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ill) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            assert health(server.server_port) == "helpdesk: not running"
        finally:
            server.shutdown()
            serving.join()
    assert health(any_free()) == "does not answer"


def test_processes_together_and_alone(tmp_path: Path) -> None:
    together = programs(["helpdesk", "intake"], ENVIRONMENT, tmp_path, lambda _: 1, alone=False)
    assert [program.name for program in together] == ["outside", "http", "workers"]
    alone = programs(["helpdesk", "intake"], ENVIRONMENT, tmp_path, lambda _: 1, alone=True)
    assert [program.name for program in alone] == [
        "outside", "http-helpdesk", "http-intake", "worker-helpdesk", "worker-intake", "http",
    ]  # fmt: skip
    assert [program.name for program in alone if program.needs_kafka] == ["worker-helpdesk", "worker-intake"]
