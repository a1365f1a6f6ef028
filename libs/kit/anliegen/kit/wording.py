"""Money and dates as people read them, in the four languages that we write."""

import re
from datetime import date
from decimal import Decimal

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, get_currency_precision

from anliegen.events import Money

_OF_DATES = {"en": "en_GB"}
"""English as it is written in Europe."""


def money_text(money: Money, *, language: str) -> str:
    """An amount with its currency: `42,50 CHF` in German, with as many decimal places as the currency has."""
    text = format_currency(_in_major_units(money), money.currency, locale=language, currency_digits=True)
    # CLDR asks for a blank between letters and digits, which the library leaves out.
    return re.sub(r"(?<=[A-Z])(?=\d)", "\N{NO-BREAK SPACE}", text)


def amount_text(money: Money, *, language: str) -> str:
    """An amount without its currency, for a table whose head names it: `1.042,50`."""
    places = get_currency_precision(money.currency)
    pattern = "#,##0" + ("." + "0" * places if places else "")
    return format_decimal(_in_major_units(money), format=pattern, locale=language)


def share_text(basis_points: int, *, language: str) -> str:
    """A rate in basis points as percent: 1900 is `19 %` in German, 770 is `7,7 %`."""
    number = format_decimal(Decimal(basis_points).scaleb(-2), format="#,##0.##", locale=language)
    return f"{number}\N{NO-BREAK SPACE}%"


def date_text(day: date, *, language: str) -> str:
    """A day: `2. März 2026` in German, `2 March 2026` in English."""
    return format_date(day, format="long", locale=_OF_DATES.get(language, language))


def read_money(text: str) -> Money:
    """The amount in a value for a customer's text, `4250 CHF` in minor units. Raises ValueError."""
    amount, currency = text.split(" ")
    return Money(amount=int(amount), currency=currency)


def _in_major_units(money: Money) -> Decimal:
    return Decimal(money.amount).scaleb(-get_currency_precision(money.currency))
