"""How much goodwill is given, and whether the proposer may give it; every step is explained. Pure.

All amounts are minor units of one currency. Whatever is divided is rounded once, half away from zero.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self
from uuid import UUID

from .errors import ReasonUnknown, SegmentUnknown, ValueNegative
from .limits import Given, Rule, bounds, competence_bounds, segment_bound, shown
from .policy import BASIS_POINTS, GoodwillKind, Policy

SEVERITIES = (
    "it was annoying",
    "it cost the customer time or money",
    "it was serious",
    "the product was worth nothing",
)
"""What the severities 1 to 4 mean, as they are told."""


class Outcome(StrEnum):
    """What was decided about a proposal."""

    APPROVED = "approved"
    REDUCED = "reduced"
    WAITS_FOR_APPROVAL = "waits_for_approval"
    DECLINED = "declined"


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


def decide(proposal: Proposal, given: Given, policy: Policy) -> Decision:
    """Decide a proposal: how much is in proportion, what the limits leave of it, and who may give that."""
    if proposal.currency not in policy.currencies:
        unknown = Step(
            Rule.CURRENCY, f"The policy has no amounts in {proposal.currency}, so nothing can be given in it", 0
        )
        return _declined((unknown,), policy)
    rules, kind = policy.currencies[proposal.currency], policy.kinds[proposal.kind]
    reckoning = _wanted(proposal, policy)
    wanted = reckoning.amount

    def told(amount: int) -> str:
        return shown(amount, proposal.currency, rules.digits)

    for bound in bounds(proposal.currency, proposal.segment, given, policy):
        if reckoning.amount <= bound.room:
            reckoning.to(reckoning.amount, bound.rule, bound.says)
            continue
        least = min(rules.minimum, wanted)
        fits = rules.largest_step(bound.room) if kind.steps else max(bound.room, 0)
        if fits < least:
            reckoning.to(0, bound.rule, f"{bound.says}: that leaves less than {told(least)}, the least that is given")
            return _declined(tuple(reckoning.steps), policy)
        reckoning.to(fits, bound.rule, f"{bound.says}: that leaves {told(fits)}")
    amount = reckoning.amount
    # The proposer's own word about the segment raises nothing that the proposer decides, whoever that is.
    unproven = segment_bound(proposal.currency, proposal.segment, given, policy)
    own = (
        *([unproven] if unproven else []),
        *competence_bounds(proposal.by.roles, proposal.by.tier, proposal.currency, given, policy),
    )
    missing = {one.rule for one in own if one.room < amount}
    next_in_chain = policy.first_who_may(proposal.currency, amount, vouches=Rule.SEGMENT in missing).name
    for one in own:
        waits = f": {next_in_chain.replace('_', ' ')} decides" if one.rule in missing else ""
        reckoning.to(amount, one.rule, f"{one.says}{waits}")
    settled = Outcome.REDUCED if amount < wanted else Outcome.APPROVED
    return Decision(
        outcome=Outcome.WAITS_FOR_APPROVAL if missing else settled,
        amount=amount,
        steps=tuple(reckoning.steps),
        pack=policy.pack,
        waits_for=next_in_chain if missing else None,
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
    value, severity = told(proposal.product_value), proposal.severity
    reckoning.to(
        share_of(proposal.product_value, share),
        Rule.SHARE_OF_VALUE,
        f"{shown(share, '%', 2)} of {value}, for severity {severity}: {SEVERITIES[severity - 1]}",
    )
    reckoning.to(
        share_of(proposal.product_value, share, factor),
        Rule.FAILURES,
        _failures(proposal.failures, policy),
    )
    if reckoning.amount < rules.minimum:
        reckoning.to(rules.minimum, Rule.MINIMUM, f"Less than {told(rules.minimum)} would be no gesture")
    if kind.steps:
        nearest = rules.nearest_step(reckoning.amount)
        reckoning.to(nearest, Rule.ROUND_AMOUNT, f"This kind is given in round amounts, the nearest is {told(nearest)}")
    if proposal.asked is not None:
        reckoning.to(proposal.asked, Rule.ASKED, f"{told(proposal.asked)} was asked for instead")
        most = max(proposal.product_value, rules.minimum)
        if reckoning.amount > most:
            reckoning.to(most, Rule.PRODUCT_VALUE, f"Nobody is given more than what went wrong was worth: {told(most)}")
        if kind.steps:
            rounded = rules.largest_step(reckoning.amount) or rules.minimum
            reckoning.to(rounded, Rule.ROUND_AMOUNT, f"The round amount within it is {told(rounded)}")
    return reckoning


def _failures(failures: int, policy: Policy) -> str:
    days = policy.share.window_days
    if failures <= 1:
        return f"The customer suffered no other failure that is known of in {days} days, so the amount stays"
    return f"Times {policy.share.factor(failures) / BASIS_POINTS:g}, for {failures} failures in {days} days"
