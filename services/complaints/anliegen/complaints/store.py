"""SQL. Whoever changes a contact holds the lock of its journey's stream."""

from uuid import UUID

from anliegen.kit import Transaction

from .domain import Contact, ContactNotFound


async def upsert_channel(tx: Transaction, *, contact_id: UUID, journey_id: UUID, channel: str) -> None:
    """Fill the part that says how the contact came, whatever else is known already."""
    await tx.execute(
        """
        INSERT INTO contacts (contact_id, journey_id, channel) VALUES ($1, $2, $3)
        ON CONFLICT (contact_id) DO UPDATE SET channel = excluded.channel, version = contacts.version + 1
        WHERE contacts.channel IS DISTINCT FROM excluded.channel
        """,
        contact_id, journey_id, channel,
    )  # fmt: skip


async def upsert_language(tx: Transaction, *, contact_id: UUID, journey_id: UUID, language: str) -> None:
    """Fill the part that says which language the contact is in, whatever else is known already."""
    await tx.execute(
        """
        INSERT INTO contacts (contact_id, journey_id, language) VALUES ($1, $2, $3)
        ON CONFLICT (contact_id) DO UPDATE SET language = excluded.language, version = contacts.version + 1
        WHERE contacts.language IS DISTINCT FROM excluded.language
        """,
        contact_id, journey_id, language,
    )  # fmt: skip


async def find_contact(tx: Transaction, *, contact_id: UUID) -> Contact | None:
    """The contact, if there is one."""
    row = await tx.fetchrow(
        """
        SELECT contact_id, journey_id, channel, language, starred_at, version FROM contacts WHERE contact_id = $1
        """,
        contact_id,
    )
    return Contact(**row) if row else None


async def get_contact(tx: Transaction, *, contact_id: UUID) -> Contact:
    """The contact. Raises ContactNotFound."""
    contact = await find_contact(tx, contact_id=contact_id)
    if contact is None:
        raise ContactNotFound
    return contact


async def update_contact(tx: Transaction, contact: Contact) -> None:
    """Store what a command changed."""
    await tx.execute(
        "UPDATE contacts SET starred_at = $2, version = $3 WHERE contact_id = $1",
        contact.contact_id, contact.starred_at, contact.version,
    )  # fmt: skip
