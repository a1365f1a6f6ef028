"""Agreements on paying later over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Response, status

from anliegen.events import Task
from anliegen.kit import Transaction
from anliegen.kit.http import (
    APIRouter,
    Caller,
    IfMatch,
    Tx,
    authorize_case,
    authorize_work,
    idempotent,
    requires,
    set_etag,
    unconditional,
    works_on,
)
from anliegen.kit.versions import ExpectedVersion

from . import actions, store
from .domain import AgreementNotFound, Instalment, Kind
from .views import AgreementView, CancelAgreement, MakeAgreement, instalments_of

TASK = Task.BILLING_INQUIRY.value
Number = Annotated[str, Path(min_length=1, max_length=60)]
router = APIRouter(prefix="/billing-inquiry/v1", tags=["billing-inquiry"])


@router.post(
    "/dunnings/{invoice_number}/agreement",
    name="make_agreement",
    status_code=status.HTTP_201_CREATED,
    dependencies=[requires("cases:write"), idempotent],
)
async def make_agreement(
    *, invoice_number: Number, body: MakeAgreement, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> AgreementView:
    """Agree on instalments or on a promise to pay; `If-Match` is the ETag of the invoice's dunning, which is held."""
    authorize_work(caller, task=TASK)
    agreement = await actions.agree(
        tx, kind=Kind(body.kind), invoice_number=invoice_number, case_id=body.inquiry_id,
        instalments=await _instalments(tx, invoice_number, body), agent=caller.subject, expected=version,
    )  # fmt: skip
    response.headers["Location"] = router.url_path_for("get_agreement", agreement_id=str(agreement.agreement_id))
    set_etag(response, agreement.version)
    return AgreementView.of(agreement)


@router.post(
    "/dunnings/{invoice_number}/agreement/preview",
    name="preview_agreement",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_agreement(*, invoice_number: Number, body: MakeAgreement, tx: Tx, caller: Caller) -> AgreementView:
    """The agreement as it would be made, or why it cannot be. Nothing is stored."""
    authorize_work(caller, task=TASK)
    agreement = await actions.preview_agreement(
        tx, kind=Kind(body.kind), invoice_number=invoice_number, case_id=body.inquiry_id,
        instalments=await _instalments(tx, invoice_number, body), agent=caller.subject, expected=ExpectedVersion(None),
    )  # fmt: skip
    return AgreementView.of(agreement)


@router.get("/dunnings/{invoice_number}/agreements", name="list_agreements", dependencies=[requires("cases:read")])
async def list_agreements(*, invoice_number: Number, tx: Tx, caller: Caller) -> list[AgreementView]:
    """Everything that was agreed about an invoice, the oldest first."""
    authorize_work(caller, task=TASK)
    return [AgreementView.of(one) for one in await store.list_agreements(tx, invoice_numbers=[invoice_number])]


@router.get("/agreements/{agreement_id}", name="get_agreement", dependencies=[requires("cases:read")])
async def get_agreement(*, agreement_id: UUID, tx: Tx, caller: Caller, response: Response) -> AgreementView:
    """One agreement; customers see their own."""
    agreement = await store.get_agreement(tx, agreement_id=agreement_id)
    members = () if works_on(caller, task=TASK) else await tx.members(agreement.journey_id)
    authorize_case(caller, task=TASK, journey_id=agreement.journey_id, members=members, otherwise=AgreementNotFound)
    set_etag(response, agreement.version)
    return AgreementView.of(agreement)


@router.post(
    "/agreements/{agreement_id}/cancellation",
    name="cancel_agreement",
    dependencies=[requires("cases:write"), idempotent],
)
async def cancel_agreement(
    *, agreement_id: UUID, body: CancelAgreement, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> AgreementView:
    """Take an agreement back; dunning goes on after some days."""
    authorize_work(caller, task=TASK)
    agreement = await actions.cancel_agreement(
        tx, agreement_id=agreement_id, reason=body.reason, agent=caller.subject, expected=version
    )
    set_etag(response, agreement.version)
    return AgreementView.of(agreement)


@router.post(
    "/agreements/{agreement_id}/cancellation/preview",
    name="preview_cancellation",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_cancellation(*, agreement_id: UUID, body: CancelAgreement, tx: Tx, caller: Caller) -> AgreementView:
    """The agreement as it would be taken back, or why it cannot be. Nothing is stored."""
    authorize_work(caller, task=TASK)
    agreement = await actions.preview_cancellation(
        tx, agreement_id=agreement_id, reason=body.reason, agent=caller.subject, expected=ExpectedVersion(None)
    )
    return AgreementView.of(agreement)


async def _instalments(tx: Transaction, invoice_number: str, body: MakeAgreement) -> tuple[Instalment, ...]:
    if body.count is not None and body.first_on is not None:
        return await actions.spread_evenly(tx, invoice_number=invoice_number, count=body.count, first_on=body.first_on)
    return instalments_of(body)
