"""What triage decides: what a contact is about, who should see it, and when a person has to look. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from anliegen.events import Concern, FailureOrigin, Flag, JourneyStage, Priority, Sentiment, Task
from anliegen.kit import ids
from anliegen.kit.errors import Conflict, Invalid, NotFound

from .classifier import Reading
from .packs import Mode, Routing

FOLLOW_UP = "follow_up"
"""The intent of a follow-up on a case whose beginning triage has not seen."""


class ReviewNotFound(NotFound):
    """There is no review with this id, or it is not yours to see."""


class ContactNotFound(NotFound):
    """There is no contact with this id, or it is not yours to see."""


class TaskNotServed(Invalid):
    """No service settles this task here. Choose one that is served, or settle the matter outside and name none."""


class ReviewDecided(Conflict):
    """Somebody has decided this review already."""


class IntentUnknown(Invalid):
    """The rule packs know no such intent of this task."""


class Status(StrEnum):
    """Where a contact stands. `automatic` ones are kept and lead to nothing."""

    AUTOMATIC = "automatic"
    WAITING = "waiting"
    IN_REVIEW = "in_review"
    DECIDED = "decided"


class DecidedBy(StrEnum):
    """Who decided."""

    RULES = "rules"
    MODEL = "model"
    PERSON = "person"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact as triage keeps it: what was read from it, not what it says."""

    contact_id: UUID
    journey_id: UUID
    channel: str
    language: str
    received_at: datetime
    reading: Reading
    pack: str
    status: Status
    earlier_contact_id: UUID | None = None
    found_by: str | None = None
    decided_by: DecidedBy | None = None
    decided_at: datetime | None = None
    market: str | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Decided:
    """One concern as it was decided. `base_tier` is its tier before the failures of the person are counted."""

    concern: Concern
    case_id: UUID
    base_tier: int

    @property
    def continues(self) -> bool:
        """Whether it goes on with a case that was there before."""
        return self.concern.case_id == self.case_id

    @property
    def handed_over_from(self) -> UUID | None:
        """The case of another task that it goes on from, in a case of its own."""
        return None if self.continues else self.concern.case_id

    def at_tier(self, tier: int) -> "Decided":
        """The same concern at another tier."""
        return replace(self, concern=self.concern.model_copy(update={"tier": tier}))


@dataclass(frozen=True, slots=True)
class Handover:
    """A case that its task hands to another one, with the contact that began it."""

    case_id: UUID
    contact_id: UUID
    task: Task
    to_task: Task


@dataclass(frozen=True, slots=True)
class Review:
    """A contact that a person has to look at. `other` names a group for which there is no task.

    `mode` says how far triage went: the suggestions are to be confirmed (`preselect`), or to be seen (`suggest`).
    """

    review_id: UUID
    contact_id: UUID
    journey_id: UUID
    language: str
    channel: str
    priority: Priority
    confidence: float
    suggestions: tuple[Concern, ...]
    other: str | None
    status: str
    requested_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    version: int
    mode: Mode | None = None
    market: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A matter as a person names it; what is left out follows from the intent and the reading."""

    task: Task
    intent: str | None = None
    origin: FailureOrigin | None = None
    stage: JourneyStage | None = None
    priority: Priority | None = None
    sentiment: Sentiment | None = None
    hardness: int | None = None
    flags: tuple[Flag, ...] | None = None
    case_id: UUID | None = None
    start: int | None = None
    end: int | None = None


def concern_id_of(contact_id: UUID, ordinal: int) -> UUID:
    """The id of a contact's concern: the same whenever it is decided again."""
    return ids.derived("concern", str(contact_id), ordinal)


def case_id_of(concern_id: UUID, task: Task) -> UUID:
    """The id that the task gives the case of a new concern."""
    return ids.derived("case", str(concern_id), task.value)


def review_id_of(contact_id: UUID) -> UUID:
    """The id of the review of a contact: there is one at most."""
    return ids.derived("review", str(contact_id))


def is_served(reading: Reading, routing: Routing) -> bool:
    """Whether every matter has a service that settles it: where one has not, the contact waits for a person (R6)."""
    return all(one.task in routing.served_tasks for one in reading.concerns)


def confidence_of(reading: Reading) -> float:
    """How sure a reading is: as sure as its weakest matter."""
    return min((one.confidence for one in reading.concerns), default=0.0)
