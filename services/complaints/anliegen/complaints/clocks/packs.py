"""The rule packs of legal clocks: which clocks run for a complaint of a country and a product line, and how they count.

A pack is a TOML file in `rules/clocks/` with a source, a version, an owner, and worked examples in `rules/examples/`.
Which packs apply is data, too: all that name the country and the line; where none does, the generic one.
"""

import tomllib
from collections.abc import Iterable
from datetime import date, datetime, time
from enum import StrEnum
from importlib.resources import files
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from anliegen.kit.calendars import Calendar

ANY = "any"
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class Fact(StrEnum):
    """What stops a clock, because what the rule asks for was done."""

    ACKNOWLEDGED = "acknowledged"
    HOLDING_REPLY = "holding_reply"
    FINAL_RESPONSE = "final_response"


class Counts(StrEnum):
    """Which days count."""

    BUSINESS_DAYS = "business_days"
    CALENDAR_DAYS = "calendar_days"


class PackPart(BaseModel):
    """A piece of a pack."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Extension(PackPart):
    """More days, where the customer was told in time why it takes longer."""

    after: Fact
    days: int = Field(gt=0, le=400)


class ClockRule(PackPart):
    """One clock: so many days after the day of receipt, this has been done."""

    rule: Code
    says: str = Field(min_length=1)
    source: str = Field(min_length=1)
    counts: Counts
    days: int = Field(gt=0, le=400)
    warn_days_before: int = Field(ge=0)
    met_by: Fact
    ends_at: time | None = None
    """The local time at which the last day ends; none is midnight."""
    pauses: bool = False
    """Whether it stands still while the customer is waited for."""
    duty: bool = True
    """Whether to miss it is a failure; else an easier way is closed by it, and no more."""
    extension: Extension | None = None

    @model_validator(mode="after")
    def _refuse_what_makes_no_sense(self) -> Self:
        if self.warn_days_before >= self.days:
            raise ValueError(f"{self.rule} would warn before it starts")
        if self.extension and self.extension.days <= self.days:
            raise ValueError(f"{self.rule} gets no longer by its extension")
        return self


class Pack(PackPart):
    """One version of a pack."""

    name: Code
    version: int = Field(ge=1)
    valid_from: date
    owner: str = Field(min_length=1)
    source: str = Field(min_length=1)
    countries: frozenset[str] = Field(min_length=1)
    lines: frozenset[Code] = Field(min_length=1)
    except_lines: frozenset[Code] = frozenset()
    fallback: bool = False
    country: str | None = None
    """Whose business days are counted; none is the country of the complaint."""
    subdivision: str | None = None
    zone: str | None = None
    clocks: tuple[ClockRule, ...] = Field(min_length=1)

    @property
    def pack(self) -> str:
        """The pack and its version, as it is recorded with every clock."""
        return f"{self.name}/{self.version}"

    def applies(self, *, country: str, line: str, on: date) -> bool:
        """Whether a complaint of this country and product line, received on this day, falls under it."""
        known = bool({country, ANY.upper()} & self.countries and {line, ANY} & self.lines)
        return known and line not in self.except_lines and self.valid_from <= on

    def rule_of(self, rule: str) -> ClockRule:
        """The clock of this name. Raises KeyError."""
        return {one.rule: one for one in self.clocks}[rule]


class Market(PackPart):
    """Where a country's days begin and end."""

    zone: str
    subdivision: str | None = None


class Markets(PackPart):
    """The countries that complaints come from, and what is taken where nobody said it."""

    default_country: str
    default_line: Code
    lines: frozenset[Code]
    markets: dict[str, Market]

    @model_validator(mode="after")
    def _refuse_a_default_that_is_not_there(self) -> Self:
        if self.default_country not in self.markets or self.default_line not in self.lines:
            raise ValueError("the defaults name a country or a line that is not listed")
        for country, market in self.markets.items():
            Calendar(country=country, subdivision=market.subdivision, zone=market.zone)
        return self


class Packs:
    """All packs in force, of all countries."""

    def __init__(self, packs: Iterable[Pack], markets: Markets) -> None:
        self.markets = markets
        self._packs = {pack.pack: pack for pack in packs}
        if not any(pack.fallback for pack in self._packs.values()):
            raise ValueError("no pack is the one for all that no other pack covers")
        for pack in self._packs.values():
            if pack.zone:
                ZoneInfo(pack.zone)

    def for_complaint(self, *, country: str, line: str, received_at: datetime) -> list[Pack]:
        """The packs that apply, of each name the newest that was in force on the day of receipt."""
        day = received_at.astimezone(ZoneInfo(self.markets.markets[country].zone)).date()
        found: dict[str, Pack] = {}
        for pack in sorted(self._packs.values(), key=lambda one: one.version):
            if not pack.fallback and pack.applies(country=country, line=line, on=day):
                found[pack.name] = pack
        return list(found.values()) or [pack for pack in self._packs.values() if pack.fallback]

    def get(self, pack: str) -> Pack:
        """The pack of this name and version. Raises KeyError."""
        return self._packs[pack]

    def calendar(self, pack: Pack, rule: ClockRule, *, country: str) -> Calendar:
        """By which a clock of this pack counts for a complaint of this country."""
        where = pack.country or country
        market = self.markets.markets[where]
        return Calendar(
            country=where,
            subdivision=pack.subdivision or market.subdivision,
            zone=pack.zone or market.zone,
            closes=rule.ends_at,
        )


def read_pack(text: str) -> Pack:
    """The pack in this TOML text. Raises ValueError where it is not one."""
    return Pack.model_validate(tomllib.loads(text))


def read_packs() -> Packs:
    """All packs that lie beside the code. Raises ValueError where one is broken."""
    rules = files("anliegen.complaints") / "rules"
    markets = Markets.model_validate(tomllib.loads((rules / "markets.toml").read_text(encoding="utf-8")))
    found = sorted((rules / "clocks").iterdir(), key=lambda file: file.name)
    return Packs(
        [read_pack(file.read_text(encoding="utf-8")) for file in found if file.name.endswith(".toml")], markets
    )


PACKS = read_packs()
"""The packs in force. They are read when the process starts, which a broken pack prevents."""
