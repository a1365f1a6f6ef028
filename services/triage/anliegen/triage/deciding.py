"""How concerns come about: from what was read, continued, handed over, answered or decided by a person. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from anliegen.events import Concern, FailureOrigin, Flag, JourneyStage, Priority, Reason, Task

from .classifier import UNSPECIFIED, ReadConcern, Reading
from .domain import (
    FOLLOW_UP,
    Contact,
    Decided,
    Draft,
    Handover,
    IntentUnknown,
    TaskNotServed,
    case_id_of,
    concern_id_of,
)
from .packs import Packs
from .routing import asks_of

BY_PERSON = "decided by a person"
BY_CUSTOMER = "said by the customer when asked"


def decide_reading(contact: Contact, packs: Packs) -> list[Decided]:
    """Each matter that was read in a contact as a concern of its own."""
    return [_decided(contact, ordinal, one, None, packs) for ordinal, one in enumerate(contact.reading.concerns)]


def continue_cases(
    contact: Contact, cases: Sequence[tuple[UUID, Task, str | None]], found_by: str, packs: Packs
) -> list[Decided]:
    """A follow-up on these cases (id, task, intent where it is known): the same tasks go on, in the mood of now."""
    confidence = packs.routing.follow_up_confidence.get(found_by, min(packs.routing.follow_up_confidence.values()))
    reasons = (Reason(rule=f"continues: {found_by}"),)
    concerns = []
    for ordinal, (case_id, task, intent_name) in enumerate(cases):
        read = _whole(
            contact.reading, packs, task=task, name=intent_name or FOLLOW_UP, confidence=confidence, reasons=reasons
        )
        concerns.append(_decided(contact, ordinal, read, case_id, packs))
    return concerns


def hand_over(contact: Contact, handover: Handover, *, ordinal: int, packs: Packs) -> Decided:
    """A case of one task as a matter of another, as the contact was read where that speaks of the other task."""
    to = handover.to_task
    name = next((one.intent for one in contact.reading.concerns if one.task is to), UNSPECIFIED)
    reasons = (Reason(rule=f"handed over by {handover.task}"),)
    read = _whole(contact.reading, packs, task=to, name=name, confidence=1.0, reasons=reasons)
    # That somebody cancelled was said when the contact came, and is nothing new.
    read = replace(read, flags=tuple(flag for flag in read.flags if flag is not Flag.CANCELLATION))
    decided = _decided(contact, ordinal, read, handover.case_id, packs)
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


def decide_drafts(
    contact: Contact, drafts: Sequence[Draft], packs: Packs, *, first: int = 0, rule: str = BY_PERSON
) -> list[Decided]:
    """What a person decided, counted from `first` on; `rule` says why. Raises TaskNotServed and IntentUnknown."""
    concerns = []
    for ordinal, draft in enumerate(drafts, start=first):
        if draft.task not in packs.routing.served_tasks:
            raise TaskNotServed(task=draft.task.value, served=sorted(packs.routing.served_tasks))
        name = draft.intent or UNSPECIFIED
        intent = packs.intent(name)
        if name != UNSPECIFIED and (intent is None or intent.task != draft.task):
            raise IntentUnknown(task=draft.task.value, intent=name)
        reasons = (Reason(rule=rule, start=draft.start, end=draft.end),)
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
        concerns.append(_decided(contact, ordinal, read, draft.case_id, packs))
    return concerns


def decide_answer(contact: Contact, task: Task, answer: Reading, packs: Packs) -> list[Decided]:
    """What the customer said a contact is about: the intent as either of the two readings has it."""
    read = (*contact.reading.concerns, *answer.concerns)
    # A contact may have been read by packs that named other intents.
    known = (one.intent for one in read if (intent := packs.intent(one.intent)) is not None and intent.task == task)
    return decide_drafts(contact, [Draft(task, intent=next(known, None))], packs, rule=BY_CUSTOMER)


def draft_of(concern: Concern) -> Draft:
    """A suggestion as a person names it who agrees to it."""
    said = next((one for one in concern.reasons if one.start is not None), None)
    intent = None if concern.intent == UNSPECIFIED else concern.intent
    return Draft(
        concern.task, intent, concern.origin, concern.stage, concern.priority, concern.sentiment, concern.hardness,
        concern.flags, concern.case_id, said.start if said else None, said.end if said else None,
    )  # fmt: skip


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


def _decided(contact: Contact, ordinal: int, read: ReadConcern, continued: UUID | None, packs: Packs) -> Decided:
    concern_id = concern_id_of(contact.contact_id, ordinal)
    tier, skills = asks_of(
        read, packs.routing, language=contact.language, market=contact.market, channel=contact.channel
    )
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
        skills=skills,
        confidence=read.confidence,
        reasons=read.reasons,
        case_id=continued,
    )
    return Decided(concern, continued or case_id_of(concern_id, read.task), tier)
