"""How a complaint comes to its end: the final response, in private and in public, settlement, reopening, transfer."""

from functools import partial
from uuid import UUID

from anliegen.events import (
    ComplaintAnswered,
    ComplaintAnsweredInPublic,
    ComplaintClosed,
    ComplaintResolved,
    ComplaintsReplyRequested,
    ComplaintTransferred,
    ContentReference,
    Task,
)
from anliegen.kit import Transaction, ids
from anliegen.kit.telemetry import metrics
from anliegen.kit.versions import ANY_VERSION, ExpectedVersion

from .. import store
from ..clocks.actions import keep_clocks
from ..domain import Complaint, is_due
from ..errors import ComplaintNotFound, NotPublic
from ..rules import POLICY
from ..states import Reason, Resolution, Response, Wait
from ..store import ResponseRow
from ..words import response_values
from .receive import PUBLIC, reopen
from .shared import announce, keep_time, load, load_in_time, save
from .work import private_contact, reply_about


async def prepare_response(
    tx: Transaction, *, case_id: UUID, response: Response, agent: str, expected: ExpectedVersion = ANY_VERSION
) -> Complaint:
    """What the complaint would be after this final response; nothing is changed. Raises as `answer_complaint`."""
    complaint = await store.get_complaint(tx, case_id=case_id)
    expected.check(complaint.version)
    await private_contact(tx, complaint)
    return complaint.answered(response, response_id=complaint.case_id, agent=agent, at=tx.now)


async def answer_complaint(
    tx: Transaction,
    *,
    case_id: UUID,
    response: Response,
    answer: str,
    language: str | None,
    agent: str,
    expected: ExpectedVersion,
    letter: ContentReference | None = None,
) -> Complaint:
    """Send the final response, with its letter, to the person who complained, never where others read it.

    Raises NotDecided, ResponseDoesNotFit, NoPrivateWay and as `load`.
    """
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    response_id = ids.uuid7(tx.wall)
    complaint = before.answered(response, response_id=response_id, agent=agent, at=tx.now)
    contact_id = await private_contact(tx, complaint)
    spoken = language or complaint.language
    await save(tx, before, complaint, step="communicated", by=agent, reason=response)
    if before.is_unanswered:
        waited = (tx.now - before.opened_at).total_seconds()
        tx.after_commit(partial(metrics.first_response.labels(tx.context.service.name).observe, waited))
    await announce(
        tx, ComplaintAnswered, complaint, contact_id=contact_id, response_id=response_id, response=response,
        answered_by=agent,
    )  # fmt: skip
    values = response_values(complaint, answer=answer, language=spoken)
    told = reply_about(complaint, response_id, contact_id=contact_id, values=values, language=spoken)
    tx.publish(ComplaintsReplyRequested(template="complaint_response", attachments=(letter,) if letter else (), **told))
    sent = ResponseRow(
        response_id=response_id, reply_id=told["reply_id"], contact_id=contact_id, response=response, language=spoken,
        answered_by=agent, answered_at=tx.now, letter=letter.sha256 if letter else None,
    )  # fmt: skip
    await store.insert_response(tx, case_id=case_id, response=sent)
    return complaint


async def answer_in_public(
    tx: Transaction, *, case_id: UUID, answer: str, language: str | None, agent: str, expected: ExpectedVersion
) -> Complaint:
    """Answer where everybody reads the complaint; the matter itself is settled in private. Raises NotPublic."""
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    contact_id = await store.find_public_contact_id(tx, case_id=case_id, public=PUBLIC)
    if contact_id is None:
        raise NotPublic
    complaint = before.acknowledged(at=tx.now)
    if complaint == before:
        complaint = before.touched()
    await save(tx, before, complaint, step="answered_in_public", by=agent)
    await announce(tx, ComplaintAnsweredInPublic, complaint, contact_id=contact_id)
    told = reply_about(
        complaint, complaint.version, contact_id=contact_id, values={"answer": answer}, language=language
    )
    tx.publish(ComplaintsReplyRequested(template="complaint_public_answer", **told))
    return complaint


async def resolve_complaint(
    tx: Transaction,
    *,
    case_id: UUID,
    resolution: Resolution,
    by: str | None = None,
    expected: ExpectedVersion = ANY_VERSION,
) -> Complaint:
    """It is settled. Raises ComplaintSettled, NotDecided and as `load`."""
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    complaint = before.resolved(resolution, at=tx.now)
    await save(tx, before, complaint, step="followed_up", by=by, reason=resolution)
    await announce(tx, ComplaintResolved, complaint, resolution=resolution)
    return complaint


async def transfer_complaint(
    tx: Transaction, *, case_id: UUID, to_task: Task, agent: str, expected: ExpectedVersion
) -> Complaint:
    """Another task goes on with it. Raises ComplaintSettled and as `load`."""
    before = await load_in_time(tx, case_id=case_id, expected=expected)
    complaint = before.transferred(at=tx.now)
    await save(tx, before, complaint, step="transferred", by=agent, reason=to_task)
    await announce(tx, ComplaintTransferred, complaint, contact_id=complaint.contact_id, to_task=to_task)
    return complaint


async def reopen_complaint(
    tx: Transaction, *, case_id: UUID, reason: Reason, by: str, expected: ExpectedVersion
) -> Complaint:
    """It goes on. Raises ComplaintStillOpen and as `load`."""
    before = await load(tx, case_id=case_id, expected=expected)
    return await reopen(tx, before, before, reason=reason, at=tx.now, by=by)


# What time brings about -----------------------------------------------------------------------------------------------
async def let_time_pass(tx: Transaction, *, case_id: UUID, wait: Wait) -> None:
    """Do what this wait was for, if its time has come and it was not done yet."""
    before = await load(tx, case_id=case_id)
    if not is_due(before, wait, at=tx.now, policy=POLICY):
        return
    if wait is Wait.DECISION_DUE:
        await keep_time(tx, before)
    elif wait is Wait.NO_OBJECTION:
        await resolve_complaint(tx, case_id=case_id, resolution=Resolution.NO_OBJECTION)
    else:
        complaint = before.closed()
        await save(tx, before, complaint, step="closed")
        await announce(tx, ComplaintClosed, complaint)


async def look_at_clock(tx: Transaction, *, case_id: UUID) -> None:
    """A clock would warn or run out about now: let all of the complaint say how they stand."""
    if await store.find_complaint(tx, case_id=case_id) is None:
        raise ComplaintNotFound
    await keep_clocks(tx, await load_in_time(tx, case_id=case_id))
