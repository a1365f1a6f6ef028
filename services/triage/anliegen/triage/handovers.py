"""Cases that their task hands over: another task goes on with them, and the customer is not asked again.

A handover may be heard of before its contact: whichever comes second, under the lock of their person, acts on it.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from anliegen.kit import Transaction

from . import store
from .actions import announce, guard_concerns, packs_of
from .deciding import hand_over
from .domain import Contact, DecidedBy, Handover
from .modes.actions import note_judgement
from .packs import Mode
from .reviews import announce_review, review_of


async def note_handover(tx: Transaction, handover: Handover) -> None:
    """Keep it, once, and act on it where its contact was read."""
    if not await store.insert_handover(tx, handover):
        return
    contact = await store.find_contact(tx, contact_id=handover.contact_id)
    if contact is not None:
        await _judge(tx, contact, handover)
        await _give_to_task(tx, contact, handover)


async def _judge(tx: Transaction, contact: Contact, handover: Handover) -> None:
    """A task that hands over what triage gave it by itself says that it was not its own."""
    read = {one.task: (one.confidence, False) for one in contact.reading.concerns if one.task is handover.task}
    if contact.decided_by is DecidedBy.MODEL and not contact.reading.stated:
        await note_judgement(tx, contact_id=contact.contact_id, pack=contact.pack, judged=read, source="handover")


async def follow_handovers(tx: Transaction, *, contact_ids: Sequence[UUID]) -> None:
    """Act on what was handed over of these contacts before they were read."""
    for handover in await store.list_handovers(tx, contact_ids=contact_ids):
        contact = await store.get_contact(tx, contact_id=handover.contact_id)
        await _judge(tx, contact, handover)
        await _give_to_task(tx, contact, handover)


async def _give_to_task(tx: Transaction, contact: Contact, handover: Handover) -> None:
    """A matter of the other task; where no service settles that, a person looks."""
    ordinal = len(await store.list_concerns(tx, contact_id=contact.contact_id))
    [concern] = await guard_concerns(tx, contact, [hand_over(contact, handover, ordinal=ordinal, packs=packs_of(tx))])
    if handover.to_task in packs_of(tx).routing.served_tasks:
        await store.insert_concerns(tx, {contact.contact_id: [concern]})
        announce(tx, replace(contact, decided_by=DecidedBy.PERSON, decided_at=tx.now), [concern])
    else:
        review = review_of(contact, [concern], mode=Mode.SUGGEST, at=tx.now)
        await store.upsert_review(tx, review)
        announce_review(tx, review)
