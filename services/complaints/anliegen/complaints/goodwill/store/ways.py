"""SQL of the contacts by which a customer can be told of goodwill, whoever else may read along or claim to be them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from anliegen.kit import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A contact as a way to the customer. `safe`: nobody else reads what goes there, and nobody who only claims a
    customer's number. `answerable`: words can go back the way it came."""

    contact_id: UUID
    journey_id: UUID
    received_at: datetime
    answerable: bool
    safe: bool


async def insert_ways(tx: Transaction, *, ways: Sequence[Way]) -> None:
    """Remember these; the same contact again changes nothing."""
    await tx.execute(
        """
        INSERT INTO goodwill_ways (contact_id, journey_id, received_at, answerable, safe)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::boolean[], $5::boolean[])
        ON CONFLICT DO NOTHING
        """,
        [one.contact_id for one in ways], [one.journey_id for one in ways], [one.received_at for one in ways],
        [one.answerable for one in ways], [one.safe for one in ways],
    )  # fmt: skip


async def find_way(tx: Transaction, *, journey_ids: Sequence[UUID], named: UUID | None) -> UUID | None:
    """The contact by which this person is told: the one that was named where it is theirs and safe, else the newest
    safe one, rather one that can be answered as it came; none where there is none.

    One that was not heard of is nobody's yet: the words wait for it.
    """
    contact_id: UUID | None = await tx.fetchval(
        """
        SELECT contact_id FROM goodwill_ways WHERE journey_id = ANY ($1::uuid[]) AND safe
        ORDER BY contact_id IS NOT DISTINCT FROM $2::uuid DESC, answerable DESC, received_at DESC, contact_id LIMIT 1
        """,
        journey_ids, named,
    )  # fmt: skip
    return contact_id
