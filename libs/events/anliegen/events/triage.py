"""What triage announces: what a contact is about, and which task settles it; and how a task hands a case over."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from .base import CaseEvent, JourneyEvent, OpenEnum, Part, Task


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
    """The rule's name in its pack."""
    start: int | None = None
    """Offset into the contact's text, in characters, where the rule found something."""
    end: int | None = None
    """The offset after the last character of what was found."""


class Concern(Part):
    """One matter within a contact."""

    concern_id: UUID
    """Derived from the contact and the ordinal."""
    ordinal: int = Field(ge=0)
    """Which concern of the contact it is, from 0."""
    task: Task
    """The task that settles it."""
    intent: str = Field(max_length=100)
    """What the customer wants, a code of the rule pack."""
    origin: FailureOrigin = FailureOrigin.UNKNOWN
    stage: JourneyStage = JourneyStage.UNKNOWN
    priority: Priority = Priority.NORMAL
    sentiment: Sentiment = Sentiment.NEUTRAL
    hardness: int = Field(default=1, ge=1, le=5)
    """How hard it is to settle: 1 is easy, 5 is hard."""
    flags: tuple[Flag, ...] = ()
    """What makes the concern special."""
    tier: int = Field(default=1, ge=1, le=3)
    """Which people should see it: 1 is everybody, 3 the top staff (R63)."""
    skills: tuple[Annotated[str, Field(max_length=100)], ...] = ()
    """What the people who settle it must know, codes of the rule pack."""
    confidence: float = Field(ge=0, le=1)
    """How sure triage is."""
    reasons: tuple[Reason, ...] = ()
    """What the decision rests on."""
    case_id: UUID | None = None
    """The case this concern continues, where it is a follow-up, or goes on from, where another task handed it over."""


class ContactTriaged(JourneyEvent, type="triage.contact_triaged.v1"):
    """A contact was understood, by a rule or by a person."""

    contact_id: UUID
    """The contact that was understood."""
    language: str = Field(max_length=2)
    """ISO 639-1, the language of the contact."""
    concerns: tuple[Concern, ...]
    """What the contact is about, each matter on its own."""
    decided_by: str = Field(max_length=20)
    """`model`, `rules` (it continues what is known), `customer` (who answered a question) or `person`."""
    pack: str = Field(max_length=100)
    """The rule packs, the model, and their versions."""
    decided_at: AwareDatetime
    """When it was decided."""
    market: str | None = Field(default=None, max_length=2)
    """ISO 3166-1 alpha-2, the market it comes from."""

    @property
    def subject(self) -> str:
        return str(self.contact_id)

    def concerns_for(self, task: Task) -> tuple[Concern, ...]:
        """The concerns that this task settles."""
        return tuple(concern for concern in self.concerns if concern.task == task)


class ReviewRequested(JourneyEvent, type="triage.review_requested.v1"):
    """Triage is not sure enough: a person should look. It never guesses."""

    contact_id: UUID
    """The contact to look at."""
    review_id: UUID
    """Names the review."""
    language: str = Field(max_length=2)
    """ISO 639-1, the language a reviewer has to read."""
    confidence: float = Field(ge=0, le=1)
    """How sure triage is of its best suggestion."""
    suggestions: tuple[Concern, ...] = ()
    """What triage would have decided."""
    requested_at: AwareDatetime
    """When the review was asked for."""
    market: str | None = Field(default=None, max_length=2)
    """ISO 3166-1 alpha-2, the market it comes from."""

    @property
    def subject(self) -> str:
        return str(self.contact_id)


class RoutingQuestionAsked(JourneyEvent, type="triage.routing_question_asked.v1"):
    """The customer is asked which of these tasks a contact is about (R62); intake brings the words to them.

    The contact waits for a person all the same: nobody has to answer.
    """

    contact_id: UUID
    """The contact that is asked about: it says the channel and the address."""
    reply_id: UUID
    """Names the words that ask: a question that comes twice is sent once."""
    language: str = Field(max_length=2)
    """ISO 639-1, the language to ask in."""
    options: tuple[Task, ...]
    """Two or three tasks, in the order in which an answer numbers them."""
    ordinal: int
    """Which question of the case it is, from 1."""
    asked_at: AwareDatetime
    """When it was asked."""

    @property
    def subject(self) -> str:
        return str(self.contact_id)


class CaseTransferred(CaseEvent):
    """A task hands its case over, and triage gives it to the other. Each task has its own type, made from this base."""

    contact_id: UUID
    """The contact that began it: whoever goes on finds the words there, and nobody asks the customer again."""
    to_task: Task
    """The task that goes on with it."""
