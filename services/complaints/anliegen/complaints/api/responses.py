"""The final response to a complaint and its letter, which is written while nothing is locked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from anliegen.events import ContentReference
from anliegen.kit import Context
from anliegen.kit.errors import PreconditionFailed, Problem
from anliegen.kit.http import APIRouter, Caller, IfMatch, Principal, Tx, doors_of, idempotent, requires, unconditional
from anliegen.kit.transaction import begin
from anliegen.kit.versions import ANY_VERSION, ExpectedVersion

from .. import actions
from ..domain import Complaint
from ..letters import keep_letter, write_letter
from ..views.bodies import AnswerComplaint
from ..views.complaints import ComplaintView
from .shared import PREFIX, shown, worked_on

router = APIRouter(prefix=PREFIX, tags=["complaints"])


@dataclass(frozen=True, slots=True)
class Written:
    """A letter that was kept, and the version of the complaint that it was written of."""

    version: int
    letter: ContentReference


async def write_letter_first(
    request: Request, complaint_id: UUID, body: AnswerComplaint, caller: Caller, version: IfMatch
) -> Written | None:
    """The letter, before the command's transaction begins; none where it was refused, which the command says."""
    context = doors_of(request.scope).running
    try:
        known, foreseen, at = await _foresee(context, complaint_id, body, caller, version)
    except Problem:
        return None
    language = body.language or known.language
    pdf = await write_letter(context, foreseen, answer=body.answer, recipient=body.recipient, language=language, at=at)
    return Written(known.version, await keep_letter(context, pdf, language=language))


@router.post(
    "/{complaint_id}/final-response", name="answer_complaint", dependencies=[requires("cases:write"), idempotent]
)
async def answer_complaint(
    *, complaint_id: UUID, body: AnswerComplaint, written: Annotated[Written | None, Depends(write_letter_first)],
    tx: Tx, caller: Caller, version: IfMatch, response: Response,
) -> ComplaintView:  # fmt: skip
    """Send the final response to the person who complained, with the reasons and where to go from here."""
    await worked_on(tx, caller, complaint_id)
    if written is None:
        await actions.prepare_response(
            tx, case_id=complaint_id, response=body.response, agent=caller.subject, expected=version
        )
        raise PreconditionFailed  # it was refused a moment ago and would not be now
    complaint = await actions.answer_complaint(
        tx, case_id=complaint_id, response=body.response, answer=body.answer, language=body.language,
        agent=caller.subject, expected=ExpectedVersion(frozenset({written.version})), letter=written.letter,
    )  # fmt: skip
    return shown(complaint, response)


@router.post(
    "/{complaint_id}/final-response/preview",
    name="preview_final_response",
    dependencies=[requires("cases:read"), unconditional("it changes nothing")],
)
async def preview_final_response(*, complaint_id: UUID, body: AnswerComplaint, tx: Tx, caller: Caller) -> ComplaintView:
    """What the complaint would be after this final response; nothing is changed, nothing is sent."""
    await worked_on(tx, caller, complaint_id)
    return ComplaintView.of(
        await actions.prepare_response(tx, case_id=complaint_id, response=body.response, agent=caller.subject)
    )


@router.post(
    "/{complaint_id}/final-response/letter",
    name="preview_letter",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}, "description": "The letter, as a PDF."}},
    dependencies=[requires("cases:read"), unconditional("it changes nothing")],
)
async def preview_letter(*, request: Request, complaint_id: UUID, body: AnswerComplaint, caller: Caller) -> Response:
    """The letter as it would go out; nothing is changed, nothing is sent."""
    context = doors_of(request.scope).running
    known, foreseen, at = await _foresee(context, complaint_id, body, caller, ANY_VERSION)
    pdf = await write_letter(
        context, foreseen, answer=body.answer, recipient=body.recipient, language=body.language or known.language, at=at
    )
    return Response(pdf, media_type="application/pdf")


async def _foresee(
    context: Context, complaint_id: UUID, body: AnswerComplaint, caller: Principal, version: ExpectedVersion
) -> tuple[Complaint, Complaint, datetime]:
    """The complaint as it is and as it would be, and the time; the connection is given back before a letter is
    written."""
    async with begin(context, principal=caller) as tx:
        known = await worked_on(tx, caller, complaint_id)
        foreseen = await actions.prepare_response(
            tx, case_id=complaint_id, response=body.response, agent=caller.subject, expected=version
        )
        return known, foreseen, tx.now
