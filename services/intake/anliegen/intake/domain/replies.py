"""Words on their way to a customer: by which channel, in which language, and what becomes of them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from anliegen.events import Assurance, Channel, ContentReference, Handle, HandleKind, Task
from anliegen.kit import ids

from .contacts import Contact

ACKNOWLEDGEMENT = "acknowledgement"
OUTGOING = (Channel.EMAIL, Channel.WHATSAPP)
"""The channels that words go out on, each in a lane of its own."""
LANGUAGES = ("de", "en", "fr", "it")
AUTOMATIC_REPLY_EVERY = timedelta(hours=24)
"""A sender gets at most one automatic mail in this time, so that two machines never talk to each other."""
ANSWERED_LATELY = "answered_within_a_day"
"""Why a sender gets no automatic mail now."""
WHATSAPP_WINDOW = timedelta(hours=24)
"""After a customer's message the provider takes free text for so long; later only approved templates."""
_FIRST_WAIT = timedelta(seconds=2)
_LONGEST_WAIT = timedelta(minutes=30)


class ReplyState(StrEnum):
    """Where words are on their way."""

    PENDING = "pending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Way:
    """How words reach a customer: channel, the account we send from, and the address (none: the status page)."""

    channel: Channel
    account: str
    recipient: str | None


@dataclass(frozen=True, slots=True)
class Cause:
    """The event that words answer to, and what began it all."""

    event_id: UUID
    at: datetime
    correlation: str
    traceparent: str | None = None
    """The span that asked for the words, so that their sending is found in its trace."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Words for a customer, as they are kept."""

    reply_id: UUID
    contact_id: UUID
    journey_id: UUID
    way: Way
    template: str
    language: str
    values: dict[str, str] = field(default_factory=dict)
    attachments: tuple[ContentReference, ...] = ()
    case_id: UUID | None = None
    task: Task | None = None
    automatic: bool = False
    state: ReplyState = ReplyState.PENDING
    code: str | None = None
    attempts: int = 0
    created_at: datetime | None = None
    sent_at: datetime | None = None
    provider_id: str | None = None
    message_id: str | None = None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    last_heard_at: datetime | None = None
    """When this recipient last wrote to us on this channel."""
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """Words that a channel took over, and what it calls them."""

    reply: Reply
    provider_id: str | None
    message_id: str | None = None


def acknowledgement_id_of(contact_id: UUID) -> UUID:
    """The id of a contact's acknowledgement: one contact, one acknowledgement, however often it comes."""
    return ids.derived("acknowledgement", contact_id)


def way_to(*, channel: Channel, account: str, sender: Handle | None, mail_account: str) -> Way | None:
    """How to reach the sender of a contact: where they wrote, else by mail, else on the status page; None: not at all.

    A phone call, a visit or a letter that left no mail address has to be answered by a person.
    """
    if channel is Channel.WHATSAPP and sender is not None and sender.kind is HandleKind.WHATSAPP:
        return Way(channel, account, sender.value)
    if sender is not None and sender.kind is HandleKind.EMAIL:
        return Way(Channel.EMAIL, account if channel is Channel.EMAIL else mail_account, sender.value)
    if channel in {Channel.WEB_FORM, Channel.APP}:
        return Way(channel, account, None)
    return None


def way_for(contact: Contact, *, mail_account: str, address_on_file: str | None, has_files: bool) -> Way | None:
    """How words of a task reach a customer; None: not at all, so that a person has to.

    Files are about the customer whose number was named, and a number that is only claimed reveals nothing to whoever
    claimed it: they go to the address in that customer's own record, or to the sender's where no record is known, and
    never onto a page. The address in the record also serves whom no other way reaches, as after a call.
    """
    own = way_to(channel=contact.channel, account=contact.account, sender=contact.sender, mail_account=mail_account)
    on_file = Way(Channel.EMAIL, mail_account, address_on_file) if address_on_file else None
    is_claimed = contact.customer_number is not None and contact.assurance is not Assurance.VERIFIED
    if has_files and is_claimed:
        return on_file or (own if own is not None and own.recipient is not None else None)
    return own or on_file


def language_for(*wanted: str | None) -> str:
    """The first of these languages that we write."""
    return next((language for language in wanted if language in LANGUAGES), LANGUAGES[0])


def wait_after(attempts: int) -> timedelta:
    """How long to wait before sending is tried again: 2 s, 8 s, 32 s … at most half an hour."""
    factor: int = 4 ** min(attempts - 1, 10)
    return min(_FIRST_WAIT * factor, _LONGEST_WAIT)


def window_is_open(last_heard_at: datetime | None, now: datetime) -> bool:
    """Whether WhatsApp still takes free text for a customer who last wrote at this time."""
    return last_heard_at is not None and now - last_heard_at < WHATSAPP_WINDOW
