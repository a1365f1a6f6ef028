"""Door 1: the journey hears everything, types that are new to it among them."""

from anliegen.events import topics
from anliegen.kit import AnyDelivery, Handlers, Transaction

from . import actions

# All of it can be computed again, so nothing is announced; and an event that cannot be kept must not be set aside.
handlers = Handlers("journey", projection=True, policy="stay")


@handlers.on_every(topics=[spec.name for spec in topics.manifest("production")])
async def keep_events(deliveries: list[AnyDelivery], tx: Transaction) -> None:
    """Keep every event, many at once."""
    await actions.keep_events(tx, deliveries)
