"""What a run says in the end: a table for people, JSON for machines, and whether it went well."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from .load import Ledger
from .reconcile import Line

LEAST_ACCEPTED = 0.9
"""The share of the planned contacts without which a run has shown nothing."""


@dataclass
class Report:
    """One run."""

    seed: int
    minutes: float
    rate: float
    plan: str
    planned: int
    people: int
    accepted: int = 0
    unsettled: dict[int, str] = field(default_factory=dict)
    requests: int = 0
    repeated: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    missed_faults: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    surprises: dict[str, int] = field(default_factory=dict)
    accept_silence: float = 0.0
    """The longest time in which no contact was accepted, in seconds."""
    arrival_silence: float = 0.0
    """The longest time in which no contact reached the journey."""
    to_journey: dict[str, float] = field(default_factory=dict)
    """Seconds from accepted to journey, as percentiles."""
    load_seconds: float = 0.0
    drain_seconds: float = 0.0
    lines: list[Line] = field(default_factory=list)
    leftovers: dict[str, int] = field(default_factory=dict)

    @property
    def faults_found(self) -> list[str]:
        """Why this run failed, a sentence each; empty where all is well."""
        found = [
            f"{line.place}: {line.lost} lost, {line.doubled} doubled, {line.out_of_order} out of order"
            for line in self.lines
            if not line.is_well
        ]
        found += [f"{what}: {count}" for what, count in self.leftovers.items()]
        if self.accepted < LEAST_ACCEPTED * self.planned:
            found.append(f"only {self.accepted} of {self.planned} planned contacts were accepted")
        return found

    def as_json(self) -> dict[str, Any]:
        """Everything, and the verdict."""
        return {**asdict(self), "well": not self.faults_found, "faults_found": self.faults_found}


def take_ledger(report: Report, ledger: Ledger, arrivals: Sequence[tuple[int, float]]) -> None:
    """Enter what the load saw, and how long contacts took to their journey."""
    report.accepted = len(ledger.accepted)
    report.unsettled = dict(sorted(ledger.unsettled.items())[:50])
    report.requests, report.repeated = ledger.requests, ledger.repeated
    report.answers = dict(ledger.answers.most_common())
    accepted = {one.number: one.at for one in ledger.accepted}
    report.accept_silence = longest_gap(list(accepted.values()))
    report.arrival_silence = longest_gap([at for _, at in arrivals])
    took = sorted(max(0.0, at - accepted[number]) for number, at in arrivals if number in accepted)
    if took:
        report.to_journey = {name: round(took[int(share * (len(took) - 1))], 3) for name, share in _SHARES.items()}


_SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "most": 1.0}


def longest_gap(moments: Sequence[float]) -> float:
    """The longest time between two neighbours, in seconds."""
    ordered = sorted(moments)
    return round(max((later - earlier for earlier, later in pairwise(ordered)), default=0.0), 2)


def text(report: Report) -> str:
    """The table."""
    rows = [
        f"seed {report.seed}, {report.minutes:g} min at {report.rate:g}/s, plan {report.plan}",
        f"planned {report.planned} of {report.people} people, accepted {report.accepted}, "
        f"given up {len(report.unsettled)}; {report.requests} requests, {report.repeated} repeated",
        f"not 2xx: {_counts(report.answers)}",
        f"kills {report.kills}; faults: {_counts(report.faults)}",
        *([f"found nothing to break: {_counts(report.missed_faults)}"] if report.missed_faults else []),
        f"by themselves: {_counts(report.surprises)}",
        f"longest silence: {report.accept_silence} s at the door, {report.arrival_silence} s at the journey; "
        f"door → journey: {', '.join(f'{name} {value} s' for name, value in report.to_journey.items())}",
        f"load {report.load_seconds:.0f} s, drained after {report.drain_seconds:.1f} s more",
        "",
        f"{'':<40}{'expected':>10}{'effects':>10}{'lost':>7}{'doubled':>9}{'disorder':>10}{'again':>7}",
    ]
    for line in report.lines:
        numbers = f"{line.expected:>10}{line.effects:>10}{line.lost:>7}{line.doubled:>9}{line.out_of_order:>10}"
        rows.append(f"{line.place:<40}{numbers}{line.again:>7}")
        if not line.is_well:
            rows.append(f"    such as {', '.join(line.examples)}")
    rows.append("")
    rows.append(f"left over: {_counts(report.leftovers)}")
    found = report.faults_found
    rows.append("All is well." if not found else "NOT WELL:\n" + "\n".join(f"  {one}" for one in found))
    return "\n".join(rows)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{what} {count}" for what, count in counts.items()) or "nothing"
