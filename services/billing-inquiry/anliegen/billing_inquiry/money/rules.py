"""The rule pack of corrections: terms, letter, and what is proposed to make it good."""

import tomllib
from datetime import date
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field

from anliegen.events import Money


class GoodwillShare(BaseModel):
    """What is proposed for what was wrongly charged; a currency that is not named is proposed nothing in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: int = Field(ge=0, le=10_000)
    least: dict[str, int]
    most: dict[str, int]


class Sender(BaseModel):
    """Whose letter it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    lines: tuple[str, ...]
    footer: tuple[str, ...]


class CorrectionRules(BaseModel):
    """One version of the pack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z_]*$")
    version: int = Field(ge=1)
    valid_from: date
    owner: str = Field(min_length=1)
    source: str = Field(min_length=1)
    pay_within_days: int = Field(ge=0, le=365)
    sender: Sender
    accounts: dict[str, str]
    goodwill: GoodwillShare

    def goodwill_for(self, difference: Money) -> Money | None:
        """What is proposed where the customer was charged so much too much; None where it is nothing."""
        rule, currency = self.goodwill, difference.currency
        if difference.amount <= 0 or currency not in rule.most:
            return None
        amount = max(difference.share(rule.share).amount, rule.least.get(currency, 0))
        return Money(amount=min(amount, rule.most[currency]), currency=currency)


RULES = CorrectionRules.model_validate(
    tomllib.loads((files(__package__).joinpath("..", "rules", "corrections.toml")).read_text(encoding="utf-8"))
)
"""The pack in force. It is read when the process starts, which a broken pack prevents."""
