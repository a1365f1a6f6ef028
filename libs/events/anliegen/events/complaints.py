"""What complaints announces: complaints from receipt to closure, what prevents the next one, and legal clocks."""

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from .base import CaseEvent, Money, ReplyRequested
from .triage import CaseTransferred

Code = Annotated[str, Field(max_length=60)]


class ComplaintEvent(CaseEvent):
    """A fact about one complaint. Whoever holds something while a complaint is open goes by its status."""

    invoice_number: str | None = Field(default=None, max_length=60)
    """The invoice that it is about, where it is about one and it is known."""


class ComplaintOpened(ComplaintEvent, type="complaints.complaint_opened.v1"):
    """A complaint was received. Its promise says by when it will be decided."""

    concern_id: UUID
    """The concern it came from."""
    intent: str = Field(max_length=100)
    """What the customer complains of, a code of triage's rule pack."""
    priority: str = Field(default="normal", max_length=20)
    """As triage set it: `low`, `normal`, `high` or `urgent`."""
    tier: int = 1
    """Which people should see it: 1 is everybody, 3 the top staff."""
    remedy_sought: str | None = Field(default=None, max_length=60)
    """What the customer wants, a code of the pack of complaints, where it was said."""
    country: str = Field(max_length=2)
    """ISO 3166-1: whose rules apply."""
    line: str = Field(max_length=60)
    """The product line, a code."""
    public: bool = False
    """Whether it was made where everybody reads it, such as on a review portal."""
    continues: UUID | None = None
    """The case that this one goes on from: settled too long ago to reopen it, or handed over by another task."""


class ComplaintFollowedUp(ComplaintEvent, type="complaints.complaint_followed_up.v1"):
    """The customer came back to an open complaint."""


class ComplaintTaken(ComplaintEvent, type="complaints.complaint_taken.v1"):
    """A person took the complaint and works on it."""

    taken_by: str = Field(max_length=200)
    """Who took it: the agent's id."""


class ComplaintInvoiceNamed(ComplaintEvent, type="complaints.invoice_named.v1"):
    """It became known which invoice the complaint is about."""


class ComplaintAcknowledged(ComplaintEvent, type="complaints.complaint_acknowledged.v1"):
    """The customer knows that the complaint was received."""

    acknowledged_at: AwareDatetime
    """When the customer was told."""


class ComplaintAssessed(ComplaintEvent, type="complaints.complaint_assessed.v1"):
    """It was assessed how bad it is, and which rules it falls under."""

    severity: int = Field(ge=1, le=4)
    """How bad it is for this customer: 1 annoying, 4 grave."""
    complexity: int = Field(ge=1, le=3)
    """How hard it is to find out: 3 needs the top staff."""
    impact: int = Field(ge=1, le=4)
    """How many others it concerns or will concern: 1 nobody, 4 very many."""
    immediate_action: bool
    """Whether something has to be done at once, before anything is decided."""
    priority: str = Field(max_length=20)
    """What follows from that: `low`, `normal`, `high` or `urgent`."""
    tier: int
    """Which people should see it from now on."""
    country: str = Field(max_length=2)
    """ISO 3166-1: whose rules apply."""
    line: str = Field(max_length=60)
    """The product line, a code."""


class InvestigationAssigned(ComplaintEvent, type="complaints.investigation_assigned.v1"):
    """Somebody was asked to find something out."""

    investigation_id: UUID
    """Names the task."""
    kind: str = Field(max_length=60)
    """What is to be found out, a code."""
    owner: str = Field(max_length=200)
    """Who does it: an agent's id."""
    due_at: AwareDatetime
    """By when."""


class InvestigationDone(ComplaintEvent, type="complaints.investigation_done.v1"):
    """It was found out."""

    investigation_id: UUID
    """Which task was done."""


class InformationRequested(ComplaintEvent, type="complaints.information_requested.v1"):
    """The customer was asked something, and is waited for."""


class DelayExplained(ComplaintEvent, type="complaints.delay_explained.v1"):
    """The customer was told why it takes longer, and until when: a holding reply."""


class ComplaintDecided(ComplaintEvent, type="complaints.complaint_decided.v1"):
    """It was decided. A complaint that is upheld, wholly or partly, is a failure of ours."""

    outcome: str = Field(max_length=20)
    """`upheld`, `partly` or `rejected`."""
    reasons: tuple[Code, ...]
    """Why, codes of the pack."""
    other_ways: tuple[Code, ...] = ()
    """Where the customer can go from here; a rejection names at least one."""
    decided_by: str = Field(max_length=200)
    """Who decided: the agent's id."""


class DecisionReversed(ComplaintEvent, type="complaints.decision_reversed.v1"):
    """The decision was taken back before the customer knew of it, and is taken anew."""

    reason: str = Field(max_length=60)
    """Why, a code of the pack."""


class ComplaintRemedied(ComplaintEvent, type="complaints.complaint_remedied.v1"):
    """What the decision promises was done, or set going."""

    remedy: str = Field(max_length=60)
    """What was done, a code of the pack."""
    amount: Money | None = None
    """What it came to, where it is money."""


class ComplaintAnswered(ComplaintEvent, type="complaints.complaint_answered.v1"):
    """The final response went to the customer."""

    response_id: UUID
    """Names the response; its words travel in the reply."""
    response: str = Field(max_length=20)
    """`accept`, `offer` or `reject`."""
    answered_by: str = Field(max_length=200)
    """Who answered: the agent's id."""


class ComplaintAnsweredInPublic(ComplaintEvent, type="complaints.complaint_answered_in_public.v1"):
    """Where everybody reads the complaint, an answer stands beside it. The matter itself is settled in private."""


class ComplaintResolved(ComplaintEvent, type="complaints.complaint_resolved.v1"):
    """The complaint is settled: the customer was asked, or said nothing for long."""

    resolution: str = Field(max_length=40)
    """`accepted`, `no_objection` or `withdrawn`."""


class ComplaintClosed(ComplaintEvent, type="complaints.complaint_closed.v1"):
    """Nobody came back to the settled complaint."""


class ComplaintReopened(ComplaintEvent, type="complaints.complaint_reopened.v1"):
    """The customer was not served by the response."""

    reason: str = Field(max_length=40)
    """A code: `customer_rejected` …"""


class ComplaintTransferred(ComplaintEvent, CaseTransferred, type="complaints.complaint_transferred.v1"):
    """It is no complaint, or none of ours: another task goes on with it."""


class DecisionOverdue(ComplaintEvent, type="complaints.decision_overdue.v1"):
    """The promised time passed without a final response: a failure on our side."""


class PreventionPlanned(ComplaintEvent, type="complaints.prevention_planned.v1"):
    """The root cause was found, and something is done so that it does not happen again."""

    prevention_id: UUID
    """Names the measure."""
    cause: str = Field(max_length=60)
    """The root cause, a code of the pack."""
    measure: str = Field(max_length=60)
    """What is done about it, a code of the pack."""
    owner: str = Field(max_length=200)
    """Who answers for it: an agent's id."""
    due_at: AwareDatetime
    """By when."""


class PreventionDone(ComplaintEvent, type="complaints.prevention_done.v1"):
    """A measure against the next complaint of this kind was carried out."""

    prevention_id: UUID
    """Which one."""


# Legal clocks ---------------------------------------------------------------------------------------------------------
class ClockEvent(ComplaintEvent):
    """A fact about one legal clock of a complaint."""

    clock_id: UUID
    """Names the clock."""
    rule: str = Field(max_length=60)
    """The rule it goes by, a code of its pack."""
    pack: str = Field(max_length=100)
    """The rule pack and its version."""
    due_at: AwareDatetime | None = None
    """When it runs out; none while it is paused."""


class ClockStarted(ClockEvent, type="complaints.clock_started.v1"):
    """A legal clock runs from the receipt of the complaint."""


class ClockPaused(ClockEvent, type="complaints.clock_paused.v1"):
    """It stands still, since the customer is waited for."""


class ClockResumed(ClockEvent, type="complaints.clock_resumed.v1"):
    """It goes on."""


class ClockWarned(ClockEvent, type="complaints.clock_warned.v1"):
    """It runs out soon."""


class ClockBreached(ClockEvent, type="complaints.clock_breached.v1"):
    """It ran out. Whether that is a failure towards the customer, the promise says, which has events of its own."""

    duty: bool
    """Whether it was one, or only an easier way that is closed now."""


class ClockMet(ClockEvent, type="complaints.clock_met.v1"):
    """What the rule asks for was done in time. It may become known only after the clock was thought to have run out."""

    met_at: AwareDatetime
    """When it was done."""


class ClockStopped(ClockEvent, type="complaints.clock_stopped.v1"):
    """The matter ended without what the rule asks for, or falls under other rules."""

    stopped_at: AwareDatetime
    """When."""


class ComplaintsReplyRequested(ReplyRequested, type="complaints.reply_requested.v1", words=True):
    """Complaints asks intake to bring words to the customer."""
