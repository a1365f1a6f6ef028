"""SQL of the helpdesk. Whoever changes a question holds the lock of its journey's stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg

from anliegen.events import Priority, Promise, PromiseKind, PromiseState
from anliegen.kit import Transaction

from .domain import Answer, Contact, Question, QuestionNotFound
from .states import WAITING_FOR_US, Resolution, State

COLUMNS = """
    case_id, journey_id, concern_id, contact_id, intent, priority, tier, language, state, opened_at, promise_id, due_at,
    promise_state, pack, reopened, assignee, answer_id, answered_at, resolution, settled_at, continues, version
"""


class Sort(StrEnum):
    """Orders of a list; a minus sign means the latest first."""

    DUE_AT = "due_at"
    DUE_AT_LATEST = "-due_at"
    OPENED_AT = "opened_at"
    OPENED_AT_LATEST = "-opened_at"

    @property
    def column(self) -> str:
        """The column it goes by."""
        return self.removeprefix("-")

    def edge_of(self, question: Question) -> tuple[datetime, UUID]:
        """Where this question stands in the list."""
        moment = question.promise.due_at if self.column == "due_at" else question.opened_at
        return moment, question.case_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list shows; None does not restrict, and several values of one kind are alternatives."""

    journey_ids: Sequence[UUID] | None = None
    states: Sequence[State] | None = None
    priorities: Sequence[str] | None = None
    tiers: Sequence[int] | None = None
    assignees: Sequence[str] | None = None


# Contacts -------------------------------------------------------------------------------------------------------------
async def insert_contacts(tx: Transaction, *, contacts: Sequence[Contact]) -> None:
    """Remember whose contacts these are; one that is known already stays as it is."""
    await tx.execute(
        """
        INSERT INTO contacts (contact_id, journey_id, language)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[]) ON CONFLICT DO NOTHING
        """,
        [one.contact_id for one in contacts], [one.journey_id for one in contacts], [one.language for one in contacts],
    )  # fmt: skip


async def find_contact(tx: Transaction, *, contact_id: UUID) -> Contact | None:
    """The contact, where it was understood already."""
    row = await tx.fetchrow("SELECT contact_id, journey_id, language FROM contacts WHERE contact_id = $1", contact_id)
    return Contact(**row) if row else None


# Questions ------------------------------------------------------------------------------------------------------------
async def insert_question(tx: Transaction, *, question: Question) -> None:
    """Store a new question."""
    await tx.execute(
        """
        INSERT INTO questions (case_id, priority, tier, state, promise_id, due_at, promise_state, pack, reopened,
            assignee, answer_id, answered_at, resolution, settled_at, version,
            journey_id, concern_id, contact_id, intent, language, opened_at, continues)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
        """,
        *_changing(question),
        question.journey_id, question.concern_id, question.contact_id, question.intent, question.language,
        question.opened_at, question.continues,
    )  # fmt: skip


async def update_question(tx: Transaction, *, question: Question) -> None:
    """Store what changed."""
    await tx.execute(
        """
        UPDATE questions SET priority = $2, tier = $3, state = $4, promise_id = $5, due_at = $6, promise_state = $7,
            pack = $8, reopened = $9, assignee = $10, answer_id = $11, answered_at = $12, resolution = $13,
            settled_at = $14, version = $15
        WHERE case_id = $1
        """,
        *_changing(question),
    )  # fmt: skip


async def find_question(tx: Transaction, *, case_id: UUID) -> Question | None:
    """The question of this id, if there is one."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM questions WHERE case_id = $1", case_id)
    return _question(row) if row else None


async def get_question(tx: Transaction, *, case_id: UUID) -> Question:
    """The question of this id. Raises QuestionNotFound."""
    question = await find_question(tx, case_id=case_id)
    if question is None:
        raise QuestionNotFound
    return question


async def list_questions(
    tx: Transaction, *, filters: Filters, sort: Sort, backwards: bool, after: tuple[datetime, UUID] | None, limit: int
) -> list[Question]:
    """At most `limit` questions beyond the edge `after`, in this order, or against it where `backwards`."""
    moment, case_id = after or (None, None)
    rows = await tx.fetch(
        _LISTS[sort, backwards],
        filters.journey_ids, filters.states, filters.priorities, filters.tiers, filters.assignees,
        moment, case_id, limit,
    )  # fmt: skip
    return [_question(row) for row in rows]


async def count_unsettled(tx: Transaction) -> tuple[dict[State, int], int]:
    """How many questions of each state are not settled, and how many wait for longer than was promised."""
    rows = await tx.fetch(
        """
        SELECT state, count(*) AS total, count(*) FILTER (WHERE promise_state = $1) AS broken
        FROM questions WHERE settled_at IS NULL GROUP BY state
        """,
        PromiseState.BROKEN,
    )
    overdue = sum(row["broken"] for row in rows if State(row["state"]) in WAITING_FOR_US)
    return {State(row["state"]): row["total"] for row in rows}, overdue


# The contacts and answers of a question -------------------------------------------------------------------------------
async def insert_question_contact(tx: Transaction, *, case_id: UUID, contact_id: UUID, came_at: datetime) -> bool:
    """Let a contact belong to a question; tells whether that is new."""
    return bool(
        await tx.execute(
            "INSERT INTO question_contacts (case_id, contact_id, came_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            case_id, contact_id, came_at,
        )
    )  # fmt: skip


async def list_contact_ids(tx: Transaction, *, case_id: UUID) -> list[UUID]:
    """The contacts of a question, the oldest first."""
    rows = await tx.fetch(
        "SELECT contact_id FROM question_contacts WHERE case_id = $1 ORDER BY came_at, contact_id", case_id
    )
    return [row["contact_id"] for row in rows]


async def get_newest_contact_id(tx: Transaction, *, case_id: UUID, journey_ids: Sequence[UUID]) -> UUID:
    """The newest of the question's contacts that came under one of these journeys; it opened under one of them."""
    contact_id: UUID = await tx.fetchval(
        """
        SELECT contact_id FROM question_contacts JOIN contacts USING (contact_id)
        WHERE case_id = $1 AND journey_id = ANY ($2::uuid[]) ORDER BY came_at DESC, contact_id LIMIT 1
        """,
        case_id, journey_ids,
    )  # fmt: skip
    return contact_id


async def insert_answer(tx: Transaction, *, case_id: UUID, answer: Answer) -> None:
    """Record that somebody answered."""
    await tx.execute(
        """
        INSERT INTO answers (case_id, answer_id, reply_id, contact_id, answered_by, answered_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        case_id, answer.answer_id, answer.reply_id, answer.contact_id, answer.answered_by, answer.answered_at,
    )  # fmt: skip


async def list_answers(tx: Transaction, *, case_id: UUID) -> list[Answer]:
    """The answers to a question, the oldest first."""
    rows = await tx.fetch(
        """
        SELECT answer_id, reply_id, contact_id, answered_by, answered_at FROM answers
        WHERE case_id = $1 ORDER BY answered_at, answer_id
        """,
        case_id,
    )
    return [Answer(**row) for row in rows]


def _changing(question: Question) -> tuple[object, ...]:
    """Its id, and what may change in its life."""
    return (
        question.case_id, question.priority, question.tier, question.state, question.promise.promise_id,
        question.promise.due_at, question.promise.state, question.pack, question.reopened, question.assignee,
        question.answer_id, question.answered_at, question.resolution, question.settled_at, question.version,
    )  # fmt: skip


def _question(row: asyncpg.Record) -> Question:
    values = dict(row)
    promise = Promise(
        promise_id=values.pop("promise_id"),
        kind=PromiseKind.ANSWER,
        due_at=values.pop("due_at"),
        state=PromiseState(values.pop("promise_state")),
    )
    values["priority"] = Priority(values["priority"])
    values["state"] = State(values["state"])
    values["resolution"] = Resolution(values["resolution"]) if values["resolution"] else None
    return Question(promise=promise, **values)


def _list_by(column: str, *, rising: bool) -> str:
    # Only names that stand in this file come together here: an order cannot be a parameter of a statement.
    beyond, order = (">", "ASC") if rising else ("<", "DESC")
    return f"""
        SELECT {COLUMNS} FROM questions
        WHERE ($1::uuid[] IS NULL OR journey_id = ANY ($1))
          AND ($2::text[] IS NULL OR state = ANY ($2))
          AND ($3::text[] IS NULL OR priority = ANY ($3))
          AND ($4::int[] IS NULL OR tier = ANY ($4))
          AND ($5::text[] IS NULL OR assignee = ANY ($5))
          AND ($6::timestamptz IS NULL OR ({column}, case_id) {beyond} ($6, $7::uuid))
        ORDER BY {column} {order}, case_id {order} LIMIT $8
    """


_LISTS: Mapping[tuple[Sort, bool], str] = {
    (sort, backwards): _list_by(sort.column, rising=sort.startswith("-") == backwards)
    for sort in Sort
    for backwards in (False, True)
}
