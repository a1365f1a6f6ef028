"""What intake announces: contacts, identities, and what became of replies."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from .base import Event, JourneyEvent, OpenEnum, Part, Task


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


class ContentReference(Part):
    """A file in the object store, by the hash of its content."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: int = Field(ge=0)
    """Bytes."""
    media_type: str = Field(max_length=200)
    name: str = Field(max_length=255)


class Thread(Part):
    """What this contact continues, where intake could tell."""

    contact_id: UUID | None = None
    """The earlier contact it answers."""
    case_id: UUID | None = None
    task: Task | None = None
    found_by: str = Field(max_length=40)
    """`reply_token`, `references`, `provider_context` or `reference_in_text`."""


class ContactReceived(JourneyEvent, type="intake.contact_received.v1", words=True):
    """Somebody brought a matter to us, on whatever channel."""

    contact_id: UUID
    channel: Channel
    account: str = Field(max_length=320)
    """Our side of the channel: the mailbox, the phone number id, the form's name."""
    received_at: AwareDatetime
    sender: Handle | None = None
    """The address it came from; None for an anonymous contact."""
    customer_number: str | None = Field(default=None, max_length=40)
    """As the sender stated it."""
    assurance: Assurance
    display_name: str | None = Field(default=None, max_length=200)
    subject_line: str | None = Field(default=None, max_length=998)
    text: str = Field(max_length=50_000)
    """What the person wrote, without quotes and signature; an excerpt where it was longer (`content`)."""
    content: ContentReference | None = None
    """The whole text, where `text` is only its beginning."""
    language: str | None = Field(default=None, max_length=2)
    """ISO 639-1, as far as intake could tell."""
    attachments: tuple[ContentReference, ...] = ()
    stated_task: Task | None = None
    """What a structured form said it is about; taken as said."""
    thread: Thread | None = None
    automatic: bool = False
    """Sent by a machine (auto-reply, bounce, list): it is kept, and never answered."""

    @property
    def subject(self) -> str:
        return str(self.contact_id)


class CustomerLearnt(JourneyEvent, type="intake.customer_learnt.v1", words=True):
    """Intake learnt something about the person behind a journey; administration takes this over once it is there."""

    handle: Handle
    assurance: Assurance
    name: str | None = Field(default=None, max_length=200)
    language: str | None = Field(default=None, max_length=2)


class JourneysMerged(Event, type="intake.journeys_merged.v1"):
    """Two journeys turned out to be one person's. Nothing moves: a link is made, which can be removed again."""

    link_id: UUID
    journey_a: UUID
    """The smaller of the two ids."""
    journey_b: UUID
    made_at: AwareDatetime
    evidence: str = Field(max_length=100)
    """A code: `verified_customer_number`, `agent_identified` …"""

    @property
    def key(self) -> str:
        return str(self.journey_a)

    @property
    def lock_keys(self) -> tuple[str, ...]:
        return (str(self.journey_a), str(self.journey_b))


class JourneysSplit(Event, type="intake.journeys_split.v1"):
    """A link between two journeys was wrong and is removed; both read as before."""

    link_id: UUID
    journey_a: UUID
    journey_b: UUID
    removed_at: AwareDatetime
    reason: str = Field(max_length=100)

    @property
    def key(self) -> str:
        return str(self.journey_a)

    @property
    def lock_keys(self) -> tuple[str, ...]:
        return (str(self.journey_a), str(self.journey_b))


class ReplySent(JourneyEvent, type="intake.reply_sent.v1"):
    """Words reached the customer's channel."""

    reply_id: UUID
    contact_id: UUID
    case_id: UUID | None = None
    task: Task | None = None
    channel: Channel
    template: str = Field(max_length=100)
    language: str = Field(max_length=2)
    sent_at: AwareDatetime
    provider_id: str | None = Field(default=None, max_length=500)
    """The Message-ID, or the id the provider gave."""

    @property
    def subject(self) -> str:
        return str(self.case_id or self.contact_id)


class ReplyFailed(JourneyEvent, type="intake.reply_failed.v1"):
    """Words could not be brought to the customer; a person has to find another way."""

    reply_id: UUID
    contact_id: UUID
    case_id: UUID | None = None
    task: Task | None = None
    channel: Channel
    template: str = Field(max_length=100)
    code: str = Field(max_length=100)
    attempts: int = Field(ge=0)

    @property
    def subject(self) -> str:
        return str(self.case_id or self.contact_id)


class ContactQuarantined(Event, type="intake.contact_quarantined.v1"):
    """Something came in that could not be understood; its bytes are kept and can be processed again."""

    vault_id: UUID
    channel: Channel
    reason: str = Field(max_length=100)

    @property
    def key(self) -> str:
        return str(self.vault_id)
