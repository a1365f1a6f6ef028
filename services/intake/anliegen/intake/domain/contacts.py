"""Contacts: what came in, in the form in which it is kept."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from anliegen.events import Assurance, CaseStatus, Channel, ContentReference, Handle, Task, Thread
from anliegen.kit.errors import NotFound

LONGEST_TEXT = 50_000
LONGEST_SUBJECT = 998
LONGEST_NAME = 200
_SETTLED = frozenset({CaseStatus.CLOSED, CaseStatus.WITHDRAWN, CaseStatus.TRANSFERRED})
# What is not a letter of any text: controls without tab and line feed, halves of surrogate pairs, bidi overrides.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_BLANKS = re.compile(r"\n{4,}")


class ContactNotFound(NotFound):
    """There is no contact with this id, or it is not yours to see."""


@dataclass(frozen=True, slots=True)
class Media:
    """A file that the provider keeps for us until we fetch it."""

    media_id: str
    media_type: str
    name: str


@dataclass(frozen=True, slots=True)
class Message:
    """What a door understood of something that came in; `sender` and the rest are as the channel says."""

    contact_id: UUID
    channel: Channel
    account: str
    text: str
    received_at: datetime
    subject_line: str | None = None
    display_name: str | None = None
    language: str | None = None
    stated_task: Task | None = None
    attachments: tuple[ContentReference, ...] = ()
    content: ContentReference | None = None
    media: tuple[Media, ...] = ()
    message_id: str | None = None
    """The provider's id; with mail the Message-ID."""
    references: tuple[str, ...] = ()
    """Ids of the messages that it answers, the nearest first."""
    reply_id: UUID | None = None
    """The reply it answers, from a token that we signed."""
    automatic: str | None = None
    """Why it is a machine's (a code); None for a person's."""
    unanswered: str | None = None
    """Why it gets no acknowledgement although a person sent it (a code)."""
    bounced: str | None = None
    """The Message-ID of our mail that came back."""
    vault_id: UUID | None = None
    noted_by: str | None = None
    """The agent who noted it."""
    may_learn: bool = False
    """The person agreed that the words are kept to learn from."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as it is kept. `version` rises whenever what a reader sees changes."""

    contact_id: UUID
    journey_id: UUID
    channel: Channel
    account: str
    reference: str
    received_at: datetime
    text: str
    assurance: Assurance
    sender: Handle | None = None
    customer_number: str | None = None
    display_name: str | None = None
    subject_line: str | None = None
    content: ContentReference | None = None
    language: str | None = None
    attachments: tuple[ContentReference, ...] = ()
    stated_task: Task | None = None
    thread: Thread | None = None
    automatic: str | None = None
    message_id: str | None = None
    references: tuple[str, ...] = ()
    vault_id: UUID | None = None
    noted_by: str | None = None
    may_learn: bool = False
    version: int = 1


@dataclass(frozen=True, slots=True)
class CaseState:
    """A case that a contact raised, as its task last told it."""

    case_id: UUID
    task: Task
    status: CaseStatus
    changed_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether a further message continues it."""
        return self.status not in _SETTLED


@dataclass(frozen=True, slots=True)
class CaseMove:
    """What a task says about a case: the event with the highest `sequence` holds."""

    case_id: UUID
    contact_id: UUID | None
    journey_id: UUID
    task: Task
    status: CaseStatus
    sequence: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier contact or reply of ours that a message refers to."""

    contact_id: UUID
    journey_id: UUID
    case_id: UUID | None = None
    task: Task | None = None
    sender: Handle | None = None
    cases: tuple[CaseState, ...] = field(default=())

    def as_thread(self, *, found_by: str) -> Thread:
        """What the new contact continues: the case that was asked about, else the newest one that is open."""
        if self.case_id is not None:
            return Thread(contact_id=self.contact_id, case_id=self.case_id, task=self.task, found_by=found_by)
        candidates = [case for case in self.cases if case.is_open] or list(self.cases)
        newest = max(candidates, key=lambda case: case.changed_at, default=None)
        return Thread(
            contact_id=self.contact_id,
            case_id=newest.case_id if newest else None,
            task=newest.task if newest else None,
            found_by=found_by,
        )


def clean(text: str) -> str:
    """A text that every database and every reader can take: no control characters, no broken Unicode."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _BLANKS.sub("\n\n\n", _UNSAFE.sub("", unicodedata.normalize("NFC", text))).strip()


def clean_line(text: str | None, *, longest: int) -> str | None:
    """One line of text, or None where nothing is left."""
    if text is None:
        return None
    return " ".join(clean(text).split())[:longest] or None
