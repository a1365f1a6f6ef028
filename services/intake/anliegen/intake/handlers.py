"""Door 1: what intake hears, and what it does about it."""

from anliegen.events import CaseEvent, ReplyRequested
from anliegen.kit import Delivery, Handlers, Timers, Transaction

from .actions import follow, speak

handlers = Handlers("intake")
timers = Timers()


@handlers.on(ReplyRequested)
async def queue_reply(event: ReplyRequested, tx: Transaction) -> None:
    """A task, whichever it is, asks for words to reach a customer."""
    await speak.queue_reply(tx, event)


@handlers.on_many(CaseEvent)
async def follow_cases(deliveries: list[Delivery[CaseEvent]], tx: Transaction) -> None:
    """Cases of any task moved on: the status page shows it, and replies find them."""
    await follow.follow_cases(tx, deliveries)
