"""Contacts, and which complaint they belong to."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from anliegen.kit import Transaction

from ..domain import Contact


async def upsert_contacts(tx: Transaction, *, contacts: Sequence[Contact]) -> None:
    """Add what one topic tells of these contacts to what is known of them; what it does not tell stays."""
    # In one order, so that two transactions with the same contacts wait for each other and do not deadlock.
    ordered = sorted({one.contact_id: one for one in contacts}.values(), key=lambda one: one.contact_id)
    await tx.execute(
        """
        INSERT INTO contacts (contact_id, journey_id, language, channel, acknowledged_at)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[])
        ON CONFLICT (contact_id) DO UPDATE SET
            language = coalesce(excluded.language, contacts.language),
            channel = coalesce(excluded.channel, contacts.channel),
            acknowledged_at = least(excluded.acknowledged_at, contacts.acknowledged_at)
        """,
        [one.contact_id for one in ordered], [one.journey_id for one in ordered], [one.language for one in ordered],
        [one.channel for one in ordered], [one.acknowledged_at for one in ordered],
    )  # fmt: skip


async def find_contact(tx: Transaction, *, contact_id: UUID) -> Contact | None:
    """The contact, where anything is known of it."""
    row = await tx.fetchrow(
        "SELECT contact_id, journey_id, language, channel, acknowledged_at FROM contacts WHERE contact_id = $1",
        contact_id,
    )
    return Contact(**row) if row else None


async def insert_complaint_contact(tx: Transaction, *, case_id: UUID, contact_id: UUID, came_at: datetime) -> bool:
    """Let a contact belong to a complaint; tells whether that is new."""
    return bool(
        await tx.execute(
            "INSERT INTO complaint_contacts (case_id, contact_id, came_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            case_id, contact_id, came_at,
        )
    )  # fmt: skip


async def list_contact_ids(tx: Transaction, *, case_id: UUID) -> list[UUID]:
    """The contacts of a complaint, the oldest first."""
    rows = await tx.fetch(
        "SELECT contact_id FROM complaint_contacts WHERE case_id = $1 ORDER BY came_at, contact_id", case_id
    )
    return [row["contact_id"] for row in rows]


async def list_unacknowledged(tx: Transaction, *, contact_ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """The contacts among these that opened complaints whose receipt was not confirmed yet, with these complaints."""
    rows = await tx.fetch(
        """
        SELECT contact_id, case_id FROM complaints
        WHERE contact_id = ANY ($1::uuid[]) AND acknowledged_at IS NULL ORDER BY case_id
        """,
        list(contact_ids),
    )
    return [(row["contact_id"], row["case_id"]) for row in rows]


async def find_private_contact_id(
    tx: Transaction, *, case_id: UUID, journey_ids: Sequence[UUID], public: Sequence[str]
) -> UUID | None:
    """The newest contact of the person on this complaint that others do not read; none where all are public."""
    contact_id: UUID | None = await tx.fetchval(
        """
        SELECT contact_id FROM complaint_contacts JOIN contacts USING (contact_id)
        WHERE case_id = $1 AND journey_id = ANY ($2::uuid[]) AND coalesce(channel, '') <> ALL ($3::text[])
        ORDER BY came_at DESC, contact_id LIMIT 1
        """,
        case_id, journey_ids, public,
    )  # fmt: skip
    return contact_id


async def find_public_contact_id(tx: Transaction, *, case_id: UUID, public: Sequence[str]) -> UUID | None:
    """The newest public contact of this complaint, if there is one."""
    contact_id: UUID | None = await tx.fetchval(
        """
        SELECT contact_id FROM complaint_contacts JOIN contacts USING (contact_id)
        WHERE case_id = $1 AND channel = ANY ($2::text[]) ORDER BY came_at DESC, contact_id LIMIT 1
        """,
        case_id, public,
    )  # fmt: skip
    return contact_id
