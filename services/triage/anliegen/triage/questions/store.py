"""SQL of routing questions."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from anliegen.events import Task
from anliegen.kit import Transaction

from .domain import Question, State


async def insert_question(tx: Transaction, question: Question) -> None:
    """Keep a question that is asked."""
    await tx.execute(
        "INSERT INTO questions (contact_id, ordinal, options, asked_by, asked_at) VALUES ($1, $2, $3, $4, $5)",
        question.contact_id, question.ordinal, list(question.options), question.asked_by, question.asked_at,
    )  # fmt: skip


async def update_question(tx: Transaction, question: Question) -> None:
    """Write what became of a question."""
    await tx.execute(
        "UPDATE questions SET state = $3, answered_by = $4 WHERE contact_id = $1 AND ordinal = $2",
        question.contact_id, question.ordinal, question.state, question.answered_by,
    )  # fmt: skip


async def list_questions(tx: Transaction, *, contact_ids: Sequence[UUID]) -> list[Question]:
    """What was asked about these contacts, in order."""
    rows = await tx.fetch(
        """
        SELECT contact_id, ordinal, options, asked_by, asked_at, state, answered_by FROM questions
        WHERE contact_id = ANY ($1::uuid[]) ORDER BY contact_id, ordinal
        """,
        contact_ids,
    )
    return [_question(dict(row)) for row in rows]


async def list_open_questions(tx: Transaction, *, journey_ids: Sequence[UUID]) -> dict[UUID, Question]:
    """By journey, what a customer was asked and has not answered, of contacts that still wait for a person."""
    rows = await tx.fetch(
        """
        SELECT journey_id, contact_id, ordinal, options, asked_by, asked_at, state, answered_by
        FROM questions JOIN contacts USING (contact_id)
        WHERE journey_id = ANY ($1::uuid[]) AND state = 'asked' AND status = 'in_review' ORDER BY asked_at
        """,
        journey_ids,
    )
    found = [dict(row) for row in rows]
    return {row.pop("journey_id"): _question(row) for row in found}


async def list_thread(tx: Transaction, *, contact_id: UUID) -> list[UUID]:
    """This contact and all that it answers or that answer it: what is one case where it becomes one."""
    rows = await tx.fetch(
        """
        WITH RECURSIVE before (contact_id, earlier) AS (
            SELECT contact_id, earlier_contact_id FROM contacts WHERE contact_id = $1
            UNION
            SELECT c.contact_id, c.earlier_contact_id FROM before JOIN contacts c ON c.contact_id = before.earlier
        ), thread (contact_id) AS (
            SELECT contact_id FROM before
            UNION
            SELECT c.contact_id FROM thread JOIN contacts c ON c.earlier_contact_id = thread.contact_id
        )
        SELECT contact_id FROM thread
        """,
        contact_id,
    )
    return [row["contact_id"] for row in rows]


def _question(row: Mapping[str, Any]) -> Question:
    return Question(
        **{**dict(row), "options": tuple(Task(task) for task in row["options"]), "state": State(row["state"])}
    )
