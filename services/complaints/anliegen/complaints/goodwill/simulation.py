"""A policy tried on past cases: how many would have been given how much, who would have decided. Pure.

It runs the very decisions of the service, one case after the other, and counts what was given against budget and limits
as the service does. What waits is taken for approved by the first in the chain who may; nothing is redeemed, withdrawn
or lapses, so the limits are reached as early as they can be.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from anliegen.kit import ids

from .limits import Given
from .policy import GoodwillKind, Policy
from .reckoning import Decision, Outcome, Person, Proposal, decide


def _nothing_for_empty(value: Any) -> Any:
    # A cell of a table that nobody filled in is empty, not missing.
    return None if value == "" else value


class PastCase(BaseModel):
    """A case as a file tells it: a line of a CSV file with these columns, or an object of a JSON list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    customer: str = Field(min_length=1, description="Whoever has the same name is the same person.")
    product_value: int = Field(ge=0, description="Minor units.")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    severity: int = Field(ge=1, le=4)
    failures: int = Field(ge=0, default=1)
    kind: GoodwillKind = GoodwillKind.VOUCHER
    segment: Annotated[str | None, BeforeValidator(_nothing_for_empty)] = None
    asked: Annotated[int | None, Field(gt=0), BeforeValidator(_nothing_for_empty)] = None
    agent: str = "agent"
    role: str = "agent"
    tier: int = Field(ge=1, le=3, default=1)

    def as_proposal(self) -> Proposal:
        """The proposal that this case would have been."""
        journey_id = ids.derived("past customer", self.customer)
        return Proposal(
            proposal_id=ids.derived("past case", self.customer, self.at.isoformat()),
            journey_id=journey_id,
            case_id=journey_id,
            kind=self.kind,
            currency=self.currency,
            product_value=self.product_value,
            severity=self.severity,
            failures=self.failures,
            reason="past_case",
            by=Person(subject=self.agent, roles=frozenset({self.role}), tier=self.tier),
            segment=self.segment,
            asked=self.asked,
        )


@dataclass(frozen=True, slots=True)
class Tried:
    """One case under one policy."""

    at: datetime
    proposal: Proposal
    decision: Decision


@dataclass(slots=True)
class Result:
    """What a policy would have meant in one currency; amounts in minor units."""

    pack: str
    currency: str
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    decided_by: Counter[str] = field(default_factory=Counter)
    declined_by: Counter[str] = field(default_factory=Counter)
    given: int = 0
    largest: int = 0
    months: Counter[str] = field(default_factory=Counter)
    budget_per_month: int = 0

    @classmethod
    def of(cls, currency: str, tried: Iterable[Tried], policy: Policy) -> Self:
        """Add up what was tried."""
        rules = policy.currencies.get(currency)
        result = cls(policy.pack, currency, budget_per_month=rules.budget_per_month if rules else 0)
        for one in tried:
            decision = one.decision
            result.outcomes[decision.outcome] += 1
            if decision.outcome is Outcome.DECLINED:
                result.declined_by[str(decision.declined_by)] += 1
                continue
            result.decided_by[decision.waits_for or "the proposer"] += 1
            result.given += decision.amount
            result.largest = max(result.largest, decision.amount)
            result.months[f"{one.at:%Y-%m}"] += decision.amount
        return result

    @property
    def cases(self) -> int:
        """How many cases were tried."""
        return self.outcomes.total()

    @property
    def fullest_month(self) -> tuple[str, int]:
        """The month in which most was given, and how much."""
        return max(self.months.items(), key=lambda month: month[1], default=("", 0))


def try_policy(cases: Iterable[tuple[datetime, Proposal]], policy: Policy) -> list[Tried]:
    """Decide these cases by this policy, the oldest first."""
    people: defaultdict[UUID, list[tuple[datetime, str, int, str]]] = defaultdict(list)
    deciders: Counter[tuple[str, str, str]] = Counter()
    budgets: Counter[tuple[str, str]] = Counter()
    tried = []
    together = timedelta(days=policy.customer.together_days)
    for at, proposal in sorted(cases, key=lambda case: case[0]):
        month, currency = f"{at:%Y-%m}", proposal.currency
        counted = [one for one in people[proposal.journey_id] if one[0] > at - policy.window]
        given = Given(
            customer_times=len(counted),
            customer_amount=sum(amount for _, other, amount, _ in counted if other == currency),
            agent_month=deciders[proposal.by.subject, month, currency],
            budget=budgets[month, currency],
            together=sum(
                amount
                for given_at, other, amount, decider in counted
                if other == currency and decider == proposal.by.subject and given_at > at - together
            ),
        )
        decision = decide(proposal, given, policy)
        tried.append(Tried(at, proposal, decision))
        if decision.outcome is not Outcome.DECLINED:
            decider = decision.waits_for or proposal.by.subject
            people[proposal.journey_id].append((at, currency, decision.amount, decider))
            budgets[month, currency] += decision.amount
            deciders[decider, month, currency] += decision.amount
    return tried


def results_of(cases: Sequence[tuple[datetime, Proposal]], policy: Policy) -> dict[str, Result]:
    """What this policy would have meant, by currency."""
    tried = try_policy(cases, policy)
    currencies = sorted({one.proposal.currency for one in tried})
    return {
        currency: Result.of(currency, (one for one in tried if one.proposal.currency == currency), policy)
        for currency in currencies
    }
