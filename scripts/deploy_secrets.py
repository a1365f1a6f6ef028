"""Print new passwords and keys as Kubernetes Secrets, for a cluster without a store for them (deploy/k8s, single-node).

Once, at the beginning: `.venv/bin/python scripts/deploy_secrets.py | kubectl create -f -`. A second time it is refused,
since they are there: the ids of journeys follow from one of them, and the databases know the others. Keep them safe.
"""

import secrets
import sys
from collections.abc import Iterator

from deploy_resources import Needs, Resource, needs_of
from deploy_yaml import documents

from anliegen.kit.service import all_services, load_service

NAMESPACE = "anliegen"
HOST = "anliegen-postgres-rw"
INTAKE = ("anliegen_identity_secret", "anliegen_intake_email_door_secret")
"""What intake cannot do without; whoever connects WhatsApp or a mail server with a password adds theirs."""


def new() -> str:
    """A password or key: 32 bytes, hexadecimal, so that it needs no quoting anywhere."""
    return secrets.token_hex(32)


def secret(name: str, data: dict[str, str]) -> Resource:
    """One Secret."""
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/part-of": "anliegen"}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}


def secrets_of(needs: Needs) -> Iterator[Resource]:
    """Those of one service, named and laid out as the operators would."""
    for name, role in (("database", needs.package), ("database-owner", f"{needs.package}_owner")):
        password = new()
        url = f"postgresql://{role}:{password}@{HOST}:5432/{needs.package}"
        yield secret(f"{needs.name}-{name}", {"username": role, "password": password, "url": url})
    if needs.name == "intake":
        yield secret("intake-settings", {key: new() for key in INTAKE})


def main() -> int:
    """The command."""
    made = [secret("anliegen-postgres", {"password": new()})]
    for name in all_services():
        made += secrets_of(needs_of(load_service(name)))
    if sys.stdout.isatty():
        print("These are secrets: send them to kubectl or into a file that only you can read.", file=sys.stderr)
        return 2
    print(documents(made).partition("\n")[2], end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
