"""How far triage may go with a reading, and whether a task is fit to be automated. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from anliegen.events import Task
from anliegen.kit.errors import Conflict, NotFound

from ..classifier import Reading
from ..packs import FitnessPolicy, Mode, Routing

CERTAINTY = 1.645
"""Standard deviations that leave 5 % on one side."""
BANDS = 10
"""Into how many bands of confidence readings are counted."""
RECENT_DAYS, BEFORE_DAYS = 7, 28
FEWEST_FOR_DRIFT = 100
"""Of fewer readings in either time no drift is told: chance alone would look like one."""
RANKS = {mode: rank for rank, mode in enumerate(Mode)}


class TaskUnknown(NotFound):
    """There is no such task."""


class NotFit(Conflict):
    """The fitness report does not allow it yet: `missing` says what has to be seen before triage may automate this."""


class ModeUnchanged(Conflict):
    """The task is in this mode already."""


class NothingPreselected(Conflict):
    """There is nothing to confirm: triage chose nothing here. Decide the review by naming its matters."""


@dataclass(frozen=True, slots=True)
class TaskMode:
    """The mode of a task; version 1 is what the rule pack laid down, which nobody changed."""

    task: Task
    mode: Mode
    version: int = 1
    reason: str | None = None
    changed_by: str | None = None
    changed_at: datetime | None = None


def reach(reading: Reading, routing: Routing, modes: Mapping[Task, Mode]) -> Mode | None:
    """How far triage may go with a reading: as far as with the matter it may go least far with; None says nothing.

    What the customer stated is taken as said; a stranger to all tasks is for a person.
    """
    if reading.other is not None or not reading.concerns:
        return None
    if reading.stated:
        return Mode.AUTOMATE
    furthest = Mode.AUTOMATE
    for one in reading.concerns:
        reached = routing.policy(one.task).thresholds.reached(one.confidence)
        if reached is None:
            return None
        furthest = min(furthest, reached, modes[one.task], key=RANKS.__getitem__)
    return furthest


# Fitness --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a task within the window, of readings by the model of now that reach its threshold.

    `reviewed` were decided by a person, who `confirmed` so many; `automated` went their way, and so many of them were
    `handed_over` by their task to another one. `recent` and `before` are readings by band of confidence.
    """

    reviewed: int
    confirmed: int
    automated: int
    handed_over: int
    recent: Sequence[int]
    before: Sequence[int]

    @property
    def judged(self) -> int:
        """How many were judged, by a person's decision or by being kept where they went."""
        return self.reviewed + self.automated

    @property
    def right(self) -> int:
        """How many of these were right."""
        return self.confirmed + self.automated - self.handed_over


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to be seen: what is seen (None where nothing can be said), and its bound."""

    name: str
    seen: float | None
    bound: float
    holds: bool
    says: str


@dataclass(frozen=True, slots=True)
class Report:
    """Whether a task is fit to be automated, and what that rests on."""

    task: Task
    model: str
    since: datetime
    until: datetime
    seen: Seen
    checks: tuple[Check, ...]

    @property
    def is_fit(self) -> bool:
        """Whether everything holds."""
        return all(check.holds for check in self.checks)

    @property
    def missing(self) -> list[str]:
        """What does not hold, in words."""
        return [check.says for check in self.checks if not check.holds]


def checks_of(seen: Seen, policy: FitnessPolicy) -> tuple[Check, ...]:
    """Hold what was seen against what has to be seen."""
    share = seen.right / seen.judged if seen.judged else None
    certain = lower_bound(seen.right, seen.judged)
    moved = drift(seen.before, seen.recent)
    more = max(0, policy.at_least - seen.judged)
    return (
        Check(
            "judged", seen.judged, policy.at_least, seen.judged >= policy.at_least,
            f"{more} more have to be judged: set the task to preselect and let people confirm or correct.",
        ),
        Check(
            "precision", share, policy.precision, share is not None and share >= policy.precision,
            f"{_percent(share)} were right, {policy.precision:.0%} have to be: look at what was corrected.",
        ),
        Check(
            "precision_for_certain", certain, policy.precision_for_certain,
            certain is not None and certain >= policy.precision_for_certain,
            f"it is certain of {_percent(certain)} only, {policy.precision_for_certain:.0%} are asked for: let people"
            " judge more.",
        ),
        Check(
            "drift", moved, policy.most_drift, moved is None or moved <= policy.most_drift,
            f"what comes in has changed lately (index {moved or 0:.2f}, {policy.most_drift:.2f} at most): look why.",
        ),
    )  # fmt: skip


def _percent(share: float | None) -> str:
    return "nothing" if share is None else f"{share:.1%}"


def lower_bound(right: int, judged: int) -> float | None:
    """The share that is right at least, with 95 % certainty (Wilson's score interval, one-sided)."""
    if not judged:
        return None
    share, z = right / judged, CERTAINTY
    middle = share + z * z / (2 * judged)
    margin = z * math.sqrt(share * (1 - share) / judged + z * z / (4 * judged * judged))
    return max(0.0, (middle - margin) / (1 + z * z / judged))


def drift(before: Sequence[int], recent: Sequence[int]) -> float | None:
    """How differently confidence is spread lately: the population stability index, 0 for alike."""
    if min(sum(before), sum(recent)) < FEWEST_FOR_DRIFT:
        return None
    # Half a reading in each band, so that an empty one is rare and not impossible.
    was = [(count + 0.5) / (sum(before) + 0.5 * len(before)) for count in before]
    now = [(count + 0.5) / (sum(recent) + 0.5 * len(recent)) for count in recent]
    return sum((n - w) * math.log(n / w) for w, n in zip(was, now, strict=True))
