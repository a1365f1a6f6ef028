"""What triage announces: what a contact is about, and which task settles it."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from .base import JourneyEvent, OpenEnum, Part, Task


class Priority(OpenEnum):
    """How soon somebody has to look."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"
    UNKNOWN = "unknown"


class FailureOrigin(OpenEnum):
    """Where the failure lies that made the customer write (R58)."""

    INFORMATION = "information"
    SELF_SERVICE = "self_service"
    PRODUCT = "product"
    DELIVERY = "delivery"
    INVOICE = "invoice"
    CONTRACT = "contract"
    EARLIER_SERVICE = "earlier_service"
    NONE = "none"
    UNKNOWN = "unknown"


class Sentiment(OpenEnum):
    """The mood of the words."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"
    UNKNOWN = "unknown"


class JourneyStage(OpenEnum):
    """Before, during or after a purchase (R40)."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"
    UNKNOWN = "unknown"


class Flag(OpenEnum):
    """What makes a contact special."""

    LEGAL = "legal"
    CHURN = "churn"
    CANCELLATION = "cancellation"
    REPEAT = "repeat"
    VULNERABLE = "vulnerable"
    PRESS = "press"
    UNKNOWN = "unknown"


class Reason(Part):
    """Why triage decided so: a rule of a pack, by name."""

    rule: str = Field(max_length=100)
    start: int | None = None
    """Offset into the contact's text, in characters, where the rule found something."""
    end: int | None = None


class Concern(Part):
    """One matter within a contact."""

    concern_id: UUID
    ordinal: int = Field(ge=0)
    task: Task
    intent: str = Field(max_length=100)
    origin: FailureOrigin = FailureOrigin.UNKNOWN
    stage: JourneyStage = JourneyStage.UNKNOWN
    priority: Priority = Priority.NORMAL
    sentiment: Sentiment = Sentiment.NEUTRAL
    hardness: int = Field(default=1, ge=1, le=5)
    flags: tuple[Flag, ...] = ()
    tier: int = Field(default=1, ge=1, le=3)
    """Which people should see it: 1 is everybody, 3 the top staff (R63)."""
    skills: tuple[Annotated[str, Field(max_length=100)], ...] = ()
    confidence: float = Field(ge=0, le=1)
    reasons: tuple[Reason, ...] = ()
    case_id: UUID | None = None
    """The case this concern continues, where it is a follow-up."""


class ContactTriaged(JourneyEvent, type="triage.contact_triaged.v1"):
    """A contact was understood, by a rule or by a person."""

    contact_id: UUID
    language: str = Field(max_length=2)
    concerns: tuple[Concern, ...]
    decided_by: str = Field(max_length=20)
    """`rules` or `person`."""
    pack: str = Field(max_length=100)
    """The rule pack and its version."""
    decided_at: AwareDatetime

    @property
    def subject(self) -> str:
        return str(self.contact_id)

    def concerns_for(self, task: Task) -> tuple[Concern, ...]:
        """The concerns that this task settles."""
        return tuple(concern for concern in self.concerns if concern.task == task)


class ReviewRequested(JourneyEvent, type="triage.review_requested.v1"):
    """Triage is not sure enough: a person should look. It never guesses."""

    contact_id: UUID
    review_id: UUID
    language: str = Field(max_length=2)
    confidence: float = Field(ge=0, le=1)
    suggestions: tuple[Concern, ...] = ()
    requested_at: AwareDatetime

    @property
    def subject(self) -> str:
        return str(self.contact_id)
