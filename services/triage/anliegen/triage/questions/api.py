"""Door 2: a reviewer has the customer asked which task it is."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Response
from pydantic import BaseModel, ConfigDict, Field

from anliegen.events import Task as AnyTask
from anliegen.kit.http import APIRouter, Caller, IfMatch, Tx, idempotent, requires, set_etag

from ..api import ReviewView, Task, only_staff, view_review
from ..domain import ReviewNotFound
from . import actions

router = APIRouter(prefix="/triage/v1", tags=["triage"])


class AskCustomer(BaseModel):
    """The tasks that the customer is asked about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    options: list[Task] = Field(min_length=2, max_length=3, examples=[["billing_inquiry", "claims"]])


@router.post(
    "/reviews/{review_id}/questions", name="ask_customer", dependencies=[requires("reviews:write"), idempotent]
)
async def ask_customer(
    *,
    review_id: Annotated[UUID, Path(description="The review.")],
    body: AskCustomer,
    tx: Tx,
    principal: Caller,
    version: IfMatch,
    response: Response,
) -> ReviewView:
    """Ask the customer which of these it is, in their language, where they wrote. Twice at most in one case.

    An answer by number or in words decides the review; one that does not tell leaves it to you. You may decide it
    at any time without waiting.
    """
    only_staff(principal, ReviewNotFound)
    review = await actions.ask(
        tx, review_id=review_id, options=[AnyTask(one) for one in body.options], version=version, by=principal.subject
    )
    set_etag(response, review.version)
    return await view_review(tx, review)
