"""What the service does: load, decide, save, announce."""

from uuid import UUID

from anliegen.kit import Transaction
from anliegen.kit.versions import ExpectedVersion

from . import store
from .domain import Contact


async def note_channel(tx: Transaction, *, contact_id: UUID, journey_id: UUID, channel: str) -> None:
    """Remember how the contact came."""
    await store.upsert_channel(tx, contact_id=contact_id, journey_id=journey_id, channel=channel)


async def note_language(tx: Transaction, *, contact_id: UUID, journey_id: UUID, language: str) -> None:
    """Remember which language the contact is in."""
    await store.upsert_language(tx, contact_id=contact_id, journey_id=journey_id, language=language)


async def star_contact(tx: Transaction, *, contact_id: UUID, expected: ExpectedVersion) -> Contact:
    """Give it a star. Raises ContactNotFound, PreconditionFailed, AlreadyStarred."""
    # The journey of a contact never changes, so it may be read before the lock; all else is read after it.
    await tx.lock((await store.get_contact(tx, contact_id=contact_id)).journey_id)
    contact = await store.get_contact(tx, contact_id=contact_id)
    expected.check(contact.version)
    starred = contact.starred(at=tx.now)
    await store.update_contact(tx, starred)
    return starred
