"""What happens to a complaint by itself, and what another contact about it brings about."""

from collections.abc import Mapping
from datetime import datetime

from anliegen.events import PromiseState, Sentiment

from ..rules import Policy
from ..states import DECIDED, UNDECIDED, FollowUp, Reason, State, Wait
from .complaint import Complaint
from .matters import Matter


def waits(complaint: Complaint, policy: Policy) -> Mapping[Wait, datetime]:
    """What will happen by itself, and when; at most one thing at a time."""
    if complaint.state in UNDECIDED | DECIDED and complaint.promise.state is PromiseState.OPEN:
        return {Wait.DECISION_DUE: complaint.promise.due_at}
    if complaint.state is State.COMMUNICATED and complaint.answered_at is not None:
        return {Wait.NO_OBJECTION: complaint.answered_at + policy.no_objection}
    if complaint.state is State.FOLLOWED_UP and complaint.settled_at is not None:
        return {Wait.CLOSING: complaint.settled_at + policy.closing}
    return {}


def is_due(complaint: Complaint, wait: Wait, *, at: datetime, policy: Policy) -> bool:
    """Whether the time for this has come."""
    due_at = waits(complaint, policy).get(wait)
    return due_at is not None and due_at <= at


def follow_up_of(complaint: Complaint, matter: Matter, *, policy: Policy) -> FollowUp:
    """What another contact about this complaint brings about."""
    if complaint.state in UNDECIDED | DECIDED or matter.intent in policy.thanks:
        return FollowUp.ADDED
    if complaint.state is State.TRANSFERRED:
        return FollowUp.OPENS_ANOTHER
    if complaint.settled_at is not None and matter.came_at > complaint.settled_at + policy.reopening:
        return FollowUp.OPENS_ANOTHER
    return FollowUp.REOPENS


def reason_for(complaint: Complaint, matter: Matter) -> Reason:
    """Why a contact reopens it: one that came before the response cannot be about it."""
    if complaint.answered_at is not None and matter.came_at < complaint.answered_at:
        return Reason.MESSAGES_CROSSED
    return Reason.CUSTOMER_CONTENT if matter.sentiment is Sentiment.POSITIVE else Reason.CUSTOMER_WROTE_AGAIN
