"""SQL of payment methods. Whoever changes one holds the locks of the person behind it."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from uuid import UUID

import asyncpg

from anliegen.kit import Transaction

from .domain import Details, Kind, PaymentMethod, PaymentMethodNotFound, State
from .mirror import Recorded, masked

COLUMNS = """
    method_id, journey_id, case_id, state, asked_by, asked_at, pack, mandate_reference, decided_by, decided_at,
    replaces, reversed_by, reversed_at, reason, version, kind, account, iban, bic, holder, signed_on, token
"""


async def insert_payment_method(tx: Transaction, *, method: PaymentMethod) -> None:
    """Record what was asked for."""
    own = {name: value for name, value in asdict(method).items() if name != "details"}
    values = own | asdict(method.details)
    await tx.execute(
        f"""
        INSERT INTO payment_methods ({COLUMNS})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
        """,
        *(values[name] for name in COLUMNS.replace("\n", " ").replace(" ", "").split(",")),
    )


async def update_payment_method(tx: Transaction, *, method: PaymentMethod) -> None:
    """Store what changed."""
    await tx.execute(
        """
        UPDATE payment_methods SET state = $2, decided_by = $3, decided_at = $4, replaces = $5, reversed_by = $6,
            reversed_at = $7, reason = $8, version = $9
        WHERE method_id = $1
        """,
        method.method_id, method.state, method.decided_by, method.decided_at, method.replaces, method.reversed_by,
        method.reversed_at, method.reason, method.version,
    )  # fmt: skip


async def get_payment_method(tx: Transaction, *, method_id: UUID) -> PaymentMethod:
    """The payment method of this id. Raises PaymentMethodNotFound."""
    row = await tx.fetchrow(f"SELECT {COLUMNS} FROM payment_methods WHERE method_id = $1", method_id)
    if row is None:
        raise PaymentMethodNotFound
    return _method(row)


async def list_payment_methods(tx: Transaction, *, journey_ids: Sequence[UUID]) -> list[PaymentMethod]:
    """Every payment method of these journeys, the oldest first."""
    rows = await tx.fetch(
        f"SELECT {COLUMNS} FROM payment_methods WHERE journey_id = ANY ($1::uuid[]) ORDER BY asked_at, method_id",
        journey_ids,
    )
    return [_method(row) for row in rows]


async def find_recorded(tx: Transaction, *, journey_ids: Sequence[UUID]) -> Recorded | None:
    """What the billing system told last of how the person of these journeys pays."""
    row = await tx.fetchrow(
        """
        SELECT said ->> 'method' AS method, said ->> 'shown_as' AS shown_as, said ->> 'recorded_on' AS recorded_on,
            occurred_at
        FROM billing_facts WHERE kind = 'payment_method_recorded' AND journey_id = ANY ($1::uuid[])
        ORDER BY occurred_at DESC, name DESC LIMIT 1
        """,
        journey_ids,
    )
    if row is None:
        return None
    return Recorded(
        method=row["method"], account=masked(row["shown_as"] or ""),
        recorded_on=date.fromisoformat(row["recorded_on"]), told_at=row["occurred_at"],
    )  # fmt: skip


async def list_amounts_owed(tx: Transaction, *, journey_ids: Sequence[UUID]) -> dict[str, int]:
    """What is owed on the invoices of these journeys in all, by currency, in minor units."""
    rows = await tx.fetch(
        """
        SELECT currency, sum(owed)::bigint AS owed FROM (
            SELECT currency, sum(amount) AS owed FROM entries
            WHERE journey_id = ANY ($1::uuid[]) AND invoice_number IS NOT NULL GROUP BY currency, invoice_number
        ) AS invoices_owed
        WHERE owed > 0 GROUP BY currency
        """,
        journey_ids,
    )
    return {row["currency"]: row["owed"] for row in rows}


def _method(row: asyncpg.Record) -> PaymentMethod:
    values = dict(row)
    names = ("kind", "account", "iban", "bic", "holder", "signed_on", "token")
    details = {name: values.pop(name) for name in names}
    details["kind"] = Kind(details["kind"])
    return PaymentMethod(details=Details(**details), **values | {"state": State(values["state"])})
