"""What intake announces: contacts, identities, and what became of replies."""

from typing import Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from .base import ContentReference, Event, JourneyEvent, OpenEnum, Part, Task
from .partners import PartnerCustomerEvent


class Channel(OpenEnum):
    """The way a contact came or a reply went."""

    EMAIL = "email"
    WHATSAPP = "whatsapp"
    WEB_FORM = "web_form"
    APP = "app"
    PHONE = "phone"
    VISIT = "visit"
    LETTER = "letter"
    CHAT = "chat"
    SMS = "sms"
    SOCIAL = "social"
    REVIEW = "review"
    PARTNER = "partner"
    UNKNOWN = "unknown"


class HandleKind(OpenEnum):
    """What kind of address a person is known by."""

    CUSTOMER_NUMBER = "customer_number"
    EMAIL = "email"
    PHONE = "phone"
    WHATSAPP = "whatsapp"
    ACCOUNT = "account"
    ANONYMOUS = "anonymous"
    UNKNOWN = "unknown"


class Assurance(OpenEnum):
    """How sure we are that the sender is who the identity says: only `verified` may reveal, redirect or merge."""

    NONE = "none"
    CLAIMED = "claimed"
    VERIFIED = "verified"
    UNKNOWN = "unknown"


class Handle(Part):
    """An address a person uses, normalised (lower-case e-mail, E.164 phone number)."""

    kind: HandleKind
    value: str = Field(max_length=320)
    """The normalised address or number."""


class Thread(Part):
    """What this contact continues, where intake could tell."""

    contact_id: UUID | None = None
    """The earlier contact it answers."""
    case_id: UUID | None = None
    """The case it continues."""
    task: Task | None = None
    """The task that works on that case."""
    found_by: str = Field(max_length=40)
    """`reply_token`, `references`, `provider_context` or `reference_in_text`."""


class ContactReceived(JourneyEvent, type="intake.contact_received.v1", words=True):
    """Somebody brought a matter to us, on whatever channel."""

    contact_id: UUID
    """Derived from channel, account and the provider's message id: a provider's retry is the same contact."""
    channel: Channel
    account: str = Field(max_length=320)
    """Our side of the channel: the mailbox, the phone number id, the form's name."""
    received_at: AwareDatetime
    """When it reached us."""
    sender: Handle | None = None
    """The address it came from; none for an anonymous contact."""
    customer_number: str | None = Field(default=None, max_length=40)
    """As the sender stated it."""
    assurance: Assurance
    display_name: str | None = Field(default=None, max_length=200)
    """The sender's name as the channel gave it."""
    subject_line: str | None = Field(default=None, max_length=998)
    """The subject of a mail or form."""
    text: str = Field(max_length=50_000)
    """What the person wrote, without quotes and signature; an excerpt where it was longer (`content`)."""
    content: ContentReference | None = None
    """The whole text, where `text` is only its beginning."""
    language: str | None = Field(default=None, max_length=2)
    """ISO 639-1, as far as intake could tell."""
    attachments: tuple[ContentReference, ...] = ()
    """What was sent along."""
    stated_task: Task | None = None
    """What a structured form said it is about; taken as said."""
    thread: Thread | None = None
    automatic: bool = False
    """Sent by a machine (auto-reply, bounce, list): it is kept, and never answered."""
    may_learn: bool = False
    """The person agreed that these words are kept, masked, for triage to learn from; anything else is no consent."""

    @property
    def subject(self) -> str:
        return str(self.contact_id)


class CustomerLearnt(JourneyEvent, type="intake.customer_learnt.v1", words=True):
    """Intake learnt something about the person behind a journey; administration takes this over once it is there."""

    handle: Handle
    assurance: Assurance
    name: str | None = Field(default=None, max_length=200)
    """The person's name."""
    language: str | None = Field(default=None, max_length=2)
    """ISO 639-1, the language the person prefers."""


class LinkEvent(Event):
    """A fact about a link between two journeys of one person; its making and its removal are in one stream."""

    link_id: UUID
    """Names the link, so that it can be removed."""
    journey_a: UUID
    """The smaller of the two ids."""
    journey_b: UUID
    """The larger of the two ids."""

    @model_validator(mode="after")
    def _smaller_first(self) -> Self:
        if self.journey_a >= self.journey_b:
            raise ValueError("journey_a is the smaller of two different ids")
        return self

    @property
    def key(self) -> str:
        return str(self.journey_a)

    @property
    def lock_keys(self) -> tuple[str, ...]:
        return (str(self.journey_a), str(self.journey_b))


class JourneysMerged(LinkEvent, type="intake.journeys_merged.v1"):
    """Two journeys turned out to be one person's. Nothing moves: a link is made, which can be removed again."""

    made_at: AwareDatetime
    """When the link was made."""
    evidence: str = Field(max_length=100)
    """A code: `verified_customer_number`, `agent_identified` …"""


class JourneysSplit(LinkEvent, type="intake.journeys_split.v1"):
    """A link between two journeys was wrong and is removed; both read as before."""

    removed_at: AwareDatetime
    """When the link was removed."""
    reason: str = Field(max_length=100)
    """A code: `agent_separated` …"""


class ReplySent(JourneyEvent, type="intake.reply_sent.v1"):
    """Words reached the customer's channel."""

    reply_id: UUID
    """As in the request."""
    contact_id: UUID
    """The contact that was answered."""
    case_id: UUID | None = None
    """The case that asked; none for intake's own acknowledgement."""
    task: Task | None = None
    """The task that asked."""
    channel: Channel
    """The channel it went out on."""
    template: str = Field(max_length=100)
    """The template's key."""
    language: str = Field(max_length=2)
    """ISO 639-1, the language it was written in."""
    sent_at: AwareDatetime
    """When the channel took it over."""
    provider_id: str | None = Field(default=None, max_length=500)
    """The Message-ID, or the id the provider gave."""

    @property
    def subject(self) -> str:
        return str(self.case_id or self.contact_id)


class ReplyFailed(JourneyEvent, type="intake.reply_failed.v1"):
    """Words could not be brought to the customer; a person has to find another way."""

    reply_id: UUID
    """As in the request."""
    contact_id: UUID
    """The contact that was to be answered."""
    case_id: UUID | None = None
    """The case that asked; none for intake's own acknowledgement."""
    task: Task | None = None
    """The task that asked."""
    channel: Channel
    """The channel it was to go out on."""
    template: str = Field(max_length=100)
    """The template's key."""
    code: str = Field(max_length=100)
    """A stable word for the cause."""
    attempts: int = Field(ge=0)
    """How often sending was tried."""

    @property
    def subject(self) -> str:
        return str(self.case_id or self.contact_id)


class ContactQuarantined(Event, type="intake.contact_quarantined.v1"):
    """Something came in that could not be understood; its bytes are kept and can be processed again."""

    vault_id: UUID
    """Where the bytes are kept."""
    channel: Channel
    reason: str = Field(max_length=100)
    """A stable word for why they could not be understood."""

    @property
    def key(self) -> str:
        return str(self.vault_id)


class CustomerRecordChanged(PartnerCustomerEvent, type="intake.customer_record_changed.v1", words=True):
    """A partner system made or changed its record of a customer; this is the whole record as it is now."""

    name: str | None = Field(default=None, max_length=200)
    """The customer's name."""
    language: str | None = Field(default=None, max_length=2)
    """ISO 639-1, the language the customer prefers."""
    email: str | None = Field(default=None, max_length=320)
    """The customer's address, as the partner writes it."""
    phone: str | None = Field(default=None, max_length=60)
    """The customer's phone number, as the partner writes it; with its country unless it is our own."""
