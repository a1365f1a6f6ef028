"""Settings come from the environment and from files of secrets, once, when a process starts.

`ANLIEGEN_KAFKA_BOOTSTRAP` holds for every service; `ANLIEGEN_HELPDESK_KAFKA_BOOTSTRAP` for the helpdesk alone. What
nobody should read in a process list or a crash report lies in a file of the variable's name in small letters, in the
folder that ANLIEGEN_SECRETS_DIR names: `anliegen_database_url`. Where both are given, the variable holds.
"""

import os
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SecretsSettingsSource, SettingsConfigDict

PREFIX = "ANLIEGEN_"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
T = TypeVar("T", bound="Settings")


class Settings(BaseSettings):
    """What every service is told. A service adds its own fields in a subclass."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True, use_attribute_docstrings=True
    )

    environment: Literal["embedded", "test", "staging", "production"] = "production"
    """Where this runs. Development conveniences are refused outside `embedded` and `test`."""
    database_url: str
    """Address of the service's database; `{role}` and `{database}` stand for the service's name with underscores."""
    owner_database_url: str = ""
    """The same for the role that owns the tables, which only `anliegen migrate` uses."""
    database_pool_size: int = Field(default=4, ge=1, le=100)
    database_statement_cache: int = Field(default=100, ge=0)
    """0 behind a transaction pooler."""
    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: SecretStr = SecretStr("")
    kafka_ca_file: str = ""
    worker_slot: str = "0"
    """The stable place of this worker in its group: the ordinal of the StatefulSet, a slot number elsewhere."""
    identity_secret: SecretStr = SecretStr("")
    """Hexadecimal, at least 32 bytes; journeys' and contacts' ids follow from it, so it never changes."""
    oidc_issuer: str = ""
    oidc_audience: str = "anliegen"
    oidc_jwks_url: str = ""
    """Where the issuer's keys are; asked of the issuer's discovery document where it is empty."""
    public_url: str = "http://127.0.0.1:8400"
    """The address under which customers reach the gateway: links in texts begin with it."""
    files_url: str = "file:///tmp/anliegen-files"
    """The object store for files: `file:///…` or `s3://bucket/prefix`."""
    cors_origins: list[str] = []
    trusted_proxies: str = ""
    """Addresses or networks, separated by commas, whose `X-Forwarded-For` tells the caller's address."""
    failpoints: str = ""
    """Where a process is to fail on purpose, for tests: see `failpoints.py`."""
    otlp_endpoint: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    drain_seconds: float = Field(default=0.0, ge=0)
    """How long readiness is off before the server stops taking connections."""
    shutdown_seconds: float = Field(default=40.0, gt=0)

    @property
    def is_development(self) -> bool:
        """Whether development conveniences are allowed here."""
        return self.environment in {"embedded", "test"}

    @model_validator(mode="after")
    def _refuse_a_short_secret(self) -> Self:
        secret = self.identity_secret.get_secret_value()
        if secret and len(secret) < 64:
            raise ValueError("identity_secret: give at least 32 bytes as 64 hexadecimal digits")
        if secret:
            bytes.fromhex(secret)
        return self

    @model_validator(mode="after")
    def _refuse_failpoints_where_customers_are(self) -> Self:
        if self.failpoints and not self.is_development:
            raise ValueError("failpoints: a process fails on purpose only where environment is embedded or test")
        return self

    @property
    def identity_key(self) -> bytes:
        """The secret as bytes."""
        return bytes.fromhex(self.identity_secret.get_secret_value())


class SecretsMissing(LookupError):
    """ANLIEGEN_SECRETS_DIR names a folder that is not there: mount it, or unset the variable."""


def load(cls: type[T], package: str) -> T:
    """The settings of one service: its own variables and files first, then those for all. Raises SecretsMissing."""
    folder = os.environ.get(SECRETS_DIR)
    if folder and not Path(folder).is_dir():
        raise SecretsMissing(f"{SecretsMissing.__doc__} Found: {folder}")
    given: dict[str, Any] = {}
    for prefix in (PREFIX, f"{PREFIX}{package.upper()}_"):
        if folder:
            given |= SecretsSettingsSource(cls, secrets_dir=folder, env_prefix=prefix)()
        given |= EnvSettingsSource(cls, env_prefix=prefix)()
    return cls(**given)


def address_for(template: str, role: str, database: str) -> str:
    """Put role and database into an address."""
    return template.replace("{role}", role).replace("{database}", database)
