"""What is found out about a complaint, from whom, and what prevents the next one."""

from uuid import UUID

from fastapi import Response, status

from anliegen.kit.http import APIRouter, Caller, IfMatch, Tx, idempotent, requires

from .. import actions
from ..views.bodies import AskCustomer, AssignInvestigation, ExplainDelay, PlanPrevention
from ..views.complaints import ComplaintView
from .shared import PREFIX, shown, worked_on

router = APIRouter(prefix=PREFIX, tags=["complaints"])
WORK = [requires("cases:write"), idempotent]


@router.post(
    "/{complaint_id}/investigations",
    name="assign_investigation",
    status_code=status.HTTP_201_CREATED,
    dependencies=WORK,
)
async def assign_investigation(
    *, complaint_id: UUID, body: AssignInvestigation, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """Let somebody find something out, by a date."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.assign_investigation(
        tx, case_id=complaint_id, kind=body.kind, owner=body.owner, due_at=body.due_at, agent=caller.subject,
        expected=version,
    )  # fmt: skip
    return shown(complaint, response)


@router.post(
    "/{complaint_id}/investigations/{investigation_id}/completion", name="finish_investigation", dependencies=WORK
)
async def finish_investigation(
    *, complaint_id: UUID, investigation_id: UUID, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """It was found out."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.finish_investigation(
        tx, case_id=complaint_id, investigation_id=investigation_id, agent=caller.subject, expected=version
    )
    return shown(complaint, response)


@router.post("/{complaint_id}/question", name="ask_complaining_customer", dependencies=WORK)
async def ask_complaining_customer(
    *, complaint_id: UUID, body: AskCustomer, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """Ask the customer something; clocks whose rule allows it stand still until the customer comes back."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.ask_customer(
        tx, case_id=complaint_id, question=body.question, language=body.language, agent=caller.subject,
        expected=version,
    )  # fmt: skip
    return shown(complaint, response)


@router.post("/{complaint_id}/holding-reply", name="explain_delay", dependencies=WORK)
async def explain_delay(
    *, complaint_id: UUID, body: ExplainDelay, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """Tell the customer why it takes longer, and until when; clocks whose rule allows it are extended."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.explain_delay(
        tx, case_id=complaint_id, explanation=body.explanation, until=body.until, language=body.language,
        agent=caller.subject, expected=version,
    )  # fmt: skip
    return shown(complaint, response)


@router.post(
    "/{complaint_id}/preventions", name="plan_prevention", status_code=status.HTTP_201_CREATED, dependencies=WORK
)
async def plan_prevention(
    *, complaint_id: UUID, body: PlanPrevention, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """Name the root cause and what is done about it, by whom, by when."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.plan_prevention(
        tx, case_id=complaint_id, cause=body.cause, measure=body.measure, owner=body.owner, due_at=body.due_at,
        agent=caller.subject, expected=version,
    )  # fmt: skip
    return shown(complaint, response)


@router.post("/{complaint_id}/preventions/{prevention_id}/completion", name="finish_prevention", dependencies=WORK)
async def finish_prevention(
    *, complaint_id: UUID, prevention_id: UUID, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """A measure was carried out."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.finish_prevention(
        tx, case_id=complaint_id, prevention_id=prevention_id, agent=caller.subject, expected=version
    )
    return shown(complaint, response)
