"""Learn from a partner's record of a customer whose an address is, so that a mail from it is the customer's."""

from uuid import UUID

import structlog

from anliegen.events import (
    Assurance,
    CustomerLearnt,
    CustomerRecordChanged,
    Handle,
    HandleKind,
    JourneysMerged,
    JourneysSplit,
)
from anliegen.kit import Transaction
from anliegen.kit.errors import Unavailable

from ..domain.contacts import LONGEST_NAME, clean_line
from ..domain.identity import link_id_of, ordered
from ..domain.partners import addresses_of
from ..resources import resources_of
from ..store import contacts, customers, links

log = structlog.get_logger(__name__)


async def learn_customer(tx: Transaction, event: CustomerRecordChanged) -> None:
    """Link the journeys of the addresses in a record with the customer's.

    Records may come in any order and again. An address that ever stood in the records of two customers is neither's
    alone: it is linked with none of them, and a link that was made for it is removed. Where a person separated two
    journeys, or says that the address is another customer's, only a person links them.
    """
    settings = resources_of(tx).settings
    number = Handle(kind=HandleKind.CUSTOMER_NUMBER, value=event.customer_number)
    addresses = addresses_of(email=event.email, phone=event.phone, region=settings.default_region)
    # In one order, so that nobody waits for a row of another who waits for one of ours.
    journeys: dict[Handle, UUID] = {}
    for handle in sorted({number, *addresses}, key=lambda handle: (handle.kind, handle.value)):
        journeys[handle], _ = await contacts.upsert_handle(tx, secret=settings.identity_key, handle=handle)
    before = await customers.list_customers(tx, handles=addresses)
    await tx.lock_person(*journeys.values(), *(journey for found in before.values() for journey in found.values()))
    known = await customers.list_customers(tx, handles=addresses)
    if known != before:
        # Another record named the address while we waited, and its journey is not locked: all is done again.
        raise Unavailable
    is_latest = await customers.upsert_record(
        tx, customer_number=number.value, occurred_at=event.occurred_at, source=event.origin.source,
        event_id=event.origin.event_id,
    )  # fmt: skip
    name = clean_line(event.name, longest=LONGEST_NAME) if is_latest else None
    if is_latest:
        await contacts.update_handle_verified(tx, handle=number)
        _tell(tx, event, journeys[number], number, name)
    for address in addresses:
        await customers.insert_address(tx, handle=address, customer_number=number.value)
        others = {other: journey for other, journey in known[address].items() if other != number.value}
        if others:
            for journey in {journeys[number], *others.values()}:
                await _separate(tx, address, journeys[address], journey)
        elif await _link(tx, address, journeys[address], number, journeys[number]):
            _tell(tx, event, journeys[address], address, name)


async def _link(tx: Transaction, address: Handle, journey: UUID, number: Handle, customer: UUID) -> bool:
    """Link an address with its customer; tells whether that was new."""
    members = await tx.members(journey)
    a, b = ordered(journey, customer)
    if customer in members or await links.has_removed_link(tx, a=a, b=b):
        return False
    if await customers.has_another_customer(tx, journeys=members, customer_number=number.value):
        log.warning("customer_record_contradicted", journey_id=str(journey), customer_journey_id=str(customer))
        return False
    link_id = link_id_of(a, b, "customer record", address.kind.value, address.value)
    await links.insert_link(tx, link_id=link_id, a=a, b=b)
    await contacts.update_handle_verified(tx, handle=address)
    tx.publish(JourneysMerged(link_id=link_id, journey_a=a, journey_b=b, made_at=tx.now, evidence="customer_record"))
    return True


async def _separate(tx: Transaction, address: Handle, journey: UUID, customer: UUID) -> None:
    """Remove the link that a record made; what a person linked stays."""
    a, b = ordered(journey, customer)
    link_id = link_id_of(a, b, "customer record", address.kind.value, address.value)
    found = await links.find_link(tx, link_id=link_id)
    if found is None or found["removed_at"] is not None:
        return
    await links.update_removed(tx, link_id=link_id, a=a, b=b)
    tx.publish(
        JourneysSplit(link_id=link_id, journey_a=a, journey_b=b, removed_at=tx.now, reason="address_of_two_customers")
    )


def _tell(tx: Transaction, event: CustomerRecordChanged, journey: UUID, handle: Handle, name: str | None) -> None:
    tx.publish(
        CustomerLearnt(
            journey_id=journey, handle=handle, assurance=Assurance.VERIFIED, name=name, language=event.language
        )
    )
