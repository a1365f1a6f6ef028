"""Where settings come from, and which of two places holds."""

from pathlib import Path

import pytest

from anliegen.kit import Settings
from anliegen.kit.settings import SecretsMissing, load

ADDRESS = "postgresql://helpdesk@127.0.0.1/helpdesk"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANLIEGEN_SECRETS_DIR", str(tmp_path))
    monkeypatch.delenv("ANLIEGEN_DATABASE_URL", raising=False)
    (tmp_path / "anliegen_database_url").write_text(f"{ADDRESS}\n")
    return tmp_path


def test_secret_is_read_from_its_file(folder: Path) -> None:
    assert load(Settings, "helpdesk").database_url == ADDRESS


def test_services_own_file_goes_before_the_one_for_all(folder: Path) -> None:
    (folder / "anliegen_helpdesk_database_url").write_text("postgresql://own")
    assert load(Settings, "helpdesk").database_url == "postgresql://own"
    assert load(Settings, "triage").database_url == ADDRESS


def test_variable_goes_before_the_file_of_the_same_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANLIEGEN_DATABASE_URL", "postgresql://variable")
    assert load(Settings, "helpdesk").database_url == "postgresql://variable"


def test_services_own_file_goes_before_a_variable_for_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANLIEGEN_DATABASE_URL", "postgresql://variable")
    (folder / "anliegen_helpdesk_database_url").write_text("postgresql://own")
    assert load(Settings, "helpdesk").database_url == "postgresql://own"


def test_folder_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANLIEGEN_SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(SecretsMissing, match="nowhere"):
        load(Settings, "helpdesk")
