"""SQL of reports: complaints with their histories."""

from collections.abc import Collection
from datetime import datetime

from anliegen.kit import Transaction

from ..states import Outcome, State
from .domain import Course, Step


async def list_courses(
    tx: Transaction, *, countries: Collection[str], lines: Collection[str], start: datetime, end: datetime
) -> list[Course]:
    """The complaints that were open or changed between these moments, each with its whole history."""
    rows = await tx.fetch(
        """
        SELECT c.line, c.intent, c.outcome, c.opened_at, h.states, h.times
        FROM complaints AS c, LATERAL (
            SELECT array_agg(state ORDER BY version) AS states, array_agg(done_at ORDER BY version) AS times
            FROM steps WHERE steps.case_id = c.case_id
        ) AS h
        WHERE c.country = ANY ($1::text[]) AND c.line = ANY ($2::text[]) AND c.opened_at < $4
          AND (c.settled_at IS NULL OR c.settled_at >= $3
               OR EXISTS (SELECT 1 FROM steps WHERE steps.case_id = c.case_id AND done_at >= $3 AND done_at < $4))
        ORDER BY c.opened_at, c.case_id
        """,
        list(countries), list(lines), start, end,
    )  # fmt: skip
    return [
        Course(
            line=row["line"], intent=row["intent"], outcome=Outcome(row["outcome"]) if row["outcome"] else None,
            opened_at=row["opened_at"],
            steps=[Step(State(state), at) for state, at in zip(row["states"] or (), row["times"] or (), strict=True)],
        )
        for row in rows
    ]  # fmt: skip
