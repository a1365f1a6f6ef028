"""SQL of dunning. Whoever changes the dunning of an invoice holds the lock of the journey of its customer."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate, groupby, pairwise
from typing import Any
from uuid import UUID

import asyncpg

from anliegen.kit import Transaction

from .domain import Debt, Dunning, Hold, HoldReason, Stage, Step
from .interest import Balance
from .trial import PastInvoice

ONE_DAY = timedelta(days=1)

DUNNING = """
    invoice_number, journey_id, stage, round, due_on, began_at, level, held, free_since, next_step_at, pack, version
"""
HOLD = """
    hold_id, invoice_number, reason, case_id, placed_at, placed_by, ends_at, released_at, released_by, placed_because,
    released_because
"""
STEP = "round, level, name, reached_at, open_amount, fee, interest, lump_sum, default_since, pay_by, pack"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingCase:
    """What is known of a case that may hold: whether it is unsettled, and which invoice it is about."""

    case_id: UUID
    reason: HoldReason
    unsettled: bool
    invoice_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Everything that dunning of one invoice rests on, as it was read under one lock."""

    dunning: Dunning
    debt: Debt
    holds: tuple[Hold, ...]
    steps: tuple[Step, ...]
    """All steps, of earlier rounds, too."""

    @property
    def current_steps(self) -> tuple[Step, ...]:
        """The steps of this round."""
        return tuple(step for step in self.steps if step.round == self.dunning.round)


# What is owed, as the ledger has it: dunning reads it and never writes it ---------------------------------------------
async def find_debts(tx: Transaction, *, invoice_numbers: Sequence[str]) -> list[Debt]:
    """The debts of these invoices, by their number; one that is not known is left out."""
    terms = await tx.fetch(
        """
        SELECT invoice_number, journey_id, currency, issued_on, due_on, business, told_of_default FROM invoices
        WHERE invoice_number = ANY ($1::text[]) ORDER BY invoice_number
        """,
        invoice_numbers,
    )
    rows = await tx.fetch(
        """
        SELECT invoice_number, effective_on, sum(amount)::bigint AS amount FROM entries
        WHERE invoice_number = ANY ($1::text[]) GROUP BY invoice_number, effective_on
        ORDER BY invoice_number, effective_on
        """,
        invoice_numbers,
    )
    owed: dict[str, tuple[Balance, ...]] = {}
    for number, of_invoice in groupby(rows, key=lambda row: str(row["invoice_number"])):
        entries = list(of_invoice)
        sums = accumulate(row["amount"] for row in entries)
        # The day of a payment counts still (§ 187 BGB).
        days = (row["effective_on"] + ONE_DAY for row in entries)
        owed[number] = tuple(Balance(day, amount) for day, amount in zip(days, sums, strict=True))
    return [
        Debt(
            **dict(row), balances=owed.get(row["invoice_number"], ()),
            open_amount=owed[row["invoice_number"]][-1].amount if row["invoice_number"] in owed else 0,
        )
        for row in terms
    ]  # fmt: skip


async def list_past_invoices(tx: Transaction, *, after: str, limit: int) -> list[PastInvoice]:
    """Invoices by their number, with what changed what is owed on them and the days on which something held them."""
    numbers = [
        row["invoice_number"]
        for row in await tx.fetch(
            "SELECT invoice_number FROM invoices WHERE invoice_number > $1 ORDER BY invoice_number LIMIT $2",
            after, limit,
        )
    ]  # fmt: skip
    found = []
    for debt in await find_debts(tx, invoice_numbers=numbers):
        holds = await list_holds(tx, invoice_number=debt.invoice_number)
        steps = [(balance.since - ONE_DAY, balance.amount) for balance in debt.balances] or [(debt.issued_on, 0)]
        changes = [(day, owed - before) for (_, before), (day, owed) in pairwise(steps)]
        days = [(hold.placed_at.date(), hold.over_at.date() if hold.over_at else date.max) for hold in holds]
        found.append(
            PastInvoice(
                number=debt.invoice_number, currency=debt.currency, amount=steps[0][1], issued_on=debt.issued_on,
                due_on=debt.due_on, business=debt.business, told_of_default=debt.told_of_default,
                changes=tuple(changes), held=tuple((first, end) for first, end in days if first < end),
            )
        )  # fmt: skip
    return found


# Where dunning stands -------------------------------------------------------------------------------------------------
async def upsert_meeting_row(tx: Transaction, *, invoice_number: str) -> None:
    """Have a row for this invoice number, and keep it: who comes second waits until the first one is done.

    A hold and its invoice may be announced under two journeys, whose locks do not meet. This row does.
    """
    await tx.execute(
        """
        INSERT INTO dunnings (invoice_number) VALUES ($1)
        ON CONFLICT (invoice_number) DO UPDATE SET version = dunnings.version
        """,
        invoice_number,
    )


async def find_dunning(tx: Transaction, *, invoice_number: str) -> Dunning | None:
    """Where it stands; None while the invoice is not known."""
    row = await tx.fetchrow(
        f"SELECT {DUNNING} FROM dunnings WHERE invoice_number = $1 AND journey_id IS NOT NULL", invoice_number
    )
    return _dunning(row) if row else None


async def list_dunnings(tx: Transaction, *, journey_ids: Sequence[UUID]) -> list[Dunning]:
    """Of all invoices of these journeys, by their number."""
    rows = await tx.fetch(
        f"SELECT {DUNNING} FROM dunnings WHERE journey_id = ANY ($1::uuid[]) ORDER BY invoice_number", journey_ids
    )
    return [_dunning(row) for row in rows]


async def update_dunning(tx: Transaction, *, dunning: Dunning) -> None:
    """Store where it stands; its row is there."""
    await tx.execute(
        """
        UPDATE dunnings SET journey_id = $2, stage = $3, round = $4, due_on = $5, began_at = $6, level = $7, held = $8,
            free_since = $9, next_step_at = $10, pack = $11, version = $12
        WHERE invoice_number = $1
        """,
        dunning.invoice_number, dunning.journey_id, dunning.stage, dunning.round, dunning.due_on, dunning.began_at,
        dunning.level, dunning.held, dunning.free_since, dunning.next_step_at, dunning.pack, dunning.version,
    )  # fmt: skip


# Steps ----------------------------------------------------------------------------------------------------------------
async def insert_step(tx: Transaction, *, invoice_number: str, step: Step) -> None:
    """Record a reminder."""
    await tx.execute(
        f"""
        INSERT INTO dunning_steps (invoice_number, {STEP})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        invoice_number,
        *asdict(step).values(),
    )


async def list_steps(tx: Transaction, *, invoice_number: str) -> list[Step]:
    """Every reminder of every round, the oldest first."""
    rows = await tx.fetch(
        f"SELECT {STEP} FROM dunning_steps WHERE invoice_number = $1 ORDER BY round, level", invoice_number
    )
    return [Step(**row) for row in rows]


# Holds ----------------------------------------------------------------------------------------------------------------
async def insert_hold(tx: Transaction, *, hold: Hold) -> bool:
    """Record a hold; tells whether it is new. A case holds an invoice once at a time."""
    return bool(
        await tx.execute(
            f"""
            INSERT INTO dunning_holds ({HOLD}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT DO NOTHING
            """,
            *asdict(hold).values(),
        )
    )


async def update_hold_released(
    tx: Transaction, *, hold_ids: Iterable[UUID], at: datetime, by: str, because: str | None = None
) -> None:
    """Release these holds; one that is released stays as it is."""
    await tx.execute(
        """
        UPDATE dunning_holds SET released_at = $2, released_by = $3, released_because = $4
        WHERE hold_id = ANY ($1::uuid[]) AND released_at IS NULL
        """,
        list(hold_ids), at, by, because,
    )  # fmt: skip


async def list_holds(tx: Transaction, *, invoice_number: str) -> list[Hold]:
    """Everything that holds or held dunning of this invoice, the oldest first."""
    rows = await tx.fetch(
        f"SELECT {HOLD} FROM dunning_holds WHERE invoice_number = $1 ORDER BY placed_at, hold_id", invoice_number
    )
    return [_hold(row) for row in rows]


async def list_holds_of_case(tx: Transaction, *, case_id: UUID) -> list[Hold]:
    """The holds of a case that are not released."""
    rows = await tx.fetch(
        f"SELECT {HOLD} FROM dunning_holds WHERE case_id = $1 AND released_at IS NULL ORDER BY invoice_number", case_id
    )
    return [_hold(row) for row in rows]


async def upsert_holding_case(
    tx: Transaction, *, case_id: UUID, reason: HoldReason, unsettled: bool, invoice_number: str | None, sequence: int
) -> HoldingCase:
    """Take what a case said at `sequence` of its stream, and tell what counts: the latest that was said of each."""
    row = await tx.fetchrow(
        """
        INSERT INTO dunning_cases AS known
            (case_id, reason, unsettled, sequence, invoice_number, invoice_sequence)
        VALUES ($1, $2, $3, $4::bigint, $5, CASE WHEN $5::text IS NULL THEN -1 ELSE $4::bigint END)
        ON CONFLICT (case_id) DO UPDATE SET
            unsettled = CASE WHEN excluded.sequence > known.sequence THEN excluded.unsettled ELSE known.unsettled END,
            sequence = greatest(excluded.sequence, known.sequence),
            invoice_number = CASE WHEN excluded.invoice_sequence > known.invoice_sequence
                THEN excluded.invoice_number ELSE known.invoice_number END,
            invoice_sequence = greatest(excluded.invoice_sequence, known.invoice_sequence)
        RETURNING case_id, reason, unsettled, invoice_number
        """,
        case_id, reason, unsettled, sequence, invoice_number,
    )  # fmt: skip
    values: dict[str, Any] = dict(row or {})
    return HoldingCase(**values | {"reason": HoldReason(values["reason"])})


def _dunning(row: asyncpg.Record) -> Dunning:
    return Dunning(**dict(row) | {"stage": Stage(row["stage"])})


def _hold(row: asyncpg.Record) -> Hold:
    return Hold(**dict(row) | {"reason": HoldReason(row["reason"])})
