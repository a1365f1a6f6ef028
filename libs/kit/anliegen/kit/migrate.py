"""Migrations: plain SQL files, forward only, applied by the owner of the tables, safe when two pods start at once."""

import asyncio
from importlib.resources import files
from pathlib import Path

import asyncpg
import structlog
from pogo_core.util.migrate import apply

from . import backoff, database
from .service import Context, Service
from .settings import Settings, address_for

log = structlog.get_logger(__name__)

MIGRATION_LOCK = 0x0A11E6E5
KIT = "kit"


class OwnerAddressMissing(RuntimeError):
    """Migrations need the owner's address: set ANLIEGEN_OWNER_DATABASE_URL."""


def kit_migrations() -> Path:
    """The folder with the kit's own SQL files."""
    return Path(str(files(__package__))) / "migrations"


async def migrate(service: Service, settings: Settings) -> None:
    """Bring a service's database up to date. A second one that starts meanwhile waits, and finds nothing to do."""
    if not settings.owner_database_url:
        raise OwnerAddressMissing(OwnerAddressMissing.__doc__)
    owner = address_for(settings.owner_database_url, f"{service.package}_owner", service.package)
    async with database.connect(owner, application=f"anliegen {service.name} migrate") as connection:
        await migrate_database(connection, service, role=service.package)


async def migrate_database(connection: asyncpg.Connection, service: Service, *, role: str | None) -> None:
    """Apply what is missing over this connection of the owner, and let `role` read and write, no more."""
    await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
    try:
        # A migration that cannot get its lock gives up instead of making everybody queue behind it.
        await connection.execute("SET lock_timeout = '5s'")
        await apply(connection, kit_migrations(), schema_name=KIT)
        if service.migrations is not None:
            await apply(connection, service.migrations, schema_name=service.package)
        if role is not None:
            await _grant(connection, role)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", MIGRATION_LOCK)


async def _grant(connection: asyncpg.Connection, role: str) -> None:
    if not role.replace("_", "").isalnum():
        raise ValueError(f"not a role's name: {role!r}")
    await connection.execute(
        f"""
        GRANT USAGE ON SCHEMA public TO {role};
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
        GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};
        REVOKE INSERT, UPDATE, DELETE ON _pogo_migration, _pogo_version FROM {role};
        REVOKE UPDATE, DELETE ON operator_actions FROM {role};
        """
    )


def expected_migrations(service: Service) -> set[tuple[str, str]]:
    """Every migration this version of the service relies on, as (set, name)."""
    expected = {(KIT, path.stem) for path in kit_migrations().glob("*.sql")}
    if service.migrations is not None:
        expected |= {(service.package, path.stem) for path in service.migrations.glob("*.sql")}
    return expected


async def missing_migrations(context: Context) -> set[tuple[str, str]]:
    """What has not been applied yet. Raises asyncpg.UndefinedTableError where nothing has."""
    async with context.pool.acquire() as connection:
        rows = await connection.fetch("SELECT schema_name, migration_id FROM public._pogo_migration")
    return expected_migrations(context.service) - {(row["schema_name"], row["migration_id"]) for row in rows}


async def wait_for_migrations(context: Context) -> None:
    """Return once the database is as new as this code; a newer one is fine (expand, migrate, contract)."""
    attempt = 0
    while True:
        try:
            missing = await missing_migrations(context)
            if not missing:
                return
            log.info("waiting_for_migrations", service=context.service.name, missing=len(missing))
        except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
            log.info("waiting_for_migrations", service=context.service.name, missing="all")
        except Exception as problem:
            if not database.is_passing(problem) and not isinstance(problem, asyncpg.PostgresError):
                raise
            log.info("waiting_for_database", service=context.service.name, error=type(problem).__name__)
        await asyncio.sleep(backoff.delay(attempt, most=2.0))
        attempt += 1
