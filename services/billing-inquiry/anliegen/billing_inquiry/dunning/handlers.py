"""What complaints and time bring to dunning. The service's tables take these in (`enter`, `enter_timers`)."""

from collections.abc import Awaitable, Callable

from anliegen.events import CaseEvent, CaseStatus, ComplaintEvent
from anliegen.kit import Handlers, Timer, Timers, Transaction

from ..agreements.watch import LOOK
from . import actions
from .domain import HoldReason

SETTLED = frozenset({CaseStatus.RESOLVED, CaseStatus.CLOSED, CaseStatus.WITHDRAWN, CaseStatus.TRANSFERRED})
HOLDING: dict[type[CaseEvent], HoldReason] = {ComplaintEvent: HoldReason.COMPLAINT}
"""Whose cases hold the invoice that they are about: events that carry `invoice_number`. Each more is one entry here."""


def enter(handlers: Handlers) -> None:
    """Enter what dunning hears into the service's table."""
    for cases, reason in HOLDING.items():
        handlers.on(cases)(_holding_for(reason))


def enter_timers(timers: Timers) -> None:
    """Enter dunning's timers into the service's table."""
    timers.on(actions.STEP)(take_next_step)
    timers.on(actions.HOLD_ENDS)(end_hold)
    timers.on(actions.RECONSIDER)(reconsider_invoice)
    timers.on(LOOK)(look_at_agreement)


def _holding_for(reason: HoldReason) -> Callable[[CaseEvent, Transaction], Awaitable[None]]:
    async def hold(event: CaseEvent, tx: Transaction) -> None:
        await actions.follow_case(
            tx,
            case_id=event.case_id,
            journey_id=event.journey_id,
            reason=reason,
            unsettled=event.status not in SETTLED,
            invoice_number=getattr(event, "invoice_number", None),
            # It counts up within what that service says of this journey, so it tells which of two was said later.
            sequence=tx.cause.sequence if tx.cause else 0,
        )

    hold.__name__ = f"hold_for_{reason}"
    hold.__doc__ = (
        f"A {reason} about an invoice holds its dunning until it is settled, in whatever order that is heard."
    )
    return hold


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
