"""SQL of goodwill that is credited to a customer's account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import asyncpg

from anliegen.events import Money
from anliegen.kit import Transaction

LOOKS_FOR = timedelta(days=365)
COLUMNS = """
    goodwill_id, journey_id, account, invoice_number, currency, amount, effective_on, ended_on
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodwillCredit:
    """A goodwill as far as it is known here: `amount` is None while only its end is known, in minor units."""

    goodwill_id: UUID
    journey_id: UUID
    account: UUID | None
    invoice_number: str | None
    currency: str | None
    amount: int | None
    effective_on: date | None
    ended_on: date | None

    def is_looking(self, at: datetime) -> bool:
        """Whether it is worth looking for an account still."""
        return self.effective_on is not None and self.ended_on is None and at.date() < self.effective_on + LOOKS_FOR


async def upsert_issued(
    tx: Transaction, *, goodwill_id: UUID, journey_id: UUID, amount: Money, effective_on: date,
    invoice_number: str | None,
) -> GoodwillCredit:  # fmt: skip
    """Note that it was issued, and tell what is known; who comes second waits until the first one is done."""
    row = await tx.fetchrow(
        f"""
        INSERT INTO goodwill_credits AS known
            (goodwill_id, journey_id, currency, amount, effective_on, invoice_number)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (goodwill_id) DO UPDATE SET
            currency = coalesce(known.currency, excluded.currency), amount = coalesce(known.amount, excluded.amount),
            effective_on = coalesce(known.effective_on, excluded.effective_on),
            invoice_number = coalesce(known.invoice_number, excluded.invoice_number)
        RETURNING {COLUMNS}
        """,
        goodwill_id, journey_id, amount.currency, amount.amount, effective_on, invoice_number,
    )  # fmt: skip
    return _credit(row)


async def upsert_ended(tx: Transaction, *, goodwill_id: UUID, journey_id: UUID, ended_on: date) -> GoodwillCredit:
    """Note that it was taken back or expired, once, whether or not it is known."""
    row = await tx.fetchrow(
        f"""
        INSERT INTO goodwill_credits AS known (goodwill_id, journey_id, ended_on) VALUES ($1, $2, $3)
        ON CONFLICT (goodwill_id) DO UPDATE SET ended_on = coalesce(known.ended_on, excluded.ended_on)
        RETURNING {COLUMNS}
        """,
        goodwill_id, journey_id, ended_on,
    )  # fmt: skip
    return _credit(row)


async def lock_credit(tx: Transaction, *, goodwill_id: UUID) -> GoodwillCredit:
    """What is known of it; nobody else changes it meanwhile."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM goodwill_credits WHERE goodwill_id = $1 FOR UPDATE", goodwill_id)
    return _credit(row)


async def find_account(
    tx: Transaction, *, journey_ids: Sequence[UUID], own: UUID, currency: str, invoice_number: str | None
) -> UUID | None:
    """The journey among these that owes: that of the invoice it is about, one with its currency, its own, the newest.

    Whoever is not among them is never credited, whatever invoice somebody named.
    """
    account: UUID | None = await tx.fetchval(
        """
        SELECT journey_id FROM invoices WHERE journey_id = ANY ($1::uuid[])
        ORDER BY (invoice_number = $4) IS TRUE DESC, currency = $3 DESC, journey_id = $2 DESC, issued_on DESC,
            invoice_number DESC
        LIMIT 1
        """,
        journey_ids, own, currency, invoice_number,
    )  # fmt: skip
    return account


async def update_account(tx: Transaction, *, goodwill_id: UUID, account: UUID) -> None:
    """It is credited to this account from now on, and to no other one ever."""
    await tx.execute(
        "UPDATE goodwill_credits SET account = $2 WHERE goodwill_id = $1 AND account IS NULL", goodwill_id, account
    )


async def update_accounts(tx: Transaction, *, journey_ids: Sequence[UUID], account: UUID) -> None:
    """Credit to this account what was given to the same person and had none so far."""
    await tx.execute(
        """
        UPDATE goodwill_credits SET account = $2
        WHERE account IS NULL AND amount IS NOT NULL AND journey_id = ANY ($1::uuid[])
        """,
        journey_ids, account,
    )  # fmt: skip


async def list_credits(tx: Transaction, *, account: UUID) -> list[GoodwillCredit]:
    """What was issued and is or was credited to this account."""
    rows = await tx.fetch(
        f"SELECT {COLUMNS} FROM goodwill_credits WHERE account = $1 AND amount IS NOT NULL ORDER BY goodwill_id",
        account,
    )
    return [_credit(row) for row in rows]


def _credit(row: asyncpg.Record | None) -> GoodwillCredit:
    assert row is not None
    return GoodwillCredit(**dict(row))
