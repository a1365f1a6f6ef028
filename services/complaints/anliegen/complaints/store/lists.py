"""In what orders complaints are listed, and by what they are chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from ..domain import Complaint
from ..states import State

COLUMNS = """
    case_id, journey_id, concern_id, contact_id, intent, priority, tier, language, country, line, remedy_sought,
    invoice_number, state, opened_at, round_at, promise_id, due_at, promise_state, pack, reopened, assignee,
    acknowledged_at, held_at, severity, complexity, impact, immediate_action, outcome, reasons, other_ways, remedy,
    amount, currency, response, response_id, answered_at, resolution, settled_at, continues, version
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

    def edge_of(self, complaint: Complaint) -> tuple[datetime, UUID]:
        """Where this complaint stands in the list."""
        moment = complaint.promise.due_at if self.column == "due_at" else complaint.opened_at
        return moment, complaint.case_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list shows; None does not restrict, and several values of one kind are alternatives."""

    journey_ids: Sequence[UUID] | None = None
    states: Sequence[State] | None = None
    priorities: Sequence[str] | None = None
    tiers: Sequence[int] | None = None
    assignees: Sequence[str] | None = None
    invoice_numbers: Sequence[str] | None = None


def list_by(column: str, *, rising: bool) -> str:
    """The statement that lists by this column."""
    # Only names that stand in this file come together here: an order cannot be a parameter of a statement.
    beyond, order = (">", "ASC") if rising else ("<", "DESC")
    return f"""
        SELECT {COLUMNS} FROM complaints
        WHERE ($1::uuid[] IS NULL OR journey_id = ANY ($1))
          AND ($2::text[] IS NULL OR state = ANY ($2))
          AND ($3::text[] IS NULL OR priority = ANY ($3))
          AND ($4::int[] IS NULL OR tier = ANY ($4))
          AND ($5::text[] IS NULL OR assignee = ANY ($5))
          AND ($6::text[] IS NULL OR invoice_number = ANY ($6))
          AND ($7::timestamptz IS NULL OR ({column}, case_id) {beyond} ($7, $8::uuid))
        ORDER BY {column} {order}, case_id {order} LIMIT $9
    """
