"""What customers hear of goodwill, by a contact that is theirs."""

from datetime import timedelta
from typing import Any

from anliegen.events import ComplaintsReplyRequested, Task
from anliegen.kit import Transaction, ids

from .announcements import shown_code
from .domain import Goodwill
from .store import ways

HEARD_BY_THEN = timedelta(minutes=5)
"""A contact that an agent names comes by another topic: it was heard of by then."""


async def tell_of_issue(tx: Transaction, goodwill: Goodwill) -> bool:
    """Tell the customer what they have, with the code where there is one; False where there is no contact for it."""
    said = await _said(tx, goodwill, "issue", amount=goodwill.amount)
    if said is None:
        return False
    if goodwill.code is None:
        tx.publish(ComplaintsReplyRequested(template="goodwill_credit", **said))
    else:
        tx.publish(ComplaintsReplyRequested(template="goodwill_code", **said))
    return True


async def tell_of_withdrawal(tx: Transaction, goodwill: Goodwill) -> None:
    """Tell the customer that what they were told of is worth nothing now."""
    said = await _said(tx, goodwill, "withdrawal", amount=goodwill.left)
    if said is None:
        return
    if goodwill.code is None:
        tx.publish(ComplaintsReplyRequested(template="goodwill_credit_withdrawn", **said))
    else:
        tx.publish(ComplaintsReplyRequested(template="goodwill_withdrawn", **said))


async def remind_of_end(tx: Transaction, goodwill: Goodwill) -> None:
    """Tell the customer that a code is about to lapse."""
    said = await _said(tx, goodwill, "reminder", amount=goodwill.left)
    if said is not None:
        tx.publish(ComplaintsReplyRequested(template="goodwill_expiring", **said))


async def _said(tx: Transaction, goodwill: Goodwill, cause: str, *, amount: int) -> dict[str, Any] | None:
    if goodwill.issues_at_once:
        return None  # the service that waited for it tells the customer, in its own case
    # Words about goodwill are worth money: they go to nobody but its person.
    proposal = goodwill.proposal
    contact_id = await ways.find_way(tx, journey_ids=await tx.members(proposal.journey_id), named=proposal.contact_id)
    if contact_id is None:
        return None
    values = {"amount": f"{amount} {proposal.currency}"}
    if goodwill.valid_until is not None:
        values["valid_until"] = goodwill.valid_until.date().isoformat()
    if goodwill.code is not None:
        values["code"] = shown_code(goodwill.code)
    return {
        "journey_id": proposal.journey_id,
        "reply_id": ids.derived("reply", goodwill.goodwill_id, cause),
        "case_id": proposal.case_id,
        "task": Task.COMPLAINTS,
        "contact_id": contact_id,
        "values": values,
    }
