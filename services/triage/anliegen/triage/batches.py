"""Many contacts at once: those that stand alone are decided together, with one statement for each kind of row."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from anliegen.events import ContactReceived, Envelope
from anliegen.kit import Delivery, Transaction

from . import actions, handovers, store
from .deciding import decide_reading
from .domain import Contact, Decided, DecidedBy, Status
from .guard import EarlierFailure, guarded
from .learning.actions import keep_words
from .modes.actions import count_reading, reach_of
from .packs import Mode
from .questions.actions import answered_by, ask_where_worth
from .reviews import announce_review, review_of


async def read_contacts(tx: Transaction, deliveries: Sequence[Delivery[ContactReceived]]) -> None:
    """Read these contacts and act on each: decide it, continue its case, or ask a person to look."""
    read = [(delivery, actions.understand(tx, delivery.event)) for delivery in deliveries]
    alone = [contact for delivery, contact in read if delivery.event.thread is None]
    answers = await answered_by(tx, [contact for contact in alone if contact.status is Status.WAITING])
    read = [
        (delivery, replace(contact, earlier_contact_id=answers.get(contact.contact_id, contact.earlier_contact_id)))
        for delivery, contact in read
    ]
    # A journey of which any contact follows another is taken contact by contact, so that its order holds.
    linked = {
        contact.journey_id
        for delivery, contact in read
        if delivery.event.thread is not None
        or contact.earlier_contact_id is not None
        or contact.status is Status.AUTOMATIC
    }
    single = [(contact, delivery.envelope) for delivery, contact in read if contact.journey_id not in linked]
    if single:
        await _decide_alone(tx, single)
    for delivery, contact in read:
        if contact.journey_id in linked:
            tx.handling(delivery.envelope)
            await actions.take_contact(tx, contact, delivery.event.thread)
    await keep_words(tx, [delivery.event for delivery, _ in read])
    await handovers.follow_handovers(tx, contact_ids=[contact.contact_id for _, contact in read])


async def _decide_alone(tx: Transaction, read: Sequence[tuple[Contact, Envelope]]) -> None:
    reached = await reach_of(tx, [contact.reading for contact, _ in read])
    modes = {contact.contact_id: mode for (contact, _), mode in zip(read, reached, strict=True)}
    contacts = {
        contact.contact_id: (
            replace(contact, status=Status.DECIDED, decided_by=DecidedBy.MODEL, decided_at=tx.now)
            if modes[contact.contact_id] is Mode.AUTOMATE
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
        review_of(contact, _suggest(tx, contact), mode=modes[contact.contact_id], at=tx.now)
        for contact in found
        if contact.status is Status.IN_REVIEW
    ]
    await store.insert_reviews(tx, reviews)
    asked = {review.contact_id: review for review in reviews}
    followers = await store.list_waiting(tx, earlier_contact_ids=list(decided))
    for contact in found:
        count_reading(tx, contact.reading, modes[contact.contact_id])
        tx.handling(causes[contact.contact_id])
        if contact.contact_id in asked:
            announce_review(tx, asked[contact.contact_id])
            await ask_where_worth(tx, contact, modes[contact.contact_id])
        else:
            actions.announce(tx, contact, decided[contact.contact_id])
            await actions.settle_followers(tx, contact, followers.get(contact.contact_id, ()))


def _suggest(tx: Transaction, contact: Contact) -> list[Decided]:
    return decide_reading(contact, actions.packs_of(tx))


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
