"""What the containers of docker-compose.yml are given before they start."""

import os
import stat
from pathlib import Path

import pytest

from anliegen.stack.compose import INTAKE_SECRETS, ISSUER, make_secrets
from anliegen.stack.home import Home
from anliegen.stack.stack import Stack

PORTS = {"http": 8400, "outside": 8401, "smtp": 2525, "postgres": 5433, "kafka": 9094}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other accounts, as it does there")


def made(root: Path) -> Home:
    home = Home(root)
    make_secrets(home, ["helpdesk", "intake"], ports=PORTS, owner=root.stat())
    return home


def read(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_each_container_sees_its_own_secrets_alone(tmp_path: Path) -> None:
    secrets = made(tmp_path).root / "secrets"
    assert set(read(secrets / "helpdesk")) == {"anliegen_database_url"}
    assert set(INTAKE_SECRETS) < set(read(secrets / "intake"))
    assert "anliegen_owner_database_url" in read(secrets / "helpdesk-migrate")
    assert "_owner" not in "".join(read(secrets / "helpdesk").values())


def test_what_was_made_stays(tmp_path: Path) -> None:
    before = read(made(tmp_path).root / "secrets" / "intake")
    assert read(made(tmp_path).root / "secrets" / "intake") == before


def test_containers_read_what_others_on_the_machine_cannot(tmp_path: Path) -> None:
    file = made(tmp_path).root / "secrets" / "helpdesk" / "anliegen_database_url"
    found = file.stat()
    assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (10001, 0o640)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o750


def test_the_folder_is_a_home_for_commands_outside(tmp_path: Path) -> None:
    stack = Stack.load(made(tmp_path))
    assert stack.http_url == "http://127.0.0.1:8400"
    assert stack.issuer.address == ISSUER
    outside = Home(stack.home.root / "outside")
    assert outside.issuer_key.read_text() == stack.home.issuer_key.read_text()
