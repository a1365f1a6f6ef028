"""Many contacts at once: those that stand alone are decided together, with one statement for each kind of row."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from anliegen.events import ContactReceived, Envelope
from anliegen.kit import Delivery, Transaction

from . import actions, handovers, store
from .domain import Contact, Decided, DecidedBy, Status, decide_reading, is_served, is_sure
from .guard import EarlierFailure, guarded


async def read_contacts(tx: Transaction, deliveries: Sequence[Delivery[ContactReceived]]) -> None:
    """Read these contacts and act on each: decide it, continue its case, or ask a person to look."""
    read = [(delivery, actions.understand(tx, delivery.event)) for delivery in deliveries]
    # A journey of which any contact follows another is taken contact by contact, so that its order holds.
    linked = {
        contact.journey_id
        for delivery, contact in read
        if delivery.event.thread is not None or contact.status is Status.AUTOMATIC
    }
    alone = [(contact, delivery.envelope) for delivery, contact in read if contact.journey_id not in linked]
    if alone:
        await _decide_alone(tx, alone)
    for delivery, contact in read:
        if contact.journey_id in linked:
            tx.handling(delivery.envelope)
            await actions.take_contact(tx, contact, delivery.event.thread)
    await handovers.follow_handovers(tx, contact_ids=[contact.contact_id for _, contact in read])


async def _decide_alone(tx: Transaction, read: Sequence[tuple[Contact, Envelope]]) -> None:
    routing = actions.packs_of(tx).routing
    contacts = {
        contact.contact_id: (
            replace(contact, status=Status.DECIDED, decided_by=DecidedBy.MODEL, decided_at=tx.now)
            if is_sure(contact.reading, routing) and is_served(contact.reading, routing)
            else replace(contact, status=Status.IN_REVIEW)
        )
        for contact, _ in read
    }
    causes = {contact.contact_id: envelope for contact, envelope in read}
    new = await store.insert_contacts(tx, list(contacts.values()))
    found = [contact for contact_id, contact in contacts.items() if contact_id in new]
    decided = await _guarded(tx, [contact for contact in found if contact.status is Status.DECIDED])
    await store.insert_concerns(tx, decided)
    reviews = [
        actions.review_of(contact, _suggest(tx, contact), at=tx.now)
        for contact in found
        if contact.status is Status.IN_REVIEW
    ]
    await store.insert_reviews(tx, reviews)
    asked = {review.contact_id: review for review in reviews}
    followers = await store.list_waiting(tx, earlier_contact_ids=list(decided))
    for contact in found:
        tx.handling(causes[contact.contact_id])
        if contact.contact_id in asked:
            actions.announce_review(tx, asked[contact.contact_id])
        else:
            actions.announce(tx, contact, decided[contact.contact_id])
            await actions.settle_followers(tx, contact, followers.get(contact.contact_id, ()))


def _suggest(tx: Transaction, contact: Contact) -> list[Decided]:
    return decide_reading(contact.contact_id, contact.reading.concerns, actions.packs_of(tx))


async def _guarded(tx: Transaction, contacts: Sequence[Contact]) -> dict[UUID, list[Decided]]:
    """By contact, its concerns at the tiers that the failures before it ask for."""
    if not contacts:
        return {}
    guard = actions.packs_of(tx).routing.guard
    persons = await tx.persons({contact.journey_id for contact in contacts})
    failures: dict[UUID, list[EarlierFailure]] = {}
    for failure in await store.list_failures(
        tx,
        journey_ids=sorted({member for members in persons.values() for member in members}),
        since=min(contact.received_at for contact in contacts) - timedelta(days=guard.window_days),
        until=max(contact.received_at for contact in contacts),
    ):
        failures.setdefault(failure.journey_id, []).append(failure)
    return {
        contact.contact_id: [
            guarded(
                one,
                [each for member in persons[contact.journey_id] for each in failures.get(member, ())],
                received_at=contact.received_at,
                guard=guard,
            )
            for one in _suggest(tx, contact)
        ]
        for contact in contacts
    }
