"""What customers hear of goodwill, by a contact that is theirs; each tells whether there was one."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from anliegen.events import ComplaintsReplyRequested, Task
from anliegen.kit import Transaction, ids

from .announcements import shown_code
from .domain import Goodwill
from .store import ways

HEARD_BY_THEN = timedelta(minutes=5)
"""A contact that an agent names comes by another topic: it was heard of by then."""


async def tell_of_issue(tx: Transaction, goodwill: Goodwill) -> bool:
    """Tell the customer what they have, with the code where there is one."""
    contact_id = await _way(tx, goodwill)
    if contact_id is None:
        return False
    said = _said(goodwill, contact_id, "issue", amount=goodwill.amount)
    if goodwill.code is None:
        tx.publish(ComplaintsReplyRequested(template="goodwill_credit", **said))
    else:
        tx.publish(ComplaintsReplyRequested(template="goodwill_code", **said))
    return True


async def tell_of_withdrawal(tx: Transaction, goodwill: Goodwill) -> bool:
    """Tell the customer that what they were told of is worth nothing now."""
    contact_id = await _way(tx, goodwill)
    if contact_id is None:
        return False
    said = _said(goodwill, contact_id, "withdrawal", amount=goodwill.left)
    if goodwill.code is None:
        tx.publish(ComplaintsReplyRequested(template="goodwill_credit_withdrawn", **said))
    else:
        tx.publish(ComplaintsReplyRequested(template="goodwill_withdrawn", **said))
    return True


async def remind_of_end(tx: Transaction, goodwill: Goodwill) -> bool:
    """Tell the customer that a code is about to lapse."""
    contact_id = await _way(tx, goodwill)
    if contact_id is None:
        return False
    said = _said(goodwill, contact_id, "reminder", amount=goodwill.left)
    tx.publish(ComplaintsReplyRequested(template="goodwill_expiring", **said))
    return True


def _said(goodwill: Goodwill, contact_id: UUID, cause: str, *, amount: int) -> dict[str, Any]:
    assert goodwill.valid_until is not None
    values = {
        "amount": f"{amount} {goodwill.proposal.currency}", "valid_until": goodwill.valid_until.date().isoformat(),
    }  # fmt: skip
    code = {} if goodwill.code is None else {"code": shown_code(goodwill.code)}
    return {
        "journey_id": goodwill.proposal.journey_id,
        "reply_id": ids.derived("reply", goodwill.goodwill_id, cause),
        "case_id": goodwill.proposal.case_id,
        "task": Task.COMPLAINTS,
        "contact_id": contact_id,
        "values": values | code,
    }


async def _way(tx: Transaction, goodwill: Goodwill) -> UUID | None:
    if goodwill.issues_at_once:
        return None  # the service that waited for it tells the customer, in its own case
    # Words about goodwill are worth money: they go to nobody but its person.
    proposal = goodwill.proposal
    return await ways.find_way(tx, journey_ids=await tx.members(proposal.journey_id), named=proposal.contact_id)
