"""Real databases for tests: one server for a test run, one database for each service, emptied after each test."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import asyncpg

from ..database import connect
from ..migrate import migrate_database
from ..service import Service

if TYPE_CHECKING:
    from anliegen.stack.postgres import PostgresServer

ADDRESS = "ANLIEGEN_TEST_POSTGRES"
SEEDED = ("business_clock", "_pogo_migration", "_pogo_version")


@dataclass
class TestServer:
    """A PostgreSQL server that tests may do with as they like."""

    __test__ = False
    server: "PostgresServer"
    prefix: str = ""
    """What the names of these tests' databases begin with, where others' may lie beside them."""
    prepared: set[str] = field(default_factory=set)
    """The names of the databases that were made."""

    @property
    def service_url_template(self) -> str:
        """What a service is told as its database's address, with `{role}` and `{database}` in it."""
        return self._named(self.server.service_url_template)

    def prepare(self, service: Service) -> "TestDatabase":
        """The database of a service with its two roles, not yet migrated."""
        from anliegen.stack.databases import prepare_database

        database = TestDatabase(
            service, f"{self.prefix}{service.package}", self.service_url_template,
            self._named(self.server.owner_url_template),
        )  # fmt: skip
        prepare_database(self.server, service.name, database=database.name)
        self.prepared.add(database.name)
        return database

    def _named(self, template: str) -> str:
        return template.replace("{database}", f"{self.prefix}{{database}}")


@dataclass
class TestDatabase:
    """One service's database."""

    __test__ = False
    service: Service
    name: str
    address: str
    """With `{role}` and `{database}` in it, as in the settings."""
    owner_template: str

    @cached_property
    def owner_address(self) -> str:
        """The owner's address of this database."""
        package = self.service.package
        return self.owner_template.format(role=f"{package}_owner", database=package)

    async def migrate(self) -> None:
        """Apply the kit's and the service's migrations."""
        # Each applied migration is told as a warning, which would stand under the first test that fails.
        logging.getLogger("pogo_core").setLevel(logging.ERROR)
        async with connect(self.owner_address, application="anliegen tests") as connection:
            await migrate_database(connection, self.service, role=self.service.package)

    async def empty(self) -> None:
        """Delete every row that a test made."""
        async with connect(self.owner_address, application="anliegen tests") as connection:
            tables = await _tables(connection)
            # DELETE is quicker than TRUNCATE on tables with few rows; the order of foreign keys is found by trying.
            while tables:
                left = []
                for table in tables:
                    try:
                        await connection.execute(f'DELETE FROM "{table}"')
                    except asyncpg.ForeignKeyViolationError:
                        left.append(table)
                if len(left) == len(tables):
                    raise RuntimeError(f"these tables hold each other: {', '.join(left)}")
                tables = left
            await connection.execute("UPDATE business_clock SET offset_seconds = 0")

    async def snapshot(self, *tables: str, without: tuple[str, ...] = ()) -> dict[str, list[dict[str, object]]]:
        """The rows of these tables (all of the service's own where none is named), sorted, without these columns."""
        async with connect(self.owner_address, application="anliegen tests") as connection:
            wanted = tables or tuple(set(await _tables(connection)) - set(await _kit_tables(connection)))
            found = {}
            for table in sorted(wanted):
                rows = await connection.fetch(f'SELECT * FROM "{table}"')
                plain = [{name: value for name, value in row.items() if name not in without} for row in rows]
                found[table] = sorted(plain, key=repr)
            return found


KIT_TABLES = (
    "streams", "outbox", "inbox", "consumer_position", "parked_keys", "parked_events", "dead_letters", "timers",
    "business_clock", "idempotency_keys", "relay_position", "fences", "announced_unknown", "database_looked_at",
    "operator_actions", "announced",
)  # fmt: skip


async def _kit_tables(_connection: asyncpg.Connection) -> tuple[str, ...]:
    return (*KIT_TABLES, *SEEDED)


async def _tables(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL ($1::text[])", list(SEEDED)
    )
    return [row["tablename"] for row in rows]


@contextmanager
def test_server() -> Iterator[TestServer]:
    """The server named by ANLIEGEN_TEST_POSTGRES, else an embedded one that is gone afterwards.

    In a server of one's own, where a stack or other tests may be at work, the databases have names of this run, and
    are gone afterwards.
    """
    address = os.environ.get(ADDRESS)
    if address:
        from anliegen.stack.databases import drop_database
        from anliegen.stack.postgres import server_at

        given = TestServer(server_at(address), prefix=f"test_{os.getpid()}_")
        try:
            yield given
        finally:
            for name in given.prepared:
                drop_database(given.server, name)
        return
    from anliegen.stack.throwaway import throwaway_postgres

    with throwaway_postgres({"max_connections": "200"}) as server:
        yield TestServer(server)
