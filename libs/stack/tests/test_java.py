from pathlib import Path

import pytest

from anliegen.stack.errors import StackError
from anliegen.stack.java import find_java


def _fake(folder: Path, version: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-01' >&2\n")
    program.chmod(0o755)
    return folder


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANLIEGEN_JAVA", raising=False)
    monkeypatch.delenv("JAVA_HOME", raising=False)


def test_bundled_java_is_taken_where_none_is_named() -> None:
    assert find_java().version >= 17


def test_named_java_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _fake(tmp_path / "jre", "21.0.1")
    monkeypatch.setenv("ANLIEGEN_JAVA", str(folder))
    assert (find_java().program, find_java().version) == (folder / "bin" / "java", 21)
    monkeypatch.setenv("ANLIEGEN_JAVA", str(folder / "bin" / "java"))
    assert find_java().program == folder / "bin" / "java"


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_292"])
def test_named_java_that_is_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv("ANLIEGEN_JAVA", str(_fake(tmp_path / "jre", version)))
    with pytest.raises(StackError, match="Name a Java 17 or newer"):
        find_java()


def test_named_java_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANLIEGEN_JAVA", str(tmp_path / "nothing"))
    with pytest.raises(StackError, match="is no Java"):
        find_java()


def test_java_home_counts_when_it_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_fake(tmp_path / "new", "17.0.9")))
    assert find_java().program == tmp_path / "new" / "bin" / "java"
    monkeypatch.setenv("JAVA_HOME", str(_fake(tmp_path / "old", "11.0.9")))
    assert find_java().program != tmp_path / "old" / "bin" / "java"
