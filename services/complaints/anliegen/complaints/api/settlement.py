"""How complaints come to their end: public answer, settlement, reopening, transfer."""

from uuid import UUID

from fastapi import Response

from anliegen.kit.http import APIRouter, Caller, IfMatch, Tx, idempotent, requires

from .. import actions
from ..states import Reason, Resolution
from ..views.bodies import AnswerInPublic, ReopenComplaint, ResolveComplaint, TransferComplaint
from ..views.complaints import ComplaintView
from .shared import PREFIX, seen, shown, worked_on

router = APIRouter(prefix=PREFIX, tags=["complaints"])
WORK = [requires("cases:write"), idempotent]


@router.post("/{complaint_id}/public-answer", name="answer_in_public", dependencies=WORK)
async def answer_in_public(
    *, complaint_id: UUID, body: AnswerInPublic, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """Answer beside a public review; the matter itself is settled in private."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.answer_in_public(
        tx, case_id=complaint_id, answer=body.answer, language=body.language, agent=caller.subject, expected=version
    )
    return shown(complaint, response)


@router.post("/{complaint_id}/resolution", name="resolve_complaint", dependencies=WORK)
async def resolve_complaint(
    *, complaint_id: UUID, body: ResolveComplaint, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """Settle a complaint: the customer was asked and is content, or withdraws it. Customers may do so themselves."""
    await seen(tx, caller, complaint_id)
    complaint = await actions.resolve_complaint(
        tx, case_id=complaint_id, resolution=Resolution(body.resolution), by=caller.subject, expected=version
    )
    return shown(complaint, response)


@router.post("/{complaint_id}/reopening", name="reopen_complaint", dependencies=WORK)
async def reopen_complaint(
    *, complaint_id: UUID, body: ReopenComplaint, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """Go on with an answered or settled complaint, with a new promise. Customers may reject a response themselves."""
    await seen(tx, caller, complaint_id)
    complaint = await actions.reopen_complaint(
        tx, case_id=complaint_id, reason=Reason(body.reason), by=caller.subject, expected=version
    )
    return shown(complaint, response)


@router.post("/{complaint_id}/transfer", name="transfer_complaint", dependencies=WORK)
async def transfer_complaint(
    *, complaint_id: UUID, body: TransferComplaint, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """It is no complaint, or none of ours: another task goes on with it."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.transfer_complaint(
        tx, case_id=complaint_id, to_task=body.task, agent=caller.subject, expected=version
    )
    return shown(complaint, response)
