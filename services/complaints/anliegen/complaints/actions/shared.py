"""What all actions share: lock and load, keep promises honest, save with history, timers and clocks."""

from typing import Any
from uuid import UUID

from anliegen.events import ComplaintEvent, DecisionOverdue
from anliegen.kit import Transaction
from anliegen.kit.cases import keep_waits
from anliegen.kit.versions import ANY_VERSION, ExpectedVersion

from .. import store
from ..clocks.actions import keep_clocks
from ..domain import Complaint, is_due, waits
from ..rules import POLICY
from ..states import State, Wait


async def load(tx: Transaction, *, case_id: UUID, expected: ExpectedVersion = ANY_VERSION) -> Complaint:
    """The complaint, its journey locked. Raises ComplaintNotFound, PreconditionFailed."""
    # The journey of a complaint never changes, so it may be read before the lock; all else is read after it.
    await tx.lock((await store.get_complaint(tx, case_id=case_id)).journey_id)
    complaint = await store.get_complaint(tx, case_id=case_id)
    expected.check(complaint.version)
    return complaint


async def load_in_time(tx: Transaction, *, case_id: UUID, expected: ExpectedVersion = ANY_VERSION) -> Complaint:
    """The complaint, its journey locked, and its promise broken where it is. Raises as `load`."""
    return await keep_time(tx, await load(tx, case_id=case_id, expected=expected))


async def keep_time(tx: Transaction, complaint: Complaint) -> Complaint:
    """Break the promise whose time has passed, so that nothing that comes later is taken for keeping it."""
    if not is_due(complaint, Wait.DECISION_DUE, at=tx.now, policy=POLICY):
        return complaint
    late, failure = complaint.broken()
    await save(tx, complaint, late, step="promise_broken")
    publish(tx, DecisionOverdue, late, failure=failure)
    return late


async def save(
    tx: Transaction,
    before: Complaint | None,
    complaint: Complaint,
    *,
    step: str,
    by: str | None = None,
    reason: str | None = None,
) -> None:
    """Store the complaint and what was done, move its timers, and let its clocks say how they stand."""
    if before is None:
        await store.insert_complaint(tx, complaint=complaint)
    else:
        await store.update_complaint(tx, complaint=complaint)
    done = store.Step(
        version=complaint.version, step=step, state=complaint.state, done_by=by, done_at=tx.now, reason=reason
    )
    await store.insert_step(tx, case_id=complaint.case_id, step=done)
    if complaint.state is State.WAITING:
        await store.insert_pause(tx, case_id=complaint.case_id, began_at=tx.now)
    elif before is not None and before.state is State.WAITING:
        await store.update_pause_ended(tx, case_id=complaint.case_id, ended_at=tx.now)
    await _set_timers(tx, before, complaint)


def publish(tx: Transaction, event: type[ComplaintEvent], complaint: Complaint, **fields: Any) -> None:
    """Announce something about the complaint, with what every such event tells."""
    tx.publish(event.about(complaint, invoice_number=complaint.invoice_number, promise=complaint.promise, **fields))


async def announce(tx: Transaction, event: type[ComplaintEvent], complaint: Complaint, **fields: Any) -> None:
    """Announce something about the complaint, then what it does to its clocks."""
    publish(tx, event, complaint, **fields)
    await keep_clocks(tx, complaint)


async def _set_timers(tx: Transaction, before: Complaint | None, complaint: Complaint) -> None:
    was = waits(before, POLICY) if before else {}
    await keep_waits(tx, was, waits(complaint, POLICY), case_id=complaint.case_id, key=complaint.journey_id)
