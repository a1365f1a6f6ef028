"""`python -m anliegen.stack.compose secrets|setup`: what docker-compose.yml needs before and after its servers start.

`secrets` makes passwords and keys, once, and gives each container a folder with its own; `setup` makes databases and
topics. Both may be repeated. ANLIEGEN_SERVICES says which services there are. The folder is a home like the embedded
stack's, so with ANLIEGEN_HOME naming it, `anliegen token` and `scripts/demo.py` work against the containers from
outside.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from anliegen.events.topics import manifest
from anliegen.stack.databases import package_name, prepare_databases
from anliegen.stack.home import Home
from anliegen.stack.kafka import make_topics
from anliegen.stack.postgres import PostgresServer
from anliegen.stack.stack import Stack

POSTGRES = "postgres"
KAFKA = "kafka:9092"
OUTSIDE = "outside"
ISSUER = f"http://{OUTSIDE}:8401/issuer"
CONTAINER_ACCOUNT = 10001
PATIENCE = 90.0  # seconds, for Kafka's first answer
INTAKE_SECRETS = {
    "anliegen_identity_secret": "identity",
    "anliegen_intake_email_door_secret": "email_door_secret",
    "anliegen_intake_whatsapp_app_secret": "whatsapp_app_secret",
    "anliegen_intake_whatsapp_verify_token": "whatsapp_verify_token",
    "anliegen_intake_whatsapp_access_token": "whatsapp_access_token",
}
"""Intake's alone, by the name of the file; the others' processes do not see them."""


def server(home: Home, *, host: str = POSTGRES, port: int = 5432) -> PostgresServer:
    """The PostgreSQL of the containers, as reached at this address."""
    password = home.secrets.get("postgres_superuser")
    return PostgresServer(f"postgresql://postgres:{password}@{host}:{port}/postgres", home.secrets, port=port)


def make_secrets(home: Home, services: list[str], *, ports: Mapping[str, int], owner: os.stat_result) -> None:
    """Make what is missing. The folder belongs to `owner`; what containers read, to their account's group as well."""
    within = server(home)
    _write(home.root / "secrets" / "postgres", {"postgres_password": home.secrets.get("postgres_superuser")})
    for name in services:
        own = {"anliegen_database_url": within.service_url_template}
        if name == "intake":
            own |= {file: home.secrets.get(secret) for file, secret in INTAKE_SECRETS.items()}
        _write(home.root / "secrets" / name, own)
        owners = {**own, "anliegen_owner_database_url": within.owner_url_template}
        _write(home.root / "secrets" / f"{name}-migrate", owners)
    stack = Stack(
        home=home,
        services=services,
        http_port=ports["http"],
        outside_port=ports["outside"],
        smtp_port=ports["smtp"],
        postgres=server(home, host="127.0.0.1", port=ports["postgres"]),
        bootstrap=f"127.0.0.1:{ports['kafka']}",
        issuer_address=ISSUER,
    )
    stack.save()
    outside = Home(home.root / OUTSIDE)
    outside.mailbox.mkdir(parents=True, exist_ok=True)
    stack.issuer.public_keys()
    if not outside.issuer_key.exists():
        shutil.copy(home.issuer_key, outside.issuer_key)
    home.files.mkdir(exist_ok=True)
    _hand_over(home.root, owner)


def set_up(home: Home, services: list[str]) -> None:
    """Make each service's database and roles, and the topics. Raises StackError."""
    prepare_databases(server(home), services)
    make_topics(KAFKA, manifest("development"), patience=PATIENCE)


def _write(folder: Path, secrets: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in secrets.items():
        file = folder / name
        if not file.exists() or file.read_text() != value:
            file.write_text(value)


def _hand_over(root: Path, owner: os.stat_result) -> None:
    written_by_containers = (root / OUTSIDE / "mailbox", root / "files")
    for path in (root, *root.rglob("*")):
        if any(path.is_relative_to(folder) for folder in written_by_containers):
            os.chown(path, CONTAINER_ACCOUNT, CONTAINER_ACCOUNT)
            continue
        os.chown(path, owner.st_uid, CONTAINER_ACCOUNT)
        if path.is_dir():
            path.chmod(0o750)
        elif not path.name.startswith("."):
            path.chmod(0o640)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["secrets", "setup"])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--like", type=Path, help="a file whose owner shall own the folder, too")
    parser.add_argument("--port", action="append", default=[], metavar="NAME=PORT", help="published, by name")
    chosen = parser.parse_args()
    home = Home(chosen.home)
    services = sorted(os.environ["ANLIEGEN_SERVICES"].split())
    for name in services:
        package_name(name)
    if chosen.what == "setup":
        set_up(home, services)
        return
    os.umask(0o077)
    home.root.mkdir(parents=True, exist_ok=True)
    ports = {name: int(port) for name, port in (word.split("=") for word in chosen.port)}
    make_secrets(home, services, ports=ports, owner=(chosen.like or home.root).stat())


if __name__ == "__main__":
    main()
