"""The rule packs, read and checked when the process starts."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from anliegen.events import Channel

from ..domain.hours import DAYS, Hours, read_hours


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pack(_Strict):
    """Which rules these are."""

    name: str
    version: int = Field(ge=1)
    owner: str
    source: str


class ChannelRule(_Strict):
    """One way to us."""

    channel: Channel
    accepts: str
    answers: str
    answer_within_minutes: int = Field(ge=1)


class _ChannelsFile(_Strict):
    pack: Pack
    hours: dict[str, dict[str, Any]]
    channels: tuple[ChannelRule, ...] = Field(min_length=1)


class _Times(_Strict):
    round_to_minutes: int = Field(ge=1, le=1440)


class _AcknowledgementFile(_Strict):
    pack: Pack
    channels: dict[Channel, bool]
    times: _Times


@dataclass(frozen=True)
class Rules:
    """Both packs together."""

    channels_pack: Pack
    acknowledgement_pack: Pack
    hours: Mapping[str, Hours]
    week: Mapping[str, Mapping[str, list[str]]]
    channels: tuple[ChannelRule, ...]
    acknowledged: Mapping[Channel, bool]
    round_to: timedelta

    @cached_property
    def _by_channel(self) -> dict[Channel, ChannelRule]:
        return {rule.channel: rule for rule in self.channels}

    def rule_for(self, channel: Channel) -> ChannelRule:
        """The rule of a channel; one that has none of its own is treated as the first, the web form."""
        return self._by_channel.get(channel, self.channels[0])

    def acknowledges(self, channel: Channel) -> bool:
        """Whether contacts on this channel are acknowledged in writing."""
        return self.acknowledged.get(channel, False)

    def answer_by(self, channel: Channel, received_at: datetime) -> datetime:
        """By when somebody who wrote at this time is told to have an answer. UTC, rounded up."""
        rule = self.rule_for(channel)
        due = self.hours[rule.answers].after(received_at, timedelta(minutes=rule.answer_within_minutes))
        step = self.round_to.total_seconds()
        return datetime.fromtimestamp(-(-due.timestamp() // step) * step, tz=due.tzinfo)

    def zone_of(self, channel: Channel) -> str:
        """The time zone in which people on this channel are told times."""
        return self.hours[self.rule_for(channel).answers].zone.key


def load_rules() -> Rules:
    """Read the packs that came with the service. Raises pydantic's ValidationError, ValueError, KeyError."""
    folder = files(__package__)
    channels = _ChannelsFile.model_validate(tomllib.loads((folder / "channels.toml").read_text("utf-8")))
    acknowledgement = _AcknowledgementFile.model_validate(
        tomllib.loads((folder / "acknowledgement.toml").read_text("utf-8"))
    )
    week = {name: {day: list(given[day]) for day in DAYS if day in given} for name, given in channels.hours.items()}
    hours = {name: read_hours(str(given["timezone"]), week[name]) for name, given in channels.hours.items()}
    for rule in channels.channels:
        for named in (rule.accepts, rule.answers):
            if named not in hours:
                raise KeyError(f"no hours called {named!r}")
    return Rules(
        channels_pack=channels.pack,
        acknowledgement_pack=acknowledgement.pack,
        hours=hours,
        week=week,
        channels=channels.channels,
        acknowledged=acknowledgement.channels,
        round_to=timedelta(minutes=acknowledgement.times.round_to_minutes),
    )
