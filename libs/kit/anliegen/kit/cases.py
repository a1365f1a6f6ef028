"""What services of cases share: whose own case it is, matters that reach theirs later, what a case waits for."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from pydantic_core import to_jsonable_python

from . import ids
from .errors import NotAllowed
from .transaction import Transaction

Wait = TypeVar("Wait", bound=str)
CARRY_OVER = "carry_over"
"""The kind of the timer that brings a matter to a case under another journey of the person."""


class OwnCase(NotAllowed):
    """Nobody decides on what is their own: somebody else does this."""


async def refuse_own(tx: Transaction, journey_id: UUID) -> None:
    """Raise OwnCase where whoever asks is the person behind this journey.

    Whoever works here may be a customer, too: the token of such a person names a journey beside the roles.
    """
    own = tx.principal.journey_id if tx.principal else None
    if own is not None and own in await tx.members(journey_id):
        raise OwnCase


async def carry_over(tx: Transaction, *, case_id: UUID, key: UUID, contact_id: UUID, matter: Any) -> None:
    """Have a contact's matter (a dataclass) reach a case whose journey (`key`) is not the locked one.

    Whoever holds one journey's lock never takes a second one: the timer takes it, with `case_id` and `matter` in its
    payload, and comes once for each contact.
    """
    told: dict[str, Any] = to_jsonable_python({"case_id": case_id, "matter": asdict(matter)})
    subject = ids.derived(CARRY_OVER, case_id, contact_id)
    await tx.set_timer(CARRY_OVER, key=key, subject=subject, due_at=tx.now, payload=told)


async def keep_waits(
    tx: Transaction, before: Mapping[Wait, datetime], now: Mapping[Wait, datetime], *, case_id: UUID, key: UUID
) -> None:
    """Move the timers of what a case waits for, by kind and time, from what it was to what it is."""
    for wait in before.keys() - now.keys():
        await tx.cancel_timer(wait, subject=case_id)
    for wait in now.keys() - {wait for wait in before if before[wait] == now.get(wait)}:
        await tx.set_timer(wait, key=key, subject=case_id, due_at=now[wait])
