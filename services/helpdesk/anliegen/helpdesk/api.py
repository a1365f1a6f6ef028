"""Door 2: the helpdesk over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from anliegen.events import Priority, Task
from anliegen.kit import Transaction
from anliegen.kit.http import (
    APIRouter,
    Caller,
    IfMatch,
    Page,
    Paging,
    Principal,
    Tx,
    authorize_case,
    authorize_work,
    idempotent,
    requires,
    set_etag,
    works_on,
)

from . import actions, store
from .domain import Question, QuestionNotFound
from .states import Reason, Resolution, State
from .views import (
    AnswerQuestion,
    AnswerView,
    KnownPriority,
    NoteQuestion,
    QuestionDetail,
    QuestionView,
    ReopenQuestion,
    ResolveQuestion,
    Tier,
)

TASK = Task.HELPDESK.value

router = APIRouter(prefix="/helpdesk/v1", tags=["helpdesk"])


@router.get("/questions", name="list_questions", dependencies=[requires("cases:read")])
async def list_questions(
    *,
    tx: Tx,
    caller: Caller,
    paging: Paging,
    response: Response,
    status: Annotated[list[State] | None, Query()] = None,
    priority: Annotated[list[KnownPriority] | None, Query()] = None,
    tier: Annotated[list[Tier] | None, Query()] = None,
    assignee: Annotated[list[str] | None, Query(description="An agent's id, or `me`.")] = None,
    journey_id: Annotated[UUID | None, Query(description="The person behind this journey.")] = None,
    sort: store.Sort = store.Sort.DUE_AT,
) -> Page[QuestionView]:
    """Questions, those that are due first at the top. A repeated parameter means "any of these"."""
    filters = store.Filters(
        journey_ids=await _journeys_shown(tx, caller, journey_id),
        states=status,
        priorities=priority,
        tiers=tier,
        assignees=[caller.subject if name == "me" else name for name in assignee] if assignee else None,
    )
    rows = await store.list_questions(
        tx, filters=filters, sort=sort, backwards=paging.backwards, after=paging.after(datetime), limit=paging.fetch
    )
    return paging.page(rows, edge=sort.edge_of, view=QuestionView.of, response=response)


@router.post(
    "/questions",
    name="note_question",
    status_code=status.HTTP_201_CREATED,
    dependencies=[requires("cases:write"), idempotent],
)
async def note_question(*, body: NoteQuestion, tx: Tx, caller: Caller, response: Response) -> QuestionView:
    """Open a question that an agent heard in a contact which triage took for something else."""
    authorize_work(caller, task=TASK)
    question = await actions.note_question(
        tx, contact_id=body.contact_id, intent=body.intent, priority=Priority(body.priority), tier=body.tier
    )
    response.headers["Location"] = router.url_path_for("get_question", question_id=str(question.case_id))
    return _shown(question, response)


@router.get("/questions/{question_id}", name="get_question", dependencies=[requires("cases:read")])
async def get_question(*, question_id: UUID, tx: Tx, caller: Caller, response: Response) -> QuestionDetail:
    """One question with its contacts and answers."""
    question = await _seen(tx, caller, question_id)
    set_etag(response, question.version)
    return QuestionDetail.of(
        question,
        contact_ids=await store.list_contact_ids(tx, case_id=question_id),
        answers=[
            AnswerView.model_validate(answer, from_attributes=True)
            for answer in await store.list_answers(tx, case_id=question_id)
        ],
    )


@router.post(
    "/questions/{question_id}/taking", name="take_question", dependencies=[requires("cases:write"), idempotent]
)
async def take_question(
    *, question_id: UUID, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> QuestionView:
    """Work on a question yourself, or take it over."""
    await _worked_on(tx, caller, question_id)
    question = await actions.take_question(tx, case_id=question_id, agent=caller.subject, expected=version)
    return _shown(question, response)


@router.post(
    "/questions/{question_id}/answer", name="answer_question", dependencies=[requires("cases:write"), idempotent]
)
async def answer_question(
    *, question_id: UUID, body: AnswerQuestion, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> QuestionView:
    """Answer the customer, who may accept or reject the answer; silence accepts it after some days."""
    await _worked_on(tx, caller, question_id)
    question = await actions.answer_question(
        tx, case_id=question_id, answer=body.answer, language=body.language, agent=caller.subject, expected=version
    )
    return _shown(question, response)


@router.post(
    "/questions/{question_id}/resolution", name="resolve_question", dependencies=[requires("cases:write"), idempotent]
)
async def resolve_question(
    *, question_id: UUID, body: ResolveQuestion, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> QuestionView:
    """Settle a question: the customer is content, or does not want to know any more. Customers may do so themselves."""
    await _seen(tx, caller, question_id)
    question = await actions.resolve_question(
        tx, case_id=question_id, resolution=Resolution(body.resolution), expected=version
    )
    return _shown(question, response)


@router.post(
    "/questions/{question_id}/reopening", name="reopen_question", dependencies=[requires("cases:write"), idempotent]
)
async def reopen_question(
    *, question_id: UUID, body: ReopenQuestion, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> QuestionView:
    """Go on with an answered or settled question, with a new promise. Customers may reject an answer themselves."""
    await _seen(tx, caller, question_id)
    question = await actions.reopen_question(tx, case_id=question_id, reason=Reason(body.reason), expected=version)
    return _shown(question, response)


def _shown(question: Question, response: Response) -> QuestionView:
    set_etag(response, question.version)
    return QuestionView.of(question)


async def _seen(tx: Transaction, caller: Principal, question_id: UUID) -> Question:
    question = await store.get_question(tx, case_id=question_id)
    members = () if works_on(caller, task=TASK) else await tx.members(question.journey_id)
    authorize_case(caller, task=TASK, journey_id=question.journey_id, members=members, otherwise=QuestionNotFound)
    return question


async def _worked_on(tx: Transaction, caller: Principal, question_id: UUID) -> None:
    # A question that the caller may not see is not found; one that is the caller's own is only not for them to work on.
    await _seen(tx, caller, question_id)
    authorize_work(caller, task=TASK)


async def _journeys_shown(tx: Transaction, caller: Principal, wanted: UUID | None) -> list[UUID] | None:
    shown = await tx.members(wanted) if wanted else None
    if works_on(caller, task=TASK):
        return shown
    own = await tx.members(caller.journey_id) if caller.journey_id else []
    return [journey_id for journey_id in own if shown is None or journey_id in shown]
