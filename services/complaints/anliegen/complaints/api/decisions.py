"""Decisions on complaints, their reversal, and what is done to make it good."""

from uuid import UUID

from fastapi import Response

from anliegen.kit.http import APIRouter, Caller, IfMatch, Tx, idempotent, requires, unconditional

from .. import actions
from ..domain import Decision
from ..views.bodies import DecideComplaint, RemedyComplaint, ReverseDecision
from ..views.complaints import ComplaintView
from .shared import PREFIX, shown, worked_on

router = APIRouter(prefix=PREFIX, tags=["complaints"])
WORK = [requires("cases:write"), idempotent]


@router.post("/{complaint_id}/decision", name="decide_complaint", dependencies=WORK)
async def decide_complaint(
    *, complaint_id: UUID, body: DecideComplaint, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """Uphold, wholly or partly, or reject, with reasons; a rejection always names another way."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.decide_complaint(
        tx, case_id=complaint_id, decision=_decision(body), agent=caller.subject, expected=version
    )
    return shown(complaint, response)


@router.post(
    "/{complaint_id}/decision/preview",
    name="preview_decision",
    dependencies=[requires("cases:read"), unconditional("it changes nothing")],
)
async def preview_decision(*, complaint_id: UUID, body: DecideComplaint, tx: Tx, caller: Caller) -> ComplaintView:
    """What the complaint would be after this decision; nothing is changed."""
    await worked_on(tx, caller, complaint_id)
    return ComplaintView.of(await actions.foresee_decision(tx, case_id=complaint_id, decision=_decision(body)))


@router.post("/{complaint_id}/decision/reversal", name="reverse_decision", dependencies=WORK)
async def reverse_decision(
    *, complaint_id: UUID, body: ReverseDecision, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """Take a decision back before the customer knows of it; afterwards the complaint is reopened instead."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.reverse_decision(
        tx, case_id=complaint_id, reason=body.reason, agent=caller.subject, expected=version
    )
    return shown(complaint, response)


@router.post("/{complaint_id}/remedy", name="remedy_complaint", dependencies=WORK)
async def remedy_complaint(
    *, complaint_id: UUID, body: RemedyComplaint, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """Record what was set going to make it good."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.remedy_complaint(
        tx, case_id=complaint_id, remedy=body.remedy, amount=body.amount, agent=caller.subject, expected=version
    )
    return shown(complaint, response)


def _decision(body: DecideComplaint) -> Decision:
    return Decision(outcome=body.outcome, reasons=tuple(body.reasons), other_ways=tuple(body.other_ways))
