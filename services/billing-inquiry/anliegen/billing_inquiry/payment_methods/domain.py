"""A payment method in its life: asked for, confirmed by a second person, in force, replaced, taken back. Pure."""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from schwifty import BIC, IBAN
from schwifty.exceptions import SchwiftyException

from anliegen.kit.errors import Conflict, Invalid, NotFound

from ..four_eyes import NotWaiting, check_second_person

CARD_NUMBER = re.compile(r"(?:\d[ -]?){13,19}")


class PaymentMethodNotFound(NotFound):
    """There is no payment method with this id, or it is not yours to see."""


class IbanWrong(Invalid):
    """The IBAN is not one: a digit is wrong, or its country has others."""


class IbanOutsideSepa(Invalid):
    """The account lies in a country without SEPA direct debit."""


class BicWrong(Invalid):
    """The BIC is not one, or belongs to another bank than the IBAN."""


class CardNumberGiven(Invalid):
    """This is a card's number; give the reference that the card service returned for it."""


class PaymentMethodOver(Conflict):
    """Only the payment method that is in force can be taken back."""


class PaymentMethodWaits(Conflict):
    """A change waits for confirmation already: decide on that one first."""


class Kind(StrEnum):
    """How is paid."""

    SEPA_MANDATE = "sepa_mandate"
    CARD = "card"
    INVOICE = "invoice"


class State(StrEnum):
    """Where a payment method stands."""

    WAITING = "waiting"
    IN_FORCE = "in_force"
    REPLACED = "replaced"
    REFUSED = "refused"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What a payment is collected by. `account` is all that may be shown: `DE89 … 3000`, `… 4242`, or nothing."""

    kind: Kind
    account: str = ""
    iban: str | None = None
    bic: str | None = None
    holder: str | None = None
    signed_on: date | None = None
    token: str | None = None

    def __repr__(self) -> str:
        """Without what nobody is to read in a log."""
        return f"Details(kind={self.kind.value!r}, account={self.account!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """A payment method of a customer. `version` rises with every change that a reader can see."""

    method_id: UUID
    journey_id: UUID
    case_id: UUID
    details: Details
    state: State
    asked_by: str
    asked_at: datetime
    pack: str
    mandate_reference: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    replaces: UUID | None = None
    reversed_by: str | None = None
    reversed_at: datetime | None = None
    reason: str | None = None
    version: int = 1

    def confirmed(self, *, by: str, at: datetime, replaces: UUID | None) -> Self:
        """A second person agrees: it is in force. Raises NotWaiting, SecondPersonNeeded."""
        self._refuse_decided(by)
        return self._changed(state=State.IN_FORCE, decided_by=by, decided_at=at, replaces=replaces)

    def refused(self, *, by: str, at: datetime, reason: str) -> Self:
        """A second person does not agree. Raises NotWaiting. Who asked for it may take it back so, too."""
        if self.state is not State.WAITING:
            raise NotWaiting
        return self._changed(state=State.REFUSED, decided_by=by, decided_at=at, reason=reason)

    def reversed(self, *, by: str, at: datetime, reason: str) -> Self:
        """It is taken back; what it replaced is in force again. Raises PaymentMethodOver."""
        if self.state is not State.IN_FORCE:
            raise PaymentMethodOver
        return self._changed(state=State.REVERSED, reversed_by=by, reversed_at=at, reason=reason)

    def replaced(self) -> Self:
        """Another one is in force."""
        return self._changed(state=State.REPLACED)

    def restored(self) -> Self:
        """The one that replaced it was taken back."""
        return self._changed(state=State.IN_FORCE)

    def _refuse_decided(self, by: str) -> None:
        if self.state is not State.WAITING:
            raise NotWaiting
        check_second_person(asked_by=self.asked_by, confirmed_by=by)

    def _changed(self, **changes: object) -> Self:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]


def sepa_mandate(*, iban: str, bic: str | None, holder: str, signed_on: date) -> Details:
    """A mandate on this account, checked: check digits, the country's form and its own check, SEPA, the bank's BIC.

    Raises IbanWrong, IbanOutsideSepa, BicWrong; their messages never name the account.
    """
    try:
        account = IBAN(iban, validate_bban=True)
    except SchwiftyException:
        raise IbanWrong from None
    if not account.in_sepa_zone:
        raise IbanOutsideSepa
    bank = account.bic
    if bic is not None:
        try:
            given = BIC(bic)
        except SchwiftyException:
            raise BicWrong from None
        # Only the bank is compared: several branches share its first eight places.
        if given.country_code != account.country_code or (bank is not None and str(given)[:8] != str(bank)[:8]):
            raise BicWrong
        bank = given
    compact = str(account.compact)
    return Details(
        kind=Kind.SEPA_MANDATE, account=f"{compact[:4]} … {compact[-4:]}", iban=compact,
        bic=str(bank) if bank is not None else None, holder=holder, signed_on=signed_on,
    )  # fmt: skip


def card(*, token: str, last_digits: str) -> Details:
    """A card by the reference that the card service gave. Raises CardNumberGiven."""
    if CARD_NUMBER.search(token):
        raise CardNumberGiven
    return Details(kind=Kind.CARD, account=f"… {last_digits}", token=token)


def by_invoice() -> Details:
    """The customer transfers each invoice."""
    return Details(kind=Kind.INVOICE)
