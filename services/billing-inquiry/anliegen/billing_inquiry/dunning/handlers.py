"""What time brings to dunning. The service's one table of timers takes these in (`enter_timers`)."""

from anliegen.kit import Timer, Timers, Transaction

from ..agreements.watch import LOOK
from . import actions


def enter_timers(timers: Timers) -> None:
    """Enter dunning's timers into the service's table."""
    timers.on(actions.STEP)(take_next_step)
    timers.on(actions.HOLD_ENDS)(end_hold)
    timers.on(actions.RECONSIDER)(reconsider_invoice)
    timers.on(LOOK)(look_at_agreement)


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
