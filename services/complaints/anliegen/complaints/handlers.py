"""Door 1: what the service hears, and what each brings about."""

from anliegen.events import ContactReceived, ContactTriaged
from anliegen.kit import Handlers, Timers, Transaction

from . import actions
from .goodwill.handlers import enter_handlers

handlers = Handlers("complaints")
timers = Timers()
enter_handlers(handlers, timers)


@handlers.on(ContactReceived)
async def note_channel(event: ContactReceived, tx: Transaction) -> None:
    """The channel is remembered."""
    await actions.note_channel(
        tx, contact_id=event.contact_id, journey_id=event.journey_id, channel=event.channel.value
    )


@handlers.on(ContactTriaged)
async def note_language(event: ContactTriaged, tx: Transaction) -> None:
    """The language is remembered."""
    await actions.note_language(tx, contact_id=event.contact_id, journey_id=event.journey_id, language=event.language)
