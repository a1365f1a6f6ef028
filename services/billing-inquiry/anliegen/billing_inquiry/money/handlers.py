"""What is heard about money: what the billing system tells, and goodwill that was decided."""

from anliegen.events import (
    CreditIssued,
    GoodwillExpired,
    GoodwillIssued,
    GoodwillWithdrawn,
    InvoiceCancelled,
    InvoiceIssued,
    PaymentMethodRecorded,
    PaymentReceived,
    PaymentReturned,
    ReminderSent,
)
from anliegen.kit import Handlers, Timers, Transaction

from . import actions, goodwill


def enter(handlers: Handlers) -> None:
    """Enter what is heard about money into the service's one table."""
    handlers.on(InvoiceIssued)(take_up_invoice)
    handlers.on(InvoiceCancelled)(cancel_invoice)
    handlers.on(PaymentReceived)(take_up_payment)
    handlers.on(PaymentReturned)(return_payment)
    handlers.on(CreditIssued)(take_up_credit)
    handlers.on(ReminderSent)(note_reminder)
    handlers.on(PaymentMethodRecorded)(note_payment_method)
    handlers.on(GoodwillIssued)(credit_goodwill)
    handlers.on(GoodwillWithdrawn)(withdraw_goodwill)
    handlers.on(GoodwillExpired)(let_goodwill_expire)


def enter_timers(timers: Timers) -> None:
    """Enter the timers of money into the service's table."""
    timers.on(goodwill.LOOK)(goodwill.look_for_account)
    timers.on(goodwill.BOOK)(goodwill.book_in_account)


async def take_up_invoice(event: InvoiceIssued, tx: Transaction) -> None:
    """An invoice is owed from now on."""
    await actions.take_up_invoice(tx, event)


async def cancel_invoice(event: InvoiceCancelled, tx: Transaction) -> None:
    """The billing system took an invoice back; it may not be known yet."""
    await actions.take_up_fact(tx, event, kind="invoice_cancelled", name=event.invoice_number, on=event.cancelled_on)


async def take_up_payment(event: PaymentReceived, tx: Transaction) -> None:
    """A payment pays what it is for, and what is due first."""
    await actions.take_up_fact(tx, event, kind="payment_received", name=event.payment_id, on=event.received_on)


async def return_payment(event: PaymentReturned, tx: Transaction) -> None:
    """A payment went back: what it paid is open again."""
    await actions.take_up_fact(tx, event, kind="payment_returned", name=event.payment_id, on=event.returned_on)


async def take_up_credit(event: CreditIssued, tx: Transaction) -> None:
    """The billing system credited something."""
    await actions.take_up_fact(tx, event, kind="credit_issued", name=event.credit_id, on=event.issued_on)


async def note_reminder(event: ReminderSent, tx: Transaction) -> None:
    """The billing system sent a reminder; it moves no money."""
    await actions.take_up_fact(tx, event, kind="reminder_sent", name=event.reminder_id, on=None)


async def note_payment_method(event: PaymentMethodRecorded, tx: Transaction) -> None:
    """How the customer pays from now on, as the billing system has it."""
    name = f"{event.origin.source} {event.origin.event_id}"
    await actions.take_up_fact(tx, event, kind="payment_method_recorded", name=name, on=None)


async def credit_goodwill(event: GoodwillIssued, tx: Transaction) -> None:
    """Goodwill was given as a credit: it pays invoices from this day on, or for the next period from the day after."""
    if event.kind in goodwill.CREDITS:
        await goodwill.credit(tx, event)


async def withdraw_goodwill(event: GoodwillWithdrawn, tx: Transaction) -> None:
    """Goodwill was taken back: its credit is reversed, whether or not it is known yet."""
    if event.kind in goodwill.CREDITS and event.was_issued:
        await goodwill.take_back(tx, event, amount=event.amount, on=event.withdrawn_at.date())


async def let_goodwill_expire(event: GoodwillExpired, tx: Transaction) -> None:
    """Goodwill has expired: its credit is reversed; an offer that nobody took up was never booked."""
    if event.kind in goodwill.CREDITS and event.was_issued:
        await goodwill.take_back(tx, event, amount=event.left, on=event.expired_at.date())
