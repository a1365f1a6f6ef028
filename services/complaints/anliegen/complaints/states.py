"""Where a complaint can stand (the steps of ISO 10002), what moves it, and what its states mean to the others."""

from collections.abc import Mapping
from enum import StrEnum

from anliegen.events import CaseStatus


class State(StrEnum):
    """Where a complaint stands."""

    RECEIVED = "received"
    ACKNOWLEDGED = "acknowledged"
    ASSESSED = "assessed"
    INVESTIGATING = "investigating"
    WAITING = "waiting"
    DECIDED = "decided"
    REMEDIED = "remedied"
    COMMUNICATED = "communicated"
    FOLLOWED_UP = "followed_up"
    CLOSED = "closed"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"
    TRANSFERRED = "transferred"


CASE_STATUS: Mapping[State, CaseStatus] = {
    State.RECEIVED: CaseStatus.OPENED,
    State.ACKNOWLEDGED: CaseStatus.IN_PROGRESS,
    State.ASSESSED: CaseStatus.IN_PROGRESS,
    State.INVESTIGATING: CaseStatus.IN_PROGRESS,
    State.WAITING: CaseStatus.WAITING_FOR_CUSTOMER,
    State.DECIDED: CaseStatus.IN_PROGRESS,
    State.REMEDIED: CaseStatus.IN_PROGRESS,
    State.COMMUNICATED: CaseStatus.WAITING_FOR_CUSTOMER,
    State.FOLLOWED_UP: CaseStatus.RESOLVED,
    State.CLOSED: CaseStatus.CLOSED,
    State.REOPENED: CaseStatus.REOPENED,
    State.WITHDRAWN: CaseStatus.WITHDRAWN,
    State.TRANSFERRED: CaseStatus.TRANSFERRED,
}
UNDECIDED = frozenset(
    {State.RECEIVED, State.ACKNOWLEDGED, State.ASSESSED, State.INVESTIGATING, State.WAITING, State.REOPENED}
)
DECIDED = frozenset({State.DECIDED, State.REMEDIED})
WAITING_FOR_US = (UNDECIDED | DECIDED) - {State.WAITING}
SETTLED = frozenset({State.FOLLOWED_UP, State.CLOSED, State.WITHDRAWN, State.TRANSFERRED})


class Outcome(StrEnum):
    """What was decided."""

    UPHELD = "upheld"
    PARTLY = "partly"
    REJECTED = "rejected"


class Response(StrEnum):
    """What a final response says."""

    ACCEPT = "accept"
    OFFER = "offer"
    REJECT = "reject"


RESPONSES: Mapping[Outcome, frozenset[Response]] = {
    Outcome.UPHELD: frozenset({Response.ACCEPT, Response.OFFER}),
    Outcome.PARTLY: frozenset({Response.OFFER, Response.ACCEPT}),
    # Something may be offered out of goodwill where the complaint was rejected.
    Outcome.REJECTED: frozenset({Response.REJECT, Response.OFFER}),
}


class Resolution(StrEnum):
    """How a complaint was settled."""

    ACCEPTED = "accepted"
    NO_OBJECTION = "no_objection"
    WITHDRAWN = "withdrawn"
    TRANSFERRED = "transferred"


class Reason(StrEnum):
    """Why a complaint was reopened."""

    CUSTOMER_REJECTED = "customer_rejected"
    CUSTOMER_WROTE_AGAIN = "customer_wrote_again"
    DECISION_WAS_WRONG = "decision_was_wrong"
    RESPONSE_NOT_DELIVERED = "response_not_delivered"
    MESSAGES_CROSSED = "messages_crossed"
    CUSTOMER_CONTENT = "customer_content"


# Nothing speaks against the response: the customer never read it, or is glad of it and adds something.
BLAMELESS = frozenset({Reason.RESPONSE_NOT_DELIVERED, Reason.MESSAGES_CROSSED, Reason.CUSTOMER_CONTENT})


class Wait(StrEnum):
    """What happens by itself once its time has come; each is a timer of this kind."""

    DECISION_DUE = "decision_due"
    NO_OBJECTION = "no_objection"
    CLOSING = "closing"


class FollowUp(StrEnum):
    """What a contact about a known complaint brings about."""

    ADDED = "added"
    REOPENS = "reopens"
    OPENS_ANOTHER = "opens_another"
