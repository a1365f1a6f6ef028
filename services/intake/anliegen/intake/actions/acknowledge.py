"""Acknowledge a contact: once, at once, with reference, next step and time."""

from uuid import UUID

from anliegen.events import Channel
from anliegen.kit import Transaction

from ..domain.contacts import Contact
from ..domain.references import status_token
from ..domain.replies import (
    ACKNOWLEDGEMENT,
    AUTOMATIC_REPLY_EVERY,
    Cause,
    Reply,
    ReplyState,
    Way,
    acknowledgement_id_of,
    language_for,
    way_to,
)
from ..resources import resources_of
from ..settings import IntakeSettings
from ..store import outgoing
from .speak import announce_sent


def status_url_of(settings: IntakeSettings, contact_id: UUID) -> str:
    """The signed address of a contact's status page."""
    token = status_token(settings.identity_key, contact_id)
    return f"{settings.public_url.rstrip('/')}/intake/v1/contacts/{contact_id}/status?token={token}"


def status_url(tx: Transaction, contact: Contact) -> str:
    """The signed address of a contact's status page."""
    return status_url_of(resources_of(tx).settings, contact.contact_id)


async def acknowledge_contact(
    tx: Transaction, contact: Contact, *, cause: Cause, unanswered: str | None = None
) -> None:
    """Queue the acknowledgement of a new contact, or keep why there is none.

    A form without an address is acknowledged on its status page, which is there at once.
    """
    resources = resources_of(tx)
    if not resources.rules.acknowledges(contact.channel):
        return
    way = way_to(
        channel=contact.channel,
        account=contact.account,
        sender=contact.sender,
        mail_account=resources.settings.mail_from,
    ) or Way(contact.channel, contact.account, None)
    reason = contact.automatic or unanswered or await _why_not(tx, way)
    if reason is not None and contact.channel in {Channel.WEB_FORM, Channel.APP}:
        # The form's own status page says it all the same.
        way, reason = Way(contact.channel, contact.account, None), None
    on_page = reason is None and way.recipient is None
    reply = Reply(
        reply_id=acknowledgement_id_of(contact.contact_id),
        contact_id=contact.contact_id,
        journey_id=contact.journey_id,
        way=way,
        template=ACKNOWLEDGEMENT,
        language=language_for(contact.language),
        values=_values(tx, contact, way),
        automatic=True,
        state=ReplyState.SUPPRESSED if reason else ReplyState.SENT if on_page else ReplyState.PENDING,
        code=reason,
        sent_at=tx.now if on_page else None,
        cause=cause,
    )
    if not await outgoing.insert_reply(tx, reply, due=tx.wall):
        return
    resources.wake.set()
    if on_page:
        announce_sent(tx, reply, provider_id=None)


def _values(tx: Transaction, contact: Contact, way: Way) -> dict[str, str]:
    rules = resources_of(tx).rules
    values = {
        "reference": contact.reference,
        "answer_by": rules.answer_by(contact.channel, contact.received_at).isoformat(),
    }
    if contact.channel in {Channel.WEB_FORM, Channel.APP} and way.recipient is not None:
        values["status_url"] = status_url(tx, contact)
    if contact.channel is Channel.EMAIL and contact.subject_line:
        # Only a mail's own subject comes back: a form must not let anybody send words of theirs to a stranger.
        values["subject_line"] = contact.subject_line.removeprefix("Re: ").removeprefix("AW: ")[:200]
    return values


async def _why_not(tx: Transaction, way: Way) -> str | None:
    """Why this address gets no automatic mail now, as a code."""
    if way.channel is not Channel.EMAIL or way.recipient is None:
        return None
    if way.recipient in resources_of(tx).settings.own_addresses:
        return "own_address"
    # Forms of many journeys may name one address at the same moment: only one of them may mail it.
    await outgoing.lock_recipient(tx, recipient=way.recipient)
    since = tx.now - AUTOMATIC_REPLY_EVERY
    if await outgoing.has_automatic_reply(tx, recipient=way.recipient, since=since):
        return "answered_within_a_day"
    return None
