"""What comes in, and what people conclude: contacts, matters, assessments, decisions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from anliegen.events import Priority, Promise, PromiseKind, Sentiment
from anliegen.kit import ids

from ..errors import OtherWayMissing
from ..rules import Policy, check_codes
from ..states import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One contact as far as complaints needs it: whose it is, in which language, where; never its words."""

    contact_id: UUID
    journey_id: UUID
    language: str | None = None
    channel: str | None = None
    acknowledged_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What a contact brings to complaints, as triage or an agent understood it at `came_at`."""

    contact_id: UUID
    journey_id: UUID
    language: str
    intent: str
    priority: Priority
    tier: int
    came_at: datetime
    country: str
    line: str
    sentiment: Sentiment = Sentiment.NEUTRAL
    remedy_sought: str | None = None
    invoice_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """How bad it is (1 to 4), how hard to find out (1 to 3), how many it concerns (1 to 4), and what cannot wait."""

    severity: int
    complexity: int
    impact: int
    immediate_action: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided, why, and where the customer can go from here: codes of the policy."""

    outcome: Outcome
    reasons: tuple[str, ...]
    other_ways: tuple[str, ...] = ()

    def checked(self, policy: Policy) -> Self:
        """Itself, where it may stand. Raises CodeUnknown, OtherWayMissing."""
        check_codes(policy.reasons, *self.reasons)
        check_codes(policy.other_ways, *self.other_ways)
        if self.outcome is Outcome.REJECTED and not self.other_ways:
            raise OtherWayMissing
        return self


def reply_id_of(case_id: UUID, about: object) -> UUID:
    """The id of the reply that brings this to the customer."""
    return ids.derived("reply", case_id, str(about))


def more_pressing(one: Priority, other: Priority) -> Priority:
    """The more pressing of two priorities; one that is not known here counts least."""
    order = (Priority.UNKNOWN, Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.URGENT)
    return max(one, other, key=order.index)


def promise_of(case_id: UUID, times: int, *, due_at: datetime) -> Promise:
    """The promise of a decision that a complaint makes for so manieth a time, from 0."""
    promise_id = ids.derived("promise", case_id, times)
    return Promise(promise_id=promise_id, kind=PromiseKind.DECISION, due_at=due_at)
