"""The repeat-failure guard (R76): who was failed before comes to people who can put it right. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from .domain import Decided
from .packs import Guard


@dataclass(frozen=True, slots=True)
class EarlierFailure:
    """Something that went wrong for a person on our side."""

    journey_id: UUID
    case_id: UUID
    occurred_at: datetime


def guarded(decided: Decided, failures: Collection[EarlierFailure], *, received_at: datetime, guard: Guard) -> Decided:
    """The concern at the tier that the repeat-failure guard asks for (R76).

    What went wrong within the window before the contact counts. A failure within the very case that the contact opened
    does not: it cannot have been suffered before.
    """
    since = received_at - timedelta(days=guard.window_days)
    suffered = sum(
        since < failure.occurred_at <= received_at and (decided.continues or failure.case_id != decided.case_id)
        for failure in failures
    )
    if suffered >= guard.top_tier_from:
        return decided.at_tier(3)
    raised = decided.base_tier + (guard.one_failure_raises_by if suffered else 0)
    return decided.at_tier(min(raised, 3))
