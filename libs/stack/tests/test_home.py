import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from anliegen.stack import lifecycle
from anliegen.stack.errors import StackError
from anliegen.stack.home import DerivedSecrets, Home, Secrets


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "secrets.json")
    first = secrets.get("identity")
    assert len(bytes.fromhex(first)) == 32
    assert Secrets(tmp_path / "secrets.json").get("identity") == first
    assert secrets.get("other") != first
    assert stat.S_IMODE(secrets.path.stat().st_mode) == 0o600


def test_secrets_asked_for_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as executor:
        found = set(executor.map(lambda _: Secrets(tmp_path / "secrets.json").get("identity"), range(40)))
    assert len(found) == 1


def test_derived_secrets_follow_from_their_root_alone() -> None:
    assert DerivedSecrets("a").get("x") == DerivedSecrets("a").get("x")
    assert len({DerivedSecrets(root).get(name) for root in "ab" for name in "xy"}) == 4


def test_home_is_private(tmp_path: Path) -> None:
    home = Home.find(tmp_path / "stack")
    home.make()
    assert stat.S_IMODE(home.root.stat().st_mode) & 0o066 == 0
    for folder in (home.run, home.logs, home.mailbox, home.files):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_home_keeps_itself_out_of_git_whatever_its_name(tmp_path: Path) -> None:
    def untracked() -> str:
        return subprocess.run(
            ["git", "status", "--porcelain", "-uall"], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    home = Home.find(tmp_path / ".home")
    home.make()
    home.secrets.get("identity")
    assert untracked() == ""
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").write_text("precious")
    Home.find(tmp_path / "letters").make()
    assert untracked() == "?? letters/letter.txt\n", "what is somebody's own is not hidden"
    lifecycle.reset(home.root)
    assert not home.root.exists()


def test_home_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANLIEGEN_HOME", str(tmp_path / "elsewhere"))
    assert Home.find().root == tmp_path / "elsewhere"
    monkeypatch.delenv("ANLIEGEN_HOME")
    monkeypatch.chdir(tmp_path)
    assert Home.find().root == tmp_path / ".anliegen"


def test_too_little_room_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anliegen.stack.home.ROOM_NEEDED", 1 << 62)
    with pytest.raises(StackError, match="Make room, or set ANLIEGEN_HOME"):
        Home.find(tmp_path / "stack").make()


def test_second_command_is_refused_and_told_who_is_at_work(tmp_path: Path) -> None:
    home = Home.find(tmp_path)
    with home.locked("anliegen up"):
        said = _locked_elsewhere(tmp_path)
    assert f"anliegen up (process {os.getpid()}) is working on the stack" in said
    assert _locked_elsewhere(tmp_path) == ""


def test_lock_of_a_killed_command_is_gone(tmp_path: Path) -> None:
    code = (
        "import os, anliegen.stack.home as h, pathlib\n"
        f"with h.Home(pathlib.Path({str(tmp_path)!r})).locked('up'): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    with Home.find(tmp_path).locked("anliegen down"):
        pass


def _locked_elsewhere(folder: Path) -> str:
    code = (
        "import anliegen.stack.home as h, pathlib\n"
        f"try:\n  with h.Home(pathlib.Path({str(folder)!r})).locked('other'): pass\n"
        "except h.StackError as e: print(e)"
    )
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_reset_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    home = Home.find(tmp_path / "mine")
    home.make()
    home.secrets.get("identity")
    home.state.write_text(json.dumps({}))
    (home.root / "letter.txt").write_text("precious")
    lifecycle.reset(home.root)
    assert [path.name for path in home.root.iterdir()] == ["letter.txt"]
    (home.root / "letter.txt").unlink()
    lifecycle.reset(home.root)
    assert not home.root.exists()


def test_down_makes_nothing_where_nothing_is(tmp_path: Path) -> None:
    assert lifecycle.down(tmp_path / "none") is False
    assert not (tmp_path / "none").exists()


def test_commands_without_a_stack_say_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="Start one with `anliegen up`"):
        lifecycle.read_stack(tmp_path)
