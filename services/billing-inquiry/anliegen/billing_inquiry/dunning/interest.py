"""Interest on arrears, day by day in pieces of one amount and one rate. Pure, and in whole minor units."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

from .rules import InterestRule

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Balance:
    """What is owed from the beginning of a day on, in minor units."""

    since: date
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Interest of some days on which neither the amount nor the rate changed; rates are basis points a year."""

    first_day: date
    last_day: date
    days: int
    principal: int
    base_rate: int
    points: int
    rate: int
    published: bool
    amount: int


def reckon_interest(
    balances: Sequence[Balance], *, first_day: date, last_day: date, rule: InterestRule, business: bool
) -> tuple[Piece, ...]:
    """Interest from `first_day` to `last_day`, both counted, in pieces whose amounts add up to the whole.

    The whole is rounded once, half away from zero; each piece is what it adds to the rounded sum of those before, so
    however the days are cut, the sum is the same. The rate is base + points, and never below nothing (§ 288 BGB speaks
    of interest, which a debtor never earns). Days of nothing owed count nothing.
    """
    end = last_day + ONE_DAY
    cuts = {first_day, end} | {balance.since for balance in balances}
    cuts |= {rate.valid_from for rate in rule.base} | set(rule.unpublished_from(last_day))
    if rule.days_in_year == "actual":
        cuts |= {date(year, 1, 1) for year in range(first_day.year, end.year + 1)}
    within = sorted(cut for cut in cuts if first_day <= cut <= end)
    pieces: list[Piece] = []
    exact, told = Fraction(0), 0
    for begins, ends in pairwise(within):
        principal = max(_owed(balances, begins), 0)
        points = rule.points_business if business else rule.points_consumer
        base_rate, published = rule.base_on(begins)
        rate = max(base_rate + points, 0)
        days = (ends - begins).days
        exact += Fraction(principal * rate * days, 10_000 * rule.days_of(begins.year))
        whole = round_half_away(exact)
        if principal and rate:
            piece = Piece(
                first_day=begins, last_day=ends - ONE_DAY, days=days, principal=principal, base_rate=base_rate,
                points=points, rate=rate, published=published, amount=whole - told,
            )  # fmt: skip
            pieces.append(piece)
        told = whole
    return tuple(pieces)


def round_half_away(value: Fraction) -> int:
    """The nearest whole number; a half goes away from zero: 2.5 → 3, −2.5 → −3."""
    whole = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return whole if value >= 0 else -whole


def _owed(balances: Sequence[Balance], day: date) -> int:
    known = [balance for balance in balances if balance.since <= day]
    return max(known, key=lambda balance: balance.since).amount if known else 0
