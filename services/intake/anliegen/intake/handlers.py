"""Door 1: what intake hears, and what it does about it."""

from anliegen.events import CaseEvent, ReplyRequested, RoutingQuestionAsked
from anliegen.kit import Delivery, Handlers, Timers, Transaction
from anliegen.kit.consumer.records import Record

from .actions import follow, hear_partner, speak

handlers = Handlers("intake")
timers = Timers()


@handlers.on(ReplyRequested)
async def queue_reply(event: ReplyRequested, tx: Transaction) -> None:
    """A task, whichever it is, asks for words to reach a customer."""
    await speak.queue_reply(tx, event)


@handlers.on(RoutingQuestionAsked)
async def queue_question(event: RoutingQuestionAsked, tx: Transaction) -> None:
    """Triage asks a customer which task a contact is about."""
    await speak.queue_question(tx, event)


@handlers.on_many(CaseEvent)
async def follow_cases(deliveries: list[Delivery[CaseEvent]], tx: Transaction) -> None:
    """Cases of any task moved on: the status page shows it, and replies find them."""
    await follow.follow_cases(tx, deliveries)


@handlers.on_partner_records(lambda settings: settings.partners)
async def hear_partners(records: list[Record], tx: Transaction) -> list[tuple[Record, Exception]]:
    """What partner systems write to their topics is taken like what they bring to their door."""
    return await hear_partner.hear_records(tx, records)
