"""What all routes share: who may see which complaint, and how one is shown."""

from uuid import UUID

from fastapi import Response

from anliegen.events import Task
from anliegen.kit import Transaction
from anliegen.kit.http import Principal, authorize_case, authorize_work, set_etag, works_on

from .. import store
from ..domain import Complaint
from ..errors import ComplaintNotFound
from ..views.complaints import ComplaintView

TASK = Task.COMPLAINTS.value
PREFIX = "/complaints/v1/complaints"


def shown(complaint: Complaint, response: Response) -> ComplaintView:
    """The view, with its ETag."""
    set_etag(response, complaint.version)
    return ComplaintView.of(complaint)


async def seen(tx: Transaction, caller: Principal, complaint_id: UUID) -> Complaint:
    """The complaint, where the caller may see it. Raises ComplaintNotFound."""
    complaint = await store.get_complaint(tx, case_id=complaint_id)
    members = () if works_on(caller, task=TASK) else await tx.members(complaint.journey_id)
    authorize_case(caller, task=TASK, journey_id=complaint.journey_id, members=members, otherwise=ComplaintNotFound)
    return complaint


async def worked_on(tx: Transaction, caller: Principal, complaint_id: UUID) -> Complaint:
    """The complaint, where the caller may work on it. Raises ComplaintNotFound, NotAllowed."""
    # One that the caller may not see is not found; one that is the caller's own is only not for them to work on.
    complaint = await seen(tx, caller, complaint_id)
    authorize_work(caller, task=TASK)
    return complaint


async def journeys_shown(tx: Transaction, caller: Principal, wanted: UUID | None) -> list[UUID] | None:
    """Whose complaints a list shows; None are all."""
    found = await tx.members(wanted) if wanted else None
    if works_on(caller, task=TASK):
        return found
    own = await tx.members(caller.journey_id) if caller.journey_id else []
    return [journey_id for journey_id in own if found is None or journey_id in found]
