"""Acknowledge a contact: once, at once, with reference, next step and time."""

from uuid import UUID

from anliegen.events import Channel, Handle
from anliegen.kit import Transaction

from ..domain.contacts import Contact
from ..domain.references import status_token
from ..domain.replies import (
    ACKNOWLEDGEMENT,
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
    """Queue the acknowledgement of a new contact, or keep why there is none (`unanswered`).

    A form without an address is acknowledged on its status page, which is there at once.
    """
    resources = resources_of(tx)
    if not resources.rules.acknowledges(contact.channel):
        return
    way = way_of(tx, channel=contact.channel, account=contact.account, sender=contact.sender)
    own = way.channel is Channel.EMAIL and way.recipient in resources.settings.own_addresses
    reason = contact.automatic or ("own_address" if own else unanswered)
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
    outgoing.add_reply(tx, reply, due=tx.wall)
    tx.after_commit(resources.wake.set)
    if on_page:
        announce_sent(tx, reply, provider_id=None)


def way_of(tx: Transaction, *, channel: Channel, account: str, sender: Handle | None) -> Way:
    """Where a contact is acknowledged: an address, or the status page (no recipient)."""
    mail_account = resources_of(tx).settings.mail_from
    way = way_to(channel=channel, account=account, sender=sender, mail_account=mail_account)
    return way or Way(channel, account, None)


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
