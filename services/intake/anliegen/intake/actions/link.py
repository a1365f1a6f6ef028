"""Link two journeys that turned out to be one person's."""

from uuid import UUID

from anliegen.events import JourneysMerged
from anliegen.kit import Transaction

from ..domain.contacts import Contact
from ..domain.identity import Link, link_id_of, ordered
from ..store import links


async def link_journeys(tx: Transaction, contact: Contact, journey_id: UUID, *, evidence: str) -> Link | None:
    """Link the contact's journey with this one, unless they are one person's already. Both are locked."""
    if journey_id in await tx.members(contact.journey_id):
        return None
    a, b = ordered(contact.journey_id, journey_id)
    link_id = link_id_of(a, b, contact.contact_id, contact.version)
    await links.insert_link(tx, link_id=link_id, a=a, b=b)
    tx.publish(JourneysMerged(link_id=link_id, journey_a=a, journey_b=b, made_at=tx.now, evidence=evidence))
    return Link(link_id, a, b, tx.now, None)
