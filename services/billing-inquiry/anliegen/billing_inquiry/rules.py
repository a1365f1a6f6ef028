"""Billing inquiry's rule pack: by when it promises to answer, and how long it waits for the customer."""

import tomllib
from datetime import date, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from anliegen.events import Priority

Hours = Annotated[int, Field(gt=0, le=24 * 365)]
Days = Annotated[int, Field(gt=0, le=3650)]
FASTEST_FIRST = (Priority.URGENT, Priority.HIGH, Priority.NORMAL, Priority.LOW)


class WaitingDays(BaseModel):
    """How long billing inquiry waits for the customer, in days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    no_objection: Days
    closing: Days
    reopening: Days


class ServiceLevels(BaseModel):
    """One version of the pack. It is refused where a more urgent inquiry or a higher tier would wait longer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z_]*$")
    version: int = Field(ge=1)
    valid_from: date
    owner: str = Field(min_length=1)
    source: str = Field(min_length=1)
    thanks: frozenset[str]
    answer_within_hours: dict[Priority, tuple[Hours, Hours, Hours]]
    waiting_days: WaitingDays

    @model_validator(mode="after")
    def _refuse_a_senseless_order(self) -> Self:
        if set(self.answer_within_hours) != set(FASTEST_FIRST):
            raise ValueError(f"answer_within_hours names each of {', '.join(FASTEST_FIRST)} once")
        rows = [self.answer_within_hours[priority] for priority in FASTEST_FIRST]
        if any(higher > lower for row in rows for lower, higher in pairwise(row)):
            raise ValueError("a higher tier waits longer than a lower one")
        if any(faster[tier] > slower[tier] for faster, slower in pairwise(rows) for tier in range(3)):
            raise ValueError("a more urgent inquiry waits longer than a less urgent one")
        return self

    @property
    def pack(self) -> str:
        """The pack and its version, as it is recorded with every promise."""
        return f"{self.name}/{self.version}"

    def answer_due(self, *, priority: Priority, tier: int, since: datetime) -> datetime:
        """By when an inquiry that came at `since` is answered. A priority that is not known here counts as normal."""
        hours = self.answer_within_hours.get(priority, self.answer_within_hours[Priority.NORMAL])
        return since + timedelta(hours=hours[tier - 1])

    @property
    def no_objection(self) -> timedelta:
        """After so much silence an answer has settled its inquiry."""
        return timedelta(days=self.waiting_days.no_objection)

    @property
    def closing(self) -> timedelta:
        """After so much silence a resolved inquiry is closed."""
        return timedelta(days=self.waiting_days.closing)

    @property
    def reopening(self) -> timedelta:
        """Until so long after its settlement an inquiry is reopened when the customer comes back."""
        return timedelta(days=self.waiting_days.reopening)


def read_pack(text: str) -> ServiceLevels:
    """The pack in this TOML text. Raises ValueError where it is not one."""
    return ServiceLevels.model_validate(tomllib.loads(text))


SERVICE_LEVELS = read_pack((files(__package__) / "rules" / "service_levels.toml").read_text(encoding="utf-8"))
"""The pack in force. It is read when the process starts, which a broken pack prevents."""
