"""Find what a contact continues."""

from dataclasses import replace

from anliegen.events import Handle, Thread
from anliegen.kit import Transaction

from ..domain.contacts import Earlier, Message
from ..domain.references import references_in
from ..store import contacts, outgoing

LONGEST_SEARCH = 5_000
"""Characters of a text that are searched for a reference: people write it at the beginning or in the subject."""


async def find_thread(tx: Transaction, message: Message, *, sender: Handle | None) -> Thread | None:
    """The earlier contact and case that this message continues, or None.

    In this order: a reply token we signed → the ids it answers (our own messages, else earlier ones of the same
    sender) → a reference in subject or text, from the same sender.
    """
    if message.reply_id is not None:
        earlier = await outgoing.find_earlier_by_reply(tx, reply_id=message.reply_id)
        if earlier is not None:
            return await _as_thread(tx, earlier, found_by="reply_token")
    if message.references:
        found_by = "references" if message.channel.value == "email" else "provider_context"
        earlier = await outgoing.find_earlier_by_our_messages(tx, message_ids=message.references)
        if earlier is not None:
            return await _as_thread(tx, earlier, found_by=found_by)
        for candidate in await contacts.find_earlier_by_message(tx, message_ids=message.references):
            # Message-IDs of others can be known to strangers; their contacts are not theirs to continue.
            if sender is not None and candidate.sender == sender:
                return await _as_thread(tx, candidate, found_by=found_by)
    if sender is not None:
        mentioned = references_in(f"{message.subject_line or ''}\n{message.text[:LONGEST_SEARCH]}")
        for candidate in await contacts.find_earlier_by_reference(tx, references=mentioned, sender=sender):
            if candidate.contact_id != message.contact_id:
                return await _as_thread(tx, candidate, found_by="reference_in_text")
    return None


async def _as_thread(tx: Transaction, earlier: Earlier, *, found_by: str) -> Thread:
    if earlier.case_id is None:
        cases = await contacts.list_cases(tx, contact_id=earlier.contact_id)
        earlier = replace(earlier, cases=tuple(cases))
    return earlier.as_thread(found_by=found_by)
