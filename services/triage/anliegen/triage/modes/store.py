"""SQL of modes: who set a task to what, what people made of readings, and how sure readings were."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from anliegen.events import Task
from anliegen.kit import Transaction

from ..packs import Mode
from .domain import BANDS, TaskMode

_MODE = "SELECT task, mode, version, reason, changed_by, changed_at FROM modes"


async def list_modes(tx: Transaction) -> list[TaskMode]:
    """The modes that somebody set, each as it is now."""
    rows = await tx.fetch(
        "SELECT DISTINCT ON (task) task, mode, version, reason, changed_by, changed_at FROM modes "
        "ORDER BY task, version DESC"
    )
    return [_mode(row) for row in rows]


async def list_changes(tx: Transaction, *, task: Task) -> list[TaskMode]:
    """How often a task was set to another mode, the last first."""
    return [_mode(row) for row in await tx.fetch(_MODE + " WHERE task = $1 ORDER BY version DESC", task)]


async def insert_mode(tx: Transaction, mode: TaskMode, *, report: Mapping[str, Any]) -> None:
    """Keep who set a task to a mode, with the fitness report that was there."""
    await tx.execute(
        """
        INSERT INTO modes (task, mode, version, reason, changed_by, changed_at, report)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        mode.task, mode.mode, mode.version, mode.reason, mode.changed_by, mode.changed_at, report,
    )  # fmt: skip


async def insert_judgements(
    tx: Transaction,
    judged: Sequence[tuple[Task, float, bool]],
    *,
    contact_id: UUID,
    model: str,
    source: str,
    at: datetime,
) -> None:
    """Keep of each task that was read (with its confidence) whether it was. The first word counts."""
    await tx.executemany(
        """
        INSERT INTO judgements (contact_id, task, confidence, confirmed, model, source, judged_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
        """,
        [(contact_id, task, confidence, confirmed, model, source, at) for task, confidence, confirmed in judged],
    )


async def count_judgements(
    tx: Transaction, *, task: Task, model: str, threshold: float, since: datetime
) -> dict[str, tuple[int, int]]:
    """By source, how many readings of a task were judged that were as sure as this, and how many were confirmed."""
    rows = await tx.fetch(
        """
        SELECT source, count(*) AS judged, count(*) FILTER (WHERE confirmed) AS confirmed FROM judgements
        WHERE task = $1 AND model = $2 AND confidence >= $3 AND judged_at >= $4 GROUP BY source
        """,
        task, model, threshold, since,
    )  # fmt: skip
    return {row["source"]: (row["judged"], row["confirmed"]) for row in rows}


async def count_automated(tx: Transaction, *, task: Task, model: str, since: datetime, until: datetime) -> int:
    """How many matters the model gave to a task by itself between these times."""
    return int(
        await tx.fetchval(
            """
            SELECT count(*) FROM contacts JOIN concerns USING (contact_id)
            WHERE decided_by = 'model' AND decided_at >= $3 AND decided_at < $4 AND task = $1
              AND NOT continues AND handed_over_from IS NULL
              AND split_part(pack, ' ', -1) = $2 AND reading ->> 'stated' IS DISTINCT FROM 'true'
            """,
            task, model, since, until,
        )
    )  # fmt: skip


async def count_by_band(tx: Transaction, *, task: Task, since: datetime, until: datetime) -> list[int]:
    """How many readings of a task there were in each band of confidence."""
    rows = await tx.fetch(
        """
        SELECT least(floor((one ->> 'confidence')::float8 * $4)::int, $4 - 1) AS band, count(*) AS readings
        FROM contacts CROSS JOIN jsonb_array_elements(reading -> 'concerns') AS one
        WHERE received_at >= $2 AND received_at < $3 AND one ->> 'task' = $1
          AND reading ->> 'stated' IS DISTINCT FROM 'true'
        GROUP BY band
        """,
        task, since, until, BANDS,
    )  # fmt: skip
    found = {row["band"]: row["readings"] for row in rows}
    return [found.get(band, 0) for band in range(BANDS)]


def _mode(row: asyncpg.Record) -> TaskMode:
    return TaskMode(**{**dict(row), "task": Task(row["task"]), "mode": Mode(row["mode"])})
