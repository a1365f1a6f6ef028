"""The rule packs of reports: which complaints are counted, under which names, and by when."""

import tomllib
from datetime import date
from importlib.resources import files
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..clocks.packs import PACKS

OTHER = "other"


class Part(BaseModel):
    """A piece of a pack."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(Part):
    """A product line and what the report calls it."""

    line: str
    says: str


class Duration(Part):
    """The classes of how long complaints took."""

    up_to_days: Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1)]


class ReportPack(Part):
    """One report."""

    name: str
    version: int = Field(ge=1)
    valid_from: date
    owner: str = Field(min_length=1)
    source: str = Field(min_length=1)
    basis: str = Field(min_length=1)
    """What the report rests on, as it says itself."""
    countries: frozenset[str]
    zone: str
    language: str
    due: Annotated[str, Field(pattern=r"^\d{2}-\d{2}$")]
    title: str
    lines: Annotated[tuple[Line, ...], Field(min_length=1)]
    reasons: dict[str, str]
    duration: Duration
    definitions: dict[str, str]

    @model_validator(mode="after")
    def _fits_the_others(self) -> Self:
        names = [line.line for line in self.lines]
        if len(set(names)) < len(names) or not set(names) <= set(PACKS.markets.lines):
            raise ValueError("lines are product lines of rules/markets.toml, each once")
        if OTHER not in self.reasons:
            raise ValueError(f"reasons name {OTHER!r}, for what they do not know")
        if list(self.duration.up_to_days) != sorted(set(self.duration.up_to_days)):
            raise ValueError("classes of days rise")
        ZoneInfo(self.zone)
        date.fromisoformat(f"2001-{self.due}")
        return self

    @property
    def pack(self) -> str:
        """The pack and its version, as it stands in the report."""
        return f"{self.name}/{self.version}"


def read_pack(text: str) -> ReportPack:
    """The pack in this TOML text. Raises ValueError where it is not one."""
    return ReportPack.model_validate(tomllib.loads(text))


REPORTS = {"bafin": read_pack((files("anliegen.complaints") / "rules" / "reports" / "bafin.toml").read_text("utf-8"))}
"""By the name in their address."""
