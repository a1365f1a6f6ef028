"""Refunds over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response, status

from anliegen.events import Task
from anliegen.kit.http import (
    APIRouter,
    Caller,
    IfMatch,
    Tx,
    authorize_work,
    idempotent,
    requires,
    set_etag,
    unconditional,
)
from anliegen.kit.versions import ANY_VERSION

from . import actions, store
from .domain import Refund
from .views import AskForRefund, GiveReason, RefundView

TASK = Task.BILLING_INQUIRY.value
router = APIRouter(prefix="/billing-inquiry/v1", tags=["billing-inquiry"])


@router.get("/refunds", name="list_refunds", dependencies=[requires("cases:read")])
async def list_refunds(
    *, invoice_number: Annotated[str, Query(max_length=60)], tx: Tx, caller: Caller
) -> list[RefundView]:
    """Every refund about an invoice, the oldest first."""
    authorize_work(caller, task=TASK)
    return [RefundView.of(one) for one in await store.list_refunds(tx, invoice_number=invoice_number)]


@router.post(
    "/refunds",
    name="ask_for_refund",
    status_code=status.HTTP_201_CREATED,
    dependencies=[requires("cases:write"), idempotent],
)
async def ask_for_refund(*, body: AskForRefund, tx: Tx, caller: Caller, response: Response) -> RefundView:
    """Pay back what is to the customer's credit; where it is much, a second person confirms it first."""
    authorize_work(caller, task=TASK)
    refund = await actions.ask_for_refund(
        tx, invoice_number=body.invoice_number, case_id=body.inquiry_id, amount=body.money, reason=body.reason,
        agent=caller.subject, of_purchase=body.of_purchase,
    )  # fmt: skip
    response.headers["Location"] = router.url_path_for("get_refund", refund_id=str(refund.refund_id))
    return _shown(refund, response)


@router.post(
    "/refunds/preview",
    name="preview_refund",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_refund(*, body: AskForRefund, tx: Tx, caller: Caller) -> RefundView:
    """The refund as it would be, booked or waiting, or why it cannot be. Nothing is stored."""
    authorize_work(caller, task=TASK)
    refund = await actions.preview_refund(
        tx, invoice_number=body.invoice_number, case_id=body.inquiry_id, amount=body.money, reason=body.reason,
        agent=caller.subject, of_purchase=body.of_purchase,
    )  # fmt: skip
    return RefundView.of(refund)


@router.get("/refunds/{refund_id}", name="get_refund", dependencies=[requires("cases:read")])
async def get_refund(*, refund_id: UUID, tx: Tx, caller: Caller, response: Response) -> RefundView:
    """One refund."""
    authorize_work(caller, task=TASK)
    return _shown(await store.get_refund(tx, refund_id=refund_id), response)


@router.post(
    "/refunds/{refund_id}/confirmation", name="confirm_refund", dependencies=[requires("cases:write"), idempotent]
)
async def confirm_refund(
    *, refund_id: UUID, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> RefundView:
    """Confirm what somebody else has asked for."""
    authorize_work(caller, task=TASK)
    return _shown(
        await actions.confirm_refund(tx, refund_id=refund_id, agent=caller.subject, expected=version), response
    )


@router.post("/refunds/{refund_id}/refusal", name="refuse_refund", dependencies=[requires("cases:write"), idempotent])
async def refuse_refund(
    *, refund_id: UUID, body: GiveReason, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> RefundView:
    """Do not confirm it, or take back what you have asked for."""
    authorize_work(caller, task=TASK)
    refund = await actions.refuse_refund(
        tx, refund_id=refund_id, reason=body.reason, agent=caller.subject, expected=version
    )
    return _shown(refund, response)


@router.post("/refunds/{refund_id}/reversal", name="reverse_refund", dependencies=[requires("cases:write"), idempotent])
async def reverse_refund(
    *, refund_id: UUID, body: GiveReason, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> RefundView:
    """Take back a refund that was not paid out, or came back."""
    authorize_work(caller, task=TASK)
    refund = await actions.reverse_refund(
        tx, refund_id=refund_id, reason=body.reason, agent=caller.subject, expected=version
    )
    return _shown(refund, response)


@router.post(
    "/refunds/{refund_id}/confirmation/preview",
    name="preview_refund_confirmation",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_refund_confirmation(*, refund_id: UUID, tx: Tx, caller: Caller) -> RefundView:
    """The refund as your confirmation would leave it, or why you cannot confirm it. Nothing is stored."""
    authorize_work(caller, task=TASK)
    return RefundView.of(
        await actions.preview_confirmation(tx, refund_id=refund_id, agent=caller.subject, expected=ANY_VERSION)
    )


@router.post(
    "/refunds/{refund_id}/refusal/preview",
    name="preview_refund_refusal",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_refund_refusal(*, refund_id: UUID, body: GiveReason, tx: Tx, caller: Caller) -> RefundView:
    """The refund as it would be refused. Nothing is stored."""
    authorize_work(caller, task=TASK)
    return RefundView.of(
        await actions.preview_refusal(
            tx, refund_id=refund_id, reason=body.reason, agent=caller.subject, expected=ANY_VERSION
        )
    )


@router.post(
    "/refunds/{refund_id}/reversal/preview",
    name="preview_refund_reversal",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_refund_reversal(*, refund_id: UUID, body: GiveReason, tx: Tx, caller: Caller) -> RefundView:
    """The refund as it would be taken back, or why it cannot be. Nothing is stored."""
    authorize_work(caller, task=TASK)
    return RefundView.of(
        await actions.preview_reversal(
            tx, refund_id=refund_id, reason=body.reason, agent=caller.subject, expected=ANY_VERSION
        )
    )


def _shown(refund: Refund, response: Response) -> RefundView:
    set_etag(response, refund.version)
    return RefundView.of(refund)
