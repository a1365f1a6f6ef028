"""What triage decides: what a contact is about, who should see it, and when a person has to look. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from anliegen.events import Concern, FailureOrigin, Flag, JourneyStage, Priority, Reason, Sentiment, Task
from anliegen.kit import ids
from anliegen.kit.errors import Conflict, Invalid, NotFound

from .classifier import UNSPECIFIED, ReadConcern, Reading
from .packs import Mode, Packs, Routing

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


def draft_of(concern: Concern) -> Draft:
    """A suggestion as a person names it who agrees to it."""
    said = next((one for one in concern.reasons if one.start is not None), None)
    return Draft(
        task=concern.task, intent=None if concern.intent == UNSPECIFIED else concern.intent, origin=concern.origin,
        stage=concern.stage, priority=concern.priority, sentiment=concern.sentiment, hardness=concern.hardness,
        flags=concern.flags, case_id=concern.case_id,
        start=said.start if said else None, end=said.end if said else None,
    )  # fmt: skip


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


def decide_reading(contact_id: UUID, concerns: Sequence[ReadConcern], packs: Packs) -> list[Decided]:
    """Each matter of a reading as a concern of its own."""
    return [_decided(contact_id, ordinal, one, None, packs) for ordinal, one in enumerate(concerns)]


def continue_cases(
    contact_id: UUID, reading: Reading, cases: Sequence[tuple[UUID, Task, str | None]], found_by: str, packs: Packs
) -> list[Decided]:
    """A follow-up on these cases (id, task, intent where it is known): the same tasks go on, in the mood of now."""
    confidence = packs.routing.follow_up_confidence.get(found_by, min(packs.routing.follow_up_confidence.values()))
    reasons = (Reason(rule=f"continues: {found_by}"),)
    concerns = []
    for ordinal, (case_id, task, intent_name) in enumerate(cases):
        read = _whole(reading, packs, task=task, name=intent_name or FOLLOW_UP, confidence=confidence, reasons=reasons)
        concerns.append(_decided(contact_id, ordinal, read, case_id, packs))
    return concerns


def hand_over(contact: Contact, handover: Handover, *, ordinal: int, packs: Packs) -> Decided:
    """A case of one task as a matter of another, as the contact was read where that speaks of the other task."""
    to = handover.to_task
    name = next((one.intent for one in contact.reading.concerns if one.task is to), UNSPECIFIED)
    reasons = (Reason(rule=f"handed over by {handover.task}"),)
    read = _whole(contact.reading, packs, task=to, name=name, confidence=1.0, reasons=reasons)
    # That somebody cancelled was said when the contact came, and is nothing new.
    read = replace(read, flags=tuple(flag for flag in read.flags if flag is not Flag.CANCELLATION))
    decided = _decided(contact.contact_id, ordinal, read, handover.case_id, packs)
    return replace(decided, case_id=case_id_of(decided.concern.concern_id, to))


def going_on(decided: Sequence[Decided], handovers: Sequence[Handover]) -> list[Decided]:
    """What a person decided, where cases wait that were handed over: what is new goes on from them, in their order."""
    waiting = iter(handovers)
    linked = []
    for one in decided:
        handover = next(waiting, None) if one.concern.case_id is None else None
        concern = one.concern.model_copy(update={"case_id": handover.case_id}) if handover else one.concern
        linked.append(replace(one, concern=concern))
    return linked


def decide_drafts(contact: Contact, drafts: Sequence[Draft], packs: Packs, *, first: int = 0) -> list[Decided]:
    """What a person decided, counted from `first` on. Raises TaskNotServed and IntentUnknown."""
    concerns = []
    for ordinal, draft in enumerate(drafts, start=first):
        if draft.task not in packs.routing.served_tasks:
            raise TaskNotServed(task=draft.task.value, served=sorted(packs.routing.served_tasks))
        name = draft.intent or UNSPECIFIED
        intent = packs.intent(name)
        if name != UNSPECIFIED and (intent is None or intent.task != draft.task):
            raise IntentUnknown(task=draft.task.value, intent=name)
        reasons = (Reason(rule="decided by a person", start=draft.start, end=draft.end),)
        read = _whole(contact.reading, packs, task=draft.task, name=name, confidence=1.0, reasons=reasons)
        read = replace(
            read,
            origin=draft.origin or read.origin,
            stage=draft.stage or read.stage,
            priority=draft.priority or read.priority,
            sentiment=draft.sentiment or read.sentiment,
            hardness=draft.hardness or read.hardness,
            flags=read.flags if draft.flags is None else draft.flags,
        )
        concerns.append(_decided(contact.contact_id, ordinal, read, draft.case_id, packs))
    return concerns


def _whole(
    reading: Reading, packs: Packs, *, task: Task, name: str, confidence: float, reasons: tuple[Reason, ...]
) -> ReadConcern:
    """A matter of this intent, in the mood and with the flags of the whole contact."""
    intent = packs.intent(name)
    hardness = (intent.hardness if intent else 1) + packs.routing.added_hardness(reading.flags)
    flags = {*reading.flags, *(intent.flags if intent else ())}
    return ReadConcern(
        task=task,
        intent=name,
        confidence=confidence,
        origin=intent.origin if intent else FailureOrigin.UNKNOWN,
        stage=intent.stage if intent else JourneyStage.UNKNOWN,
        priority=packs.routing.highest(reading.priority, intent.priority if intent else Priority.NORMAL),
        sentiment=reading.sentiment,
        hardness=min(hardness, 5),
        flags=tuple(flag for flag in Flag if flag in flags),
        skills=intent.skills if intent else (),
        reasons=reasons,
    )


def _decided(contact_id: UUID, ordinal: int, read: ReadConcern, continued: UUID | None, packs: Packs) -> Decided:
    concern_id = concern_id_of(contact_id, ordinal)
    tier = packs.routing.base_tier(read.hardness, read.flags)
    concern = Concern(
        concern_id=concern_id,
        ordinal=ordinal,
        task=read.task,
        intent=read.intent,
        origin=read.origin,
        stage=read.stage,
        priority=read.priority,
        sentiment=read.sentiment,
        hardness=read.hardness,
        flags=read.flags,
        tier=tier,
        skills=read.skills,
        confidence=read.confidence,
        reasons=read.reasons,
        case_id=continued,
    )
    return Decided(concern, continued or case_id_of(concern_id, read.task), tier)
