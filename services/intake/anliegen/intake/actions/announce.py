"""Announce what partners told: each event in its order, with what it brings about here."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from anliegen.events import CustomerRecordChanged, Envelope, Handle, HandleKind, PartnerCustomerEvent
from anliegen.events.partners import partner_classes
from anliegen.kit import Transaction

from ..domain.partners import Kept, event_of
from ..resources import resources_of
from ..store import customers
from ..store import partner_events as store
from .learn_customer import learn_customer

EFFECTS: dict[type[Any], Callable[[Transaction, Any], Awaitable[None]]] = {CustomerRecordChanged: learn_customer}
"""What an event brings about in intake itself, beside being announced. An effect locks all streams that it needs in one
call before it reads what it decides on, the event's own among them."""


class TypeGone(Exception):
    """This version of intake does not know the type of an event that an earlier one took: it waits."""


async def announce(tx: Transaction, kept: Kept) -> None:
    """Announce one event, which is locked. Raises TypeGone."""
    told = kept.told
    cls = partner_classes().get(told.type)
    if cls is None:
        raise TypeGone(told.type)
    fields: dict[str, Any] = {}
    if issubclass(cls, PartnerCustomerEvent):
        number = Handle(kind=HandleKind.CUSTOMER_NUMBER, value=told.data["customer_number"])
        secret = resources_of(tx).settings.identity_key
        fields["journey_id"] = (await customers.upsert_handles(tx, secret=secret, handles=[number]))[number]
    event = event_of(cls, kept, **fields)
    # What follows from it has ids that follow from the partner's, as from an event of our own.
    cause = Envelope(
        id=kept.known_as, source=told.source, type=told.type, time=kept.received_at, key=event.key,
        correlationid=str(kept.known_as),
    )  # fmt: skip
    tx.handling(cause)
    if effect := EFFECTS.get(cls):
        await effect(tx, event)
    else:
        await tx.lock(event.key)
    tx.publish(event)
    await store.update_announced(tx, source=told.source, event_id=told.event_id)


async def find_next(tx: Transaction) -> Kept | None:
    """The next event to announce, locked."""
    return await store.lock_next(tx)


async def postpone(tx: Transaction, kept: Kept, *, code: str, wait: timedelta) -> None:
    """Try this event again later; those behind it wait with it."""
    await store.update_retry(tx, source=kept.told.source, event_id=kept.told.event_id, code=code, due=tx.wall + wait)


async def forget_old(tx: Transaction, *, limit: int) -> int:
    """Forget events that no partner sends again; tells how many."""
    days = resources_of(tx).settings.remember_partner_events_days
    return await store.delete_old(tx, older_than=timedelta(days=days), limit=limit)
