"""What the helpdesk announces: general questions and their answers."""

from uuid import UUID

from pydantic import Field

from .base import CaseEvent, ReplyRequested


class QuestionOpened(CaseEvent, type="helpdesk.question_opened.v1"):
    """A question became a case. Its promise says by when it will be answered."""

    concern_id: UUID
    """The concern it came from."""
    intent: str = Field(max_length=100)
    """What the customer wants, a code of triage's rule pack."""
    priority: str = Field(default="normal", max_length=20)
    """As triage set it: `low`, `normal`, `high` or `urgent`."""
    tier: int = 1
    """Which people should see it: 1 is everybody, 3 the top staff."""
    continues: UUID | None = None
    """The case that this one goes on from: settled too long ago to reopen it, or handed over by another task."""


class QuestionFollowedUp(CaseEvent, type="helpdesk.question_followed_up.v1"):
    """The customer came back to an open question."""


class QuestionTaken(CaseEvent, type="helpdesk.question_taken.v1"):
    """A person took the question and works on it."""

    taken_by: str = Field(max_length=200)
    """Who took it: the agent's id."""


class QuestionAnswered(CaseEvent, type="helpdesk.question_answered.v1"):
    """A person answered; the customer may accept or reject it."""

    answer_id: UUID
    """Names the answer; its words travel in the reply."""
    answered_by: str = Field(max_length=200)
    """Who answered: the agent's id."""


class QuestionResolved(CaseEvent, type="helpdesk.question_resolved.v1"):
    """The question is settled."""

    resolution: str = Field(max_length=40)
    """`accepted`, `no_objection` or `withdrawn`."""


class QuestionClosed(CaseEvent, type="helpdesk.question_closed.v1"):
    """Nobody came back to the settled question."""


class QuestionReopened(CaseEvent, type="helpdesk.question_reopened.v1"):
    """The customer was not served by the answer."""

    reason: str = Field(max_length=40)
    """A code: `customer_rejected` …"""


class AnswerOverdue(CaseEvent, type="helpdesk.answer_overdue.v1"):
    """The promised time passed without an answer: a failure on our side."""


class HelpdeskReplyRequested(ReplyRequested, type="helpdesk.reply_requested.v1", words=True):
    """The helpdesk asks intake to bring words to the customer."""
