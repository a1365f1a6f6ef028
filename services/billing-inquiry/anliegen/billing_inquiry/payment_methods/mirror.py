"""How a customer pays, as we and the billing system have it, and whose word counts. Pure.

The billing system collects, so what it says is so; but it says it late. A change of ours counts until the billing
system tells of another one that is later.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from .domain import Kind, PaymentMethod

KINDS = {
    "sepa_direct_debit": Kind.SEPA_MANDATE, "sepa_mandate": Kind.SEPA_MANDATE, "direct_debit": Kind.SEPA_MANDATE,
    "card": Kind.CARD, "credit_card": Kind.CARD, "invoice": Kind.INVOICE, "transfer": Kind.INVOICE,
}  # fmt: skip
"""What the codes of billing systems mean here; another code is like none of ours."""
SHOWN = 4
"""How many places of an account's either end may be shown."""


class Whose(StrEnum):
    """Whose word counts."""

    BOTH = "both"
    OURS = "ours"
    BILLING_SYSTEM = "billing_system"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the billing system told last. `account` is masked, whatever it told."""

    method: str
    account: str
    recorded_on: date
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """How the customer pays now, and why that is believed."""

    whose: Whose
    why: str
    ours: PaymentMethod | None
    recorded: Recorded | None


def compare(ours: PaymentMethod | None, recorded: Recorded | None) -> Current:
    """Whose word counts: the later one, and both where they say the same. `ours` is the one that is in force."""
    whose, why = _decide(ours, recorded)
    return Current(whose=whose, why=why, ours=ours, recorded=recorded)


def masked(shown_as: str) -> str:
    """What may be shown of an account that somebody else wrote down; one that came whole is cut here."""
    if len(re.sub(r"[^0-9]", "", shown_as)) <= 2 * SHOWN:
        return shown_as
    plain = re.sub(r"[^0-9A-Za-z]", "", shown_as)
    return f"{plain[:SHOWN]} … {plain[-SHOWN:]}" if plain[:2].isalpha() else f"… {plain[-SHOWN:]}"


def _decide(ours: PaymentMethod | None, recorded: Recorded | None) -> tuple[Whose, str]:
    if ours is None or recorded is None:
        if ours is not None:
            return Whose.OURS, "The billing system has told nothing yet."
        if recorded is not None:
            return Whose.BILLING_SYSTEM, "Nothing was changed here."
        return Whose.NOBODY, "Nobody has said how this customer pays."
    kind, last = KINDS.get(recorded.method), _last_digits(recorded.account)
    same_account = not last or last == _last_digits(ours.details.account)
    if kind is ours.details.kind and same_account:
        return Whose.BOTH, "Both say the same."
    if recorded.told_at > (ours.decided_at or ours.asked_at):
        return Whose.BILLING_SYSTEM, "The billing system, which collects, told of another one after ours."
    return Whose.OURS, "It was changed here after what the billing system told last, which has not followed yet."


def _last_digits(account: str) -> str:
    return re.sub(r"[^0-9]", "", account)[-SHOWN:]
