"""The rule pack of agreements: how many instalments, from which amount on, how soon the first."""

import tomllib
from datetime import date
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Days = Annotated[int, Field(gt=0, le=365)]


class AgreementRules(BaseModel):
    """One version of the pack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z_]*$")
    version: int = Field(ge=1)
    valid_from: date
    owner: str = Field(min_length=1)
    source: str = Field(min_length=1)
    most_instalments: int = Field(ge=1, le=120)
    first_within_days: Days
    smallest_instalment: dict[str, Annotated[int, Field(gt=0)]]
    promise_within_days: Days
    remind_days_before: Days
    grace_days: Days

    @property
    def pack(self) -> str:
        """The pack and its version, as it is recorded with every agreement."""
        return f"{self.name}/{self.version}"


def read_pack(text: str) -> AgreementRules:
    """The pack in this TOML text. Raises ValueError where it is not one."""
    return AgreementRules.model_validate(tomllib.loads(text))


AGREEMENT_RULES = read_pack(
    (files("anliegen.billing_inquiry") / "rules" / "agreements.toml").read_text(encoding="utf-8")
)
"""The pack in force. It is read when the process starts, which a broken pack prevents."""
