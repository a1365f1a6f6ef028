"""Identify: a person makes sure who a sender is, and two journeys turn out to be one person's. It can be undone."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from anliegen.events import Assurance, CustomerLearnt, Handle, HandleKind, JourneysMerged, JourneysSplit
from anliegen.kit import Transaction
from anliegen.kit.errors import FieldError, Invalid, NotFound
from anliegen.kit.versions import ExpectedVersion

from ..domain.contacts import Contact
from ..domain.identity import link_id_of, normalise_customer_number, ordered
from ..resources import resources_of
from ..store import contacts as store
from ..store import links

MADE, REMOVED = 1, 2
"""The versions of a link: it is made, and it may be removed; a removed one never comes back."""


class LinkNotFound(NotFound):
    """There is no link with this id."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link between two journeys of one person, the smaller id first."""

    link_id: UUID
    journey_a: UUID
    journey_b: UUID
    made_at: datetime | None
    removed_at: datetime | None

    @property
    def version(self) -> int:
        """Rises when it is removed."""
        return MADE if self.removed_at is None else REMOVED


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
    await tx.lock(known.journey_id, journey_id)
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
    link = None
    if journey_id not in await tx.members(contact.journey_id):
        link = await _merge(tx, contact, journey_id, evidence=evidence)
    return await store.get_contact(tx, contact_id=contact_id), link


async def _merge(tx: Transaction, contact: Contact, journey_id: UUID, *, evidence: str) -> Link:
    a, b = ordered(contact.journey_id, journey_id)
    link_id = link_id_of(a, b, contact.contact_id, contact.version)
    await links.insert_link(tx, link_id=link_id, a=a, b=b)
    tx.publish(JourneysMerged(link_id=link_id, journey_a=a, journey_b=b, made_at=tx.now, evidence=evidence))
    return Link(link_id, a, b, tx.now, None)


async def get_link(tx: Transaction, *, link_id: UUID) -> Link:
    """A link. Raises LinkNotFound."""
    row = await links.find_link(tx, link_id=link_id)
    if row is None:
        raise LinkNotFound
    return Link(link_id, row["a"], row["b"], row["made_at"], row["removed_at"])


async def remove_link(tx: Transaction, *, link_id: UUID, reason: str, version: ExpectedVersion) -> Link:
    """Take a link away: both journeys read as before. Raises LinkNotFound, PreconditionFailed."""
    found = await get_link(tx, link_id=link_id)
    await tx.lock(found.journey_a, found.journey_b)
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
