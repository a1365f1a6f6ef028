"""Hand deliveries to their handlers, in the order of each key, within one open transaction."""

from collections.abc import Sequence

import structlog

from anliegen.events import JourneyEvent, JourneysMerged, JourneysSplit

from .. import links
from ..handlers import AnyDelivery, Handler, Handlers
from ..telemetry import traces
from ..transaction import Transaction

log = structlog.get_logger(__name__)


async def lock_for(tx: Transaction, handlers: Handlers, deliveries: Sequence[AnyDelivery]) -> None:
    """Lock the streams of all these events in one go; with the roots of their persons where a rule counts over them."""
    if handlers.projection:
        return
    keys = {key for delivery in deliveries for key in delivery.lock_keys}
    over_person = {
        delivery.event.journey_id
        for delivery in deliveries
        if isinstance(delivery.event, JourneyEvent)
        and any(handler.over_person for handler in handlers.for_(delivery.envelope.type, delivery.topic))
    }
    # Whoever makes or removes a link changes who is one person, so it locks their roots like a rule over the person.
    for delivery in deliveries:
        if isinstance(delivery.event, JourneysMerged | JourneysSplit):
            over_person |= {delivery.event.journey_a, delivery.event.journey_b}
    if over_person:
        await tx.lock_person(*over_person, also=sorted(keys))
    else:
        await tx.lock(*keys)


async def handle(tx: Transaction, handlers: Handlers, deliveries: Sequence[AnyDelivery]) -> None:
    """Run the handlers of each delivery. Deliveries of a key keep their order, lists or not."""
    tx.may_publish = not handlers.projection
    waiting: dict[Handler, list[AnyDelivery]] = {}
    for delivery in deliveries:
        entries = handlers.for_(delivery.envelope.type, delivery.topic)
        # A list that holds this key is handled first, where this delivery goes elsewhere: order within a key holds.
        for handler in [
            h for h in waiting if entries != [h] and any(d.envelope.key == delivery.envelope.key for d in waiting[h])
        ]:
            await _handle_many(tx, handler, waiting.pop(handler))
        if isinstance(delivery.event, JourneysMerged | JourneysSplit):
            await links.follow(tx.connection, delivery.event)
        for handler in entries:
            if handler.many:
                waiting.setdefault(handler, []).append(delivery)
            else:
                await _handle_one(tx, handler, delivery)
    for handler, list_ in waiting.items():
        await _handle_many(tx, handler, list_)
    tx.handling(None)


async def _handle_one(tx: Transaction, handler: Handler, delivery: AnyDelivery) -> None:
    tx.handling(delivery.envelope)
    with traces.consumer_span([delivery], group=tx.context.service.name, handler=handler.name):
        await handler.call(delivery.event, tx)
        log.debug("event_handled", handler=handler.name, type=delivery.envelope.type)


async def _handle_many(tx: Transaction, handler: Handler, deliveries: list[AnyDelivery]) -> None:
    tx.handling(None, many=True)
    with traces.consumer_span(deliveries, group=tx.context.service.name, handler=handler.name):
        await handler.call(deliveries, tx)
        log.debug("events_handled", handler=handler.name, count=len(deliveries))
