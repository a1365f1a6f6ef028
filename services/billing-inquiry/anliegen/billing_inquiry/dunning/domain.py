"""How far dunning of one invoice has come, what holds it, and when the next step is. Pure.

Nothing here is moved by hand from state to state: `reconsidered` concludes from what is owed, from what holds, and from
the steps that were taken. So it does not matter in which order these became known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from anliegen.kit.errors import Conflict, Invalid, NotFound

from .interest import Balance, Piece, reckon_interest
from .rules import DunningRules, Level

ONE_DAY = timedelta(days=1)


class DunningNotFound(NotFound):
    """There is no invoice of this number that could be dunned, or it is not yours to see."""


class NothingToHold(Conflict):
    """Nothing is owed on this invoice, so there is nothing to hold."""


class HoldNotFound(NotFound):
    """There is no such hold on this invoice."""


class HoldOfCase(Conflict):
    """This hold belongs to an open case or plan: it ends when that is settled."""


class HoldEndsTooEarly(Invalid):
    """A hold ends in the future."""


class Stage(StrEnum):
    """How far dunning of an invoice has come."""

    WATCHED = "watched"
    DUNNED = "dunned"
    HANDED_OVER = "handed_over"
    CLEARED = "cleared"


class HoldReason(StrEnum):
    """Why dunning is held."""

    INQUIRY = "inquiry"
    COMPLAINT = "complaint"
    CLAIM = "claim"
    PLAN = "plan"
    PROMISE_TO_PAY = "promise_to_pay"
    MANUAL = "manual"


class DefaultBy(StrEnum):
    """What brought about default."""

    DUE_DATE = "due_date"
    REMINDER = "reminder"
    DAYS_AFTER_DUE = "days_after_due"


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """An invoice as far as dunning needs it: its terms, and what is owed since when, in minor units."""

    invoice_number: str
    journey_id: UUID
    currency: str
    issued_on: date
    due_on: date
    business: bool
    told_of_default: bool
    open_amount: int
    balances: tuple[Balance, ...] = ()
    """What was owed from each day on, the oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Something that holds dunning of an invoice until it is released, or until `ends_at`."""

    hold_id: UUID
    invoice_number: str
    reason: HoldReason
    case_id: UUID | None
    placed_at: datetime
    placed_by: str
    ends_at: datetime | None = None
    released_at: datetime | None = None
    released_by: str | None = None
    placed_because: str | None = None
    """Why somebody placed it by hand, as a code."""
    released_because: str | None = None

    def in_force(self, at: datetime) -> bool:
        """Whether it holds at this moment."""
        return self.released_at is None and (self.ends_at is None or at < self.ends_at)

    @property
    def over_at(self) -> datetime | None:
        """When it ended or will end by itself."""
        return self.released_at or self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A reminder that an invoice came to: what was asked for until then, in minor units, and until when it may be paid.

    Fee, interest and lump sum are what has come together in this round, not what this step adds.
    """

    round: int
    level: int
    name: str
    reached_at: datetime
    open_amount: int
    fee: int
    interest: int
    lump_sum: int
    default_since: date | None
    pay_by: date | None
    pack: str

    @property
    def asked(self) -> int:
        """What the customer is asked for in all."""
        return self.open_amount + self.fee + self.interest + self.lump_sum


@dataclass(frozen=True, slots=True)
class InDefault:
    """Since which day a customer is in default, and by what."""

    since: date
    by: DefaultBy


@dataclass(frozen=True, slots=True, kw_only=True)
class Dunning:
    """Where dunning of one invoice stands. A `round` begins whenever it becomes open, again or for the first time."""

    invoice_number: str
    journey_id: UUID
    stage: Stage
    round: int
    due_on: date
    began_at: datetime
    level: int = 0
    held: bool = False
    free_since: datetime | None = None
    """When the last hold of this round ended."""
    next_step_at: datetime | None = None
    pack: str | None = None
    version: int = 1

    @property
    def is_running(self) -> bool:
        """Whether reminders were sent, and the matter is not over."""
        return self.stage in {Stage.DUNNED, Stage.HANDED_OVER}


def reconsidered(
    before: Dunning | None, *, debt: Debt, holds: Sequence[Hold], steps: Sequence[Step], rules: DunningRules | None,
    now: datetime,
) -> Dunning:  # fmt: skip
    """Where dunning stands now. `steps` are those of the round of `before`, the oldest first.

    It is cleared whenever nothing is owed, whatever was the reason. What is owed again begins another round, with a new
    due date. It is held while anything holds, and it goes on no sooner than some days after the last hold ended.
    """
    free_since = max((over for hold in holds if not hold.in_force(now) and (over := hold.over_at)), default=None)
    held = any(hold.in_force(now) for hold in holds)
    day = rules.day_of(now) if rules else now.date()
    if before is None:
        dunning = Dunning(
            invoice_number=debt.invoice_number, journey_id=debt.journey_id, stage=Stage.WATCHED, round=1,
            due_on=debt.due_on, began_at=now,
        )  # fmt: skip
    elif before.stage is Stage.CLEARED and debt.open_amount > 0:
        respite = timedelta(days=rules.new_due_days if rules else 0)
        due_on = max(debt.due_on, day + respite)
        dunning = replace(before, round=before.round + 1, stage=Stage.WATCHED, level=0, due_on=due_on, began_at=now)
        steps = ()
    else:
        dunning = before
    stage, level = dunning.stage, dunning.level
    if debt.open_amount <= 0:
        stage = Stage.CLEARED
    elif steps:
        level = steps[-1].level
        stage = Stage.HANDED_OVER if rules and level > len(rules.levels) else Stage.DUNNED
    dunning = replace(
        dunning, stage=stage, level=level, held=held, free_since=free_since, pack=rules.pack if rules else None
    )
    moment = None
    if rules is not None and not held and stage in {Stage.WATCHED, Stage.DUNNED}:
        moment = next_step_at(dunning, debt=debt, steps=steps, rules=rules)
        if moment is not None and moment < now:
            # What was planned stays so, and is due. What becomes possible only now, since the amount was too small
            # before, waits for the next time of sending: nobody is reminded on a Sunday.
            # Nor does anything go out on a closed day because nobody was at work on the day that was planned.
            planned = before.next_step_at if before is not None and before.level == level else None
            if planned is None or (planned < now and rules.closed_on(day) is not None):
                planned = rules.sending_moment(day, not_before=now)
            moment = planned
    dunning = replace(dunning, next_step_at=moment)
    return dunning if before is None or dunning == before else replace(dunning, version=before.version + 1)


def next_step_at(dunning: Dunning, *, debt: Debt, steps: Sequence[Step], rules: DunningRules) -> datetime | None:
    """When the next reminder or the hand-over is due; None where the amount is too small for it."""
    level = _next_level(dunning, rules)
    minimum = rules.minimum if level else rules.hand_over.minimum
    if debt.open_amount < minimum.get(debt.currency, 0):
        return None
    not_before = dunning.began_at
    if dunning.free_since is not None:
        not_before = max(not_before, dunning.free_since + timedelta(days=rules.after_hold_days))
    return rules.sending_moment(next_step_day(dunning, steps=steps, rules=rules), not_before=not_before)


def next_step_day(dunning: Dunning, *, steps: Sequence[Step], rules: DunningRules) -> date:
    """The day of the next step by its days alone, before holds, pauses and holidays."""
    level = _next_level(dunning, rules)
    after = timedelta(days=level.after_days if level else rules.hand_over.after_days)
    deadline = steps[-1].pay_by if steps and steps[-1].pay_by else dunning.due_on
    return deadline + after


def is_due(dunning: Dunning, *, now: datetime) -> bool:
    """Whether the time of the next step has come."""
    return dunning.next_step_at is not None and dunning.next_step_at <= now


def take_step(
    dunning: Dunning, *, debt: Debt, steps: Sequence[Step], rules: DunningRules, now: datetime, lump_sum_taken: bool
) -> Step:
    """The step that is due now: the next reminder, or the hand-over. Fee and interest need default (§§ 280, 288 BGB).

    What each costs is in the step alone and never in the ledger: the biller asks for it, or does without.
    """
    level, day = _next_level(dunning, rules), rules.day_of(now)
    default = default_since(dunning, debt=debt, steps=steps, rules=rules)
    late = default is not None and default.since <= day
    before = steps[-1] if steps else None
    fee = level.fee.get(debt.currency, 0) if late and level else 0
    lump_sum = rules.lump_sum.get(debt.currency, 0) if late and debt.business and not lump_sum_taken else 0
    return Step(
        round=dunning.round,
        level=dunning.level + 1,
        name=level.name if level else "hand_over",
        reached_at=now,
        open_amount=debt.open_amount,
        fee=fee + (before.fee if before else 0),
        interest=sum(piece.amount for piece in interest_pieces(debt, default=default, until=day, rules=rules)),
        lump_sum=lump_sum + (before.lump_sum if before else 0),
        default_since=default.since if late and default else None,
        pay_by=rules.business_day(day + timedelta(days=level.pay_within_days)) if level else None,
        pack=rules.pack,
    )


def default_since(dunning: Dunning, *, debt: Debt, steps: Sequence[Step], rules: DunningRules) -> InDefault | None:
    """Since which day the customer is in default, by the earliest of what brings it about (§ 286 BGB, Art. 102 OR)."""
    rule, found = rules.default, []
    if rule.at_due_date:
        found.append(InDefault(dunning.due_on + ONE_DAY, DefaultBy.DUE_DATE))
    if steps:
        reached = rules.day_of(steps[0].reached_at) + timedelta(days=rule.reminder_reaches_after_days)
        found.append(InDefault(reached + ONE_DAY, DefaultBy.REMINDER))
    if rule.days_after_due is not None and (debt.business or debt.told_of_default or not rule.consumer_must_be_told):
        last = rules.business_day(max(dunning.due_on, debt.issued_on) + timedelta(days=rule.days_after_due))
        found.append(InDefault(last + ONE_DAY, DefaultBy.DAYS_AFTER_DUE))
    return min(found, key=lambda default: default.since, default=None)


def interest_pieces(debt: Debt, *, default: InDefault | None, until: date, rules: DunningRules) -> tuple[Piece, ...]:
    """Interest up to and with this day; none without default."""
    if default is None or default.since > until:
        return ()
    balances = debt.balances or (Balance(default.since, debt.open_amount),)
    return reckon_interest(
        balances, first_day=default.since, last_day=until, rule=rules.interest, business=debt.business
    )


def _next_level(dunning: Dunning, rules: DunningRules) -> Level | None:
    return rules.levels[dunning.level] if dunning.level < len(rules.levels) else None
