"""What a contact says: the interface that understands it."""

from dataclasses import dataclass
from typing import Protocol

from anliegen.events import FailureOrigin, Flag, JourneyStage, Priority, Reason, Sentiment, Task

UNSPECIFIED = "unspecified"
"""The intent of a concern whose task was said by the customer, where the words do not tell more."""

UNDETERMINED = "und"
"""What ISO 639 writes for a language that nobody knows."""


@dataclass(frozen=True, slots=True)
class ReadConcern:
    """One matter as it was read. `confidence` is the share of such readings that are right, 0 to 1."""

    task: Task
    intent: str
    confidence: float
    origin: FailureOrigin = FailureOrigin.UNKNOWN
    stage: JourneyStage = JourneyStage.UNKNOWN
    priority: Priority = Priority.NORMAL
    sentiment: Sentiment = Sentiment.NEUTRAL
    hardness: int = 1
    flags: tuple[Flag, ...] = ()
    skills: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from one contact: its matters, the main one first. `other` names what is for none of the tasks.

    `confidence` is that of the main matter, or of its being for none of the tasks.
    `stated` says that the customer named the task, `likely` how sure each of the likeliest tasks is by itself, `choice`
    which option a short answer to a question names (from 1).
    Flags, priority and sentiment are those of the contact as a whole, for a follow-up and for those who review it.
    """

    language: str
    concerns: tuple[ReadConcern, ...] = ()
    other: str | None = None
    flags: tuple[Flag, ...] = ()
    priority: Priority = Priority.NORMAL
    sentiment: Sentiment = Sentiment.NEUTRAL
    confidence: float = 0.0
    stated: bool = False
    likely: tuple[tuple[Task, float], ...] = ()
    choice: int | None = None


class Classifier(Protocol):
    """Whatever understands contacts. It sees the words; what it returns holds codes and offsets only."""

    version: str
    """Names what understood a contact, and its version."""

    def classify(
        self, *, text: str, subject: str | None, language: str | None, channel: str, stated_task: Task | None
    ) -> Reading:
        """Read one contact. `language` is ISO 639-1, where it is known; a `stated_task` is taken as said."""
        ...
