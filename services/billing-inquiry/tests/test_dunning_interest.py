"""Interest: by hand, and as properties over all amounts, days and cuts."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from anliegen.billing_inquiry.dunning.interest import Balance, reckon_interest, round_half_away
from anliegen.billing_inquiry.dunning.rules import rules_for

DE = rules_for("EUR")
assert DE is not None
RULE = DE.interest
DAYS = st.dates(date(2023, 1, 1), date(2027, 12, 31))
AMOUNTS = st.integers(0, 10**12)


def total(balances: list[Balance], first: date, last: date, **more: Any) -> int:
    pieces = reckon_interest(balances, first_day=first, last_day=last, rule=RULE, **{"business": False} | more)
    return sum(piece.amount for piece in pieces)


def test_half_years_are_pieces_of_their_own_rates() -> None:
    # 100,000 from 1 June to 31 July 2024: 30 days at 3.62 + 5, 31 days at 3.37 + 5 points.
    # 100,000 × 0.0862 × 30 / 365 = 708.49; × 0.0837 × 31 / 365 = 710.88; together 1,419.37.
    pieces = reckon_interest(
        [Balance(date(2024, 1, 1), 100_000)], first_day=date(2024, 6, 1), last_day=date(2024, 7, 31), rule=RULE,
        business=False,
    )  # fmt: skip
    assert [(p.first_day, p.last_day, p.days, p.rate) for p in pieces] == [
        (date(2024, 6, 1), date(2024, 6, 30), 30, 862),
        (date(2024, 7, 1), date(2024, 7, 31), 31, 837),
    ]
    assert [piece.amount for piece in pieces] == [708, 711]


def test_payment_on_account_lowers_interest_from_the_next_day_on() -> None:
    balances = [Balance(date(2026, 1, 1), 365_000), Balance(date(2026, 1, 11), 0)]
    # 10 days at 6.27 % of 365,000 = 627; nothing afterwards.
    assert total(balances, date(2026, 1, 1), date(2026, 6, 30)) == 627


def test_rate_that_is_not_published_yet_is_carried_on_and_said_to_be() -> None:
    last = RULE.base[-1].valid_from
    first_without = date(last.year, 7, 1) if last.month == 1 else date(last.year + 1, 1, 1)
    pieces = reckon_interest(
        [Balance(last, 100_000)], first_day=last, last_day=first_without + timedelta(days=40), rule=RULE, business=True
    )
    assert [piece.published for piece in pieces] == [True, False]
    assert pieces[0].base_rate == pieces[1].base_rate
    assert pieces[1].first_day == first_without


def test_halves_are_rounded_away_from_zero() -> None:
    assert [round_half_away(Fraction(n, 2)) for n in (1, 3, 5, -1, -3, 4)] == [1, 2, 3, -1, -2, 2]


@given(amount=AMOUNTS, first=DAYS, days=st.integers(0, 800), business=st.booleans(), cuts=st.sets(DAYS, max_size=5))
def test_cutting_days_into_pieces_changes_no_sum(
    amount: int, first: date, days: int, business: bool, cuts: set[date]
) -> None:
    last = first + timedelta(days=days)
    one = [Balance(date(2020, 1, 1), amount)]
    cut = one + [Balance(day, amount) for day in cuts]
    assert total(one, first, last, business=business) == total(cut, first, last, business=business)


@given(amount=AMOUNTS, first=DAYS, days=st.integers(0, 400), more=st.integers(0, 400))
def test_whole_is_within_half_a_minor_unit_and_only_grows(amount: int, first: date, days: int, more: int) -> None:
    last = first + timedelta(days=days)
    exact = Fraction(0)
    for n in range(days + 1):
        day = first + timedelta(days=n)
        exact += Fraction(amount * (RULE.base_on(day)[0] + RULE.points_consumer), 10_000 * 365)
    whole = total([Balance(date(2020, 1, 1), amount)], first, last)
    assert abs(whole - exact) <= Fraction(1, 2)
    assert total([Balance(date(2020, 1, 1), amount)], first, last + timedelta(days=more)) >= whole


@given(amounts=st.lists(st.tuples(DAYS, st.integers(-(10**9), 10**9)), min_size=1, max_size=6), first=DAYS)
def test_customer_who_has_paid_too_much_is_asked_for_nothing(amounts: list[tuple[date, int]], first: date) -> None:
    balances = [Balance(day, amount) for day, amount in dict(amounts).items()]
    owed = [Balance(balance.since, max(balance.amount, 0)) for balance in balances]
    last = first + timedelta(days=200)
    assert total(balances, first, last) == total(owed, first, last) >= 0
    assert total([Balance(date(2020, 1, 1), -5)], first, last) == 0


@given(amount=AMOUNTS, first=DAYS, days=st.integers(0, 400))
def test_business_pays_four_points_more(amount: int, first: date, days: int) -> None:
    balances, last = [Balance(date(2020, 1, 1), amount)], first + timedelta(days=days)
    more = Fraction(amount * 400 * (days + 1), 10_000 * 365)
    difference = total(balances, first, last, business=True) - total(balances, first, last)
    assert abs(difference - more) <= 1
