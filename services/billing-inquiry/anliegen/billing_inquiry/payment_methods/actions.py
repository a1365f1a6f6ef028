"""What is done about payment methods: ask for a change, confirm or refuse it, take it back.

All of it is under the locks of the person behind the inquiry: a person pays in one way, under whatever journey.
Two changes at once come one after the other: the second one replaces the first, or is refused while that one waits.
Two confirmations: the second is refused. A payment that comes while a change waits does not change who confirms.
"""

from collections.abc import Sequence
from uuid import UUID

from anliegen.events import (
    BillingReplyRequested,
    PaymentDetailsChanged,
    PaymentMethodChanged,
    PaymentMethodReversed,
    PaymentMethodWaits,
    Task,
)
from anliegen.kit import Transaction, ids
from anliegen.kit.cases import refuse_own
from anliegen.kit.versions import ExpectedVersion

from .. import store as inquiries
from ..agreements.store import find_newest_contact_id
from ..four_eyes import FOUR_EYES, needs_second_person
from . import store
from .domain import Details, Kind, PaymentMethod, State
from .domain import PaymentMethodWaits as ChangeWaits
from .mirror import Current, compare

FIRST, FURTHER = "FRST", "RCUR"
"""The sequence types of SEPA: the first collection of a mandate, and each further one."""


async def change_payment_method(tx: Transaction, *, case_id: UUID, details: Details, agent: str) -> PaymentMethod:
    """Have the customer pay so from now on, or once a second person has confirmed it.

    Where it takes effect at once, the customer is told. Raises InquiryNotFound, PaymentMethodWaits.
    """
    method = await preview_payment_method(tx, case_id=case_id, details=details, agent=agent)
    if method.state is State.WAITING:
        await store.insert_payment_method(tx, method=method)
        tx.publish(PaymentMethodWaits(**_told(method), asked_by=agent))
        return method
    await _replace(tx, await _in_force(tx, method))
    await store.insert_payment_method(tx, method=method)
    await _announce_change(tx, method)
    return method


async def preview_payment_method(tx: Transaction, *, case_id: UUID, details: Details, agent: str) -> PaymentMethod:
    """The payment method as it would be: in force, or waiting. Raises InquiryNotFound, PaymentMethodWaits."""
    inquiry = await inquiries.get_inquiry(tx, case_id=case_id)
    await tx.lock_person(inquiry.journey_id)
    await refuse_own(tx, inquiry.journey_id)
    known = await _of_person(tx, inquiry.journey_id)
    if any(method.state is State.WAITING for method in known):
        raise ChangeWaits
    owed = await store.list_amounts_owed(tx, journey_ids=await tx.members(inquiry.journey_id))
    waits = needs_second_person(owed, FOUR_EYES.payment_method)
    before = _newest(known)
    method_id = ids.uuid7(tx.wall)
    reference = f"M-{method_id.hex[:20].upper()}" if details.kind is Kind.SEPA_MANDATE else None
    return PaymentMethod(
        method_id=method_id, journey_id=inquiry.journey_id, case_id=case_id, details=details,
        state=State.WAITING if waits else State.IN_FORCE, asked_by=agent, asked_at=tx.now, pack=FOUR_EYES.pack,
        mandate_reference=reference, replaces=before.method_id if before and not waits else None,
    )  # fmt: skip


async def preview_confirmation(
    tx: Transaction, *, method_id: UUID, agent: str, expected: ExpectedVersion
) -> PaymentMethod:
    """It as a second person would confirm it. Nothing is stored.

    Raises PaymentMethodNotFound, PreconditionFailed, NotWaiting, SecondPersonNeeded.
    """
    waiting = await _load(tx, method_id=method_id, expected=expected)
    before = _newest(await _in_force(tx, waiting))
    return waiting.confirmed(by=agent, at=tx.now, replaces=before.method_id if before else None)


async def confirm_payment_method(
    tx: Transaction, *, method_id: UUID, agent: str, expected: ExpectedVersion
) -> PaymentMethod:
    """A second person agrees. Raises as `preview_confirmation` does."""
    method = await preview_confirmation(tx, method_id=method_id, agent=agent, expected=expected)
    await _replace(tx, await _in_force(tx, method))
    await store.update_payment_method(tx, method=method)
    await _announce_change(tx, method)
    return method


async def preview_refusal(
    tx: Transaction, *, method_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> PaymentMethod:
    """It as it would be refused. Nothing is stored. Raises PaymentMethodNotFound, PreconditionFailed, NotWaiting."""
    waiting = await _load(tx, method_id=method_id, expected=expected)
    return waiting.refused(by=agent, at=tx.now, reason=reason)


async def refuse_payment_method(
    tx: Transaction, *, method_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> PaymentMethod:
    """A second person does not agree, or who asked takes it back. Raises as `preview_refusal` does."""
    method = await preview_refusal(tx, method_id=method_id, reason=reason, agent=agent, expected=expected)
    await store.update_payment_method(tx, method=method)
    return method


async def preview_reversal(
    tx: Transaction, *, method_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> PaymentMethod:
    """It as it would be taken back; `replaces` is in force again then. Nothing is stored.

    Raises PaymentMethodNotFound, PreconditionFailed, PaymentMethodOver.
    """
    before = await _load(tx, method_id=method_id, expected=expected)
    return before.reversed(by=agent, at=tx.now, reason=reason)


async def reverse_payment_method(
    tx: Transaction, *, method_id: UUID, reason: str, agent: str, expected: ExpectedVersion
) -> PaymentMethod:
    """Take it back: what it replaced is in force again, else the customer pays by invoice.

    Raises as `preview_reversal` does.
    """
    method = await preview_reversal(tx, method_id=method_id, reason=reason, agent=agent, expected=expected)
    await store.update_payment_method(tx, method=method)
    restored = None
    if method.replaces is not None:
        before = await store.get_payment_method(tx, method_id=method.replaces)
        # Its journey may be another person's since, who has chosen otherwise.
        if _newest(await store.list_payment_methods(tx, journey_ids=[before.journey_id])) is None:
            restored = before.restored()
            await store.update_payment_method(tx, method=restored)
    tx.publish(
        PaymentMethodReversed(
            **_told(method), reason=reason, reversed_by=agent, restored=restored.method_id if restored else None
        )
    )
    if restored is not None:
        tx.publish(_details_of(restored, sequence=FURTHER if restored.mandate_reference else None))
    await _tell(tx, method, pays_by=restored, about=f"{method.method_id} reversed")
    return method


async def list_methods_of_person(tx: Transaction, *, journey_id: UUID) -> list[PaymentMethod]:
    """The history of the person behind this journey, the oldest first."""
    return await _of_person(tx, journey_id)


async def get_current(tx: Transaction, *, journey_id: UUID) -> Current:
    """How the person behind this journey pays now: what is in force here, what the billing system told, who counts."""
    known = await _of_person(tx, journey_id)
    return compare(_newest(known), await store.find_recorded(tx, journey_ids=await tx.members(journey_id)))


async def _load(tx: Transaction, *, method_id: UUID, expected: ExpectedVersion) -> PaymentMethod:
    # The journey of a payment method never changes, so it may be read before the lock.
    await tx.lock_person((await store.get_payment_method(tx, method_id=method_id)).journey_id)
    method = await store.get_payment_method(tx, method_id=method_id)
    await refuse_own(tx, method.journey_id)
    expected.check(method.version)
    return method


async def _of_person(tx: Transaction, journey_id: UUID) -> list[PaymentMethod]:
    return await store.list_payment_methods(tx, journey_ids=await tx.members(journey_id))


async def _in_force(tx: Transaction, method: PaymentMethod) -> list[PaymentMethod]:
    # Where journeys were joined, each may have brought one.
    known = await _of_person(tx, method.journey_id)
    return [one for one in known if one.state is State.IN_FORCE]


async def _replace(tx: Transaction, methods: Sequence[PaymentMethod]) -> None:
    for one in methods:
        await store.update_payment_method(tx, method=one.replaced())


def _newest(methods: Sequence[PaymentMethod]) -> PaymentMethod | None:
    """What is in force of these; of several, where journeys were joined, what was decided last."""
    in_force = (one for one in methods if one.state is State.IN_FORCE)
    return max(in_force, key=lambda one: (one.decided_at or one.asked_at, one.method_id), default=None)


async def _announce_change(tx: Transaction, method: PaymentMethod) -> None:
    tx.publish(
        PaymentMethodChanged(
            **_told(method), replaces=method.replaces, asked_by=method.asked_by, confirmed_by=method.decided_by
        )
    )
    tx.publish(_details_of(method, sequence=FIRST if method.mandate_reference else None))
    await _tell(tx, method, pays_by=method, about=str(method.method_id))


async def _tell(tx: Transaction, method: PaymentMethod, *, pays_by: PaymentMethod | None, about: str) -> None:
    """Tell the customer how they pay from now on, in the case of this change; without a method, by invoice."""
    contact_id = await find_newest_contact_id(
        tx, case_id=method.case_id, journey_ids=await tx.members(method.journey_id)
    )
    if contact_id is None:
        return
    values = {
        "kind": (pays_by.details.kind if pays_by else Kind.INVOICE).value,
        "account": pays_by.details.account if pays_by else "",
        "mandate_reference": (pays_by.mandate_reference if pays_by else None) or "",
    }
    tx.publish(
        BillingReplyRequested(
            journey_id=method.journey_id, reply_id=ids.derived("reply", about), case_id=method.case_id,
            task=Task.BILLING_INQUIRY, contact_id=contact_id, template="payment_method_changed", values=values,
        )
    )  # fmt: skip


def _details_of(method: PaymentMethod, *, sequence: str | None) -> PaymentDetailsChanged:
    details = method.details
    return PaymentDetailsChanged(
        journey_id=method.journey_id, method_id=method.method_id, kind=details.kind, iban=details.iban,
        bic=details.bic, holder=details.holder, signed_on=details.signed_on, token=details.token,
        mandate_reference=method.mandate_reference, sequence=sequence,
    )  # fmt: skip


def _told(method: PaymentMethod) -> dict[str, object]:
    return {
        "journey_id": method.journey_id, "method_id": method.method_id, "kind": method.details.kind,
        "account": method.details.account,
    }  # fmt: skip
