"""Door 1: what billing inquiry hears, and what each brings about."""

from uuid import UUID

from pydantic import TypeAdapter

from anliegen.events import ContactTriaged, ReplyFailed, Task
from anliegen.kit import Delivery, Handlers, Timer, Timers, Transaction
from anliegen.kit.cases import CARRY_OVER

from . import actions, store
from .domain import Contact, Matter
from .dunning.handlers import enter as enter_handlers_of_dunning
from .dunning.handlers import enter_timers as enter_timers_of_dunning
from .money.handlers import enter as enter_handlers_of_money
from .money.handlers import enter_timers as enter_timers_of_money
from .states import Wait

CARRIED = TypeAdapter(Matter)
handlers = Handlers("billing-inquiry")
enter_handlers_of_money(handlers)
enter_handlers_of_dunning(handlers)
timers = Timers()
enter_timers_of_dunning(timers)
enter_timers_of_money(timers)


@handlers.on_many(ContactTriaged)
async def take_up_concerns(deliveries: list[Delivery[ContactTriaged]], tx: Transaction) -> None:
    """Each concern opens an inquiry or follows one up. Every contact is remembered: agents note inquiries from any."""
    contacts = [
        Contact(contact_id=d.event.contact_id, journey_id=d.event.journey_id, language=d.event.language)
        for d in deliveries
    ]
    await store.insert_contacts(tx, contacts=contacts, understood_at=[d.event.decided_at for d in deliveries])
    for delivery, contact in zip(deliveries, contacts, strict=True):
        tx.handling(delivery.envelope)
        event = delivery.event
        for concern in event.concerns_for(Task.BILLING_INQUIRY):
            matter = Matter(
                contact=contact,
                intent=concern.intent,
                priority=concern.priority,
                tier=concern.tier,
                came_at=event.decided_at,
                sentiment=concern.sentiment,
            )
            await actions.take_up_matter(tx, concern_id=concern.concern_id, case_id=concern.case_id, matter=matter)


@handlers.on(ReplyFailed)
async def reopen_undelivered(event: ReplyFailed, tx: Transaction) -> None:
    """An answer that did not reach the customer was none. What becomes of others' replies is not our business."""
    if event.task is Task.BILLING_INQUIRY and event.case_id is not None:
        await actions.reopen_undelivered(
            tx, case_id=event.case_id, journey_id=event.journey_id, reply_id=event.reply_id
        )


@timers.on(Wait.ANSWER_DUE)
async def break_promise(timer: Timer, tx: Transaction) -> None:
    """The promised time has come without an answer."""
    await actions.let_time_pass(tx, case_id=timer.subject, wait=Wait.ANSWER_DUE)


@timers.on(Wait.NO_OBJECTION)
async def settle_in_silence(timer: Timer, tx: Transaction) -> None:
    """The customer said nothing to the answer."""
    await actions.let_time_pass(tx, case_id=timer.subject, wait=Wait.NO_OBJECTION)


@timers.on(Wait.CLOSING)
async def close_inquiry(timer: Timer, tx: Transaction) -> None:
    """Nobody came back to the settled inquiry."""
    await actions.let_time_pass(tx, case_id=timer.subject, wait=Wait.CLOSING)


@timers.on(CARRY_OVER)
async def carry_over(timer: Timer, tx: Transaction) -> None:
    """A contact under another journey of the person follows up, now under the lock of the inquiry's own."""
    matter = CARRIED.validate_python(timer.payload["matter"])
    await actions.follow_up_inquiry(tx, case_id=UUID(timer.payload["case_id"]), matter=matter)
