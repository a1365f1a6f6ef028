"""Learn from a partner's record of a customer whose an address is, so that a mail from it is the customer's."""

from collections.abc import Mapping
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
from anliegen.kit.telemetry import metrics

from ..domain.contacts import LONGEST_NAME, clean_line
from ..domain.identity import link_id_of, ordered
from ..domain.partners import addresses_of
from ..resources import resources_of
from ..store import customers, links

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
    journeys = await customers.upsert_handles(tx, secret=settings.identity_key, handles=addresses) if addresses else {}
    before = await customers.list_customers(tx, handles=addresses)
    others = {journey for found in before.values() for journey in found.values()}
    await tx.lock_person(event.journey_id, *journeys.values(), *others)
    known = await customers.list_customers(tx, handles=addresses)
    if known != before:
        # Another record named the address while we waited, and its journey is not locked: all is done again.
        raise Unavailable
    is_latest = await customers.upsert_record(
        tx, customer_number=number.value, occurred_at=event.occurred_at, source=event.origin.source,
        event_id=event.origin.event_id,
        email=next((address.value for address in addresses if address.kind is HandleKind.EMAIL), None),
    )  # fmt: skip
    name = clean_line(event.name, longest=LONGEST_NAME) if is_latest else None
    if is_latest:
        _tell(tx, event, event.journey_id, number, name)
    shared = {address: found for address, found in known.items() if found.keys() - {number.value}}
    for address, found in shared.items():
        for journey in {event.journey_id, *found.values()}:
            await _separate(tx, address, journeys[address], journey)
    alone = {address: journeys[address] for address in addresses if address not in shared}
    linked = await _link(tx, event, number, alone) if alone else []
    for address in linked:
        _tell(tx, event, journeys[address], address, name)
    await customers.insert_addresses(tx, handles=addresses, customer_number=number.value)
    await customers.update_verified(tx, handles=[*linked, *([number] if is_latest else [])])


async def _link(
    tx: Transaction, event: CustomerRecordChanged, number: Handle, addresses: Mapping[Handle, UUID]
) -> list[Handle]:
    """Link addresses with their customer; tells those for which that is new."""
    customer = event.journey_id
    persons = await links.list_persons(tx, journeys=addresses.values())
    members = {journey for found in persons.values() for journey in found}
    contradicting = await customers.list_other_customers(tx, journeys=members, customer_number=number.value)
    separated = await links.list_removed_pairs(tx, pairs=[ordered(customer, one) for one in addresses.values()])
    linked = []
    for address, journey in addresses.items():
        a, b = ordered(journey, customer)
        if customer in persons[journey] or (a, b) in separated:
            continue
        if contradicting.intersection(persons[journey]):
            log.warning("customer_record_contradicted", journey_id=str(journey), customer_journey_id=str(customer))
            tx.after_commit(metrics.customer_records_contradicted.labels(tx.context.service.name).inc)
            continue
        link_id = link_id_of(a, b, "customer record", address.kind.value, address.value)
        await links.insert_link(tx, link_id=link_id, a=a, b=b)
        tx.publish(
            JourneysMerged(link_id=link_id, journey_a=a, journey_b=b, made_at=tx.now, evidence="customer_record")
        )
        linked.append(address)
    return linked


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
