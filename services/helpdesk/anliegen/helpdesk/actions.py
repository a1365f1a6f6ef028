"""What the helpdesk does: load, decide, save, announce.

Who meets whom on one question, and who goes first:
- Every action locks the stream of the question's journey, and only that one, and reads the question after it. So any
  two of them, commands, handlers and timers alike, come one after the other; the second decides on what the first left.
- Two commands: the second one's `If-Match` is stale by then, so it is refused with 412.
- A command and a handler (a follow-up, a reply that failed): whoever is second sees the other's version. The command is
  refused; the handler reopens what the command answered, or adds to what it took.
- A command and a timer: before a command decides, it breaks a promise whose time has passed, as the timer would have
  done; the timer finds nothing left to do. A timer that finds its time moved does nothing either.
- A contact of another journey of the same person (`take_up_matter`) holds its own journey's lock and does not take a
  second one: it sets a timer on the question's journey, which follows up under that journey's lock.
"""

from datetime import datetime
from functools import partial
from uuid import UUID

from anliegen.events import (
    AnswerOverdue,
    HelpdeskReplyRequested,
    Priority,
    QuestionAnswered,
    QuestionClosed,
    QuestionFollowedUp,
    QuestionOpened,
    QuestionReopened,
    QuestionResolved,
    QuestionTaken,
)
from anliegen.kit import Transaction, ids
from anliegen.kit.cases import carry_over, keep_waits
from anliegen.kit.telemetry import metrics
from anliegen.kit.versions import ANY_VERSION, ExpectedVersion

from . import store
from .domain import Answer, ContactUnknown, Matter, Question, reply_id_of
from .rules import SERVICE_LEVELS
from .states import FollowUp, Reason, Resolution, Wait


# What customers bring about -------------------------------------------------------------------------------------------
async def take_up_matter(tx: Transaction, *, concern_id: UUID, case_id: UUID | None, matter: Matter) -> None:
    """Open a question for a concern, or follow up the case that it continues."""
    known = await store.find_question(tx, case_id=case_id) if case_id else None
    # What is settled for too long is so for good: later it could only have been settled later. So no lock is needed.
    if known is None or known.follow_up(matter, levels=SERVICE_LEVELS) is FollowUp.OPENS_ANOTHER:
        continues = known.case_id if known else case_id  # one that is not ours was handed over
        await open_question(tx, concern_id=concern_id, matter=matter, continues=continues)
    elif known.journey_id == matter.contact.journey_id:
        await follow_up_question(tx, case_id=known.case_id, matter=matter)
    else:
        await carry_over(
            tx, case_id=known.case_id, key=known.journey_id, contact_id=matter.contact.contact_id, matter=matter
        )


async def open_question(
    tx: Transaction, *, concern_id: UUID, matter: Matter, continues: UUID | None = None
) -> Question:
    """Open a question, with the promise of an answer; one that is known already stays as it is."""
    await tx.lock(matter.contact.journey_id)
    question = Question.asked(concern_id=concern_id, matter=matter, levels=SERVICE_LEVELS, continues=continues)
    known = await store.find_question(tx, case_id=question.case_id)
    if known is not None:
        return known
    await store.insert_question(tx, question=question)
    await store.insert_question_contact(
        tx, case_id=question.case_id, contact_id=question.contact_id, came_at=matter.came_at
    )
    await _set_timers(tx, None, question)
    tx.publish(
        QuestionOpened.about(
            question, contact_id=question.contact_id, promise=question.promise, concern_id=concern_id,
            intent=question.intent, priority=question.priority, tier=question.tier, continues=continues,
        )
    )  # fmt: skip
    return question


async def note_question(tx: Transaction, *, contact_id: UUID, intent: str, priority: Priority, tier: int) -> Question:
    """Open a question that an agent heard in a contact. Raises ContactUnknown."""
    contact = await store.find_contact(tx, contact_id=contact_id)
    if contact is None:
        raise ContactUnknown
    matter = Matter(contact=contact, intent=intent, priority=priority, tier=tier, came_at=tx.now)
    return await open_question(tx, concern_id=ids.uuid7(tx.wall), matter=matter)


async def follow_up_question(tx: Transaction, *, case_id: UUID, matter: Matter) -> None:
    """Add a contact; reopen the question where it had an answer. A contact counts once."""
    before = await _load(tx, case_id=case_id)
    contact_id = matter.contact.contact_id
    if not await store.insert_question_contact(tx, case_id=case_id, contact_id=contact_id, came_at=matter.came_at):
        return
    before = await _keep_time(tx, before)
    question = before.followed_up(matter)
    if before.follow_up(matter, levels=SERVICE_LEVELS) is FollowUp.ADDED:
        await _save(tx, before, question)
        tx.publish(QuestionFollowedUp.about(question, contact_id=contact_id, promise=question.promise))
    else:
        reason = before.reason_for(matter)
        await _reopen(tx, before, question, reason=reason, at=matter.came_at, contact_id=contact_id)


async def reopen_undelivered(tx: Transaction, *, case_id: UUID, journey_id: UUID, reply_id: UUID) -> None:
    """An answer did not reach the customer: it was none. Only the latest answer of an unaccepted question counts."""
    known = await store.find_question(tx, case_id=case_id)
    # What becomes of a reply is told under the journey that it was asked for under, whose lock is held.
    if known is None or known.journey_id != journey_id:
        return
    before = await _load(tx, case_id=case_id)
    is_latest = before.answer_id is not None and reply_id_of(case_id, before.answer_id) == reply_id
    if is_latest and before.resolution in {None, Resolution.NO_OBJECTION}:
        await _reopen(tx, before, before, reason=Reason.ANSWER_NOT_DELIVERED, at=tx.now)


# What people at the desk do -------------------------------------------------------------------------------------------
async def take_question(tx: Transaction, *, case_id: UUID, agent: str, expected: ExpectedVersion) -> Question:
    """An agent works on it from now on. Raises QuestionNotFound, PreconditionFailed, QuestionSettled."""
    before = await _keep_time(tx, await _load(tx, case_id=case_id, expected=expected))
    question = before.taken_by(agent)
    if question != before:
        await _save(tx, before, question)
        tx.publish(QuestionTaken.about(question, promise=question.promise, taken_by=agent))
    return question


async def answer_question(
    tx: Transaction, *, case_id: UUID, answer: str, language: str | None, agent: str, expected: ExpectedVersion
) -> Question:
    """Send an answer to the newest contact of the person who asked; a contact of anybody else is not answered with it.

    Raises QuestionNotFound, PreconditionFailed, QuestionSettled.
    """
    before = await _keep_time(tx, await _load(tx, case_id=case_id, expected=expected))
    answer_id = ids.uuid7(tx.wall)
    question = before.answered(answer_id=answer_id, agent=agent, at=tx.now)
    person = await tx.members(question.journey_id)
    sent = Answer(
        answer_id=answer_id,
        reply_id=reply_id_of(case_id, answer_id),
        contact_id=await store.get_newest_contact_id(tx, case_id=case_id, journey_ids=person),
        answered_by=agent,
        answered_at=tx.now,
    )
    await _save(tx, before, question)
    await store.insert_answer(tx, case_id=case_id, answer=sent)
    if before.is_unanswered:
        waited = (tx.now - before.opened_at).total_seconds()
        tx.after_commit(partial(metrics.first_response.labels(tx.context.service.name).observe, waited))
    tx.publish(
        QuestionAnswered.about(
            question, contact_id=sent.contact_id, promise=question.promise, answer_id=answer_id, answered_by=agent
        )
    )
    tx.publish(
        HelpdeskReplyRequested(
            journey_id=question.journey_id, reply_id=sent.reply_id, case_id=case_id, task=question.task,
            contact_id=sent.contact_id, template="helpdesk_answer", values={"answer": answer}, language=language,
        )
    )  # fmt: skip
    return question


async def resolve_question(
    tx: Transaction, *, case_id: UUID, resolution: Resolution, expected: ExpectedVersion = ANY_VERSION
) -> Question:
    """It is settled. Raises QuestionNotFound, PreconditionFailed, QuestionSettled."""
    before = await _keep_time(tx, await _load(tx, case_id=case_id, expected=expected))
    question = before.resolved(resolution, at=tx.now)
    await _save(tx, before, question)
    tx.publish(QuestionResolved.about(question, promise=question.promise, resolution=resolution))
    return question


async def reopen_question(tx: Transaction, *, case_id: UUID, reason: Reason, expected: ExpectedVersion) -> Question:
    """It goes on. Raises QuestionNotFound, PreconditionFailed, QuestionStillOpen."""
    before = await _load(tx, case_id=case_id, expected=expected)
    return await _reopen(tx, before, before, reason=reason, at=tx.now)


# What time brings about -----------------------------------------------------------------------------------------------
async def let_time_pass(tx: Transaction, *, case_id: UUID, wait: Wait) -> None:
    """Do what this wait was for, if its time has come and it was not done yet."""
    before = await _load(tx, case_id=case_id)
    if not before.is_due(wait, at=tx.now, levels=SERVICE_LEVELS):
        return
    if wait is Wait.ANSWER_DUE:
        await _keep_time(tx, before)
    elif wait is Wait.NO_OBJECTION:
        await resolve_question(tx, case_id=case_id, resolution=Resolution.NO_OBJECTION)
    else:
        question = before.closed()
        await _save(tx, before, question)
        tx.publish(QuestionClosed.about(question, promise=question.promise))


# What all of them share -----------------------------------------------------------------------------------------------
async def _load(tx: Transaction, *, case_id: UUID, expected: ExpectedVersion = ANY_VERSION) -> Question:
    # The journey of a question never changes, so it may be read before the lock; all else is read after it.
    await tx.lock((await store.get_question(tx, case_id=case_id)).journey_id)
    question = await store.get_question(tx, case_id=case_id)
    expected.check(question.version)
    return question


async def _keep_time(tx: Transaction, question: Question) -> Question:
    """Break the promise whose time has passed, so that nothing that comes later is taken for keeping it."""
    if not question.is_due(Wait.ANSWER_DUE, at=tx.now, levels=SERVICE_LEVELS):
        return question
    late, failure = question.broken()
    await _save(tx, question, late)
    tx.publish(AnswerOverdue.about(late, failure=failure, promise=late.promise))
    return late


async def _reopen(
    tx: Transaction,
    before: Question,
    question: Question,
    *,
    reason: Reason,
    at: datetime,
    contact_id: UUID | None = None,
) -> Question:
    question, failure = question.reopened_for(reason, at=at, levels=SERVICE_LEVELS)
    await _save(tx, before, question)
    tx.publish(
        QuestionReopened.about(
            question, contact_id=contact_id, failure=failure, promise=question.promise, reason=reason
        )
    )
    return question


async def _save(tx: Transaction, before: Question, question: Question) -> None:
    await store.update_question(tx, question=question)
    await _set_timers(tx, before, question)


async def _set_timers(tx: Transaction, before: Question | None, question: Question) -> None:
    was = before.waits(SERVICE_LEVELS) if before else {}
    await keep_waits(tx, was, question.waits(SERVICE_LEVELS), case_id=question.case_id, key=question.journey_id)
