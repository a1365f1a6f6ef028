"""What a running stack is for those who use it: addresses, tokens, and what its services are told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

from anliegen.stack.databases import package_name
from anliegen.stack.home import Home, write_private
from anliegen.stack.ports import LOOPBACK
from anliegen.stack.postgres import PostgresServer
from anliegen.stack.tokens import AUDIENCE, LIFETIME, Issuer

# What somebody may set otherwise before `up`: a mail server, a provider or an object store of their own.
YIELDING = ("ANLIEGEN_FILES_URL", "ANLIEGEN_INTAKE_", "ANLIEGEN_LOG_LEVEL")


PARTNERS = {
    "erp": {
        "subjects": ["partner@development"],
        "sources": ["urn:example:erp"],
        "types": ["*"],
        "origins": ["erp.example"],
    }
}
"""The one partner system of a development machine: `anliegen token partner` is its token."""


@dataclass(frozen=True)
class Stack:
    """One running stack."""

    home: Home
    services: list[str]
    http_port: int
    outside_port: int
    smtp_port: int
    postgres: PostgresServer
    bootstrap: str
    issuer_address: str = ""
    """What its services call the issuer, where that is not our name for it: inside a network of containers."""

    @property
    def http_url(self) -> str:
        """The address of all services: `<http_url>/<service>/v1/…`."""
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def outside_url(self) -> str:
        """The address of everything that belongs to others: /mailbox, /issuer, the stand-ins for providers."""
        return f"http://{LOOPBACK}:{self.outside_port}"

    @property
    def mailbox_url(self) -> str:
        return f"{self.outside_url}/mailbox"

    @property
    def issuer(self) -> Issuer:
        return Issuer(self.issuer_address or f"{self.outside_url}/issuer", self.home.issuer_key)

    def token(
        self,
        role: str,
        *,
        scopes: Iterable[str] = (),
        tasks: Iterable[str] = (),
        journey_id: str | None = None,
        subject: str | None = None,
        tier: int | None = None,
        lifetime: int = LIFETIME,
    ) -> str:
        """A bearer token for a role; see Issuer.token."""
        return self.issuer.token(
            role, scopes=scopes, tasks=tasks, journey_id=journey_id, subject=subject, tier=tier, lifetime=lifetime
        )

    def database_url(self, service: str) -> str:
        """The address under which a service works."""
        package = package_name(service)
        return self.postgres.url_for(role=package, database=package, password=self.postgres.service_password)

    def owner_database_url(self, service: str) -> str:
        """The address of the owner of a service's tables."""
        package = package_name(service)
        return self.postgres.url_for(role=f"{package}_owner", database=package, password=self.postgres.owner_password)

    def environment(self) -> dict[str, str]:
        """The whole environment of the stack's processes: ours, and what the caller's has beside it."""
        secrets = self.home.secrets
        ours = {
            "ANLIEGEN_ENVIRONMENT": "embedded",
            "ANLIEGEN_DATABASE_URL": self.postgres.service_url_template,
            "ANLIEGEN_OWNER_DATABASE_URL": self.postgres.owner_url_template,
            "ANLIEGEN_KAFKA_BOOTSTRAP": self.bootstrap,
            "ANLIEGEN_OIDC_ISSUER": self.issuer.address,
            "ANLIEGEN_OIDC_AUDIENCE": AUDIENCE,
            "ANLIEGEN_IDENTITY_SECRET": secrets.get("identity"),
            "ANLIEGEN_PUBLIC_URL": self.http_url,
            "ANLIEGEN_FILES_URL": self.home.files.as_uri(),
            "ANLIEGEN_INTAKE_SMTP_HOST": LOOPBACK,
            "ANLIEGEN_INTAKE_SMTP_PORT": str(self.smtp_port),
            "ANLIEGEN_INTAKE_EMAIL_DOOR_SECRET": secrets.get("email_door_secret"),
            "ANLIEGEN_INTAKE_WHATSAPP_API_URL": f"{self.outside_url}/whatsapp-stand-in",
            "ANLIEGEN_INTAKE_WHATSAPP_APP_SECRET": secrets.get("whatsapp_app_secret"),
            "ANLIEGEN_INTAKE_WHATSAPP_VERIFY_TOKEN": secrets.get("whatsapp_verify_token"),
            "ANLIEGEN_INTAKE_WHATSAPP_ACCESS_TOKEN": secrets.get("whatsapp_access_token"),
            "ANLIEGEN_INTAKE_PARTNERS": json.dumps(PARTNERS),
            # Without this the C library keeps memory for every thread that ever ran.
            "MALLOC_ARENA_MAX": "2",
        }
        theirs = dict(os.environ)
        yielded = {name: value for name, value in theirs.items() if name.startswith(YIELDING)}
        return {**theirs, **ours, **yielded}

    def save(self) -> None:
        """Note the addresses for later commands."""
        noted = {
            "services": self.services,
            "http_port": self.http_port,
            "outside_port": self.outside_port,
            "smtp_port": self.smtp_port,
            "postgres": self.postgres.address,
            "postgres_port": self.postgres.port,
            "bootstrap": self.bootstrap,
            "issuer_address": self.issuer_address,
        }
        write_private(self.home.state, json.dumps(noted, indent=2) + "\n")

    @classmethod
    def load(cls, home: Home) -> Stack:
        """The stack as it was noted last. Raises FileNotFoundError."""
        noted = json.loads(home.state.read_text())
        return cls(
            home=home,
            services=list(noted["services"]),
            http_port=int(noted["http_port"]),
            outside_port=int(noted["outside_port"]),
            smtp_port=int(noted["smtp_port"]),
            postgres=PostgresServer(noted["postgres"], home.secrets, port=noted["postgres_port"]),
            bootstrap=str(noted["bootstrap"]),
            issuer_address=str(noted.get("issuer_address", "")),
        )


def find_environment() -> dict[str, str] | None:
    """What the services of the stack in this folder are told; None where there is none."""
    try:
        return Stack.load(Home.find()).environment()
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
