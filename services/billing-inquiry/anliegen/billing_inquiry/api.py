"""Door 2: billing inquiry over HTTP."""

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
from .domain import Inquiry, InquiryNotFound
from .states import Reason, Resolution, State
from .views import (
    AnswerInquiry,
    AnswerView,
    InquiryDetail,
    InquiryView,
    InvoiceNumber,
    KnownPriority,
    NameInvoice,
    NoteInquiry,
    ReopenInquiry,
    ResolveInquiry,
    Tier,
)

TASK = Task.BILLING_INQUIRY.value

router = APIRouter(prefix="/billing-inquiry/v1", tags=["billing-inquiry"])


@router.get("/inquiries", name="list_inquiries", dependencies=[requires("cases:read")])
async def list_inquiries(
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
) -> Page[InquiryView]:
    """Inquiries, those that are due first at the top. A repeated parameter means "any of these"."""
    filters = store.Filters(
        journey_ids=await _journeys_shown(tx, caller, journey_id),
        states=status,
        priorities=priority,
        tiers=tier,
        assignees=[caller.subject if name == "me" else name for name in assignee] if assignee else None,
        invoice_numbers=invoice_number,
    )
    rows = await store.list_inquiries(
        tx, filters=filters, sort=sort, backwards=paging.backwards, after=paging.after(datetime), limit=paging.fetch
    )
    return paging.page(rows, edge=sort.edge_of, view=InquiryView.of, response=response)


@router.post(
    "/inquiries",
    name="note_inquiry",
    status_code=status.HTTP_201_CREATED,
    dependencies=[requires("cases:write"), idempotent],
)
async def note_inquiry(*, body: NoteInquiry, tx: Tx, caller: Caller, response: Response) -> InquiryView:
    """Open an inquiry that an agent heard in a contact which triage took for something else."""
    authorize_work(caller, task=TASK)
    inquiry = await actions.note_inquiry(
        tx,
        contact_id=body.contact_id,
        intent=body.intent,
        priority=Priority(body.priority),
        tier=body.tier,
        invoice_number=body.invoice_number,
    )
    response.headers["Location"] = router.url_path_for("get_inquiry", inquiry_id=str(inquiry.case_id))
    return _shown(inquiry, response)


@router.get("/inquiries/{inquiry_id}", name="get_inquiry", dependencies=[requires("cases:read")])
async def get_inquiry(*, inquiry_id: UUID, tx: Tx, caller: Caller, response: Response) -> InquiryDetail:
    """One inquiry with its contacts and answers."""
    inquiry = await _seen(tx, caller, inquiry_id)
    set_etag(response, inquiry.version)
    return InquiryDetail.of(
        inquiry,
        contact_ids=await store.list_contact_ids(tx, case_id=inquiry_id),
        answers=[
            AnswerView.model_validate(answer, from_attributes=True)
            for answer in await store.list_answers(tx, case_id=inquiry_id)
        ],
    )


@router.post("/inquiries/{inquiry_id}/taking", name="take_inquiry", dependencies=[requires("cases:write"), idempotent])
async def take_inquiry(
    *, inquiry_id: UUID, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> InquiryView:
    """Work on an inquiry yourself, or take it over."""
    await _worked_on(tx, caller, inquiry_id)
    inquiry = await actions.take_inquiry(tx, case_id=inquiry_id, agent=caller.subject, expected=version)
    return _shown(inquiry, response)


@router.post("/inquiries/{inquiry_id}/invoice", name="name_invoice", dependencies=[requires("cases:write"), idempotent])
async def name_invoice(
    *, inquiry_id: UUID, body: NameInvoice, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> InquiryView:
    """Say which invoice the inquiry is about."""
    await _worked_on(tx, caller, inquiry_id)
    inquiry = await actions.name_invoice(tx, case_id=inquiry_id, invoice_number=body.invoice_number, expected=version)
    return _shown(inquiry, response)


@router.post(
    "/inquiries/{inquiry_id}/answer", name="answer_inquiry", dependencies=[requires("cases:write"), idempotent]
)
async def answer_inquiry(
    *, inquiry_id: UUID, body: AnswerInquiry, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> InquiryView:
    """Answer the customer, who may accept or reject the answer; silence accepts it after some days."""
    await _worked_on(tx, caller, inquiry_id)
    inquiry = await actions.answer_inquiry(
        tx, case_id=inquiry_id, answer=body.answer, language=body.language, agent=caller.subject, expected=version
    )
    return _shown(inquiry, response)


@router.post(
    "/inquiries/{inquiry_id}/resolution", name="resolve_inquiry", dependencies=[requires("cases:write"), idempotent]
)
async def resolve_inquiry(
    *, inquiry_id: UUID, body: ResolveInquiry, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> InquiryView:
    """Settle an inquiry: the customer is content, or does not want to know any more. Customers may do so themselves."""
    await _seen(tx, caller, inquiry_id)
    inquiry = await actions.resolve_inquiry(
        tx, case_id=inquiry_id, resolution=Resolution(body.resolution), expected=version
    )
    return _shown(inquiry, response)


@router.post(
    "/inquiries/{inquiry_id}/reopening", name="reopen_inquiry", dependencies=[requires("cases:write"), idempotent]
)
async def reopen_inquiry(
    *, inquiry_id: UUID, body: ReopenInquiry, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> InquiryView:
    """Go on with an answered or settled inquiry, with a new promise. Customers may reject an answer themselves."""
    await _seen(tx, caller, inquiry_id)
    inquiry = await actions.reopen_inquiry(tx, case_id=inquiry_id, reason=Reason(body.reason), expected=version)
    return _shown(inquiry, response)


def _shown(inquiry: Inquiry, response: Response) -> InquiryView:
    set_etag(response, inquiry.version)
    return InquiryView.of(inquiry)


async def _seen(tx: Transaction, caller: Principal, inquiry_id: UUID) -> Inquiry:
    inquiry = await store.get_inquiry(tx, case_id=inquiry_id)
    members = () if works_on(caller, task=TASK) else await tx.members(inquiry.journey_id)
    authorize_case(caller, task=TASK, journey_id=inquiry.journey_id, members=members, otherwise=InquiryNotFound)
    return inquiry


async def _worked_on(tx: Transaction, caller: Principal, inquiry_id: UUID) -> None:
    # An inquiry that the caller may not see is not found; one that is the caller's own is only not for them to work on.
    await _seen(tx, caller, inquiry_id)
    authorize_work(caller, task=TASK)


async def _journeys_shown(tx: Transaction, caller: Principal, wanted: UUID | None) -> list[UUID] | None:
    shown = await tx.members(wanted) if wanted else None
    if works_on(caller, task=TASK):
        return shown
    own = await tx.members(caller.journey_id) if caller.journey_id else []
    return [journey_id for journey_id in own if shown is None or journey_id in shown]
