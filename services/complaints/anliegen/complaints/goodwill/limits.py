"""What limits a decision, and in which words it is told to the agent who has the customer on the phone. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from .policy import Policy

UNBOUNDED = 2**63 - 1
"""The room that a limit leaves which does not limit an amount: as much as the database holds."""


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
    SEGMENT = "segment"
    COMPETENCE = "competence"
    AGENT_MONTH = "agent_month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What counts against the limits already: to this person in the window, in this month by this decider and by all.

    `together` is what this decider gave this person within the days that count as at once. Times count in all
    currencies, amounts in the proposal's alone.
    """

    customer_times: int = 0
    customer_amount: int = 0
    agent_month: int = 0
    budget: int = 0
    together: int = 0


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit and the room that it leaves, in minor units."""

    rule: Rule
    says: str
    room: int


def shown(amount: int, currency: str, digits: int) -> str:
    """An amount as people read it, in plain figures: `25.00 EUR`."""
    sign, (whole, rest) = "-" if amount < 0 else "", divmod(abs(amount), 10**digits)
    return f"{sign}{whole}.{rest:0{digits}} {currency}" if digits else f"{sign}{whole} {currency}"


def bounds(currency: str, segment: str | None, given: Given, policy: Policy) -> Iterator[Bound]:
    """What limits every decision, whoever takes it. All that a person is given in the window counts together."""
    rules = policy.currencies[currency]

    def told(amount: int) -> str:
        return shown(amount, currency, rules.digits)

    days = policy.customer.window_days
    cost = rules.cost_of_winning(segment)
    whom = f"a {segment} customer" if segment else "the customer who is cheapest to win (the segment is not known)"
    yield Bound(
        Rule.ACQUISITION_COST,
        f"All gifts of {days} days together stay below {told(cost)}, the cost of winning {whom}; "
        f"this customer was given {told(given.customer_amount)} so far",
        cost - 1 - given.customer_amount,
    )
    most = policy.customer.most_times
    yield Bound(
        Rule.CUSTOMER_TIMES,
        f"A customer is given something at most {most} times in {days} days; this one was {_times(given)} so far",
        UNBOUNDED if given.customer_times < most else 0,
    )
    yield Bound(
        Rule.CUSTOMER_AMOUNT,
        f"A customer is given at most {told(rules.most_for_customer)} in {days} days; this one was given "
        f"{told(given.customer_amount)} so far",
        rules.most_for_customer - given.customer_amount,
    )
    highest = policy.most_anybody_may_give(currency)
    yield Bound(Rule.HIGHEST_COMPETENCE, f"Nobody may give more than {told(highest)} at once", highest)
    yield Bound(
        Rule.BUDGET,
        f"The budget of this month is {told(rules.budget_per_month)}, of which {told(given.budget)} is given",
        rules.budget_per_month - given.budget,
    )


def segment_bound(currency: str, segment: str | None, given: Given, policy: Policy) -> Bound | None:
    """What is given on the proposer's word about the segment; none where that word raises nothing."""
    rules = policy.currencies[currency]
    least = rules.least_cost_of_winning
    if rules.cost_of_winning(segment) <= least:
        return None
    return Bound(
        Rule.SEGMENT,
        f"That this is a {segment} customer is the proposer's word: from {shown(least, currency, rules.digits)} in "
        f"{policy.customer.window_days} days on, somebody else has to vouch for it",
        least - 1 - given.customer_amount,
    )


def competence_bounds(
    roles: frozenset[str], tier: int, currency: str, given: Given, policy: Policy
) -> tuple[Bound, Bound]:
    """What limits a decider of these roles, whose own decisions count in `given.together` and `given.agent_month`."""
    rules = policy.currencies[currency]
    own = policy.competence(currency, roles, tier)
    month = policy.most_per_month(currency, roles, tier)

    def told(amount: int) -> str:
        return shown(amount, currency, rules.digits)

    return (
        Bound(
            Rule.COMPETENCE,
            f"Whoever decides this may give one customer {told(own)} in {policy.customer.together_days} days, and gave "
            f"this one {told(given.together)} so far",
            own - given.together,
        ),
        Bound(
            Rule.AGENT_MONTH,
            f"Whoever decides this may give {told(month)} in a month, and gave {told(given.agent_month)} so far",
            month - given.agent_month,
        ),
    )


def _times(given: Given) -> str:
    return {0: "not", 1: "once", 2: "twice"}.get(given.customer_times, f"{given.customer_times} times")
