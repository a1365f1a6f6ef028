"""How dunning of one invoice goes on, alone and over thousands of random histories."""

import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from anliegen.billing_inquiry.dunning.domain import (
    Debt,
    DefaultBy,
    Dunning,
    Hold,
    HoldReason,
    Stage,
    Step,
    default_since,
    is_due,
    reconsidered,
    take_step,
)
from anliegen.billing_inquiry.dunning.interest import Balance
from anliegen.billing_inquiry.dunning.rules import DunningRules, rules_for
from anliegen.billing_inquiry.dunning.simulate import Change, HeldDays, simulate

HISTORIES = int(os.environ.get("HYPOTHESIS_PLAYS", "10000")) if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 200
DE = rules_for("EUR")
assert DE is not None
RULES: DunningRules = DE
START = datetime(2026, 1, 29, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Play:
    """One invoice, what happens to it, and what has to hold at every moment."""

    owed: int = 11_900
    now: datetime = START
    business: bool = False
    dunning: Dunning | None = None
    steps: list[Step] = field(default_factory=list)
    holds: dict[int, Hold] = field(default_factory=dict)
    balances: list[Balance] = field(default_factory=lambda: [Balance(START.date(), 11_900)])

    @property
    def debt(self) -> Debt:
        return Debt(
            invoice_number="R-1", journey_id=UUID(int=1), currency="EUR", issued_on=date(2026, 1, 29),
            due_on=date(2026, 2, 12), business=self.business, told_of_default=False, open_amount=self.owed,
            balances=tuple(self.balances),
        )  # fmt: skip

    @property
    def current(self) -> list[Step]:
        return [step for step in self.steps if self.dunning is not None and step.round == self.dunning.round]

    def conclude(self) -> Dunning:
        before = self.dunning
        self.dunning = reconsidered(
            before, debt=self.debt, holds=list(self.holds.values()), steps=self.current, rules=RULES, now=self.now
        )
        self.check(before)
        return self.dunning

    def check(self, before: Dunning | None) -> None:
        dunning = self.dunning
        assert dunning is not None
        holding = any(hold.in_force(self.now) for hold in self.holds.values())
        assert dunning.held == holding, "held exactly while something holds"
        assert (dunning.stage is Stage.CLEARED) == (self.owed <= 0), "cleared exactly while nothing is owed"
        may_go_on = not holding and dunning.stage in {Stage.WATCHED, Stage.DUNNED}
        enough = self.owed >= (500 if dunning.level < 3 else 2500)
        assert (dunning.next_step_at is not None) == (may_go_on and enough), "it goes on unless there is a reason"
        if before is not None and dunning.next_step_at and dunning.free_since:
            assert dunning.next_step_at >= dunning.free_since + 7 * DAY, "after a hold there is time to pay"
        again = reconsidered(
            dunning, debt=self.debt, holds=list(self.holds.values()), steps=self.current, rules=RULES, now=self.now
        )
        assert again == dunning, "to conclude twice is to conclude once"

    def change(self, amount: int) -> None:
        self.owed += amount
        self.balances = [balance for balance in self.balances if balance.since != self.now.date() + DAY]
        self.balances.append(Balance(self.now.date() + DAY, self.owed))
        self.conclude()

    def hold(self, number: int, days: int | None) -> None:
        ends = None if days is None else self.now + days * DAY
        self.holds[number] = Hold(
            hold_id=UUID(int=number), invoice_number="R-1", reason=HoldReason.COMPLAINT, case_id=UUID(int=number),
            placed_at=self.now, placed_by="complaint", ends_at=ends,
        )  # fmt: skip
        self.conclude()

    def release(self, number: int) -> None:
        if number in self.holds and self.holds[number].released_at is None:
            held = self.holds[number]
            over = min(self.now, held.ends_at) if held.ends_at else self.now
            values = {name: getattr(held, name) for name in Hold.__dataclass_fields__}
            self.holds[number] = Hold(**values | {"released_at": over, "released_by": "complaint"})
            self.conclude()

    def wait(self, days: int) -> None:
        """Let the days pass, with each timer at its time."""
        ends = self.now + days * DAY
        while True:
            dunning = self.conclude()
            moments = [hold.ends_at for hold in self.holds.values() if hold.ends_at and hold.released_at is None]
            moments += [dunning.next_step_at] if dunning.next_step_at else []
            due = [moment for moment in moments if self.now < moment <= ends]
            if is_due(dunning, now=self.now):
                self.step()
            elif due:
                self.now = min(due)
            else:
                break
        self.now = ends
        self.conclude()

    def step(self) -> None:
        dunning = self.dunning
        assert dunning is not None
        assert not dunning.held
        assert self.owed > 0
        taken = any(step.lump_sum for step in self.steps)
        step = take_step(dunning, debt=self.debt, steps=self.current, rules=RULES, now=self.now, lump_sum_taken=taken)
        assert RULES.closed_on(RULES.day_of(self.now)) is None, "nothing goes out on a closed day"
        assert step.default_since is not None or step.fee + step.interest + step.lump_sum == 0
        assert sum(one.lump_sum > 0 for one in {one.round: one for one in self.steps}.values()) <= 1
        self.steps.append(step)
        self.conclude()


OPERATIONS = st.one_of(
    st.tuples(st.just("wait"), st.integers(0, 45)),
    st.tuples(st.just("change"), st.sampled_from([-11_900, -5_000, -100, 11_900, 5_000, 11_401, -2_400])),
    st.tuples(st.just("hold"), st.integers(1, 4), st.one_of(st.none(), st.integers(1, 60))),
    st.tuples(st.just("release"), st.integers(1, 4)),
)


@settings(max_examples=HISTORIES, deadline=None)
@given(operations=st.lists(OPERATIONS, max_size=25), business=st.booleans())
def test_random_history_is_never_held_for_ever_nor_cleared_by_mistake(
    operations: list[tuple[object, ...]], business: bool
) -> None:
    play = Play(business=business)
    play.conclude()
    for name, *values in operations:
        getattr(play, str(name))(*values)
    for number in play.holds:
        play.release(number)
    play.conclude()
    assert not play.dunning.held  # type: ignore[union-attr]
    if play.owed < 2500:
        play.change(2500 - play.owed)
    play.wait(200)
    assert play.dunning.stage is Stage.HANDED_OVER  # type: ignore[union-attr]
    play.change(-play.owed)
    assert play.dunning.stage is Stage.CLEARED  # type: ignore[union-attr]
    taken = len(play.steps)
    play.wait(400)
    assert len(play.steps) == taken


def test_amount_that_becomes_enough_on_a_weekend_is_dunned_on_the_next_open_day() -> None:
    play = Play()
    play.conclude()
    play.change(-11_700)
    play.wait(37)
    assert play.now.date() == date(2026, 3, 7)
    play.change(2_300)
    assert play.dunning is not None
    assert play.dunning.next_step_at == datetime(2026, 3, 9, 8, tzinfo=UTC)


def test_returned_payment_begins_another_round_with_a_new_due_date() -> None:
    play = Play()
    play.conclude()
    play.wait(40)
    assert play.dunning.level == 2  # type: ignore[union-attr]
    play.change(-11_900)
    play.wait(10)
    play.change(11_900)
    dunning = play.dunning
    assert dunning is not None
    assert (dunning.stage, dunning.round, dunning.level) == (Stage.WATCHED, 2, 0)
    assert dunning.due_on == RULES.day_of(play.now) + timedelta(days=RULES.new_due_days)


def test_consumer_who_was_told_nothing_is_in_default_by_the_reminder_alone() -> None:
    play = Play()
    dunning = play.conclude()
    assert default_since(dunning, debt=play.debt, steps=[], rules=RULES) is None
    play.wait(22)
    default = default_since(dunning, debt=play.debt, steps=play.steps, rules=RULES)
    assert default is not None
    assert (default.since, default.by) == (date(2026, 2, 23), DefaultBy.REMINDER)


def test_business_is_in_default_thirty_days_after_the_due_date_where_the_reminder_was_held() -> None:
    play = Play(business=True)
    dunning = play.conclude()
    default = default_since(dunning, debt=play.debt, steps=[], rules=RULES)
    assert default is not None
    # 14 March 2026 is a Saturday: the period ends on Monday (§ 193 BGB).
    assert (default.since, default.by) == (date(2026, 3, 17), DefaultBy.DAYS_AFTER_DUE)


def test_lump_sum_is_asked_for_once_however_often_the_invoice_opens() -> None:
    play = Play(business=True)
    play.conclude()
    play.wait(60)
    play.change(-11_900)
    play.change(11_900)
    play.wait(90)
    rounds = {step.round for step in play.steps if step.lump_sum}
    assert rounds == {1}


def test_hold_that_ends_by_itself_lets_dunning_go_on_after_some_days() -> None:
    told = simulate(
        issued_on=date(2026, 1, 29), due_on=date(2026, 2, 12), amount=11_900, business=False, told_of_default=False,
        currency="EUR", rules=RULES, until=date(2026, 4, 1), held=[HeldDays(date(2026, 2, 16), date(2026, 3, 2))],
    )  # fmt: skip
    what = [(happening.what, RULES.day_of(happening.at)) for happening in told]
    assert what == [
        ("began", date(2026, 1, 29)),
        ("held", date(2026, 2, 16)),
        ("released", date(2026, 3, 2)),
        ("step", date(2026, 3, 9)),
        ("step", date(2026, 3, 23)),
    ]


def test_year_with_payment_and_return_is_simulated_to_its_end() -> None:
    told = simulate(
        issued_on=date(2026, 1, 29), due_on=date(2026, 2, 12), amount=11_900, business=False, told_of_default=False,
        currency="EUR", rules=RULES, until=date(2027, 1, 29),
        changes=[Change(date(2026, 2, 27), -11_900), Change(date(2026, 3, 4), 11_900)],
    )  # fmt: skip
    assert [(happening.what, happening.step.name if happening.step else None) for happening in told] == [
        ("began", None), ("step", "payment_reminder"), ("cleared", None), ("began", None),
        ("step", "payment_reminder"), ("step", "first_dunning"), ("step", "last_dunning"), ("step", "hand_over"),
    ]  # fmt: skip
    assert datetime.combine(date(2026, 3, 25), time(8), tzinfo=UTC) == told[4].at
