"""Asking a customer which task it is, and hearing the answer: under the lock of the contact's person, both."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from anliegen.events import ReplyFailed, RoutingQuestionAsked, Task
from anliegen.kit import Transaction
from anliegen.kit.telemetry import metrics
from anliegen.kit.versions import ExpectedVersion

from .. import store as contacts
from ..domain import Contact, Review, Status
from ..modes.actions import list_task_modes
from ..packs import Mode, Packs
from . import store
from .domain import (
    CONVERSATIONS,
    NotAskable,
    Question,
    State,
    answer_of,
    answers_unthreaded,
    may_ask,
    reached,
    reply_id_of,
    worth_asking,
)

TRIAGE = "triage"
"""Who asks where no person does."""


async def ask_where_worth(tx: Transaction, contact: Contact, mode: Mode | None) -> None:
    """Ask by ourselves where an answer would spare the customer the wait for a person, and nothing presses."""
    routing = _packs(tx).routing
    if mode is Mode.AUTOMATE or contact.channel not in routing.questions.channels:
        return
    modes = {one.task: one.mode for one in await list_task_modes(tx)}
    options = worth_asking(contact, mode, routing, modes)
    if not options:
        return
    before = await _asked_before(tx, contact.contact_id)
    if len(reached(before)) < routing.questions.most and all(one.state is not State.ASKED for one in before):
        await _ask(tx, contact, before, options, by=TRIAGE)


async def ask(
    tx: Transaction, *, review_id: UUID, options: Sequence[Task], version: ExpectedVersion, by: str
) -> Review:
    """A person has the customer asked. The review stays: whoever wants to may decide it at any time.

    Raises ReviewNotFound, PreconditionFailed, QuestionsUsedUp, AnswerAwaited, OptionsUnsuitable, NotAskable.
    """
    await tx.lock_person((await contacts.get_review(tx, review_id=review_id)).journey_id)
    review = await contacts.get_review(tx, review_id=review_id)
    version.check(review.version)
    contact = await contacts.get_contact(tx, contact_id=review.contact_id)
    if review.status != "open" or contact.status is not Status.IN_REVIEW:
        raise NotAskable(status=review.status)
    before = await _asked_before(tx, contact.contact_id)
    may_ask(contact, before, options, _packs(tx).routing)
    await _ask(tx, contact, before, options, by=by)
    return await contacts.update_review_version(tx, review_id=review_id)


async def _asked_before(tx: Transaction, contact_id: UUID) -> list[Question]:
    return await store.list_questions(tx, contact_ids=await store.list_thread(tx, contact_id=contact_id))


async def _ask(
    tx: Transaction, contact: Contact, before: Sequence[Question], options: Sequence[Task], *, by: str
) -> None:
    ordinal = sum(one.contact_id == contact.contact_id for one in before)
    question = Question(contact.contact_id, ordinal, tuple(options), by, tx.now)
    await store.insert_question(tx, question)
    tx.publish(
        RoutingQuestionAsked(
            journey_id=contact.journey_id,
            contact_id=contact.contact_id,
            reply_id=reply_id_of(question),
            language=contact.language,
            options=question.options,
            ordinal=len(reached(before)) + 1,
            asked_at=tx.now,
        )
    )
    _count(tx, "triage" if by == TRIAGE else "person", State.ASKED)


async def answered_by(tx: Transaction, alone: Sequence[Contact]) -> dict[UUID, UUID]:
    """Of contacts that nothing ties to an earlier one: those that answer a question, and the contact it was about."""
    talking = [one for one in alone if one.channel in CONVERSATIONS]
    if not talking:
        return {}
    asked = await store.list_open_questions(tx, journey_ids=sorted({one.journey_id for one in talking}))
    routing = _packs(tx).routing
    return {
        one.contact_id: asked[one.journey_id].contact_id
        for one in talking
        if one.journey_id in asked and answers_unthreaded(one.reading, asked[one.journey_id].options, routing)
    }


async def hear_answer(tx: Transaction, answer: Contact, earlier: Contact) -> Task | None:
    """What an answer to an open question says; None where nothing was asked or it does not tell.

    Only an answer in the very journey that was asked counts: a forwarded question is nobody else's to answer.
    """
    if earlier.status is not Status.IN_REVIEW or earlier.journey_id != answer.journey_id:
        return None
    asked = await store.list_questions(tx, contact_ids=[earlier.contact_id])
    question = next((one for one in asked if one.state is State.ASKED), None)
    if question is None:
        return None
    said = answer_of(answer.reading, question.options, _packs(tx).routing)
    state = State.ANSWERED if said else State.UNCLEAR
    await store.update_question(tx, replace(question, state=state, answered_by=answer.contact_id))
    _count(tx, "triage" if question.asked_by == TRIAGE else "person", state)
    return said


async def note_undelivered(tx: Transaction, event: ReplyFailed) -> None:
    """A question did not reach the customer: nobody waits for its answer, and it is not one of the two."""
    asked = await store.list_questions(tx, contact_ids=[event.contact_id])
    question = next((one for one in asked if reply_id_of(one) == event.reply_id), None)
    if question is not None and question.state is State.ASKED:
        await store.update_question(tx, replace(question, state=State.UNDELIVERED))
        _count(tx, "triage" if question.asked_by == TRIAGE else "person", State.UNDELIVERED)


def _count(tx: Transaction, by: str, state: State) -> None:
    tx.after_commit(metrics.routing_questions.labels(tx.context.service.name, by, state.value).inc)


def _packs(tx: Transaction) -> Packs:
    packs: Packs = tx.context.resources["packs"]
    return packs
