"""The rows of a whole database: emptied, kept, brought back as a backup brings them back."""

from dataclasses import dataclass
from io import BytesIO

import asyncpg

_TABLES = """
SELECT c.relname, array(SELECT confrelid::regclass::text FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f')
FROM pg_class AS c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
AND relname <> ALL ('{_pogo_migration,_pogo_version,business_clock}')
"""


async def list_tables(connection: asyncpg.Connection) -> list[str]:
    """All tables with rows that a test makes, each before those that its foreign keys name."""
    left = {name: set(named) - {name} for name, named in await connection.fetch(_TABLES)}
    ordered: list[str] = []
    while left:
        free = sorted(name for name in left if not any(name in named for named in left.values()))
        ordered += free
        left = {name: named for name, named in left.items() if name not in free}
    return ordered


async def empty(connection: asyncpg.Connection, tables: list[str]) -> None:
    """Delete every row."""
    await connection.execute("BEGIN;" + "".join(f'DELETE FROM "{table}";' for table in tables) + "COMMIT")


@dataclass(frozen=True)
class Backup:
    """All rows at one moment, with the numbers that come next."""

    rows: dict[str, bytes]
    numbers: dict[str, int | None]


async def back_up(connection: asyncpg.Connection, tables: list[str]) -> Backup:
    """Copy every row, all as of one moment."""
    rows = {}
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for table in tables:
            target = BytesIO()
            await connection.copy_from_table(table, output=target, format="binary")
            rows[table] = target.getvalue()
        numbers = await connection.fetch(
            "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"
        )
    return Backup(rows, {row["sequencename"]: row["last_value"] for row in numbers})


async def restore(connection: asyncpg.Connection, tables: list[str], backup: Backup) -> None:
    """Make the database what it was."""
    async with connection.transaction():
        for table in tables:
            await connection.execute(f'DELETE FROM "{table}"')
        for table in reversed(tables):
            await connection.copy_to_table(table, source=BytesIO(backup.rows[table]), format="binary")
        for name, last in backup.numbers.items():
            await connection.execute(f"SELECT setval('{name}', {last or 1}, {last is not None})")
