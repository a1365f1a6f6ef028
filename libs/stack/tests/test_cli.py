import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from anliegen.kit.cli import main
from anliegen.stack.business_clock import duration, moment
from anliegen.stack.cli import _lines
from anliegen.stack.errors import StackError
from anliegen.stack.progress import Lively, Plain, reporter


def _run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, list(words), env={"ANLIEGEN_HOME": str(home)})


@pytest.mark.parametrize("words", [["status"], ["token", "agent"], ["clock"], ["clock", "advance", "1d"]])
def test_commands_that_need_a_stack_say_how_to_start_one(tmp_path: Path, words: list[str]) -> None:
    refused = _run(tmp_path / "none", *words)
    assert refused.exit_code == 1
    assert "Start one with `anliegen up`" in refused.output
    assert not (tmp_path / "none").exists()


def test_down_and_reset_of_nothing_are_no_trouble(tmp_path: Path) -> None:
    assert "Nothing was running" in _run(tmp_path / "none", "down").output
    assert "nothing to delete" in _run(tmp_path / "none", "reset").output
    assert not (tmp_path / "none").exists()


def test_reset_asks_first(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    refused = CliRunner().invoke(main, ["reset"], env={"ANLIEGEN_HOME": str(tmp_path)}, input="n\n")
    assert refused.exit_code == 1
    assert (tmp_path / "run").exists()


def test_unknown_role_is_refused(tmp_path: Path) -> None:
    assert _run(tmp_path, "token", "king").exit_code == 2


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3d", timedelta(days=3)),
        ("2h30m", timedelta(hours=2, minutes=30)),
        ("1w2d", timedelta(days=9)),
        ("90s", timedelta(seconds=90)),
    ],
)
def test_a_duration_is_said_in_weeks_days_hours_minutes_and_seconds(text: str, meant: timedelta) -> None:
    assert duration(text) == meant


@pytest.mark.parametrize("text", ["", "3", "d", "3 d", "-3d", "3x", "3d!"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(StackError, match="is not a duration"):
        duration(text)


def test_moments_are_utc_unless_they_say_otherwise() -> None:
    assert moment("2026-12-24T18:00") == datetime(2026, 12, 24, 18, tzinfo=UTC)
    assert moment("2026-12-24T18:00+01:00") == datetime(2026, 12, 24, 17, tzinfo=UTC)
    with pytest.raises(StackError, match="is not a time"):
        moment("tomorrow")


def test_steps_are_told_in_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    told = reporter()
    assert isinstance(told, Plain)
    with told.step("PostgreSQL") as step:
        step.say("port 5")
    with pytest.raises(ValueError, match="no"), told.step("Kafka"):
        raise ValueError("no")
    told.note("a port is taken")
    told.close()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ok", "PostgreSQL", "0.0", "s", "port", "5"]
    assert lines[1].split() == ["failed", "Kafka", "0.0", "s"]
    assert lines[2].split() == ["note", "a", "port", "is", "taken"]


def test_long_steps_tell_how_far_they_are(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plain, "EVERY", 0.0)
    with Plain().step("Kafka") as step:
        time.sleep(0.01)
        step.say("3 of 43 jars")
    assert "3 of 43 jars" in capsys.readouterr().out.splitlines()[0]


def test_live_lines_hold_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    told = Lively()
    with pytest.raises(ValueError, match="no"), told.step("Kafka"), told.step("PostgreSQL"):
        raise ValueError("no")
    told.note("a port is taken")
    told.close()
    shown = capsys.readouterr().out
    assert "✗" in shown
    assert "Kafka" in shown
    assert "a port is taken" in shown


def test_followed_log_gives_whole_lines_as_they_come(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("old\nlast\n")

    def write() -> None:
        for text in ("fir", "st\n", "second\n"):
            time.sleep(0.25)
            with log.open("a") as file:
                file.write(text)

    writing = threading.Thread(target=write)
    writing.start()
    lines = _lines([log], 1, follow=True)
    assert [line for _, line in (next(lines), next(lines), next(lines))] == ["last", "first", "second"]
    writing.join()
