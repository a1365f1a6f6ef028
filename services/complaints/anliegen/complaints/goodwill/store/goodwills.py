"""SQL of the goodwills themselves."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from anliegen.kit import Transaction

from ..domain import Answer, Effect, Goodwill, State
from ..errors import CodeUnknown, GoodwillNotFound
from ..limits import Rule
from ..policy import GoodwillKind
from ..reckoning import Decision, Outcome, Person, Proposal, Step

COLUMNS = """
    goodwill_id, proposal_id, journey_id, case_id, contact_id, invoice_number, proposed_kind, kind, currency,
    product_value, severity, failures, reason, segment, asked, issues_at_once, proposed_by, roles, tier, proposed_at,
    outcome, decided_amount, waits_for, declined_by_rule, other_ways, alternatives, explanation, pack, state, amount,
    taken, decided_by, decided_at, decline_reason, offered_until, issued_at, valid_until, code, ended_at,
    withdrawal_reason, kept, bought_again, measured_at, version
"""


# Goodwills ------------------------------------------------------------------------------------------------------------
async def insert_goodwill(tx: Transaction, goodwill: Goodwill) -> None:
    """Store a new goodwill."""
    proposal, decision = goodwill.proposal, goodwill.decision
    await tx.execute(
        """
        INSERT INTO goodwills (goodwill_id, state, kind, amount, taken, decided_by, decided_at, decline_reason,
            offered_until, issued_at, valid_until, code, ended_at, withdrawal_reason, kept, bought_again, measured_at,
            version, proposal_id, journey_id, case_id, contact_id, invoice_number, proposed_kind, currency,
            product_value, severity, failures, reason, segment, asked, issues_at_once, proposed_by, roles, tier,
            proposed_at, outcome, decided_amount, waits_for, declined_by_rule, other_ways, alternatives, explanation,
            pack)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
            $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43,
            $44)
        """,
        *_changing(goodwill),
        proposal.proposal_id, proposal.journey_id, proposal.case_id, proposal.contact_id, proposal.invoice_number,
        proposal.kind, proposal.currency, proposal.product_value, proposal.severity, proposal.failures,
        proposal.reason, proposal.segment, proposal.asked, goodwill.issues_at_once, proposal.by.subject,
        sorted(proposal.by.roles), proposal.by.tier, goodwill.proposed_at, decision.outcome, decision.amount,
        decision.waits_for, decision.declined_by, list(decision.other_ways), list(decision.alternatives),
        [asdict(step) for step in decision.steps], decision.pack,
    )  # fmt: skip


async def update_goodwill(tx: Transaction, goodwill: Goodwill) -> None:
    """Store what changed."""
    await tx.execute(
        """
        UPDATE goodwills SET state = $2, kind = $3, amount = $4, taken = $5, decided_by = $6, decided_at = $7,
            decline_reason = $8, offered_until = $9, issued_at = $10, valid_until = $11, code = $12, ended_at = $13,
            withdrawal_reason = $14, kept = $15, bought_again = $16, measured_at = $17, version = $18
        WHERE goodwill_id = $1
        """,
        *_changing(goodwill),
    )


async def find_goodwill(tx: Transaction, *, goodwill_id: UUID) -> Goodwill | None:
    """The goodwill of this id, if there is one."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM goodwills WHERE goodwill_id = $1", goodwill_id)
    return _goodwill(row) if row else None


async def get_goodwill(tx: Transaction, *, goodwill_id: UUID) -> Goodwill:
    """The goodwill of this id. Raises GoodwillNotFound."""
    goodwill = await find_goodwill(tx, goodwill_id=goodwill_id)
    if goodwill is None:
        raise GoodwillNotFound
    return goodwill


async def get_goodwill_id_of_code(tx: Transaction, *, code: str) -> UUID:
    """The goodwill that this code redeems. Raises CodeUnknown."""
    goodwill_id: UUID | None = await tx.fetchval("SELECT goodwill_id FROM goodwills WHERE code = $1", code)
    if goodwill_id is None:
        raise CodeUnknown
    return goodwill_id


async def list_goodwills(
    tx: Transaction,
    *,
    journey_ids: Sequence[UUID] | None = None,
    case_ids: Sequence[UUID] | None = None,
    states: Sequence[State] | None = None,
    waits_for: Sequence[str] | None = None,
    issued_only: bool = False,
    after: tuple[datetime, UUID] | None = None,
    backwards: bool = False,
    limit: int,
) -> list[Goodwill]:
    """At most `limit` goodwills beyond the edge `after`, the oldest proposals first, or against that order."""
    moment, goodwill_id = after or (None, None)
    wanted = f"""
        SELECT {COLUMNS} FROM goodwills
        WHERE ($1::uuid[] IS NULL OR journey_id = ANY ($1)) AND ($2::uuid[] IS NULL OR case_id = ANY ($2))
          AND ($3::text[] IS NULL OR state = ANY ($3)) AND ($4::text[] IS NULL OR waits_for = ANY ($4))
          AND (NOT $8 OR issued_at IS NOT NULL)
    """
    forwards = """
        AND ($5::timestamptz IS NULL OR (proposed_at, goodwill_id) > ($5, $6::uuid))
        ORDER BY proposed_at, goodwill_id LIMIT $7
    """
    against = """
        AND ($5::timestamptz IS NULL OR (proposed_at, goodwill_id) < ($5, $6::uuid))
        ORDER BY proposed_at DESC, goodwill_id DESC LIMIT $7
    """
    # The index of what waits is used only where the statement itself says so.
    only = "AND state = 'waiting_for_approval'" if states and set(states) == {State.WAITING} else ""
    rows = await tx.fetch(
        wanted + only + (against if backwards else forwards),
        journey_ids, case_ids, states, waits_for, moment, goodwill_id, limit, issued_only,
    )  # fmt: skip
    return [_goodwill(row) for row in rows]


def _changing(goodwill: Goodwill) -> tuple[object, ...]:
    effect = goodwill.effect
    return (
        goodwill.goodwill_id, goodwill.state, goodwill.kind, goodwill.amount, goodwill.taken, goodwill.decided_by,
        goodwill.decided_at, goodwill.decline_reason, goodwill.offered_until, goodwill.issued_at,
        goodwill.valid_until, goodwill.code, goodwill.ended_at, goodwill.withdrawal_reason,
        effect.kept if effect else None, effect.bought_again if effect else None,
        effect.measured_at if effect else None, goodwill.version,
    )  # fmt: skip


def _goodwill(row: asyncpg.Record) -> Goodwill:
    values: dict[str, Any] = dict(row)
    effect = (
        Effect(kept=Answer(row["kept"]), bought_again=Answer(row["bought_again"]), measured_at=row["measured_at"])
        if row["measured_at"]
        else None
    )
    proposal = Proposal(
        kind=GoodwillKind(row["proposed_kind"]),
        by=Person(subject=row["proposed_by"], roles=frozenset(row["roles"]), tier=row["tier"]),
        **{name: values[name] for name in _PROPOSAL},
    )
    decision = Decision(
        outcome=Outcome(row["outcome"]),
        amount=row["decided_amount"],
        steps=tuple(Step(Rule(step["rule"]), step["says"], step["amount"]) for step in row["explanation"]),
        pack=row["pack"],
        waits_for=row["waits_for"],
        declined_by=Rule(row["declined_by_rule"]) if row["declined_by_rule"] else None,
        other_ways=tuple(row["other_ways"]),
        alternatives=tuple(GoodwillKind(kind) for kind in row["alternatives"]),
    )
    return Goodwill(
        proposal=proposal, decision=decision, effect=effect, kind=GoodwillKind(row["kind"]), state=State(row["state"]),
        **{name: values[name] for name in _OWN},
    )  # fmt: skip


_PROPOSAL = (
    "proposal_id", "journey_id", "case_id", "currency", "product_value", "severity", "failures", "reason", "segment",
    "asked", "invoice_number", "contact_id",
)  # fmt: skip
_OWN = (
    "goodwill_id", "issues_at_once", "amount", "proposed_at", "decided_by", "decided_at", "decline_reason",
    "offered_until", "issued_at", "valid_until", "code", "taken", "ended_at", "withdrawal_reason", "version",
)  # fmt: skip
