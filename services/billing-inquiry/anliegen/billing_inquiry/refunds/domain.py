"""A refund in its life: asked for, perhaps confirmed by a second person, booked, taken back. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from anliegen.kit.errors import Conflict, Invalid, NotFound

from ..four_eyes import NotWaiting, check_second_person
from ..money.domain import Books, Kind, allocate


class RefundNotFound(NotFound):
    """There is no refund with this id, or it is not yours to see."""


class RefundTooLarge(Invalid):
    """No more goes back than is to the customer's credit: what was paid too much, or for what was taken back."""


class RefundOver(Conflict):
    """Only a refund that is booked can be taken back."""


class CurrencyDiffers(Invalid):
    """A refund is in the currency of its invoice."""


class State(StrEnum):
    """Where a refund stands."""

    WAITING = "waiting"
    BOOKED = "booked"
    REFUSED = "refused"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A refund, in minor units of the invoice's currency. `version` rises with every change that a reader can see."""

    refund_id: UUID
    journey_id: UUID
    case_id: UUID
    invoice_number: str
    currency: str
    amount: int
    reason: str
    state: State
    asked_by: str
    asked_at: datetime
    pack: str
    decided_by: str | None = None
    decided_at: datetime | None = None
    reversed_by: str | None = None
    reversed_at: datetime | None = None
    reversal_reason: str | None = None
    version: int = 1
    of_purchase: bool = False
    """What was bought is given back, so what was paid on this invoice goes back."""

    def confirmed(self, *, by: str, at: datetime, credit: int) -> Self:
        """A second person agrees, and it is booked. Raises NotWaiting, SecondPersonNeeded, RefundTooLarge.

        What was to the customer's credit when it was asked for may be gone since.
        """
        if self.state is not State.WAITING:
            raise NotWaiting
        check_second_person(asked_by=self.asked_by, confirmed_by=by)
        check_amount(self.amount, credit=credit)
        return self._changed(state=State.BOOKED, decided_by=by, decided_at=at)

    def refused(self, *, by: str, at: datetime, reason: str) -> Self:
        """It is not to be; who asked for it may take it back so, too. Raises NotWaiting."""
        if self.state is not State.WAITING:
            raise NotWaiting
        return self._changed(state=State.REFUSED, decided_by=by, decided_at=at, reversal_reason=reason)

    def reversed(self, *, by: str, at: datetime, reason: str) -> Self:
        """It was not paid out, or came back: the amount is to the customer's credit again. Raises RefundOver."""
        if self.state is not State.BOOKED:
            raise RefundOver
        return self._changed(state=State.REVERSED, reversed_by=by, reversed_at=at, reversal_reason=reason)

    def _changed(self, **changes: object) -> Self:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]


def check_amount(amount: int, *, credit: int) -> None:
    """Raise RefundTooLarge where more goes back than is to the customer's credit."""
    if amount > credit:
        raise RefundTooLarge(f"{RefundTooLarge.__doc__} At most {credit} (minor units) here.", credit=credit)


def refundable(books: Books, currency: str, *, given_back: Mapping[str, int]) -> int:
    """What may go back: what was paid and credited beyond what is owed. Goodwill is never paid out.

    Where goodwill paid what money could have paid, that money counts as used: the rest stays to the customer's credit.
    `given_back` is what went back of purchases, by invoice: where such an invoice is not owed any longer, since it was
    corrected or cancelled later, its money is not paid out twice.
    """
    twice = sum(
        amount
        for number, amount in given_back.items()
        if books.charges[number].currency == currency and not books.charges[number].in_force
    )
    plain = _without_goodwill(books)
    left = -plain.received(currency) - sum(allocate(plain, currency).values())
    return max(0, min(left, -books.account(currency)) - twice)


def refundable_of_purchase(books: Books, invoice_number: str, *, given_back: Mapping[str, int]) -> int:
    """What may go back of one purchase: what money has paid on its invoice, less what went back of it. No goodwill."""
    charge = books.charges[invoice_number]
    if not charge.in_force:
        return 0
    paid = allocate(_without_goodwill(books), charge.currency).get(invoice_number, 0)
    still_paid = charge.total - books.open_amounts[invoice_number]
    return max(0, min(paid, still_paid) - given_back.get(invoice_number, 0))


def _without_goodwill(books: Books) -> Books:
    gifts = {Kind.GOODWILL, Kind.GOODWILL_WITHDRAWN}
    return Books(
        charges=books.charges,
        funds=[fund for fund in books.funds if fund.kind not in gifts],
        entries=[entry for entry in books.entries if entry.kind not in gifts],
    )
