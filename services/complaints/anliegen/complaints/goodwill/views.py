"""What callers of goodwill send, and what they get."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from anliegen.events import Money

from .domain import Answer, Goodwill, State
from .limits import Rule
from .policy import GoodwillKind
from .reckoning import Decision, Outcome
from .store.counts import Redemption, Spent

Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Minor = Annotated[int, Field(gt=0, lt=2**63, description="Minor units of the currency.")]
Reference = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class Body(BaseModel):
    """What callers send."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProposeGoodwill(Body):
    """What went wrong and how badly; the policy says what is in proportion."""

    journey_id: UUID
    case_id: UUID = Field(description="The case in which something is made good, of any task.")
    contact_id: UUID | None = Field(default=None, description="The contact that is answered when it is issued.")
    kind: GoodwillKind = GoodwillKind.VOUCHER
    product_value: Money = Field(examples=[{"amount": 12500, "currency": "EUR"}])
    severity: int = Field(ge=1, le=4, description="1 annoying, 4 the product was worth nothing.")
    failures: int | None = Field(
        default=None, ge=1, le=1000, description="How many the customer suffered; left out, those that are known of."
    )
    reason: Code = Field(examples=["late_delivery"])
    segment: Code | None = Field(default=None, description="The customer's; unknown counts as the cheapest to win.")
    amount: Minor | None = Field(default=None, description="An amount of your own; left out, the policy's.")


class ApproveGoodwill(Body):
    """All of what waits, or less."""

    amount: Minor | None = None


class DeclineGoodwill(Body):
    """Why."""

    reason: Code = Field(examples=["not_our_failure"])


class IssueGoodwill(Body):
    """What the customer chose; left out, what was proposed."""

    kind: GoodwillKind | None = None


class RedeemGoodwill(Body):
    """An order on which a code is used."""

    code: Annotated[str, StringConstraints(min_length=8, max_length=40)] = Field(examples=["ABCD-EFGH-JKLM-NPQR"])
    order_reference: Reference = Field(examples=["2026-104711"], description="The same order redeems a code once.")
    amount: Minor | None = Field(default=None, description="Left out, all that it is worth.")


class WithdrawGoodwill(Body):
    """Why it is taken back."""

    reason: Code = Field(examples=["given_by_mistake"])


class StepView(BaseModel):
    """One step of a decision, and the amount after it in minor units."""

    rule: Rule
    says: str
    amount: int


class DecisionView(BaseModel):
    """What is decided, and why."""

    outcome: Outcome
    amount: Money
    waits_for: str | None = Field(description="Who in the approval chain can decide it.")
    declined_by: Rule | None
    other_ways: list[str] = Field(description="What is offered where no money can be (R69).")
    alternatives: list[GoodwillKind] = Field(description="What the customer may choose instead.")
    explanation: list[StepView]
    pack: str

    @classmethod
    def of(cls, decision: Decision, currency: str) -> Self:
        """The view of a decision."""
        return cls(
            outcome=decision.outcome,
            amount=Money(amount=decision.amount, currency=currency),
            waits_for=decision.waits_for,
            declined_by=decision.declined_by,
            other_ways=list(decision.other_ways),
            alternatives=list(decision.alternatives),
            explanation=[StepView(rule=step.rule, says=step.says, amount=step.amount) for step in decision.steps],
            pack=decision.pack,
        )


class EffectView(BaseModel):
    """What became of the customer; `unknown` where nobody can tell."""

    kept: Answer
    bought_again: Answer
    measured_at: datetime


class RedemptionView(BaseModel):
    """What one order used."""

    order_reference: str
    amount: Money
    redeemed_at: datetime


class GoodwillView(BaseModel):
    """A goodwill, as it stands."""

    goodwill_id: UUID
    proposal_id: UUID
    journey_id: UUID
    case_id: UUID
    invoice_number: str | None
    kind: GoodwillKind
    status: State
    amount: Money
    left: Money = Field(description="What is not redeemed yet.")
    reason: str
    severity: int
    failures: int
    product_value: Money
    proposed_by: str
    proposed_at: datetime
    decision: DecisionView
    decided_by: str | None
    decided_at: datetime | None
    decline_reason: str | None
    offered_until: datetime | None
    issued_at: datetime | None
    valid_until: datetime | None = Field(description="None for credits, which do not lapse.")
    code: str | None = Field(description="As it is redeemed, without dashes; in lists only its last four signs.")
    ended_at: datetime | None
    withdrawal_reason: str | None
    effect: EffectView | None
    version: int = Field(description="As in the ETag.")

    @classmethod
    def of(cls, goodwill: Goodwill, **more: object) -> Self:
        """The view of a goodwill."""
        proposal, currency = goodwill.proposal, goodwill.proposal.currency
        effect = goodwill.effect
        named = {name: getattr(goodwill, name) for name in cls.model_fields if hasattr(goodwill, name)}
        told = {name: getattr(proposal, name) for name in cls.model_fields if hasattr(proposal, name)}
        own: dict[str, object] = {
            "status": goodwill.state,
            "amount": Money(amount=goodwill.amount, currency=currency),
            "left": Money(amount=goodwill.left, currency=currency),
            "product_value": Money(amount=proposal.product_value, currency=currency),
            "proposed_by": proposal.by.subject,
            "decision": DecisionView.of(goodwill.decision, currency),
            "effect": None
            if effect is None
            else EffectView(kept=effect.kept, bought_again=effect.bought_again, measured_at=effect.measured_at),
        }
        return cls(**told | named | own | more)

    @classmethod
    def in_list(cls, goodwill: Goodwill) -> Self:
        """The view of one among many: whoever knows a code has the money, and nobody needs those of a whole list."""
        return cls.of(goodwill, code=goodwill.code and f"…{goodwill.code[-4:]}")


class GoodwillDetail(GoodwillView):
    """A goodwill with what was redeemed of it."""

    redemptions: list[RedemptionView]

    @classmethod
    def with_redemptions(cls, goodwill: Goodwill, redemptions: list[Redemption]) -> Self:
        """The view of a goodwill and of its redemptions."""
        currency = goodwill.proposal.currency
        shown = [
            RedemptionView(
                order_reference=one.order_reference,
                amount=Money(amount=one.amount, currency=currency),
                redeemed_at=one.redeemed_at,
            )
            for one in redemptions
        ]
        return cls.of(goodwill, redemptions=shown)


class OwnGoodwillView(BaseModel):
    """What a customer sees of what they were given; who decided it and by which figures is not theirs to see."""

    goodwill_id: UUID
    kind: GoodwillKind
    status: State = Field(description="`issued`, `redeemed`, `expired` or `withdrawn`.")
    amount: Money
    left: Money = Field(description="What can still be used; nothing once it ended.")
    code: str | None = Field(description="What redeems it, while it can be redeemed.")
    issued_at: datetime
    valid_until: datetime | None = Field(description="This moment not included; none for credits, which do not lapse.")
    ended_at: datetime | None

    @classmethod
    def of(cls, goodwill: Goodwill) -> Self:
        """The customer's view of an issued goodwill."""
        currency, is_open = goodwill.proposal.currency, goodwill.state is State.ISSUED
        assert goodwill.issued_at is not None
        return cls(
            goodwill_id=goodwill.goodwill_id,
            kind=goodwill.kind,
            status=goodwill.state,
            amount=Money(amount=goodwill.amount, currency=currency),
            left=Money(amount=goodwill.left if is_open else 0, currency=currency),
            code=goodwill.code if is_open else None,
            issued_at=goodwill.issued_at,
            valid_until=goodwill.valid_until,
            ended_at=goodwill.ended_at,
        )


class SpentView(BaseModel):
    """One line of the report: amounts in minor units."""

    kind: GoodwillKind
    reason: str
    decided: int = Field(description="How many were approved in the month.")
    waiting: int
    declined: int
    amount: int = Field(description="What counts against the budget.")
    redeemed: int

    @classmethod
    def of(cls, spent: Spent) -> Self:
        """The view of a line."""
        return cls.model_validate(spent, from_attributes=True)


class EffectCount(BaseModel):
    """How often an effect was measured of what was issued in the month."""

    kept: Answer
    bought_again: Answer
    times: int


class BudgetReport(BaseModel):
    """A month in one currency."""

    month: str = Field(examples=["2026-03"])
    currency: str
    budget: Money
    given: Money = Field(description="What counts against the budget.")
    left: Money
    lines: list[SpentView]
    effects: list[EffectCount]
    pack: str
