"""What billing inquiry does: load, decide, save, announce.

Who meets whom on one inquiry, and who goes first:
- Every action locks the stream of the inquiry's journey, and only that one, and reads the inquiry after it. So any
  two of them, commands, handlers and timers alike, come one after the other; the second decides on what the first left.
- Two commands: the second one's `If-Match` is stale by then, so it is refused with 412.
- A command and a handler (a follow-up, a reply that failed): whoever is second sees the other's version. The command is
  refused; the handler reopens what the command answered, or adds to what it took.
- A command and a timer: before a command decides, it breaks a promise whose time has passed, as the timer would have
  done; the timer finds nothing left to do. A timer that finds its time moved does nothing either.
- A contact of another journey of the same person (`take_up_matter`) holds its own journey's lock and does not take a
  second one: it sets a timer on the inquiry's journey, which follows up under that journey's lock.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from anliegen.events import (
    BillingReplyRequested,
    ContentReference,
    InquiryAnswered,
    InquiryAnswerOverdue,
    InquiryClosed,
    InquiryFollowedUp,
    InquiryOpened,
    InquiryReopened,
    InquiryResolved,
    InquiryTaken,
    InvoiceNamed,
    Priority,
)
from anliegen.kit import Transaction, ids
from anliegen.kit.cases import carry_over, keep_waits
from anliegen.kit.telemetry import metrics
from anliegen.kit.versions import ANY_VERSION, ExpectedVersion

from . import store
from .domain import Answer, ContactUnknown, Inquiry, Matter, reply_id_of
from .dunning import actions as dunning
from .dunning.domain import HoldReason
from .rules import SERVICE_LEVELS
from .states import SETTLED, FollowUp, Reason, Resolution, Wait

ANSWER_TEMPLATE = "billing_inquiry_answer"


# What customers bring about -------------------------------------------------------------------------------------------
async def take_up_matter(tx: Transaction, *, concern_id: UUID, case_id: UUID | None, matter: Matter) -> None:
    """Open an inquiry for a concern, or follow up the case that it continues."""
    known = await store.find_inquiry(tx, case_id=case_id) if case_id else None
    # What is settled for too long is so for good: later it could only have been settled later. So no lock is needed.
    if known is None or known.follow_up(matter, levels=SERVICE_LEVELS) is FollowUp.OPENS_ANOTHER:
        continues = known.case_id if known else case_id  # one that is not ours was handed over
        await open_inquiry(tx, concern_id=concern_id, matter=matter, continues=continues)
    elif known.journey_id == matter.contact.journey_id:
        await follow_up_inquiry(tx, case_id=known.case_id, matter=matter)
    else:
        await carry_over(
            tx, case_id=known.case_id, key=known.journey_id, contact_id=matter.contact.contact_id, matter=matter
        )


async def open_inquiry(tx: Transaction, *, concern_id: UUID, matter: Matter, continues: UUID | None = None) -> Inquiry:
    """Open an inquiry, with the promise of an answer; one that is known already stays as it is."""
    await tx.lock(matter.contact.journey_id)
    inquiry = Inquiry.asked(concern_id=concern_id, matter=matter, levels=SERVICE_LEVELS, continues=continues)
    known = await store.find_inquiry(tx, case_id=inquiry.case_id)
    if known is not None:
        return known
    await store.insert_inquiry(tx, inquiry=inquiry)
    await store.insert_inquiry_contact(
        tx, case_id=inquiry.case_id, contact_id=inquiry.contact_id, came_at=matter.came_at
    )
    await _set_timers(tx, None, inquiry)
    await _hold_dunning(tx, inquiry)
    tx.publish(
        InquiryOpened.about(
            inquiry, contact_id=inquiry.contact_id, promise=inquiry.promise, concern_id=concern_id,
            intent=inquiry.intent, priority=inquiry.priority, tier=inquiry.tier, continues=continues,
            invoice_number=inquiry.invoice_number,
        )
    )  # fmt: skip
    return inquiry


async def note_inquiry(
    tx: Transaction, *, contact_id: UUID, intent: str, priority: Priority, tier: int, invoice_number: str | None = None
) -> Inquiry:
    """Open an inquiry that an agent heard in a contact. Raises ContactUnknown."""
    contact = await store.find_contact(tx, contact_id=contact_id)
    if contact is None:
        raise ContactUnknown
    matter = Matter(
        contact=contact, intent=intent, priority=priority, tier=tier, came_at=tx.now, invoice_number=invoice_number
    )
    return await open_inquiry(tx, concern_id=ids.uuid7(tx.wall), matter=matter)


async def follow_up_inquiry(tx: Transaction, *, case_id: UUID, matter: Matter) -> None:
    """Add a contact; reopen the inquiry where it had an answer. A contact counts once."""
    before = await _load(tx, case_id=case_id)
    contact_id = matter.contact.contact_id
    if not await store.insert_inquiry_contact(tx, case_id=case_id, contact_id=contact_id, came_at=matter.came_at):
        return
    before = await _keep_time(tx, before)
    inquiry = before.followed_up(matter)
    if before.follow_up(matter, levels=SERVICE_LEVELS) is FollowUp.ADDED:
        await _save(tx, before, inquiry)
        tx.publish(InquiryFollowedUp.about(inquiry, contact_id=contact_id, promise=inquiry.promise))
    else:
        reason = before.reason_for(matter)
        await _reopen(tx, before, inquiry, reason=reason, at=matter.came_at, contact_id=contact_id)


async def reopen_undelivered(tx: Transaction, *, case_id: UUID, journey_id: UUID, reply_id: UUID) -> None:
    """An answer did not reach the customer: it was none. Only the latest answer of an unaccepted inquiry counts."""
    known = await store.find_inquiry(tx, case_id=case_id)
    # What becomes of a reply is told under the journey that it was asked for under, whose lock is held.
    if known is None or known.journey_id != journey_id:
        return
    before = await _load(tx, case_id=case_id)
    is_latest = before.answer_id is not None and reply_id_of(case_id, before.answer_id) == reply_id
    if is_latest and before.resolution in {None, Resolution.NO_OBJECTION}:
        await _reopen(tx, before, before, reason=Reason.ANSWER_NOT_DELIVERED, at=tx.now)


# What people at the desk do -------------------------------------------------------------------------------------------
async def take_inquiry(tx: Transaction, *, case_id: UUID, agent: str, expected: ExpectedVersion) -> Inquiry:
    """An agent works on it from now on. Raises InquiryNotFound, PreconditionFailed, InquirySettled."""
    before = await _keep_time(tx, await _load(tx, case_id=case_id, expected=expected))
    inquiry = before.taken_by(agent)
    if inquiry != before:
        await _save(tx, before, inquiry)
        tx.publish(InquiryTaken.about(inquiry, promise=inquiry.promise, taken_by=agent))
    return inquiry


async def name_invoice(tx: Transaction, *, case_id: UUID, invoice_number: str, expected: ExpectedVersion) -> Inquiry:
    """It is about this invoice. Raises InquiryNotFound, PreconditionFailed, InquirySettled."""
    before = await _keep_time(tx, await _load(tx, case_id=case_id, expected=expected))
    inquiry = before.about_invoice(invoice_number)
    if inquiry != before:
        await _save(tx, before, inquiry)
        tx.publish(InvoiceNamed.about(inquiry, promise=inquiry.promise, invoice_number=invoice_number))
    return inquiry


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What an answer says: a template with its values and files. `sent` is false where the customer hears it now."""

    template: str
    values: dict[str, str]
    attachments: tuple[ContentReference, ...] = ()
    sent: bool = True

    @property
    def said(self) -> dict[str, Any]:
        """What a request for a reply says of it."""
        return {"template": self.template, "values": self.values, "attachments": self.attachments}


async def answer_inquiry(
    tx: Transaction, *, case_id: UUID, answer: str | Words, language: str | None, agent: str, expected: ExpectedVersion
) -> Inquiry:
    """Send an answer to the newest contact of the person who asked; a contact of anybody else is not answered with it.

    Raises InquiryNotFound, PreconditionFailed, InquirySettled.
    """
    before = await _keep_time(tx, await _load(tx, case_id=case_id, expected=expected))
    answer_id = ids.uuid7(tx.wall)
    inquiry = before.answered(answer_id=answer_id, agent=agent, at=tx.now)
    person = await tx.members(inquiry.journey_id)
    sent = Answer(
        answer_id=answer_id,
        reply_id=reply_id_of(case_id, answer_id),
        contact_id=await store.get_newest_contact_id(tx, case_id=case_id, journey_ids=person),
        answered_by=agent,
        answered_at=tx.now,
    )
    await _save(tx, before, inquiry)
    await store.insert_answer(tx, case_id=case_id, answer=sent)
    if before.is_unanswered:
        waited = (tx.now - before.opened_at).total_seconds()
        tx.after_commit(partial(metrics.first_response.labels(tx.context.service.name).observe, waited))
    tx.publish(
        InquiryAnswered.about(
            inquiry, contact_id=sent.contact_id, promise=inquiry.promise, answer_id=answer_id, answered_by=agent
        )
    )
    words = answer if isinstance(answer, Words) else Words(template=ANSWER_TEMPLATE, values={"answer": answer})
    if words.sent:
        tx.publish(
            BillingReplyRequested(
                journey_id=inquiry.journey_id, reply_id=sent.reply_id, case_id=case_id, task=inquiry.task,
                contact_id=sent.contact_id, language=language, **words.said,
            )
        )  # fmt: skip
    return inquiry


async def resolve_inquiry(
    tx: Transaction, *, case_id: UUID, resolution: Resolution, expected: ExpectedVersion = ANY_VERSION
) -> Inquiry:
    """It is settled. Raises InquiryNotFound, PreconditionFailed, InquirySettled."""
    before = await _keep_time(tx, await _load(tx, case_id=case_id, expected=expected))
    inquiry = before.resolved(resolution, at=tx.now)
    await _save(tx, before, inquiry)
    tx.publish(InquiryResolved.about(inquiry, promise=inquiry.promise, resolution=resolution))
    return inquiry


async def reopen_inquiry(tx: Transaction, *, case_id: UUID, reason: Reason, expected: ExpectedVersion) -> Inquiry:
    """It goes on. Raises InquiryNotFound, PreconditionFailed, InquiryStillOpen."""
    before = await _load(tx, case_id=case_id, expected=expected)
    return await _reopen(tx, before, before, reason=reason, at=tx.now)


# What time brings about -----------------------------------------------------------------------------------------------
async def let_time_pass(tx: Transaction, *, case_id: UUID, wait: Wait) -> None:
    """Do what this wait was for, if its time has come and it was not done yet."""
    before = await _load(tx, case_id=case_id)
    if not before.is_due(wait, at=tx.now, levels=SERVICE_LEVELS):
        return
    if wait is Wait.ANSWER_DUE:
        await _keep_time(tx, before)
    elif wait is Wait.NO_OBJECTION:
        await resolve_inquiry(tx, case_id=case_id, resolution=Resolution.NO_OBJECTION)
    else:
        inquiry = before.closed()
        await _save(tx, before, inquiry)
        tx.publish(InquiryClosed.about(inquiry, promise=inquiry.promise))


# What all of them share -----------------------------------------------------------------------------------------------
async def _load(tx: Transaction, *, case_id: UUID, expected: ExpectedVersion = ANY_VERSION) -> Inquiry:
    # The journey of an inquiry never changes, so it may be read before the lock; all else is read after it.
    await tx.lock((await store.get_inquiry(tx, case_id=case_id)).journey_id)
    inquiry = await store.get_inquiry(tx, case_id=case_id)
    expected.check(inquiry.version)
    return inquiry


async def _keep_time(tx: Transaction, inquiry: Inquiry) -> Inquiry:
    """Break the promise whose time has passed, so that nothing that comes later is taken for keeping it."""
    if not inquiry.is_due(Wait.ANSWER_DUE, at=tx.now, levels=SERVICE_LEVELS):
        return inquiry
    late, failure = inquiry.broken()
    await _save(tx, inquiry, late)
    tx.publish(InquiryAnswerOverdue.about(late, failure=failure, promise=late.promise))
    return late


async def _reopen(
    tx: Transaction,
    before: Inquiry,
    inquiry: Inquiry,
    *,
    reason: Reason,
    at: datetime,
    contact_id: UUID | None = None,
) -> Inquiry:
    inquiry, failure = inquiry.reopened_for(reason, at=at, levels=SERVICE_LEVELS)
    await _save(tx, before, inquiry)
    tx.publish(
        InquiryReopened.about(inquiry, contact_id=contact_id, failure=failure, promise=inquiry.promise, reason=reason)
    )
    return inquiry


async def _save(tx: Transaction, before: Inquiry, inquiry: Inquiry) -> None:
    await store.update_inquiry(tx, inquiry=inquiry)
    await _set_timers(tx, before, inquiry)
    await _hold_dunning(tx, inquiry)


async def _hold_dunning(tx: Transaction, inquiry: Inquiry) -> None:
    """No reminder goes out on an invoice while somebody waits for an answer about it."""
    if inquiry.invoice_number is not None:
        await dunning.follow_case(
            tx, case_id=inquiry.case_id, journey_id=inquiry.journey_id, reason=HoldReason.INQUIRY,
            unsettled=inquiry.state not in SETTLED, invoice_number=inquiry.invoice_number, sequence=inquiry.version,
        )  # fmt: skip


async def _set_timers(tx: Transaction, before: Inquiry | None, inquiry: Inquiry) -> None:
    was = before.waits(SERVICE_LEVELS) if before else {}
    await keep_waits(tx, was, inquiry.waits(SERVICE_LEVELS), case_id=inquiry.case_id, key=inquiry.journey_id)
