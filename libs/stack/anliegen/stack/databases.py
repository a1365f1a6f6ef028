"""One database for each service, with two roles: the owner, who migrates, and the service, who only works with rows.

Neither is a superuser, here as in production: row policies would not hold for one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import asyncpg

from anliegen.stack.apart import run_apart
from anliegen.stack.errors import StackError
from anliegen.stack.postgres import PostgresServer

# Two commands, or two test runs, may prepare the same server at once; catalogue rows do not take that well.
LOCK = 4_027_315_991
ATTRIBUTES = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION"


def package_name(service_name: str) -> str:
    """The name of a service's package, database and role: `billing_inquiry` for `billing-inquiry`."""
    name = service_name.replace("-", "_")
    if not name.isidentifier() or not name.isascii() or name != name.lower() or len(name) > 50:
        raise StackError(f"{service_name!r} cannot be the name of a service: use small letters, digits and hyphens.")
    return name


def prepare_database(server: PostgresServer, service_name: str, *, database: str | None = None) -> str:
    """Make the database of a service and its roles `<package>_owner` and `<package>`; return the database's name.

    What is there already stays. `database` names another database for the same roles, for tests that want several.
    May be called where an event loop runs.
    """
    prepare_databases(server, [service_name], database=database)
    return database or package_name(service_name)


def prepare_databases(server: PostgresServer, service_names: Iterable[str], *, database: str | None = None) -> None:
    """`prepare_database` for several services, one after the other over one connection to the server."""
    packages = [package_name(name) for name in service_names]
    run_apart(_prepare(server, packages, database))


def drop_database(server: PostgresServer, database: str) -> None:
    """Remove a database, ending the sessions that are in it; its roles stay."""
    run_apart(_drop(server, database))


async def _prepare(server: PostgresServer, packages: list[str], database: str | None) -> None:
    connection = await _connect(server.address)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        # A superuser of one's own may be less than that: a role that may make databases and roles. It owns what it
        # makes for others only as a member of them.
        await connection.execute("SET createrole_self_grant = 'set, inherit'")
        for package in packages:
            await _make_role(connection, f"{package}_owner", server.owner_password)
            await _make_role(connection, package, server.service_password)
            await _make_database(connection, server, package, database or package)
    finally:
        await connection.close()


async def _make_role(connection: asyncpg.Connection[Any], role: str, password: str) -> None:
    known = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role)
    # Roles and passwords cannot be parameters of these statements; both have been checked or are our own hexadecimals.
    verb = "ALTER" if known else "CREATE"
    await connection.execute(f"{verb} ROLE {role} {ATTRIBUTES} PASSWORD '{password}'")


async def _make_database(connection: asyncpg.Connection[Any], server: PostgresServer, package: str, name: str) -> None:
    owner = f"{package}_owner"
    if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
        await connection.execute(f'CREATE DATABASE "{name}" OWNER {owner} TEMPLATE template0')
    await connection.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
    await connection.execute(f'GRANT CONNECT ON DATABASE "{name}" TO {package}')
    # Said by the owner itself, who alone decides about what is in its schema.
    within = await _connect(server.url_for(role=owner, database=name, password=server.owner_password))
    try:
        await within.execute(f"""
            REVOKE ALL ON SCHEMA public FROM PUBLIC;
            GRANT USAGE ON SCHEMA public TO {package};
            ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {package};
            ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {package};
            ALTER DEFAULT PRIVILEGES GRANT USAGE, SELECT ON SEQUENCES TO {package};
        """)
    finally:
        await within.close()


async def _drop(server: PostgresServer, database: str) -> None:
    connection = await _connect(server.address)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
    finally:
        await connection.close()


async def _connect(address: str) -> asyncpg.Connection[Any]:
    try:
        return await asyncpg.connect(address, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as refused:
        where = address.rpartition("@")[2]
        raise StackError(
            f"PostgreSQL at {where} cannot be used: {refused}. Start it, or correct the address."
        ) from refused
