"""What callers see of legal clocks."""

from datetime import date, datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from .domain import Clock, CountedDay, Stage, Standing


class ClockView(BaseModel):
    """A legal clock of a complaint, as it was last announced."""

    model_config = ConfigDict(from_attributes=True)

    clock_id: UUID
    pack: str
    rule: str
    country: str
    started_at: datetime
    stage: Stage
    due_at: datetime | None = Field(description="None while it is paused: nobody can know it then.")
    breached_at: datetime | None
    ended_at: datetime | None


class ClocksView(BaseModel):
    """The clocks of a complaint."""

    clocks: list[ClockView]

    @classmethod
    def of(cls, clocks: list[Clock]) -> Self:
        """The view of these clocks."""
        return cls(clocks=[ClockView.model_validate(clock) for clock in clocks])


class DayView(BaseModel):
    """One day: the how manieth it is, or why it does not count."""

    date: date
    number: int | None
    why: str = Field(description="`day of receipt`, `weekend`, a holiday's name, `paused`; empty where it counts.")


class ClockExplanation(ClockView):
    """A clock as it stands now, with the rule, its source, and every day from the receipt to the end."""

    says: str
    source: str
    days_allowed: int
    days: list[DayView]

    @classmethod
    def explaining(cls, clock: Clock, standing: Standing, days: list[CountedDay], *, says: str, source: str) -> Self:
        """The explanation of this clock."""
        view = ClockView.model_validate(clock).model_dump() | {"stage": standing.stage, "due_at": standing.due_at}
        counted = [DayView(date=day.date, number=day.number, why=day.why) for day in days]
        return cls(**view, says=says, source=source, days_allowed=standing.days, days=counted)
