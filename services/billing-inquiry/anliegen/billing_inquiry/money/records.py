"""What is kept of invoices and corrections, as it is read."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from anliegen.events import ContentReference, InvoiceLine, Money
from anliegen.kit.errors import Conflict, Invalid, NotFound


class InvoiceNotFound(NotFound):
    """There is no invoice of this number, or it is not yours to see."""


class AccountNotFound(NotFound):
    """Nothing is known of the money of this customer number."""


class CorrectionNotFound(NotFound):
    """There is no correction of this id."""


class InvoiceNotInForce(Conflict):
    """This invoice is not owed any more: it was cancelled, or corrected by another one."""


class CorrectionNotInForce(Conflict):
    """This correction was undone, or its invoice was corrected again: undo that one first."""


class LineNamedTwice(Invalid):
    """A line is named twice: say once how it should have been."""


class LineUnknown(Invalid):
    """The invoice has no such line."""


class NothingCorrected(Invalid):
    """Nothing in it would be different."""


class ChangedMeanwhile(Conflict):
    """What this customer owes changed while the document was being written: look again, then repeat the command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An issued invoice, as it was issued. Amounts are minor units."""

    invoice_number: str
    journey_id: UUID
    customer_number: str
    currency: str
    issued_on: date
    due_on: date
    period_from: date | None
    period_until: date | None
    total: int
    replaces: str | None
    recipient: tuple[str, ...]
    business: bool
    told_of_default: bool
    lines: tuple[InvoiceLine, ...]
    document: ContentReference | None = None
    version: int = 1

    @property
    def sorts_as(self) -> UUID:
        """Where it stands among invoices of one day: PostgreSQL's `md5(invoice_number)::uuid`."""
        return UUID(bytes=hashlib.md5(self.invoice_number.encode(), usedforsecurity=False).digest())

    def money(self, amount: int) -> Money:
        """An amount in the invoice's currency."""
        return Money(amount=amount, currency=self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Something that was told under a name which had another content before; what was told first counts."""

    contradiction_id: UUID
    kind: str
    name: str
    journey_id: UUID
    said: dict[str, Any]
    found_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """That an invoice was corrected, and perhaps that this was undone."""

    correction_id: UUID
    journey_id: UUID
    old_number: str
    new_number: str
    case_id: UUID | None
    reason: str
    corrected_lines: tuple[str, ...]
    proposal_id: UUID | None
    proposed: int | None
    corrected_by: str
    corrected_at: datetime
    reversed_by: str | None = None
    reversed_at: datetime | None = None
    reversal_reason: str | None = None
    version: int = 1
