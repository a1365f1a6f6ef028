"""What dunning takes and shows over HTTP, with an explanation of every day and minor unit."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from anliegen.events import Money

from .domain import DefaultBy, HoldReason, Stage, default_since, interest_pieces, next_step_day
from .interest import Piece
from .rules import DunningRules, rules_for
from .simulate import Happening
from .store import Standing

InvoiceNumber = Annotated[str, Field(min_length=1, max_length=60)]
Reason = Annotated[str, Field(pattern=r"^[a-z][a-z_]*$", max_length=60, examples=["customer_in_hospital"])]
Amount = Annotated[int, Field(ge=-(10**15), le=10**15)]


class Body(BaseModel):
    """What callers send."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HoldDunning(Body):
    """Until when nothing is to go out, and why."""

    ends_at: AwareDatetime
    reason: Reason


class ReleaseDunning(Body):
    """Why a hold ends before its time."""

    reason: Reason


class ChangeGiven(Body):
    """What is owed changes on a day; a payment is negative."""

    on: date
    amount: Amount


class HeldGiven(Body):
    """Something holds from the beginning of one day to the beginning of another."""

    first: date
    end: date


class SimulateDunning(Body):
    """An invoice that need not exist, and what is to happen to it."""

    amount: Money
    issued_on: date
    due_on: date
    business: bool = False
    told_of_default: bool = True
    changes: tuple[ChangeGiven, ...] = Field(default=(), max_length=100)
    held: tuple[HeldGiven, ...] = Field(default=(), max_length=20)
    days: int = Field(default=365, ge=1, le=3660)


class StepView(BaseModel):
    """A reminder: what was asked for until then, and until when it may be paid."""

    round: int
    level: int
    name: str
    reached_at: datetime
    open_amount: Money
    fee: Money
    interest: Money
    lump_sum: Money
    asked: Money
    default_since: date | None
    pay_by: date | None
    pack: str

    @classmethod
    def of(cls, step: object, *, currency: str) -> Self:
        """The view of a step."""
        values = {name: getattr(step, name) for name in cls.model_fields}
        money = {name: Money(amount=values[name], currency=currency) for name in _AMOUNTS}
        return cls(**values | money)


_AMOUNTS = ("open_amount", "fee", "interest", "lump_sum", "asked")


class HoldView(BaseModel):
    """Something that holds, or held."""

    hold_id: UUID
    reason: HoldReason
    case_id: UUID | None
    placed_at: datetime
    placed_by: str
    ends_at: datetime | None
    released_at: datetime | None
    released_by: str | None
    placed_because: str | None
    released_because: str | None
    in_force: bool


class PieceView(BaseModel):
    """Interest of some days at one rate; rates are basis points a year."""

    first_day: date
    last_day: date
    days: int
    principal: Money
    base_rate: int
    points: int
    rate: int
    published: bool = Field(description="Whether the base rate was announced for these days, or carried on.")
    amount: Money

    @classmethod
    def of(cls, piece: Piece, *, currency: str) -> Self:
        """The view of a piece."""
        values = {name: getattr(piece, name) for name in cls.model_fields}
        return cls(
            **values
            | {name: Money(amount=values[name], currency=currency) for name in ("principal", "amount")}
        )  # fmt: skip


class PassedOver(BaseModel):
    """A day on which the step could have been taken, and why it was not."""

    day: date
    why: str


class DunningExplanation(BaseModel):
    """Why it stands so: default with its source, interest piece by piece as of now, and the days of the next step."""

    default_since: date | None
    default_by: DefaultBy | None
    default_source: str
    interest: Money
    interest_pieces: list[PieceView]
    interest_source: str
    next_step: str | None
    next_step_wanted_on: date | None
    passed_over: list[PassedOver]


class DunningView(BaseModel):
    """Where dunning of an invoice stands."""

    invoice_number: str
    journey_id: UUID
    stage: Stage
    held: bool
    round: int = Field(description="Raised whenever the invoice became open again.")
    level: int
    due_on: date
    open_amount: Money
    next_step_at: datetime | None
    pack: str | None = Field(description="The rule pack and version; none: nobody is dunned in this currency.")
    version: int = Field(description="As in the ETag.")
    steps: list[StepView]
    holds: list[HoldView]
    explanation: DunningExplanation | None

    @classmethod
    def of(cls, standing: Standing, *, now: datetime) -> Self:
        """The view of everything that dunning rests on."""
        debt, dunning, currency = standing.debt, standing.dunning, standing.debt.currency
        rules = rules_for(currency)
        names = ("invoice_number", "journey_id", "stage", "held", "round", "level", "due_on", "next_step_at", "pack")
        holds = [
            HoldView(
                in_force=hold.in_force(now),
                **{name: getattr(hold, name) for name in HoldView.model_fields if name != "in_force"},
            )
            for hold in standing.holds
        ]
        return cls(
            **{name: getattr(dunning, name) for name in names},
            version=dunning.version,
            open_amount=Money(amount=debt.open_amount, currency=currency),
            steps=[StepView.of(step, currency=currency) for step in standing.steps],
            holds=holds,
            explanation=_explained(standing, rules, now) if rules else None,
        )


class HappeningView(BaseModel):
    """What would happen: `began`, `step`, `held`, `released`, `cleared`."""

    at: datetime
    what: str
    level: int
    open_amount: Money
    step: StepView | None
    next_step_at: datetime | None

    @classmethod
    def of(cls, happening: Happening, *, currency: str) -> Self:
        """The view of what would happen."""
        return cls(
            at=happening.at,
            what=happening.what,
            level=happening.level,
            open_amount=Money(amount=happening.open_amount, currency=currency),
            step=StepView.of(happening.step, currency=currency) if happening.step else None,
            next_step_at=happening.next_step_at,
        )


class SimulationView(BaseModel):
    """What would happen over the days, in its order."""

    pack: str
    happenings: list[HappeningView]


def _explained(standing: Standing, rules: DunningRules, now: datetime) -> DunningExplanation:
    debt, dunning, steps = standing.debt, standing.dunning, standing.current_steps
    default = default_since(dunning, debt=debt, steps=steps, rules=rules)
    today = rules.day_of(now)
    pieces = interest_pieces(debt, default=default, until=today, rules=rules)
    named = [*(level.name for level in rules.levels), "hand_over"]
    if default is not None and default.since > today:
        default = None
    wanted = taken = None
    if dunning.next_step_at is not None:
        wanted, taken = next_step_day(dunning, steps=steps, rules=rules), rules.day_of(dunning.next_step_at)
    skipped = rules.skipped(wanted, taken) if wanted and taken else []
    return DunningExplanation(
        default_since=default.since if default else None,
        default_by=default.by if default else None,
        default_source=rules.default.source,
        interest=Money(amount=sum(piece.amount for piece in pieces), currency=debt.currency),
        interest_pieces=[PieceView.of(piece, currency=debt.currency) for piece in pieces],
        interest_source=rules.interest.source,
        next_step=named[dunning.level] if wanted else None,
        next_step_wanted_on=wanted,
        passed_over=[PassedOver(day=day, why=why) for day, why in skipped],
    )
