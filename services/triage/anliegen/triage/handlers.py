"""Door 1: what triage hears, and what each brings about."""

from anliegen.events import CaseEvent, CaseTransferred, ContactReceived, JourneysMerged, JourneysSplit, ReplyFailed
from anliegen.kit import Delivery, Handlers, Timer, Timers, Transaction

from . import actions, batches, failures, handovers
from .domain import Handover
from .learning.actions import FORGET, forget_words
from .questions import actions as questions

# A contact whose reading fails must not be set aside: its journey waits and an alarm sounds.
handlers = Handlers("triage", policy="stay")
timers = Timers()


@handlers.on_many(ContactReceived, over_person=True)
async def read_contacts(deliveries: list[Delivery[ContactReceived]], tx: Transaction) -> None:
    """Understand contacts, or ask a person to."""
    await batches.read_contacts(tx, deliveries)


@handlers.on(CaseEvent, over_person=True)
async def note_failure(event: CaseEvent, tx: Transaction) -> None:
    """Keep count of what went wrong, whichever service says so."""
    if event.failure is not None:
        await failures.note_failure(tx, event)


@handlers.on(CaseTransferred, over_person=True)
async def note_handover(event: CaseTransferred, tx: Transaction) -> None:
    """A task handed its case over: it becomes a matter of the other one, of the same contact."""
    await handovers.note_handover(tx, Handover(event.case_id, event.contact_id, event.task, event.to_task))


@handlers.on(ReplyFailed, over_person=True)
async def note_undelivered(event: ReplyFailed, tx: Transaction) -> None:
    """A question did not reach the customer: whoever looks at the contact may ask again."""
    await questions.note_undelivered(tx, event)


@handlers.on(JourneysMerged)
async def count_as_one_person(event: JourneysMerged, tx: Transaction) -> None:
    """Count over the person as it is now; the kit has followed the link already."""
    await failures.recount_person(tx, journey_ids=[event.journey_a, event.journey_b])


@handlers.on(JourneysSplit)
async def count_as_two_persons(event: JourneysSplit, tx: Transaction) -> None:
    """Count for each of the two again, as before they were linked."""
    await failures.recount_person(tx, journey_ids=[event.journey_a, event.journey_b])


@timers.on(actions.SETTLE)
async def settle_waiting(timer: Timer, tx: Transaction) -> None:
    """Settle a contact that waited for another to be understood."""
    if await actions.hold_person(tx, kind=timer.kind, contact_id=timer.subject, held=timer.key):
        await actions.settle_waiting(tx, contact_id=timer.subject)


@timers.on(actions.RECOUNT)
async def recount_failures(timer: Timer, tx: Transaction) -> None:
    """Count the failures before a contact again, under the lock of its own journey."""
    if await actions.hold_person(tx, kind=timer.kind, contact_id=timer.subject, held=timer.key):
        await failures.recount_failures(tx, contact_id=timer.subject)


@timers.on(FORGET)
async def forget_in_time(timer: Timer, tx: Transaction) -> None:
    """Forget the words of a contact that were kept to learn from."""
    await forget_words(tx, contact_id=timer.subject)
