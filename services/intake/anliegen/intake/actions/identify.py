"""Identify: a person makes sure who a sender is, and two journeys turn out to be one person's. It can be undone."""

from uuid import UUID

from anliegen.events import Assurance, CustomerLearnt, Handle, HandleKind, JourneysSplit
from anliegen.kit import Transaction
from anliegen.kit.errors import FieldError, Invalid, NotFound
from anliegen.kit.versions import ExpectedVersion

from ..domain.contacts import Contact
from ..domain.identity import Link, normalise_customer_number
from ..resources import resources_of
from ..store import contacts as store
from ..store import links
from .link import link_journeys


class LinkNotFound(NotFound):
    """There is no link with this id."""


async def identify_contact(
    tx: Transaction, *, contact_id: UUID, customer_number: str, evidence: str, version: ExpectedVersion
) -> tuple[Contact, Link | None]:
    """Note that the sender of a contact is this customer, and link the two journeys unless they are linked already."""
    number = normalise_customer_number(customer_number)
    if number is None:
        raise Invalid(errors=[FieldError("/customer_number", "not_a_customer_number", "Letters and digits only.")])
    handle = Handle(kind=HandleKind.CUSTOMER_NUMBER, value=number)
    known = await store.get_contact(tx, contact_id=contact_id)
    journey_id, _ = await store.upsert_handle(tx, secret=resources_of(tx).settings.identity_key, handle=handle)
    await tx.lock_person(known.journey_id, journey_id)
    contact = await store.get_contact(tx, contact_id=contact_id)
    version.check(contact.version)
    await store.update_identification(tx, contact_id=contact_id, customer_number=number)
    await store.update_handle_verified(tx, handle=handle)
    if contact.sender is not None:
        await store.update_handle_verified(tx, handle=contact.sender)
    tx.publish(
        CustomerLearnt(
            journey_id=journey_id,
            handle=contact.sender or handle,
            assurance=Assurance.VERIFIED,
            name=contact.display_name,
            language=contact.language,
        )
    )
    link = await link_journeys(tx, contact, journey_id, evidence=evidence)
    return await store.get_contact(tx, contact_id=contact_id), link


async def get_link(tx: Transaction, *, link_id: UUID) -> Link:
    """A link. Raises LinkNotFound."""
    row = await links.find_link(tx, link_id=link_id)
    if row is None:
        raise LinkNotFound
    return Link(link_id, row["a"], row["b"], row["made_at"], row["removed_at"])


async def remove_link(tx: Transaction, *, link_id: UUID, reason: str, version: ExpectedVersion) -> Link:
    """Take a link away: both journeys read as before. Raises LinkNotFound, PreconditionFailed."""
    found = await get_link(tx, link_id=link_id)
    await tx.lock_person(found.journey_a, found.journey_b)
    link = await get_link(tx, link_id=link_id)
    version.check(link.version)
    if link.removed_at is not None:
        return link
    await links.update_removed(tx, link_id=link_id, a=link.journey_a, b=link.journey_b)
    tx.publish(
        JourneysSplit(
            link_id=link_id, journey_a=link.journey_a, journey_b=link.journey_b, removed_at=tx.now, reason=reason
        )
    )
    return await get_link(tx, link_id=link_id)
