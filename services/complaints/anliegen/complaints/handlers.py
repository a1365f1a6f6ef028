"""Door 1: what complaints hears, and what each brings about. What goodwill hears stands beside it."""

from uuid import UUID

from pydantic import TypeAdapter

from anliegen.events import ContactReceived, ContactTriaged, ReplyFailed, ReplySent, Task
from anliegen.kit import Delivery, Handlers, Timer, Timers, Transaction
from anliegen.kit.cases import CARRY_OVER

from . import actions
from .clocks.actions import TIMER as CLOCK
from .clocks.packs import PACKS
from .domain import Contact, Matter
from .goodwill.handlers import enter_handlers
from .states import Wait

CARRIED = TypeAdapter(Matter)
ACKNOWLEDGEMENT = "acknowledgement"
"""The template by which intake confirms the receipt of a contact."""
handlers = Handlers("complaints")
timers = Timers()
enter_handlers(handlers, timers)


@handlers.on_many(ContactReceived)
async def note_channels(deliveries: list[Delivery[ContactReceived]], tx: Transaction) -> None:
    """Remember on which channel a contact came: what everybody reads is answered otherwise."""
    contacts = [
        Contact(contact_id=d.event.contact_id, journey_id=d.event.journey_id, channel=d.event.channel)
        for d in deliveries
    ]
    await actions.hear_contacts(tx, contacts=contacts)


@handlers.on_many(ContactTriaged)
async def take_up_concerns(deliveries: list[Delivery[ContactTriaged]], tx: Transaction) -> None:
    """Each concern opens a complaint or follows one up. Every contact is remembered: agents note from any."""
    contacts = [
        Contact(contact_id=d.event.contact_id, journey_id=d.event.journey_id, language=d.event.language)
        for d in deliveries
    ]
    await actions.hear_contacts(tx, contacts=contacts)
    for delivery in deliveries:
        tx.handling(delivery.envelope)
        event = delivery.event
        for concern in event.concerns_for(Task.COMPLAINTS):
            matter = Matter(
                contact_id=event.contact_id,
                journey_id=event.journey_id,
                language=event.language,
                intent=concern.intent,
                priority=concern.priority,
                tier=concern.tier,
                came_at=event.decided_at,
                country=PACKS.markets.default_country,
                line=PACKS.markets.default_line,
                sentiment=concern.sentiment,
            )
            await actions.take_up_matter(tx, concern_id=concern.concern_id, case_id=concern.case_id, matter=matter)


@handlers.on_many(ReplySent)
async def hear_acknowledgements(deliveries: list[Delivery[ReplySent]], tx: Transaction) -> None:
    """Intake's confirmation of a contact is the acknowledgement of the complaint that came by it."""
    found = {d.event.contact_id: d for d in deliveries if d.event.template == ACKNOWLEDGEMENT}
    contacts = [
        Contact(contact_id=contact_id, journey_id=d.event.journey_id, acknowledged_at=d.event.sent_at)
        for contact_id, d in found.items()
    ]
    for contact_id, case_id in await actions.hear_acknowledgements(tx, contacts=contacts):
        delivery = found[contact_id]
        tx.handling(delivery.envelope)
        await actions.acknowledge_received(tx, case_id=case_id, at=delivery.event.sent_at)


@handlers.on(ReplyFailed)
async def reopen_undelivered(event: ReplyFailed, tx: Transaction) -> None:
    """A final response that did not reach the customer was none. Others' replies are not our business."""
    if event.task is Task.COMPLAINTS and event.case_id is not None:
        await actions.reopen_undelivered(
            tx, case_id=event.case_id, journey_id=event.journey_id, reply_id=event.reply_id
        )


@timers.on(Wait.DECISION_DUE)
async def break_promise(timer: Timer, tx: Transaction) -> None:
    """The promised time has come without a final response."""
    await actions.let_time_pass(tx, case_id=timer.subject, wait=Wait.DECISION_DUE)


@timers.on(Wait.NO_OBJECTION)
async def settle_in_silence(timer: Timer, tx: Transaction) -> None:
    """The customer said nothing to the final response."""
    await actions.let_time_pass(tx, case_id=timer.subject, wait=Wait.NO_OBJECTION)


@timers.on(Wait.CLOSING)
async def close_complaint(timer: Timer, tx: Transaction) -> None:
    """Nobody came back to the settled complaint."""
    await actions.let_time_pass(tx, case_id=timer.subject, wait=Wait.CLOSING)


@timers.on(CLOCK)
async def look_at_clock(timer: Timer, tx: Transaction) -> None:
    """A legal clock warns or runs out."""
    await actions.look_at_clock(tx, case_id=UUID(timer.payload["case_id"]))


@timers.on(CARRY_OVER)
async def carry_over(timer: Timer, tx: Transaction) -> None:
    """A contact under another journey of the person follows up, now under the lock of the complaint's own."""
    matter = CARRIED.validate_python(timer.payload["matter"])
    await actions.follow_up_complaint(tx, case_id=UUID(timer.payload["case_id"]), matter=matter)
