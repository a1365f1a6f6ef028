"""What callers of complaints send."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from anliegen.events import Money, Task

from ..states import Outcome, Response

KnownPriority = Literal["urgent", "high", "normal", "low"]
Tier = Annotated[int, Field(ge=1, le=3)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z_]*$", max_length=60)]
InvoiceNumber = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Agent = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
AddressLine = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$", description="ISO 639-1.")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1: whose rules apply.")]


class Body(BaseModel):
    """What callers send."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoteComplaint(Body):
    """A complaint that an agent heard in a contact."""

    contact_id: UUID
    intent: Code = Field(examples=["service"])
    priority: KnownPriority = "normal"
    tier: Tier = 1
    country: Country | None = None
    line: Code | None = Field(default=None, examples=["telecom"], description="A product line of rules/markets.toml.")
    remedy_sought: Code | None = Field(default=None, examples=["refund"])
    invoice_number: InvoiceNumber | None = None


class NameInvoiceOfComplaint(Body):
    """Which invoice it is about."""

    invoice_number: InvoiceNumber = Field(examples=["R-2026-004711"])


class AssessComplaint(Body):
    """How bad it is, how hard to find out, how many it concerns, and what cannot wait."""

    severity: int = Field(ge=1, le=4, description="1 annoying, 4 grave.")
    complexity: int = Field(ge=1, le=3)
    impact: int = Field(ge=1, le=4, description="1 this customer alone, 4 very many.")
    immediate_action: bool = False
    country: Country | None = None
    line: Code | None = None


class AssignInvestigation(Body):
    """What is to be found out, by whom, by when."""

    kind: Code = Field(examples=["hear_staff"])
    owner: Agent
    due_at: AwareDatetime


class AskCustomer(Body):
    """What the customer is asked."""

    question: Words
    language: Language | None = None


class ExplainDelay(Body):
    """Why it takes longer, and until when."""

    explanation: Words
    until: AwareDatetime
    language: Language | None = None


class DecideComplaint(Body):
    """What is decided, why, and where the customer can go from here; a rejection names at least one other way."""

    outcome: Outcome
    reasons: list[Code] = Field(min_length=1, max_length=10, examples=[["our_mistake"]])
    other_ways: list[Code] = Field(default=[], max_length=10, examples=[["ombudsman"]])


class ReverseDecision(Body):
    """Why the decision is taken back."""

    reason: Code = Field(examples=["new_evidence"])


class RemedyComplaint(Body):
    """What is done to make it good."""

    remedy: Code = Field(examples=["refund"])
    amount: Money | None = None


class AnswerComplaint(Body):
    """The final response: what it is, and the agent's own words in it."""

    response: Response
    answer: Words
    language: Language | None = None
    recipient: list[AddressLine] = Field(
        default=[], max_length=6, examples=[["Rosa Beispiel", "Seeweg 4", "8002 Zürich"]]
    )
    """Name and address for the window of the letter; they are kept nowhere else."""


class AnswerInPublic(Body):
    """What everybody may read."""

    answer: Words
    language: Language | None = None


class ResolveComplaint(Body):
    """How the complaint was settled."""

    resolution: Literal["accepted", "withdrawn"]


class ReopenComplaint(Body):
    """Why the complaint goes on."""

    reason: Literal["customer_rejected", "customer_wrote_again", "decision_was_wrong"]


class TransferComplaint(Body):
    """Whose matter it is."""

    to_task: Literal["helpdesk", "sales_support", "billing_inquiry", "administration", "claims", "feedback"]

    @property
    def task(self) -> Task:
        """The task that goes on with it."""
        return Task(self.to_task)


class PlanPrevention(Body):
    """The root cause, what is done about it, by whom, by when."""

    cause: Code = Field(examples=["process"])
    measure: Code = Field(examples=["change_process"])
    owner: Agent
    due_at: AwareDatetime
