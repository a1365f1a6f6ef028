"""The goodwill policy: a rule pack that says how much is given, within which limits, and who decides."""

import tomllib
from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

BASIS_POINTS = 10_000
TIERS = 3
FOLDER = files("anliegen.complaints") / "rules"

Amount = Annotated[int, Field(ge=0, lt=2**63)]
"""Minor units."""
Share = Annotated[int, Field(ge=0, le=100 * BASIS_POINTS)]
"""Basis points."""
Days = Annotated[int, Field(gt=0, le=3650)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
ByTier = tuple[Amount, ...]


class GoodwillKind(StrEnum):
    """What a customer may be given."""

    VOUCHER = "voucher"
    CREDIT = "credit"
    CREDIT_NEXT_PERIOD = "credit_next_period"
    DISCOUNT = "discount"
    GIFT = "gift"
    EXTRA_SERVICE = "extra_service"


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Shares(_Data):
    """The part of a product's value that is given, by severity, and its factor, by the number of failures."""

    of_value: tuple[Share, Share, Share, Share]
    of_failures: Annotated[tuple[Share, ...], Field(min_length=1)]
    window_days: Days

    def factor(self, failures: int) -> int:
        """The factor for so many failures; those beyond the list count like its last."""
        return self.of_failures[min(max(failures, 1), len(self.of_failures)) - 1]


class KindRules(_Data):
    """How one kind is given."""

    divisible: bool
    steps: bool
    valid_days: Days | None = None

    @property
    def redeemable(self) -> bool:
        """Whether it has a code, which lapses; all else is booked for the customer and does not."""
        return self.valid_days is not None


class CustomerRules(_Data):
    """How often one person is given something within a window.

    What one decider gives a person within `together_days` counts as given at once.
    """

    window_days: Days
    most_times: Annotated[int, Field(ge=1)]
    together_days: Days


class Stage(_Data):
    """One link of the approval chain."""

    role: Code
    tier: Annotated[int, Field(ge=1, le=TIERS)] = 1

    @property
    def name(self) -> str:
        """As decisions and reports tell it: `supervisor`, `agent_tier_3`."""
        return self.role if self.tier == 1 else f"{self.role}_tier_{self.tier}"


class CurrencyRules(_Data):
    """Amounts and limits in one currency."""

    digits: Annotated[int, Field(ge=0, le=4)]
    steps: Annotated[tuple[Amount, ...], Field(min_length=1)]
    minimum: Amount
    acquisition_cost: Annotated[Mapping[Code, Annotated[int, Field(gt=0, lt=2**63)]], Field(min_length=1)]
    budget_per_month: Amount
    most_for_customer: Amount
    competence: Mapping[Code, ByTier]
    most_per_month: Mapping[Code, ByTier]

    def cost_of_winning(self, segment: str | None) -> int:
        """What winning a customer of this segment costs; where nobody knows the segment, what the cheapest costs."""
        known = self.acquisition_cost.get(segment or "")
        return self.least_cost_of_winning if known is None else known

    @property
    def least_cost_of_winning(self) -> int:
        """What winning the customer who is the cheapest to win costs."""
        return min(self.acquisition_cost.values())

    def largest_step(self, most: int) -> int:
        """The largest round amount of at most `most`; 0 where even the smallest is more."""
        return max((step for step in self.steps if step <= most), default=0)

    def nearest_step(self, amount: int) -> int:
        """The round amount that is nearest; of two that are equally near, the larger."""
        return min(self.steps, key=lambda step: (abs(step - amount), -step))


class Policy(_Data):
    """One version of the policy. It is refused where somebody could decide nothing or a limit makes no sense."""

    name: Code
    version: Annotated[int, Field(ge=1)]
    valid_from: date
    owner: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    reasons: frozenset[Code]
    withdrawal_reasons: frozenset[Code]
    decline_reasons: frozenset[Code]
    other_ways: Annotated[tuple[Code, ...], Field(min_length=1)]
    effect_days: Days
    offer_days: Days
    remind_days: Days
    segment_vouched_by: Annotated[frozenset[Code], Field(min_length=1)]
    share: Shares
    kinds: Mapping[GoodwillKind, KindRules]
    alternatives: Mapping[GoodwillKind, tuple[GoodwillKind, ...]]
    customer: CustomerRules
    chain: Annotated[tuple[Stage, ...], Field(min_length=1)]
    currencies: Annotated[Mapping[Currency, CurrencyRules], Field(min_length=1)]

    @model_validator(mode="after")
    def _refuse_what_makes_no_sense(self) -> Self:
        if list(self.share.of_value) != sorted(self.share.of_value):
            raise ValueError("share.of_value: a more serious failure is never worth less")
        if list(self.share.of_failures) != sorted(self.share.of_failures):
            raise ValueError("share.of_failures: a further failure is never worth less")
        offered = {kind for kinds in self.alternatives.values() for kind in kinds} | set(self.alternatives)
        if unknown := offered - set(self.kinds):
            raise ValueError(f"alternatives: {', '.join(sorted(unknown))} has no rules among the kinds")
        if not self.segment_vouched_by & {stage.role for stage in self.chain}:
            raise ValueError("segment_vouched_by: at least one of them is in the chain")
        for currency, rules in self.currencies.items():
            self._refuse_senseless_amounts(currency, rules)
        return self

    def _refuse_senseless_amounts(self, currency: str, rules: CurrencyRules) -> None:
        if any(one >= other for one, other in pairwise(rules.steps)) or rules.steps[0] < 1:
            raise ValueError(f"{currency}.steps: round amounts rise, from more than nothing")
        if rules.minimum not in rules.steps:
            raise ValueError(f"{currency}.minimum: it is one of the steps")
        if rules.minimum >= min(rules.acquisition_cost.values()):
            raise ValueError(f"{currency}.minimum: it lies below what winning any customer costs (R85)")
        for table in (rules.competence, rules.most_per_month):
            for role, amounts in table.items():
                if len(amounts) not in {1, TIERS} or list(amounts) != sorted(amounts):
                    raise ValueError(f"{currency}.{role}: one amount, or {TIERS} that never fall, by tier")
        if set(rules.competence) != set(rules.most_per_month):
            raise ValueError(f"{currency}: whoever has a competence has a limit for the month, and the reverse")
        if min(amounts[0] for amounts in rules.competence.values()) < rules.minimum:
            raise ValueError(f"{currency}.competence: everybody may decide something (R90)")
        reach = [self.competence(currency, {stage.role}, stage.tier) for stage in self.chain]
        if 0 in reach or reach != sorted(reach):
            raise ValueError(f"{currency}.competence: it never falls along the chain")

    @property
    def pack(self) -> str:
        """The policy and its version, as it is recorded with every decision."""
        return f"{self.name}/{self.version}"

    @property
    def window(self) -> timedelta:
        """For how long what a person was given counts."""
        return timedelta(days=self.customer.window_days)

    def competence(self, currency: str, roles: "frozenset[str] | set[str]", tier: int) -> int:
        """How much somebody with these roles and this tier may give at once, in minor units."""
        return _by_tier(self.currencies[currency].competence, roles, tier)

    def most_per_month(self, currency: str, roles: "frozenset[str] | set[str]", tier: int) -> int:
        """How much somebody with these roles and this tier may give within a calendar month (UTC)."""
        return _by_tier(self.currencies[currency].most_per_month, roles, tier)

    def most_anybody_may_give(self, currency: str) -> int:
        """The competence of the last in the chain."""
        return self.competence(currency, {self.chain[-1].role}, self.chain[-1].tier)

    def first_who_may(self, currency: str, amount: int, *, vouches: bool = False) -> Stage:
        """The first in the chain whose competence reaches this amount, and who vouches for a segment where that is
        needed, else the last."""
        for stage in self.chain:
            if vouches and stage.role not in self.segment_vouched_by:
                continue
            if self.competence(currency, {stage.role}, stage.tier) >= amount:
                return stage
        return self.chain[-1]


def _by_tier(table: Mapping[str, ByTier], roles: "frozenset[str] | set[str]", tier: int) -> int:
    rank = min(max(tier, 1), TIERS) - 1
    return max((table[role][min(rank, len(table[role]) - 1)] for role in roles if role in table), default=0)


def read_policy(text: str) -> Policy:
    """The policy in this TOML text. Raises ValueError where it is not one."""
    return Policy.model_validate(tomllib.loads(text))


@cache
def policy_in_force() -> Policy:
    """The policy of this service. The service's main asks for it, so a broken one keeps the process from starting."""
    return read_policy((FOLDER / "goodwill.toml").read_text(encoding="utf-8"))
