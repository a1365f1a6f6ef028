"""Words about a customer's money: to the contact of the case, which is the newest of the person where it has more."""

from uuid import UUID

from anliegen.events import BillingReplyRequested, Task
from anliegen.kit import Transaction, ids

from ..actions import Words
from ..agreements.store import find_newest_contact_id


async def tell_customer(tx: Transaction, *, journey_id: UUID, case_id: UUID | None, about: UUID, words: Words) -> None:
    """Ask intake to tell it, once about each thing; nobody is told where no contact of the person is known.

    The journey is locked, and one of the person's. `about` names what the words are about.
    """
    if case_id is None:
        return
    contact_id = await find_newest_contact_id(tx, case_id=case_id, journey_ids=await tx.members(journey_id))
    if contact_id is None:
        return
    tx.publish(
        BillingReplyRequested(
            journey_id=journey_id, reply_id=ids.derived("reply", about, words.template), case_id=case_id,
            task=Task.BILLING_INQUIRY, contact_id=contact_id, **words.said,
        )
    )  # fmt: skip
