"""The rule packs in `rules/`: loaded and checked at start, so that a slip of the pen stops a start, not a customer."""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from anliegen.events import FailureOrigin, Flag, JourneyStage, Priority, Task

from .words import Pattern

_URGENCY = (Priority.UNKNOWN, Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.URGENT)
OTHER = "other"
"""The group of intents that belong to none of the seven tasks: a person looks at these."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class About(_Strict):
    """Where a pack comes from and who answers for it."""

    name: str = Field(pattern=r"^[a-z_]+$")
    version: str = Field(pattern=r"^\d{4}\.\d+$")
    source: str = Field(min_length=10)
    owner: str = Field(min_length=3)
    valid_from: date


class Intent(_Strict):
    """What follows from an intent before anything else is known. `task` is one of the seven, or `other`."""

    task: Task | Literal["other"]
    origin: FailureOrigin
    stage: JourneyStage
    priority: Priority = Priority.NORMAL
    hardness: int = Field(default=1, ge=1, le=5)
    skills: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()

    @model_validator(mode="after")
    def _refuse_unknown(self) -> Self:
        # Open enumerations read what they do not know as `unknown`; here that is a slip of the pen.
        if "unknown" in {self.task, self.origin, self.stage, self.priority, *self.flags}:
            raise ValueError("a value that the events do not know")
        return self


class IntentPack(_Strict):
    """`intents.toml`: every intent, in every language."""

    about: About
    intents: Mapping[str, Intent]


class LanguagePack(_Strict):
    """`de.toml` and its like: the patterns of one language, by flag and by urgency."""

    about: About
    language: str = Field(pattern=r"^[a-z]{2}$")
    flags: Mapping[Flag, tuple[str, ...]]
    priority: Mapping[Literal["high", "urgent"], tuple[str, ...]]

    @field_validator("flags", "priority")
    @classmethod
    def _must_be_readable(cls, table: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        if "unknown" in table:
            raise ValueError("a flag that the events do not know")
        for finds in table.values():
            for find in finds:
                Pattern.of(find)
        return table


class Mode(StrEnum):
    """How far triage goes with what it read, each further than the one before."""

    SUGGEST = "suggest"
    """A person names the matter, and sees what triage would say."""
    PRESELECT = "preselect"
    """A person confirms what triage chose."""
    AUTOMATE = "automate"
    """The task gets it without a person having looked."""


class Thresholds(_Strict):
    """From which confidence on triage goes so far; below the lowest it says nothing, since a poor guess misleads."""

    suggest: float = Field(ge=0, le=1)
    preselect: float = Field(ge=0, le=1)
    automate: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _must_rise(self) -> Self:
        if not self.suggest <= self.preselect <= self.automate:
            raise ValueError("thresholds rise: suggest, preselect, automate")
        return self

    def reached(self, confidence: float) -> Mode | None:
        """The furthest that this confidence allows."""
        reached = None
        for mode in Mode:
            if confidence >= getattr(self, mode):
                reached = mode
        return reached


class TaskPolicy(_Strict):
    """How far triage may go with a task when it is set up, and from which confidence on."""

    mode: Mode
    thresholds: Thresholds


class Questions(_Strict):
    """When a customer is asked which task it is: on which channels by triage itself, and how often at most (R62)."""

    most: int = Field(ge=0, le=2)
    channels: frozenset[str]
    together: float = Field(gt=0, le=1)
    words: float = Field(gt=0, le=1)


class FitnessPolicy(_Strict):
    """What has to be seen before a task may be automated."""

    window_days: int = Field(gt=0)
    at_least: int = Field(gt=0)
    precision: float = Field(gt=0, le=1)
    precision_for_certain: float = Field(gt=0, le=1)
    most_drift: float = Field(gt=0)


Market = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class Markets(_Strict):
    """Which market (ISO 3166-1 alpha-2) a contact comes from: by our side of the channel, else by the sender."""

    default: Market
    accounts: Mapping[str, Market] = {}
    calling_codes: Mapping[Annotated[str, Field(pattern=r"^\+\d{1,3}$")], Market] = {}
    domains: Mapping[Annotated[str, Field(pattern=r"^[a-z]{2,}$")], Market] = {}


class When(_Strict):
    """What has to hold for a rule: one of each list; of flags and priorities, too. What is left out holds always."""

    tasks: frozenset[Task] = frozenset()
    intents: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    markets: frozenset[Market] = frozenset()
    channels: frozenset[str] = frozenset()
    flags: frozenset[Flag] = frozenset()
    priorities: frozenset[Priority] = frozenset()

    @model_validator(mode="after")
    def _refuse_unknown(self) -> Self:
        if "unknown" in {*self.tasks, *self.flags, *self.priorities}:
            raise ValueError("a value that the events do not know")
        return self


class Rule(_Strict):
    """Who should see matters of a kind: the skills that are asked for, and the tier at least."""

    name: str = Field(min_length=3)
    when: When
    skills: tuple[str, ...] = ()
    tier: int = Field(default=1, ge=1, le=3)


class Guard(_Strict):
    """The repeat-failure guard: how far back it looks, and what one failure and two bring about."""

    window_days: int = Field(gt=0)
    one_failure_raises_by: int = Field(ge=0, le=2)
    top_tier_from: int = Field(ge=1)


class Routing(_Strict):
    """`routing.toml`: thresholds, tiers, priorities, the guard."""

    about: About
    default: TaskPolicy
    tasks: Mapping[Task, TaskPolicy] = {}
    fitness: FitnessPolicy
    questions: Questions
    guard: Guard
    tier_of_hardness: tuple[int, int, int, int, int]
    markets: Markets
    rules: tuple[Rule, ...] = ()
    priority_of_flag: Mapping[Flag, Priority]
    hardness_of_flag: Mapping[Flag, int]
    follow_up_confidence: Mapping[str, float]
    wait_for_earlier_seconds: int = Field(gt=0)
    served_tasks: frozenset[Task]

    def policy(self, task: Task) -> TaskPolicy:
        """What is laid down for one task."""
        return self.tasks.get(task, self.default)

    def added_hardness(self, flags: Iterable[Flag]) -> int:
        """What these flags add to the hardness of a matter."""
        return sum(self.hardness_of_flag.get(flag, 0) for flag in flags)

    def raised_priority(self, flags: Iterable[Flag]) -> Priority:
        """The priority that these flags ask for."""
        return self.highest(*(self.priority_of_flag.get(flag, Priority.LOW) for flag in flags))

    @staticmethod
    def highest(*priorities: Priority) -> Priority:
        """The highest of these priorities, low where there is none."""
        return max(priorities, key=_URGENCY.index, default=Priority.LOW)


class Packs(_Strict):
    """All rule packs of triage."""

    intents: IntentPack
    routing: Routing
    languages: Mapping[str, LanguagePack]

    @model_validator(mode="after")
    def _must_know_intents(self) -> Self:
        named = {intent for rule in self.routing.rules for intent in rule.when.intents}
        if strangers := named - self.intents.intents.keys():
            raise ValueError(f"rules name intents that are not there: {', '.join(sorted(strangers))}")
        return self

    def version(self, language: str) -> str:
        """Names the packs behind a decision and their versions: `routing/2026.1 intents/2026.1 words_de/2026.1`."""
        used = [self.routing.about, self.intents.about]
        if language in self.languages:
            used.append(self.languages[language].about)
        return " ".join(f"{about.name}/{about.version}" for about in used)

    def intent(self, name: str) -> Intent | None:
        """What follows from an intent, where the packs know it."""
        return self.intents.intents.get(name)


def load_packs(folder: Traversable | None = None) -> Packs:
    """Read and check the packs. Raises pydantic's ValidationError with the place of the mistake."""
    folder = folder or files(__package__) / "rules"
    content = {entry.name: tomllib.loads(entry.read_text(encoding="utf-8")) for entry in folder.iterdir()}
    return Packs(
        intents=IntentPack.model_validate(content.pop("intents.toml")),
        routing=Routing.model_validate(content.pop("routing.toml")),
        languages={pack["language"]: LanguagePack.model_validate(pack) for pack in content.values()},
    )


def with_accounts(packs: Packs, accounts: Mapping[str, str]) -> Packs:
    """The packs of a deployment that names the markets of its accounts. Raises pydantic's ValidationError."""
    known = packs.routing.markets
    markets = Markets.model_validate(known.model_dump() | {"accounts": {**known.accounts, **accounts}})
    return packs.model_copy(update={"routing": packs.routing.model_copy(update={"markets": markets})})
