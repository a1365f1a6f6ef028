"""Complaints, as rows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from anliegen.events import Money, Priority, Promise, PromiseKind, PromiseState
from anliegen.kit import Transaction

from ..domain import Assessment, Complaint, Decision
from ..errors import ComplaintNotFound
from ..states import Outcome, Resolution, Response, State
from .lists import COLUMNS, Filters, Sort, list_by


async def insert_complaint(tx: Transaction, *, complaint: Complaint) -> None:
    """Store a new complaint."""
    await tx.execute(
        """
        INSERT INTO complaints (case_id, priority, tier, country, line, invoice_number, state, round_at, promise_id,
            due_at, promise_state, pack, reopened, assignee, acknowledged_at, held_at, severity, complexity, impact,
            immediate_action, outcome, reasons, other_ways, remedy, amount, currency, response, response_id,
            answered_at, resolution, settled_at, version,
            journey_id, concern_id, contact_id, intent, language, remedy_sought, opened_at, continues)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
            $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40)
        """,
        *_changing(complaint),
        complaint.journey_id, complaint.concern_id, complaint.contact_id, complaint.intent, complaint.language,
        complaint.remedy_sought, complaint.opened_at, complaint.continues,
    )  # fmt: skip


async def update_complaint(tx: Transaction, *, complaint: Complaint) -> None:
    """Store what changed."""
    await tx.execute(
        """
        UPDATE complaints SET priority = $2, tier = $3, country = $4, line = $5, invoice_number = $6, state = $7,
            round_at = $8, promise_id = $9, due_at = $10, promise_state = $11, pack = $12, reopened = $13,
            assignee = $14, acknowledged_at = $15, held_at = $16, severity = $17, complexity = $18, impact = $19,
            immediate_action = $20, outcome = $21, reasons = $22, other_ways = $23, remedy = $24, amount = $25,
            currency = $26, response = $27, response_id = $28, answered_at = $29, resolution = $30, settled_at = $31,
            version = $32
        WHERE case_id = $1
        """,
        *_changing(complaint),
    )


async def find_complaint(tx: Transaction, *, case_id: UUID) -> Complaint | None:
    """The complaint of this id, if there is one."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM complaints WHERE case_id = $1", case_id)
    return _complaint(row) if row else None


async def get_complaint(tx: Transaction, *, case_id: UUID) -> Complaint:
    """The complaint of this id. Raises ComplaintNotFound."""
    complaint = await find_complaint(tx, case_id=case_id)
    if complaint is None:
        raise ComplaintNotFound
    return complaint


async def list_complaints(
    tx: Transaction, *, filters: Filters, sort: Sort, backwards: bool, after: tuple[datetime, UUID] | None, limit: int
) -> list[Complaint]:
    """At most `limit` complaints beyond the edge `after`, in this order, or against it where `backwards`."""
    moment, case_id = after or (None, None)
    rows = await tx.fetch(
        _LISTS[sort, backwards],
        filters.journey_ids, filters.states, filters.priorities, filters.tiers, filters.assignees,
        filters.invoice_numbers, moment, case_id, limit,
    )  # fmt: skip
    return [_complaint(row) for row in rows]


_LISTS: Mapping[tuple[Sort, bool], str] = {
    (sort, backwards): list_by(sort.column, rising=sort.startswith("-") == backwards)
    for sort in Sort
    for backwards in (False, True)
}


def _changing(complaint: Complaint) -> tuple[object, ...]:
    """Its id, and what may change in its life."""
    assessed, decided, promise = complaint.assessment, complaint.decision, complaint.promise
    return (
        complaint.case_id, complaint.priority, complaint.tier, complaint.country, complaint.line,
        complaint.invoice_number, complaint.state, complaint.round_at, promise.promise_id, promise.due_at,
        promise.state, complaint.pack, complaint.reopened, complaint.assignee, complaint.acknowledged_at,
        complaint.held_at,
        assessed.severity if assessed else None, assessed.complexity if assessed else None,
        assessed.impact if assessed else None, assessed.immediate_action if assessed else None,
        decided.outcome if decided else None, list(decided.reasons) if decided else [],
        list(decided.other_ways) if decided else [], complaint.remedy,
        complaint.amount.amount if complaint.amount else None,
        complaint.amount.currency if complaint.amount else None,
        complaint.response, complaint.response_id, complaint.answered_at, complaint.resolution, complaint.settled_at,
        complaint.version,
    )  # fmt: skip


def _complaint(row: asyncpg.Record) -> Complaint:
    values: dict[str, Any] = dict(row)
    promise = Promise(
        promise_id=values.pop("promise_id"),
        kind=PromiseKind.DECISION,
        due_at=values.pop("due_at"),
        state=PromiseState(values.pop("promise_state")),
    )
    grid = {name: values.pop(name) for name in ("severity", "complexity", "impact", "immediate_action")}
    outcome, reasons, ways = (values.pop(name) for name in ("outcome", "reasons", "other_ways"))
    amount, currency = values.pop("amount"), values.pop("currency")
    decided = Decision(outcome=Outcome(outcome), reasons=tuple(reasons), other_ways=tuple(ways)) if outcome else None
    return Complaint(
        **values
        | {
            "promise": promise,
            "priority": Priority(values["priority"]),
            "state": State(values["state"]),
            "assessment": Assessment(**grid) if grid["severity"] else None,
            "decision": decided,
            "amount": Money(amount=amount, currency=currency) if currency else None,
            "response": Response(values["response"]) if values["response"] else None,
            "resolution": Resolution(values["resolution"]) if values["resolution"] else None,
        }
    )
