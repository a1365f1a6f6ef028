"""What complaints and time bring to dunning. The service's tables take these in (`enter`, `enter_timers`)."""

from anliegen.events import CaseStatus, ComplaintEvent
from anliegen.kit import Handlers, Timer, Timers, Transaction

from ..agreements.watch import LOOK
from . import actions
from .domain import HoldReason

SETTLED = frozenset({CaseStatus.RESOLVED, CaseStatus.CLOSED, CaseStatus.WITHDRAWN, CaseStatus.TRANSFERRED})


def enter(handlers: Handlers) -> None:
    """Enter what dunning hears into the service's table."""
    handlers.on(ComplaintEvent)(hold_for_complaint)


def enter_timers(timers: Timers) -> None:
    """Enter dunning's timers into the service's table."""
    timers.on(actions.STEP)(take_next_step)
    timers.on(actions.HOLD_ENDS)(end_hold)
    timers.on(actions.RECONSIDER)(reconsider_invoice)
    timers.on(LOOK)(look_at_agreement)


async def hold_for_complaint(event: ComplaintEvent, tx: Transaction) -> None:
    """A complaint about an invoice holds its dunning until it is settled, in whatever order that is heard."""
    await actions.follow_case(
        tx,
        case_id=event.case_id,
        journey_id=event.journey_id,
        reason=HoldReason.COMPLAINT,
        unsettled=event.status not in SETTLED,
        invoice_number=event.invoice_number,
        # It counts up within what complaints says of this journey, so it tells which of two was said later.
        sequence=tx.cause.sequence if tx.cause else 0,
    )


async def take_next_step(timer: Timer, tx: Transaction) -> None:
    """The next reminder is due, unless something has come in between."""
    await actions.let_time_pass(tx, invoice_number=timer.payload["invoice_number"])


async def end_hold(timer: Timer, tx: Transaction) -> None:
    """A hold that was placed until now is over."""
    await actions.reconsider(tx, [timer.payload["invoice_number"]])


async def reconsider_invoice(timer: Timer, tx: Transaction) -> None:
    """Something that concerns this invoice was written under another journey's lock."""
    await actions.reconsider(tx, [timer.payload["invoice_number"]])


async def look_at_agreement(timer: Timer, tx: Transaction) -> None:
    """The customer is to be reminded of an instalment, or has missed one."""
    await actions.reconsider(tx, [timer.payload["invoice_number"]])
