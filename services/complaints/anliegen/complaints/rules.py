"""How complaints are handled: by when a decision is promised, how severity counts, and which codes there are."""

import tomllib
from datetime import date, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from anliegen.events import Priority
from anliegen.kit.errors import Invalid

Hours = Annotated[int, Field(gt=0, le=24 * 365)]
Days = Annotated[int, Field(gt=0, le=3650)]
Codes = Annotated[frozenset[Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]], Field(min_length=1)]
FASTEST_FIRST = (Priority.URGENT, Priority.HIGH, Priority.NORMAL, Priority.LOW)


class CodeUnknown(Invalid):
    """This code is not in the pack of complaints."""


class PolicyPart(BaseModel):
    """A piece of the policy."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SeverityGrid(PolicyPart):
    """From what sum of severity and impact on a complaint is how pressing, and who should see it."""

    urgent_from: int = Field(ge=2, le=8)
    high_from: int = Field(ge=2, le=8)
    low_to: int = Field(ge=1, le=8)
    tier_of_complexity: tuple[int, int, int]

    @model_validator(mode="after")
    def _refuse_a_senseless_order(self) -> Self:
        if not self.low_to < self.high_from < self.urgent_from:
            raise ValueError("low_to, high_from and urgent_from rise")
        return self


class WaitingDays(PolicyPart):
    """How long the customer is waited for, in days."""

    no_objection: Days
    closing: Days
    reopening: Days


class Policy(PolicyPart):
    """One version of the pack. It is refused where a more urgent complaint or a higher tier would wait longer."""

    name: str = Field(pattern=r"^[a-z][a-z_]*$")
    version: int = Field(ge=1)
    valid_from: date
    owner: str = Field(min_length=1)
    source: str = Field(min_length=1)
    thanks: frozenset[str]
    remedies: Codes
    reasons: Codes
    other_ways: Codes
    causes: Codes
    investigations: Codes
    preventions: Codes
    reversal_reasons: Codes
    decide_within_hours: dict[Priority, tuple[Hours, Hours, Hours]]
    severity_grid: SeverityGrid
    waiting_days: WaitingDays

    @model_validator(mode="after")
    def _refuse_a_senseless_order(self) -> Self:
        if set(self.decide_within_hours) != set(FASTEST_FIRST):
            raise ValueError(f"decide_within_hours names each of {', '.join(FASTEST_FIRST)} once")
        rows = [self.decide_within_hours[priority] for priority in FASTEST_FIRST]
        if any(higher > lower for row in rows for lower, higher in pairwise(row)):
            raise ValueError("a higher tier waits longer than a lower one")
        if any(faster[tier] > slower[tier] for faster, slower in pairwise(rows) for tier in range(3)):
            raise ValueError("a more urgent complaint waits longer than a less urgent one")
        return self

    @property
    def pack(self) -> str:
        """The pack and its version, as it is recorded with every promise."""
        return f"{self.name}/{self.version}"

    def decision_due(self, *, priority: Priority, tier: int, since: datetime) -> datetime:
        """By when a complaint of `since` is decided. A priority that is not known here counts as normal."""
        hours = self.decide_within_hours.get(priority, self.decide_within_hours[Priority.NORMAL])
        return since + timedelta(hours=hours[tier - 1])

    def graded(self, *, severity: int, impact: int, complexity: int, immediate_action: bool) -> tuple[Priority, int]:
        """How pressing it is, and which people should see it."""
        tier = self.severity_grid.tier_of_complexity[complexity - 1]
        score = severity + impact
        if immediate_action:
            return Priority.URGENT, 3
        if score >= self.severity_grid.urgent_from:
            return Priority.URGENT, tier
        if score >= self.severity_grid.high_from:
            return Priority.HIGH, tier
        return (Priority.LOW if score <= self.severity_grid.low_to else Priority.NORMAL), tier

    @property
    def no_objection(self) -> timedelta:
        """After so much silence a final response has settled its complaint."""
        return timedelta(days=self.waiting_days.no_objection)

    @property
    def closing(self) -> timedelta:
        """After so much silence a settled complaint is closed."""
        return timedelta(days=self.waiting_days.closing)

    @property
    def reopening(self) -> timedelta:
        """Until so long after its settlement a complaint is reopened when the customer comes back."""
        return timedelta(days=self.waiting_days.reopening)


def check_codes(known: frozenset[str], *codes: str) -> None:
    """Refuse codes that the pack does not have. Raises CodeUnknown."""
    for code in codes:
        if code not in known:
            raise CodeUnknown(unknown=code, known=sorted(known))


def read_policy(text: str) -> Policy:
    """The pack in this TOML text. Raises ValueError where it is not one."""
    return Policy.model_validate(tomllib.loads(text))


POLICY = read_policy((files(__package__) / "rules" / "complaints.toml").read_text(encoding="utf-8"))
"""The pack in force. It is read when the process starts, which a broken pack prevents."""
