"""Legal clocks, as they were last announced."""

from dataclasses import fields
from uuid import UUID

import asyncpg

from anliegen.kit import Transaction

from .domain import Clock, ClockNotFound, Stage

COLUMNS = """
    clock_id, case_id, pack, rule, country, started_at, stage, due_at, warned, breached_at, ended_at, stopped_at
"""


async def upsert_clock(tx: Transaction, *, clock: Clock) -> None:
    """Store a clock as it stands."""
    await tx.execute(
        """
        INSERT INTO clocks (clock_id, case_id, pack, rule, country, started_at, stage, due_at, warned, breached_at,
            ended_at, stopped_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (clock_id) DO UPDATE SET stage = excluded.stage, due_at = excluded.due_at,
            warned = excluded.warned, breached_at = excluded.breached_at, ended_at = excluded.ended_at,
            stopped_at = excluded.stopped_at
        """,
        *(getattr(clock, field.name) for field in fields(clock)),
    )


async def list_clocks(tx: Transaction, *, case_id: UUID) -> list[Clock]:
    """The clocks of a complaint, the oldest first."""
    rows = await tx.fetch(f"SELECT {COLUMNS} FROM clocks WHERE case_id = $1 ORDER BY started_at, pack, rule", case_id)
    return [_clock(row) for row in rows]


async def get_clock(tx: Transaction, *, case_id: UUID, clock_id: UUID) -> Clock:
    """The clock of this complaint. Raises ClockNotFound."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM clocks WHERE case_id = $1 AND clock_id = $2", case_id, clock_id)
    if row is None:
        raise ClockNotFound
    return _clock(row)


def _clock(row: asyncpg.Record) -> Clock:
    return Clock(**dict(row) | {"stage": Stage(row["stage"])})
