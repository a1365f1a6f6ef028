"""Goodwill as a credit for the next period: proposed here, decided by complaints, booked and taken back here.

- The account is the journey of the customer number. Goodwill that was given under another journey of the person is
  credited there, under that lock, by a timer. Where nobody behind the goodwill's journey has an invoice yet, it
  waits: the first invoice of the person finds it, and for a year it looks itself every hour, as the link may become
  known last. It never lapses: what was promised is booked whenever there is an account.
- Issue and end come in any order and again. Both write to the goodwill's own row, where they meet: whoever comes second
  waits for the first one's commit. The account is concluded from the row.
- A credit that was taken back is reversed whole, also where it has paid an invoice: what it paid is open again, with a
  new due date, and the customer is told. The engine does not take back what a customer has redeemed with a code.
- Goodwill finds its account once. A split of journeys moves nothing.
"""

from datetime import date, timedelta
from uuid import UUID

from anliegen.events import GoodwillEvent, GoodwillIssued, Money
from anliegen.kit import Timer, Transaction

from ..actions import Words
from .actions import conclude
from .store import goodwill as store
from .store import invoices
from .store.goodwill import GoodwillCredit
from .tell import tell_customer

CREDIT_NEXT_PERIOD = "credit_next_period"
CREDITS = frozenset({"credit", CREDIT_NEXT_PERIOD})
"""Kinds of goodwill that are booked here."""
LOOK = "goodwill_looks_for_account"
"""The kind of the timer by which goodwill looks for its account again."""
BOOK = "goodwill_is_booked"
"""The kind of the timer that books it under the lock of its account."""
LOOK_AGAIN = timedelta(hours=1)
CREDITED_TEMPLATE = "goodwill_credit"
TAKEN_BACK_TEMPLATE = "goodwill_credit_withdrawn"


async def credit(tx: Transaction, event: GoodwillIssued) -> None:
    """It pays invoices that are issued from its first day on. What was proposed here, the customer is told of."""
    first = event.valid_from.date() + timedelta(days=event.kind == CREDIT_NEXT_PERIOD)
    known = await store.upsert_issued(
        tx, goodwill_id=event.goodwill_id, journey_id=event.journey_id, amount=event.amount,
        effective_on=first, invoice_number=event.invoice_number,
    )  # fmt: skip
    await _place(tx, known, locked=event.journey_id)
    if known.ended_on is None:
        await _tell(tx, event, Words(template=CREDITED_TEMPLATE, values={"amount": str(event.amount)}))


async def take_back(tx: Transaction, event: GoodwillEvent, *, amount: Money, on: date) -> None:
    """It was withdrawn or has expired: its credit is reversed, once it is known."""
    known = await store.upsert_ended(tx, goodwill_id=event.goodwill_id, journey_id=event.journey_id, ended_on=on)
    await _place(tx, known, locked=event.journey_id)
    if known.amount is not None:
        await _tell(tx, event, Words(template=TAKEN_BACK_TEMPLATE, values={"amount": str(amount)}))


async def look_for_account(timer: Timer, tx: Transaction) -> None:
    """Perhaps the person behind the goodwill's journey has an account by now."""
    await _place(tx, await store.lock_credit(tx, goodwill_id=timer.subject), locked=UUID(timer.key))


async def book_in_account(timer: Timer, tx: Transaction) -> None:
    """Something about goodwill of this account was told under another journey's lock."""
    await conclude(tx, journey_id=UUID(timer.key), on=tx.now.date())


async def _place(tx: Transaction, credit: GoodwillCredit, *, locked: UUID) -> None:
    account = credit.account
    if account is None:
        if credit.currency is None:
            return  # only its end is known, which it will meet in its row
        account = await store.find_account(
            tx, journey_ids=await tx.members(credit.journey_id), own=credit.journey_id, currency=credit.currency,
            invoice_number=credit.invoice_number,
        )  # fmt: skip
        if account is None:
            if credit.is_looking(tx.now):
                due_at = tx.now + LOOK_AGAIN
                await tx.set_timer(LOOK, key=credit.journey_id, subject=credit.goodwill_id, due_at=due_at)
            return
        await store.update_account(tx, goodwill_id=credit.goodwill_id, account=account)
    if account == locked:
        await conclude(tx, journey_id=account, on=tx.now.date())
    else:
        await tx.set_timer(BOOK, key=account, subject=credit.goodwill_id, due_at=tx.now)


async def _tell(tx: Transaction, event: GoodwillEvent, words: Words) -> None:
    """What complaints proposed itself, it tells the customer of itself."""
    correction = await invoices.find_correction_of_proposal(tx, proposal_id=event.proposal_id)
    if correction is not None:
        await tell_customer(
            tx, journey_id=event.journey_id, case_id=correction.case_id, about=event.goodwill_id, words=words
        )
