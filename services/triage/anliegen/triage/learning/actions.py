"""What is done with words: they are kept masked where the person agreed, and forgotten in time or on demand."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from anliegen.events import ContactReceived
from anliegen.kit import Transaction

from . import store
from .masking import masked

FORGET = "forget_words"
"""The kind of the timer that forgets the words of a contact."""


async def keep_words(tx: Transaction, contacts: Sequence[ContactReceived]) -> None:
    """Keep the words of those contacts whose senders agreed; of a machine's there is nothing to learn."""
    agreed = [one for one in contacts if one.may_learn and not one.automatic]
    if not agreed:
        return
    kept_for: timedelta = tx.context.resources["keep_words"]
    await store.insert_words(tx, [_words(one) for one in agreed])
    for one in agreed:
        await tx.set_timer(FORGET, key=one.journey_id, subject=one.contact_id, due_at=one.received_at + kept_for)


def _words(contact: ContactReceived) -> store.Words:
    names = [contact.display_name]
    subject = masked(contact.subject_line, names=names) if contact.subject_line else None
    return store.Words(contact.contact_id, contact.journey_id, subject, masked(contact.text, names=names))


async def forget_words(tx: Transaction, *, contact_id: UUID) -> None:
    """Forget the words of a contact; the labels stay, since they say nothing of anybody."""
    await store.delete_words(tx, contact_id=contact_id)
    await tx.cancel_timer(FORGET, subject=contact_id)
