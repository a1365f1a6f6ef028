"""Speak to a customer: queue what a task asks for, and note what became of it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from anliegen.events import Channel, ContentReference, Envelope, ReplyRequested, ReplySent, RoutingQuestionAsked
from anliegen.kit import Transaction
from anliegen.kit.telemetry import traces

from ..domain.contacts import Contact
from ..domain.replies import (
    ANSWERED_LATELY,
    AUTOMATIC_REPLY_EVERY,
    Cause,
    Reply,
    ReplyState,
    Sent,
    Way,
    language_for,
    wait_after,
    way_for,
)
from ..resources import resources_of
from ..store import claims, customers, outgoing
from ..store import contacts as contact_store
from .fail import announce_failure, cause_of, fail_reply

ROUTING_QUESTION = "routing_question"
"""The template that asks which task a contact is about."""
NOT_NOTED = "not_noted"
"""A channel took it over, which could not be noted: it is noted later, and not sent again."""
STATUS_FAILED = "failed"
STATUSES_DELIVERED = frozenset({"delivered", "read"})


async def queue_reply(tx: Transaction, event: ReplyRequested) -> None:
    """Queue the words that a task asks for. Its journey is locked; asked twice, it is sent once."""
    await _queue(tx, event, template=event.template, values=event.values, files=event.attachments, answers=event)


async def queue_question(tx: Transaction, event: RoutingQuestionAsked) -> None:
    """Queue the question which task a contact is about: there is no case yet, so an answer continues the contact."""
    options = {f"option_{number}": task.value for number, task in enumerate(event.options, start=1)}
    await _queue(tx, event, template=ROUTING_QUESTION, values={"option_3": "", **options})


async def _queue(
    tx: Transaction,
    event: ReplyRequested | RoutingQuestionAsked,
    *,
    template: str,
    values: Mapping[str, str],
    files: tuple[ContentReference, ...] = (),
    answers: ReplyRequested | None = None,
) -> None:
    resources = resources_of(tx)
    contact = await contact_store.find_contact(tx, contact_id=event.contact_id)
    way = await _way(tx, contact, has_files=bool(files)) if contact else None
    code = "contact_unknown" if contact is None else "no_channel" if way is None else None
    if code is None and template not in resources.texts.keys:
        code = "template_unknown"
    on_page = code is None and way is not None and way.recipient is None
    reply = Reply(
        reply_id=event.reply_id,
        contact_id=event.contact_id,
        journey_id=event.journey_id,
        way=way or Way(contact.channel if contact else Channel.UNKNOWN, contact.account if contact else "", None),
        template=template,
        language=language_for(event.language, contact.language if contact else None),
        values={**values, **({"reference": contact.reference} if contact else {})},
        attachments=files,
        case_id=answers.case_id if answers else None,
        task=answers.task if answers else None,
        state=ReplyState.FAILED if code else ReplyState.SENT if on_page else ReplyState.PENDING,
        code=code,
        sent_at=tx.now if on_page else None,
        cause=_cause_of(tx.cause) if tx.cause else None,
    )
    if contact is not None and contact.subject_line and _goes_back(contact, reply.way):
        reply.values["subject_line"] = contact.subject_line[:200]
    if not await outgoing.insert_reply(tx, reply, due=tx.wall):
        return
    if code is not None:
        announce_failure(tx, reply, code=code)
    elif on_page:
        announce_sent(tx, reply, provider_id=None)
    else:
        tx.after_commit(resources.wake.set)


def _cause_of(event: Envelope) -> Cause:
    return Cause(event.id, event.time, event.correlationid or str(event.id), traces.inject(event)[0])


async def _way(tx: Transaction, contact: Contact, *, has_files: bool) -> Way | None:
    number = contact.customer_number
    return way_for(
        contact,
        mail_account=resources_of(tx).settings.mail_from,
        address_on_file=await customers.find_address(tx, customer_number=number) if number else None,
        has_files=has_files,
    )


def _goes_back(contact: Contact, way: Way) -> bool:
    # Only a mail's own subject comes back: nobody sends words of theirs to a stranger through us.
    return contact.channel is Channel.EMAIL and contact.sender is not None and contact.sender.value == way.recipient


async def confirm_sent(tx: Transaction, *sent: Sent) -> None:
    """Note that a channel took these words over, and what the provider said about them meanwhile."""
    await tx.lock(*(each.reply.journey_id for each in sent))
    # A mail server says nothing more about a mail. Noted twice, its announcement has the same id, since it follows from
    # what the words answer to; so all of it is one statement, for one mail as for many.
    mails = [each for each in sent if each.reply.way.channel is Channel.EMAIL and each.reply.cause is not None]
    if mails:
        outgoing.add_sent(tx, mails)
        for mail in mails:
            announce_sent(tx, mail.reply, provider_id=mail.provider_id)
    others = [each for each in sent if each not in mails]
    for each in sorted(others, key=lambda each: each.provider_id or ""):
        if not await outgoing.update_sent(tx, each):
            continue
        announce_sent(tx, each.reply, provider_id=each.provider_id)
        if each.provider_id is not None:
            await outgoing.lock_provider_id(tx, provider_id=each.provider_id)
            for status, code in await outgoing.list_statuses(tx, provider_id=each.provider_id):
                await _apply_status(tx, each.reply, provider_id=each.provider_id, status=status, code=code)


def announce_sent(tx: Transaction, reply: Reply, *, provider_id: str | None) -> None:
    """Tell that words went out."""
    sent = ReplySent(
        journey_id=reply.journey_id,
        reply_id=reply.reply_id,
        contact_id=reply.contact_id,
        case_id=reply.case_id,
        task=reply.task,
        channel=reply.way.channel,
        template=reply.template,
        language=reply.language,
        sent_at=reply.sent_at or tx.now,
        provider_id=provider_id,
    )
    tx.publish(sent, cause=cause_of(tx, reply))


async def keep_unnoted(tx: Transaction, sent: Sent) -> None:
    """Keep that a channel took these words over, though that cannot be noted: then only the note is tried again."""
    await outgoing.update_unnoted(tx, sent, code=NOT_NOTED, due=tx.wall + wait_after(sent.reply.attempts))


async def retry_or_give_up(tx: Transaction, reply: Reply, *, code: str, lasting: bool) -> None:
    """Note a failure: it is tried again later, unless that is useless or was done often enough."""
    await tx.lock(reply.journey_id)
    if lasting or reply.attempts >= resources_of(tx).settings.send_attempts:
        await fail_reply(tx, reply, code=code)
    else:
        await retry_later(tx, reply, code=code)


async def retry_later(tx: Transaction, reply: Reply, *, code: str) -> None:
    """Have words tried again after a while."""
    due = tx.wall + wait_after(reply.attempts)
    await outgoing.update_retry(tx, reply_id=reply.reply_id, code=code, due=due)


async def claim_replies(tx: Transaction, *, places: Mapping[Channel, int], hold: timedelta) -> list[Reply]:
    """Take words that are due, of each channel as many as it has places, but no second automatic mail to an address
    within a day."""
    every = AUTOMATIC_REPLY_EVERY
    if mails := places.get(Channel.EMAIL, 0):
        await claims.update_repeated(tx, every=every, code=ANSWERED_LATELY, limit=4 * mails)
    by = tx.context.settings.worker_slot
    return await claims.claim_due(tx, by=by, places=places, hold=hold, automatic_every=every)


async def release_claims(tx: Transaction, *, taken_over: Sequence[UUID] = ()) -> int:
    """Put back what this worker has taken and is not at work on, but for what a channel has; tells how many.

    What was taken before the worker was started again may have been handed over already: then it is again,
    recognisable as the same.
    """
    waits = [wait_after(attempts) for attempts in range(1, resources_of(tx).settings.send_attempts + 1)]
    return await claims.update_claims_ended(tx, by=tx.context.settings.worker_slot, waits=waits, taken_over=taken_over)


async def keep_status(tx: Transaction, *, provider_id: str, status: str, code: str | None) -> None:
    """Keep what a provider says about a message of ours, whether or not we know yet that we sent it.

    Committed before `apply_status` begins: so either that finds the message, or whoever notes it as sent finds this.
    """
    await outgoing.lock_provider_id(tx, provider_id=provider_id)
    await outgoing.insert_status(tx, provider_id=provider_id, status=status, at=tx.now, code=code)


async def apply_status(tx: Transaction, *, provider_id: str, status: str, code: str | None) -> None:
    """Let what a provider says take effect on our message; one that we do not know yet is left to `confirm_sent`."""
    reply = await outgoing.find_reply_by_provider_id(tx, provider_id=provider_id)
    if reply is not None:
        await tx.lock(reply.journey_id)
        await _apply_status(tx, reply, provider_id=provider_id, status=status, code=code)


async def _apply_status(tx: Transaction, reply: Reply, *, provider_id: str, status: str, code: str | None) -> None:
    if status in STATUSES_DELIVERED:
        await outgoing.update_delivered(tx, provider_id=provider_id)
    elif status == STATUS_FAILED:
        await fail_reply(tx, reply, code=f"provider_failed_{code}" if code else "provider_failed")
