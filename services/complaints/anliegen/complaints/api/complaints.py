"""Complaints: lists, one of them with its history, noted by agents, taken, named, acknowledged, assessed."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from anliegen.events import Priority
from anliegen.kit.http import (
    APIRouter,
    Caller,
    IfMatch,
    Page,
    Paging,
    Tx,
    authorize_work,
    idempotent,
    requires,
    set_etag,
    unconditional,
)

from .. import actions, store
from ..clocks.packs import PACKS
from ..domain import Assessment, Complaint
from ..states import State
from ..views.bodies import (
    AssessComplaint,
    InvoiceNumber,
    KnownPriority,
    NameInvoiceOfComplaint,
    NoteComplaint,
    Tier,
)
from ..views.complaints import (
    ComplaintDetail,
    ComplaintView,
    InvestigationView,
    PreventionView,
    ResponseView,
    StepView,
)
from .shared import PREFIX, TASK, journeys_shown, seen, shown, worked_on

router = APIRouter(prefix=PREFIX, tags=["complaints"])
WORK = [requires("cases:write"), idempotent]


@router.get("", name="list_complaints", dependencies=[requires("cases:read")])
async def list_complaints(
    *,
    tx: Tx,
    caller: Caller,
    paging: Paging,
    response: Response,
    status: Annotated[list[State] | None, Query()] = None,
    priority: Annotated[list[KnownPriority] | None, Query()] = None,
    tier: Annotated[list[Tier] | None, Query()] = None,
    assignee: Annotated[list[str] | None, Query(description="An agent's id, or `me`.")] = None,
    invoice_number: Annotated[list[InvoiceNumber] | None, Query()] = None,
    journey_id: Annotated[UUID | None, Query(description="The person behind this journey.")] = None,
    sort: store.Sort = store.Sort.DUE_AT,
) -> Page[ComplaintView]:
    """Complaints, those that are due first at the top. A repeated parameter means "any of these"."""
    filters = store.Filters(
        journey_ids=await journeys_shown(tx, caller, journey_id),
        states=status,
        priorities=priority,
        tiers=tier,
        assignees=[caller.subject if name == "me" else name for name in assignee] if assignee else None,
        invoice_numbers=invoice_number,
    )
    rows = await store.list_complaints(
        tx, filters=filters, sort=sort, backwards=paging.backwards, after=paging.after(datetime), limit=paging.fetch
    )
    return paging.page(rows, edge=sort.edge_of, view=ComplaintView.of, response=response)


@router.post("", name="note_complaint", status_code=status.HTTP_201_CREATED, dependencies=WORK)
async def note_complaint(*, body: NoteComplaint, tx: Tx, caller: Caller, response: Response) -> ComplaintView:
    """Open a complaint that an agent heard in a contact which triage took for something else."""
    authorize_work(caller, task=TASK)
    complaint = await actions.note_complaint(
        tx,
        contact_id=body.contact_id,
        intent=body.intent,
        priority=Priority(body.priority),
        tier=body.tier,
        country=body.country or PACKS.markets.default_country,
        line=body.line or PACKS.markets.default_line,
        remedy_sought=body.remedy_sought,
        invoice_number=body.invoice_number,
        agent=caller.subject,
    )
    response.headers["Location"] = router.url_path_for("get_complaint", complaint_id=str(complaint.case_id))
    return shown(complaint, response)


@router.get("/{complaint_id}", name="get_complaint", dependencies=[requires("cases:read")])
async def get_complaint(*, complaint_id: UUID, tx: Tx, caller: Caller, response: Response) -> ComplaintDetail:
    """One complaint with its contacts, its history, what is found out and prevented, and its responses."""
    complaint = await seen(tx, caller, complaint_id)
    set_etag(response, complaint.version)
    return ComplaintDetail.of(
        complaint,
        contact_ids=await store.list_contact_ids(tx, case_id=complaint_id),
        steps=[StepView.model_validate(one) for one in await store.list_steps(tx, case_id=complaint_id)],
        investigations=[
            InvestigationView.model_validate(one) for one in await store.list_investigations(tx, case_id=complaint_id)
        ],
        preventions=[
            PreventionView.model_validate(one) for one in await store.list_preventions(tx, case_id=complaint_id)
        ],
        responses=[ResponseView.model_validate(one) for one in await store.list_responses(tx, case_id=complaint_id)],
    )


@router.post("/{complaint_id}/taking", name="take_complaint", dependencies=WORK)
async def take_complaint(
    *, complaint_id: UUID, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """Work on a complaint yourself, or take it over."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.take_complaint(tx, case_id=complaint_id, agent=caller.subject, expected=version)
    return shown(complaint, response)


@router.post("/{complaint_id}/invoice", name="name_invoice_of_complaint", dependencies=WORK)
async def name_invoice_of_complaint(
    *,
    complaint_id: UUID,
    body: NameInvoiceOfComplaint,
    tx: Tx,
    caller: Caller,
    version: IfMatch,
    response: Response,
) -> ComplaintView:
    """Say which invoice the complaint is about: its dunning is held until the complaint is settled."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.name_invoice(
        tx, case_id=complaint_id, invoice_number=body.invoice_number, agent=caller.subject, expected=version
    )
    return shown(complaint, response)


@router.post("/{complaint_id}/acknowledgement", name="acknowledge_complaint", dependencies=WORK)
async def acknowledge_complaint(
    *, complaint_id: UUID, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """The customer was told in person that the complaint was received; what intake confirms counts by itself."""
    await worked_on(tx, caller, complaint_id)
    complaint = await actions.acknowledge_complaint(tx, case_id=complaint_id, agent=caller.subject, expected=version)
    return shown(complaint, response)


@router.post("/{complaint_id}/assessment", name="assess_complaint", dependencies=WORK)
async def assess_complaint(
    *, complaint_id: UUID, body: AssessComplaint, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> ComplaintView:
    """Say how bad, how hard and how many: priority, tier and the legal clocks follow from it."""
    country, line = _market(await worked_on(tx, caller, complaint_id), body)
    complaint = await actions.assess_complaint(
        tx, case_id=complaint_id, assessment=_assessment(body), country=country, line=line, agent=caller.subject,
        expected=version,
    )  # fmt: skip
    return shown(complaint, response)


@router.post(
    "/{complaint_id}/assessment/preview",
    name="preview_assessment",
    dependencies=[requires("cases:read"), unconditional("it changes nothing")],
)
async def preview_assessment(*, complaint_id: UUID, body: AssessComplaint, tx: Tx, caller: Caller) -> ComplaintView:
    """What the complaint would be after this assessment; nothing is changed."""
    country, line = _market(await worked_on(tx, caller, complaint_id), body)
    return ComplaintView.of(
        await actions.foresee_assessment(
            tx, case_id=complaint_id, assessment=_assessment(body), country=country, line=line
        )
    )


def _assessment(body: AssessComplaint) -> Assessment:
    return Assessment(**body.model_dump(include={"severity", "complexity", "impact", "immediate_action"}))


def _market(complaint: Complaint, body: AssessComplaint) -> tuple[str, str]:
    return body.country or complaint.country, body.line or complaint.line
