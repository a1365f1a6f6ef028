"""SQL of billing inquiry. Whoever changes an inquiry holds the lock of its journey's stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import asyncpg

from anliegen.events import Priority, Promise, PromiseKind, PromiseState
from anliegen.kit import Transaction

from .domain import Answer, Contact, Inquiry, InquiryNotFound
from .states import WAITING_FOR_US, Resolution, State

COLUMNS = """
    case_id, journey_id, concern_id, contact_id, intent, priority, tier, language, invoice_number, state, opened_at,
    promise_id, due_at, promise_state, pack, reopened, assignee, answer_id, answered_at, resolution, settled_at,
    continues, version
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

    def edge_of(self, inquiry: Inquiry) -> tuple[datetime, UUID]:
        """Where this inquiry stands in the list."""
        moment = inquiry.promise.due_at if self.column == "due_at" else inquiry.opened_at
        return moment, inquiry.case_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list shows; None does not restrict, and several values of one kind are alternatives."""

    journey_ids: Sequence[UUID] | None = None
    states: Sequence[State] | None = None
    priorities: Sequence[str] | None = None
    tiers: Sequence[int] | None = None
    assignees: Sequence[str] | None = None
    invoice_numbers: Sequence[str] | None = None


# Contacts -------------------------------------------------------------------------------------------------------------
async def insert_contacts(tx: Transaction, *, contacts: Sequence[Contact], understood_at: Sequence[datetime]) -> None:
    """Remember whose contacts these are and when they were understood; one that is known stays as it is."""
    await tx.execute(
        """
        INSERT INTO contacts (contact_id, journey_id, language, understood_at)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[]) ON CONFLICT DO NOTHING
        """,
        [one.contact_id for one in contacts], [one.journey_id for one in contacts], [one.language for one in contacts],
        understood_at,
    )  # fmt: skip


async def find_contact(tx: Transaction, *, contact_id: UUID) -> Contact | None:
    """The contact, where it was understood already."""
    row = await tx.fetchrow("SELECT contact_id, journey_id, language FROM contacts WHERE contact_id = $1", contact_id)
    return Contact(**row) if row else None


async def find_newest_contact(tx: Transaction, *, journey_ids: Sequence[UUID]) -> Contact | None:
    """The contact that came last under any of these journeys."""
    row = await tx.fetchrow(
        """
        SELECT contact_id, journey_id, language FROM contacts WHERE journey_id = ANY ($1::uuid[])
        ORDER BY understood_at DESC, contact_id LIMIT 1
        """,
        journey_ids,
    )
    return Contact(**row) if row else None


# Inquiries ------------------------------------------------------------------------------------------------------------
async def insert_inquiry(tx: Transaction, *, inquiry: Inquiry) -> None:
    """Store a new inquiry."""
    await tx.execute(
        """
        INSERT INTO inquiries (case_id, priority, tier, state, promise_id, due_at, promise_state, pack, reopened,
            assignee, answer_id, answered_at, resolution, settled_at, version, invoice_number,
            journey_id, concern_id, contact_id, intent, language, opened_at, continues)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
            $23)
        """,
        *_changing(inquiry),
        inquiry.journey_id, inquiry.concern_id, inquiry.contact_id, inquiry.intent, inquiry.language,
        inquiry.opened_at, inquiry.continues,
    )  # fmt: skip


async def update_inquiry(tx: Transaction, *, inquiry: Inquiry) -> None:
    """Store what changed."""
    await tx.execute(
        """
        UPDATE inquiries SET priority = $2, tier = $3, state = $4, promise_id = $5, due_at = $6, promise_state = $7,
            pack = $8, reopened = $9, assignee = $10, answer_id = $11, answered_at = $12, resolution = $13,
            settled_at = $14, version = $15, invoice_number = $16
        WHERE case_id = $1
        """,
        *_changing(inquiry),
    )  # fmt: skip


async def find_inquiry(tx: Transaction, *, case_id: UUID) -> Inquiry | None:
    """The inquiry of this id, if there is one."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM inquiries WHERE case_id = $1", case_id)
    return _inquiry(row) if row else None


async def get_inquiry(tx: Transaction, *, case_id: UUID) -> Inquiry:
    """The inquiry of this id. Raises InquiryNotFound."""
    inquiry = await find_inquiry(tx, case_id=case_id)
    if inquiry is None:
        raise InquiryNotFound
    return inquiry


async def list_inquiries(
    tx: Transaction, *, filters: Filters, sort: Sort, backwards: bool, after: tuple[datetime, UUID] | None, limit: int
) -> list[Inquiry]:
    """At most `limit` inquiries beyond the edge `after`, in this order, or against it where `backwards`."""
    moment, case_id = after or (None, None)
    rows = await tx.fetch(
        _LISTS[sort, backwards],
        filters.journey_ids, filters.states, filters.priorities, filters.tiers, filters.assignees,
        filters.invoice_numbers,
        moment, case_id, limit,
    )  # fmt: skip
    return [_inquiry(row) for row in rows]


async def count_unsettled(tx: Transaction) -> tuple[dict[State, int], int]:
    """How many inquiries of each state are not settled, and how many wait for longer than was promised."""
    rows = await tx.fetch(
        """
        SELECT state, count(*) AS total, count(*) FILTER (WHERE promise_state = $1) AS broken
        FROM inquiries WHERE settled_at IS NULL GROUP BY state
        """,
        PromiseState.BROKEN,
    )
    overdue = sum(row["broken"] for row in rows if State(row["state"]) in WAITING_FOR_US)
    return {State(row["state"]): row["total"] for row in rows}, overdue


# The contacts and answers of an inquiry -------------------------------------------------------------------------------
async def insert_inquiry_contact(tx: Transaction, *, case_id: UUID, contact_id: UUID, came_at: datetime) -> bool:
    """Let a contact belong to an inquiry; tells whether that is new."""
    return bool(
        await tx.execute(
            "INSERT INTO inquiry_contacts (case_id, contact_id, came_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            case_id, contact_id, came_at,
        )
    )  # fmt: skip


async def list_contact_ids(tx: Transaction, *, case_id: UUID) -> list[UUID]:
    """The contacts of an inquiry, the oldest first."""
    rows = await tx.fetch(
        "SELECT contact_id FROM inquiry_contacts WHERE case_id = $1 ORDER BY came_at, contact_id", case_id
    )
    return [row["contact_id"] for row in rows]


async def get_newest_contact_id(tx: Transaction, *, case_id: UUID, journey_ids: Sequence[UUID]) -> UUID:
    """The newest of the inquiry's contacts that came under one of these journeys; it opened under one of them."""
    contact_id: UUID = await tx.fetchval(
        """
        SELECT contact_id FROM inquiry_contacts JOIN contacts USING (contact_id)
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
    """The answers to an inquiry, the oldest first."""
    rows = await tx.fetch(
        """
        SELECT answer_id, reply_id, contact_id, answered_by, answered_at FROM answers
        WHERE case_id = $1 ORDER BY answered_at, answer_id
        """,
        case_id,
    )
    return [Answer(**row) for row in rows]


def _changing(inquiry: Inquiry) -> tuple[object, ...]:
    """Its id, and what may change in its life."""
    return (
        inquiry.case_id, inquiry.priority, inquiry.tier, inquiry.state, inquiry.promise.promise_id,
        inquiry.promise.due_at, inquiry.promise.state, inquiry.pack, inquiry.reopened, inquiry.assignee,
        inquiry.answer_id, inquiry.answered_at, inquiry.resolution, inquiry.settled_at, inquiry.version,
        inquiry.invoice_number,
    )  # fmt: skip


def _inquiry(row: asyncpg.Record) -> Inquiry:
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
    return Inquiry(promise=promise, **values)


def _list_by(column: str, *, rising: bool) -> str:
    # Only names that stand in this file come together here: an order cannot be a parameter of a statement.
    beyond, order = (">", "ASC") if rising else ("<", "DESC")
    return f"""
        SELECT {COLUMNS} FROM inquiries
        WHERE ($1::uuid[] IS NULL OR journey_id = ANY ($1))
          AND ($2::text[] IS NULL OR state = ANY ($2))
          AND ($3::text[] IS NULL OR priority = ANY ($3))
          AND ($4::int[] IS NULL OR tier = ANY ($4))
          AND ($5::text[] IS NULL OR assignee = ANY ($5))
          AND ($6::text[] IS NULL OR invoice_number = ANY ($6))
          AND ($7::timestamptz IS NULL OR ({column}, case_id) {beyond} ($7, $8::uuid))
        ORDER BY {column} {order}, case_id {order} LIMIT $9
    """


_LISTS: Mapping[tuple[Sort, bool], str] = {
    (sort, backwards): _list_by(sort.column, rising=sort.startswith("-") == backwards)
    for sort in Sort
    for backwards in (False, True)
}
