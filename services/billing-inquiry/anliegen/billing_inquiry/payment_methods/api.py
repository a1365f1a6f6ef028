"""Payment methods over HTTP."""

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
from .domain import PaymentMethod
from .views import ChangePaymentMethod, CurrentPaymentMethodView, GiveReason, PaymentMethodView

TASK = Task.BILLING_INQUIRY.value
router = APIRouter(prefix="/billing-inquiry/v1", tags=["billing-inquiry"])


@router.get("/payment-methods", name="list_payment_methods", dependencies=[requires("cases:read")])
async def list_payment_methods(
    *, journey_id: Annotated[UUID, Query(description="The person behind this journey.")], tx: Tx, caller: Caller
) -> list[PaymentMethodView]:
    """Every payment method of a person, the oldest first."""
    authorize_work(caller, task=TASK)
    return [PaymentMethodView.of(one) for one in await actions.list_methods_of_person(tx, journey_id=journey_id)]


@router.post(
    "/payment-methods",
    name="change_payment_method",
    status_code=status.HTTP_201_CREATED,
    dependencies=[requires("cases:write"), idempotent],
)
async def change_payment_method(
    *, body: ChangePaymentMethod, tx: Tx, caller: Caller, response: Response
) -> PaymentMethodView:
    """Have the customer of an inquiry pay in another way; where much is owed, a second person confirms it first."""
    authorize_work(caller, task=TASK)
    method = await actions.change_payment_method(
        tx, case_id=body.inquiry_id, details=body.details, agent=caller.subject
    )
    response.headers["Location"] = router.url_path_for("get_payment_method", method_id=str(method.method_id))
    return _shown(method, response)


@router.post(
    "/payment-methods/preview",
    name="preview_payment_method",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_payment_method(*, body: ChangePaymentMethod, tx: Tx, caller: Caller) -> PaymentMethodView:
    """The payment method as it would be, in force or waiting, or why it cannot be. Nothing is stored."""
    authorize_work(caller, task=TASK)
    return PaymentMethodView.of(
        await actions.preview_payment_method(tx, case_id=body.inquiry_id, details=body.details, agent=caller.subject)
    )


@router.get("/payment-methods/current", name="get_current_payment_method", dependencies=[requires("cases:read")])
async def get_current_payment_method(
    *, journey_id: Annotated[UUID, Query(description="The person behind this journey.")], tx: Tx, caller: Caller
) -> CurrentPaymentMethodView:
    """How a person pays now, as we and the billing system have it, and whose word counts."""
    authorize_work(caller, task=TASK)
    return CurrentPaymentMethodView.of(await actions.get_current(tx, journey_id=journey_id))


@router.get("/payment-methods/{method_id}", name="get_payment_method", dependencies=[requires("cases:read")])
async def get_payment_method(*, method_id: UUID, tx: Tx, caller: Caller, response: Response) -> PaymentMethodView:
    """One payment method, masked."""
    authorize_work(caller, task=TASK)
    return _shown(await store.get_payment_method(tx, method_id=method_id), response)


@router.post(
    "/payment-methods/{method_id}/confirmation",
    name="confirm_payment_method",
    dependencies=[requires("cases:write"), idempotent],
)
async def confirm_payment_method(
    *, method_id: UUID, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> PaymentMethodView:
    """Confirm what somebody else has asked for."""
    authorize_work(caller, task=TASK)
    return _shown(
        await actions.confirm_payment_method(tx, method_id=method_id, agent=caller.subject, expected=version), response
    )


@router.post(
    "/payment-methods/{method_id}/refusal",
    name="refuse_payment_method",
    dependencies=[requires("cases:write"), idempotent],
)
async def refuse_payment_method(
    *, method_id: UUID, body: GiveReason, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> PaymentMethodView:
    """Do not confirm it, or take back what you have asked for."""
    authorize_work(caller, task=TASK)
    method = await actions.refuse_payment_method(
        tx, method_id=method_id, reason=body.reason, agent=caller.subject, expected=version
    )
    return _shown(method, response)


@router.post(
    "/payment-methods/{method_id}/reversal",
    name="reverse_payment_method",
    dependencies=[requires("cases:write"), idempotent],
)
async def reverse_payment_method(
    *, method_id: UUID, body: GiveReason, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> PaymentMethodView:
    """Take back what is in force; what it replaced is in force again."""
    authorize_work(caller, task=TASK)
    method = await actions.reverse_payment_method(
        tx, method_id=method_id, reason=body.reason, agent=caller.subject, expected=version
    )
    return _shown(method, response)


@router.post(
    "/payment-methods/{method_id}/confirmation/preview",
    name="preview_payment_method_confirmation",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_payment_method_confirmation(*, method_id: UUID, tx: Tx, caller: Caller) -> PaymentMethodView:
    """The payment method as your confirmation would leave it, or why you cannot confirm it. Nothing is stored."""
    authorize_work(caller, task=TASK)
    return PaymentMethodView.of(
        await actions.preview_confirmation(tx, method_id=method_id, agent=caller.subject, expected=ANY_VERSION)
    )


@router.post(
    "/payment-methods/{method_id}/refusal/preview",
    name="preview_payment_method_refusal",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_payment_method_refusal(
    *, method_id: UUID, body: GiveReason, tx: Tx, caller: Caller
) -> PaymentMethodView:
    """The payment method as it would be refused. Nothing is stored."""
    authorize_work(caller, task=TASK)
    return PaymentMethodView.of(
        await actions.preview_refusal(
            tx, method_id=method_id, reason=body.reason, agent=caller.subject, expected=ANY_VERSION
        )
    )


@router.post(
    "/payment-methods/{method_id}/reversal/preview",
    name="preview_payment_method_reversal",
    dependencies=[requires("cases:read"), unconditional("it stores nothing")],
)
async def preview_payment_method_reversal(
    *, method_id: UUID, body: GiveReason, tx: Tx, caller: Caller
) -> PaymentMethodView:
    """The payment method as it would be taken back, or why it cannot be. Nothing is stored."""
    authorize_work(caller, task=TASK)
    return PaymentMethodView.of(
        await actions.preview_reversal(
            tx, method_id=method_id, reason=body.reason, agent=caller.subject, expected=ANY_VERSION
        )
    )


def _shown(method: PaymentMethod, response: Response) -> PaymentMethodView:
    set_etag(response, method.version)
    return PaymentMethodView.of(method)
