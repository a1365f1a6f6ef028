"""What is counted of readings: shares that are right, calibration, coverage at a precision, concerns found."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anliegen.events import Task
from anliegen.triage.classifier import Reading
from anliegen.triage.learned import LearnedClassifier
from anliegen.triage.modes.domain import reach
from anliegen.triage.packs import OTHER, Mode, Packs

Message = dict[str, Any]
BINS = 10
FEW, STEP = 10, 2
"""Which points of the coverage are drawn."""


@dataclass(frozen=True)
class Outcome:
    """What was read from one message, beside what it says."""

    message: Message
    reading: Reading
    task: str
    intent: str
    confidence: float
    automated: bool

    @property
    def main(self) -> dict[str, Any]:
        """Its main matter, as it is labelled."""
        main: dict[str, Any] = self.message["concerns"][0]
        return main

    @property
    def is_right(self) -> bool:
        """Whether the right task comes first."""
        return bool(self.task == self.main["task"])


def read_all(classifier: LearnedClassifier, packs: Packs, messages: Iterable[Message]) -> list[Outcome]:
    """Read every message as the service does, the language not being said."""
    found = []
    for message in messages:
        reading = classifier.classify(
            text=message["text"], subject=message.get("subject"), language=None, channel=message["channel"],
            stated_task=None,
        )  # fmt: skip
        first = reading.concerns[0] if reading.concerns else None
        task = first.task.value if first else OTHER if reading.other else "none"
        intent = first.intent if first else reading.other or "none"
        sure = reach(reading, packs.routing, dict.fromkeys(Task, Mode.AUTOMATE)) is Mode.AUTOMATE
        found.append(Outcome(message, reading, task, intent, reading.confidence, sure))
    return found


def share(outcomes: Iterable[Outcome], right: Callable[[Outcome], bool]) -> float:
    """The share of outcomes that are right; nan of none."""
    found = [right(outcome) for outcome in outcomes]
    return sum(found) / len(found) if found else float("nan")


def by(outcomes: Iterable[Outcome], name: Callable[[Outcome], str]) -> dict[str, list[Outcome]]:
    """The outcomes by something, in order of its name."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[name(outcome)].append(outcome)
    return dict(sorted(groups.items()))


def calibration(outcomes: Sequence[Outcome]) -> tuple[float, list[tuple[float, float, int]]]:
    """The expected calibration error, and for each bin what was said, what was right, and of how many."""
    bins: dict[int, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        bins[min(int(outcome.confidence * BINS), BINS - 1)].append(outcome)
    rows = [
        (sum(one.confidence for one in of) / len(of), share(of, lambda one: one.is_right), len(of))
        for _, of in sorted(bins.items())
    ]
    return sum(abs(said - right) * count for said, right, count in rows) / max(len(outcomes), 1), rows


def coverage_at(outcomes: Sequence[Outcome], precision: float) -> float:
    """Of what belongs to a task, the largest share that is decided where this share of all that is decided is right."""
    decidable = sorted((one for one in outcomes if one.task not in {OTHER, "none"}), key=lambda one: -one.confidence)
    for_tasks = sum(one.main["task"] != OTHER for one in outcomes)
    right = np.cumsum([one.is_right for one in decidable])
    kept = [count for count, rights in enumerate(right, start=1) if rights / count >= precision]
    return float(right[kept[-1] - 1] / for_tasks) if kept else 0.0


def coverage_line(outcomes: Sequence[Outcome]) -> list[tuple[float, float]]:
    """For each share of what belongs to a task that is decided, surest first, how much of all decided is right."""
    decidable = sorted((one for one in outcomes if one.task not in {OTHER, "none"}), key=lambda one: -one.confidence)
    for_tasks = max(sum(one.main["task"] != OTHER for one in outcomes), 1)
    right = np.cumsum([one.is_right for one in decidable])
    points = [(float(min(rights / for_tasks, 1)), float(rights / count)) for count, rights in enumerate(right, start=1)]
    # The first few are all right or all wrong, which says nothing.
    return points[FEW::STEP]


def concerns_found(outcomes: Iterable[Outcome], level: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of the matters (`task` or `intent`) of messages that have several."""
    found = right = there = 0
    for outcome in outcomes:
        wanted = {concern[level] for concern in outcome.message["concerns"]}
        if len(outcome.message["concerns"]) < 2:
            continue
        concerns = outcome.reading.concerns
        told = {str(one.task if level == "task" else one.intent) for one in concerns} or {str(outcome.reading.other)}
        found, there, right = found + len(told), there + len(wanted), right + len(told & wanted)
    precision, recall = right / max(found, 1), right / max(there, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def split_wrongly(outcomes: Iterable[Outcome]) -> float:
    """The share of messages of one matter that were taken for several."""
    return share((one for one in outcomes if len(one.message["concerns"]) == 1), lambda o: len(o.reading.concerns) > 1)


def flag_figures(outcomes: Sequence[Outcome], flag: str) -> tuple[float, float, int]:
    """Recall and precision of a flag, and how many messages have it."""
    there = [one for one in outcomes if flag in one.message["flags"]]
    raised = [one for one in outcomes if flag in {found.value for found in one.reading.flags}]
    both = sum(flag in {found.value for found in one.reading.flags} for one in there)
    return both / max(len(there), 1), both / max(len(raised), 1), len(there)
