"""How much goodwill is given, and whether the proposer may give it; every step is explained. Pure.

All amounts are minor units of one currency. Whatever is divided is rounded once, half away from zero.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self
from uuid import UUID

from .errors import ReasonUnknown, SegmentUnknown, ValueNegative
from .policy import BASIS_POINTS, GoodwillKind, Policy

UNBOUNDED = 2**63 - 1
"""The room that a limit leaves which does not limit an amount: as much as the database holds."""


class Outcome(StrEnum):
    """What was decided about a proposal."""

    APPROVED = "approved"
    REDUCED = "reduced"
    WAITS_FOR_APPROVAL = "waits_for_approval"
    DECLINED = "declined"


class Rule(StrEnum):
    """The rules of a decision, as they are counted and told."""

    CURRENCY = "currency"
    SHARE_OF_VALUE = "share_of_value"
    FAILURES = "failures"
    MINIMUM = "minimum"
    ROUND_AMOUNT = "round_amount"
    ASKED = "asked"
    PRODUCT_VALUE = "product_value"
    ACQUISITION_COST = "acquisition_cost"
    CUSTOMER_TIMES = "customer_times"
    CUSTOMER_AMOUNT = "customer_amount"
    HIGHEST_COMPETENCE = "highest_competence"
    BUDGET = "budget"
    COMPETENCE = "competence"
    AGENT_MONTH = "agent_month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who proposes or decides: the token's subject, its roles, and the tier of an agent."""

    subject: str
    roles: frozenset[str]
    tier: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What somebody wants to give, and what for. `asked` is an amount of their own; None leaves it to the policy."""

    proposal_id: UUID
    journey_id: UUID
    case_id: UUID
    kind: GoodwillKind
    currency: str
    product_value: int
    severity: int
    failures: int
    reason: str
    by: Person
    segment: str | None = None
    asked: int | None = None
    invoice_number: str | None = None
    contact_id: UUID | None = None

    def checked(self, policy: Policy) -> Self:
        """The proposal, with words that the policy knows. Raises ReasonUnknown, SegmentUnknown, ValueNegative."""
        if self.product_value < 0:
            raise ValueNegative
        if self.reason not in policy.reasons:
            raise ReasonUnknown(known=sorted(policy.reasons))
        rules = policy.currencies.get(self.currency)
        if rules is not None and self.segment is not None and self.segment not in rules.acquisition_cost:
            raise SegmentUnknown(known=sorted(rules.acquisition_cost))
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What counts against the limits already: to this person in the window, in this month by this decider and by all.

    Times count in all currencies, amounts in the proposal's alone.
    """

    customer_times: int = 0
    customer_amount: int = 0
    agent_month: int = 0
    budget: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a decision: the rule, what it says here, and the amount after it."""

    rule: Rule
    says: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided, with every step that led there. `other_ways` are there where it is or may yet be declined."""

    outcome: Outcome
    amount: int
    steps: tuple[Step, ...]
    pack: str
    waits_for: str | None = None
    declined_by: Rule | None = None
    other_ways: tuple[str, ...] = ()
    alternatives: tuple[GoodwillKind, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit and the room that it leaves, in minor units."""

    rule: Rule
    says: str
    room: int


@dataclass(slots=True)
class _Reckoning:
    """The amount on its way through the steps."""

    amount: int
    steps: list[Step] = field(default_factory=list)

    def to(self, amount: int, rule: Rule, says: str) -> None:
        self.amount = amount
        self.steps.append(Step(rule, says, amount))


def share_of(amount: int, *shares: int) -> int:
    """This amount times these shares (basis points), rounded once, half away from zero."""
    whole, product = 1, abs(amount)
    for share in shares:
        whole *= BASIS_POINTS
        product *= share
    rounded = (2 * product + whole) // (2 * whole)
    return rounded if amount >= 0 else -rounded


def shown(amount: int, currency: str, digits: int) -> str:
    """An amount as people read it, in plain figures: `25.00 EUR`."""
    sign, (whole, rest) = "-" if amount < 0 else "", divmod(abs(amount), 10**digits)
    return f"{sign}{whole}.{rest:0{digits}} {currency}" if digits else f"{sign}{whole} {currency}"


def decide(proposal: Proposal, given: Given, policy: Policy) -> Decision:
    """Decide a proposal: how much is in proportion, what the limits leave of it, and who may give that."""
    if proposal.currency not in policy.currencies:
        unknown = Step(Rule.CURRENCY, f"the policy has no amounts in {proposal.currency}", 0)
        return _declined((unknown,), policy)
    rules, kind = policy.currencies[proposal.currency], policy.kinds[proposal.kind]
    reckoning = _wanted(proposal, policy)
    wanted = reckoning.amount
    for bound in bounds(proposal.currency, proposal.segment, given, policy):
        if reckoning.amount <= bound.room:
            reckoning.to(reckoning.amount, bound.rule, bound.says)
            continue
        least = min(rules.minimum, wanted)
        fits = rules.largest_step(bound.room) if kind.steps else max(bound.room, 0)
        if fits < least:
            reckoning.to(0, bound.rule, f"{bound.says}: too little is left for the smallest amount")
            return _declined(tuple(reckoning.steps), policy)
        reckoning.to(fits, bound.rule, f"{bound.says}: reduced")
    amount = reckoning.amount
    missing = [one for one in competence_bounds(proposal.by, proposal.currency, given, policy) if one.room < amount]
    for one in competence_bounds(proposal.by, proposal.currency, given, policy):
        reckoning.to(amount, one.rule, one.says)
    settled = Outcome.REDUCED if amount < wanted else Outcome.APPROVED
    return Decision(
        outcome=Outcome.WAITS_FOR_APPROVAL if missing else settled,
        amount=amount,
        steps=tuple(reckoning.steps),
        pack=policy.pack,
        waits_for=policy.first_who_may(proposal.currency, amount).name if missing else None,
        other_ways=policy.other_ways if missing else (),
        alternatives=policy.alternatives.get(proposal.kind, ()),
    )


def _declined(steps: tuple[Step, ...], policy: Policy) -> Decision:
    """Declined by the last of these steps, with what can be done instead (R69)."""
    return Decision(
        outcome=Outcome.DECLINED,
        amount=0,
        steps=steps,
        pack=policy.pack,
        declined_by=steps[-1].rule,
        other_ways=policy.other_ways,
    )


def _wanted(proposal: Proposal, policy: Policy) -> _Reckoning:
    """What is in proportion, or what was asked for as far as it is."""
    rules, kind = policy.currencies[proposal.currency], policy.kinds[proposal.kind]
    share = policy.share.of_value[proposal.severity - 1]
    factor = policy.share.factor(proposal.failures)

    def told(amount: int) -> str:
        return shown(amount, proposal.currency, rules.digits)

    reckoning = _Reckoning(0)
    reckoning.to(
        share_of(proposal.product_value, share),
        Rule.SHARE_OF_VALUE,
        f"{shown(share, '%', 2)} of {told(proposal.product_value)}, for severity {proposal.severity}",
    )
    reckoning.to(
        share_of(proposal.product_value, share, factor),
        Rule.FAILURES,
        f"times {shown(factor, '', 4).strip()}, for {proposal.failures} failures in the window",
    )
    if reckoning.amount < rules.minimum:
        reckoning.to(rules.minimum, Rule.MINIMUM, f"at least {told(rules.minimum)}")
    if kind.steps:
        reckoning.to(rules.nearest_step(reckoning.amount), Rule.ROUND_AMOUNT, "the nearest round amount")
    if proposal.asked is not None:
        reckoning.to(proposal.asked, Rule.ASKED, f"{told(proposal.asked)} was asked for instead")
        most = max(proposal.product_value, rules.minimum)
        if reckoning.amount > most:
            reckoning.to(most, Rule.PRODUCT_VALUE, f"no more than the product's value or {told(rules.minimum)}")
        if kind.steps:
            rounded = rules.largest_step(reckoning.amount) or rules.minimum
            reckoning.to(rounded, Rule.ROUND_AMOUNT, "the round amount within it")
    return reckoning


def bounds(currency: str, segment: str | None, given: Given, policy: Policy) -> Iterator[Bound]:
    """What limits every decision, whoever takes it. All that a person is given in the window counts together."""
    rules = policy.currencies[currency]

    def told(amount: int) -> str:
        return shown(amount, currency, rules.digits)

    days = policy.customer.window_days
    cost = rules.cost_of_winning(segment)
    yield Bound(
        Rule.ACQUISITION_COST,
        f"less than {told(cost)}, the cost of winning a customer of the segment {segment or 'that nobody knows'}, "
        f"together with {told(given.customer_amount)} within {days} days",
        cost - 1 - given.customer_amount,
    )
    left = policy.customer.most_times - given.customer_times
    yield Bound(
        Rule.CUSTOMER_TIMES,
        f"at most {policy.customer.most_times} times in {days} days, {given.customer_times} times so far",
        UNBOUNDED if left > 0 else 0,
    )
    yield Bound(
        Rule.CUSTOMER_AMOUNT,
        f"at most {told(rules.most_for_customer)} for a customer in {days} days, {told(given.customer_amount)} so far",
        rules.most_for_customer - given.customer_amount,
    )
    highest = policy.most_anybody_may_give(currency)
    yield Bound(Rule.HIGHEST_COMPETENCE, f"nobody may give more than {told(highest)}", highest)
    yield Bound(
        Rule.BUDGET,
        f"the month's budget of {told(rules.budget_per_month)}, of which {told(given.budget)} is given",
        rules.budget_per_month - given.budget,
    )


def competence_bounds(by: Person, currency: str, given: Given, policy: Policy) -> tuple[Bound, Bound]:
    """What limits this decider, whose own decisions of the month are `given.agent_month`."""
    rules = policy.currencies[currency]
    own = policy.competence(currency, by.roles, by.tier)
    month = policy.most_per_month(currency, by.roles, by.tier)
    return (
        Bound(Rule.COMPETENCE, f"the decider's own competence is {shown(own, currency, rules.digits)}", own),
        Bound(
            Rule.AGENT_MONTH,
            f"the decider may give {shown(month, currency, rules.digits)} in a month, "
            f"{shown(given.agent_month, currency, rules.digits)} so far",
            month - given.agent_month,
        ),
    )
