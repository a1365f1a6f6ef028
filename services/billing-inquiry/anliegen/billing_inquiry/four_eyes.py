"""When a second person confirms, and that it is never the same one."""

import tomllib
from datetime import date
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from anliegen.kit.errors import Conflict, NotAllowed

Limits = dict[str, Annotated[int, Field(ge=0)]]


class SecondPersonNeeded(NotAllowed):
    """This is confirmed by somebody else than who asked for it."""


class NotWaiting(Conflict):
    """Nobody's confirmation is waited for (any more): load it again to see who decided it and how."""


class FourEyesRules(BaseModel):
    """One version of the pack; limits are minor units by currency, and what is not named is nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z_]*$")
    version: int = Field(ge=1)
    valid_from: date
    owner: str = Field(min_length=1)
    source: str = Field(min_length=1)
    payment_method: Limits
    refund: Limits
    refund_together_days: int = Field(ge=0)

    @property
    def pack(self) -> str:
        """The pack and its version, as it is recorded with every decision."""
        return f"{self.name}/{self.version}"


def needs_second_person(amounts: dict[str, int], limits: Limits) -> bool:
    """Whether one of these amounts, by currency, is above its limit."""
    return any(amount > limits.get(currency, 0) for currency, amount in amounts.items())


def check_second_person(*, asked_by: str, confirmed_by: str) -> None:
    """Raise SecondPersonNeeded where both are one. A subject names a person, however many tokens they hold."""
    if asked_by.strip().casefold() == confirmed_by.strip().casefold():
        raise SecondPersonNeeded


def read_pack(text: str) -> FourEyesRules:
    """The pack in this TOML text. Raises ValueError where it is not one."""
    return FourEyesRules.model_validate(tomllib.loads(text))


FOUR_EYES = read_pack((files("anliegen.billing_inquiry") / "rules" / "four_eyes.toml").read_text(encoding="utf-8"))
"""The pack in force. It is read when the process starts, which a broken pack prevents."""
