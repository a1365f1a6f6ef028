"""Where a question can stand, what moves it, and what its states mean to every other service."""

from collections.abc import Mapping
from enum import StrEnum

from anliegen.events import CaseStatus


class State(StrEnum):
    """Where a question stands."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    ANSWERED = "answered"
    RESOLVED = "resolved"
    CLOSED = "closed"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"


CASE_STATUS: Mapping[State, CaseStatus] = {
    State.OPEN: CaseStatus.OPENED,
    State.IN_PROGRESS: CaseStatus.IN_PROGRESS,
    State.ANSWERED: CaseStatus.WAITING_FOR_CUSTOMER,
    State.RESOLVED: CaseStatus.RESOLVED,
    State.CLOSED: CaseStatus.CLOSED,
    State.REOPENED: CaseStatus.REOPENED,
    State.WITHDRAWN: CaseStatus.WITHDRAWN,
}
WAITING_FOR_US = frozenset({State.OPEN, State.IN_PROGRESS, State.REOPENED})
SETTLED = frozenset({State.RESOLVED, State.CLOSED, State.WITHDRAWN})


class Resolution(StrEnum):
    """How a question was settled."""

    ACCEPTED = "accepted"
    NO_OBJECTION = "no_objection"
    WITHDRAWN = "withdrawn"


class Reason(StrEnum):
    """Why a question was reopened."""

    CUSTOMER_REJECTED = "customer_rejected"
    CUSTOMER_WROTE_AGAIN = "customer_wrote_again"
    ANSWER_WAS_WRONG = "answer_was_wrong"
    ANSWER_NOT_DELIVERED = "answer_not_delivered"
    MESSAGES_CROSSED = "messages_crossed"
    CUSTOMER_CONTENT = "customer_content"


# Nothing speaks against the answer: the customer never read it, or is glad of it and adds something.
BLAMELESS = frozenset({Reason.ANSWER_NOT_DELIVERED, Reason.MESSAGES_CROSSED, Reason.CUSTOMER_CONTENT})


class Wait(StrEnum):
    """What happens by itself once its time has come; each is a timer of this kind."""

    ANSWER_DUE = "answer_due"
    NO_OBJECTION = "no_objection"
    CLOSING = "closing"


class FollowUp(StrEnum):
    """What a contact about a known question brings about."""

    ADDED = "added"
    REOPENS = "reopens"
    OPENS_ANOTHER = "opens_another"
