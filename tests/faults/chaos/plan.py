"""What will happen, drawn from a seed: the same seed gives the same faults at the same moments."""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

KILLS_A_MINUTE = 4
OTHERS_A_MINUTE = 4
QUIET_START = 4.0
"""Seconds at the start in which nothing breaks: what never flowed cannot be interrupted."""
QUIET_END = 6.0

KILLS = ("kill_worker", "kill_postgres", "kill_http", "kill_kafka", "kill_worker", "kill_backend", "kill_worker")
OTHERS = (
    "pause_worker", "reset_postgres", "terminate_relay", "pause_kafka", "hole_postgres", "restart_worker",
    "terminate_backends", "reset_kafka", "pause_http", "hole_kafka", "restart_http", "fill_slots", "pause_postgres",
    "sleep_worker",
)  # fmt: skip
SECONDS = {
    "pause_worker": (2.0, 8.0),
    "sleep_worker": (11.0, 15.0),  # longer than a consumer's session
    "pause_http": (2.0, 6.0),
    "pause_postgres": (2.0, 6.0),
    "pause_kafka": (2.0, 8.0),
    "hole_postgres": (2.0, 8.0),
    "hole_kafka": (2.0, 8.0),
    "fill_slots": (2.0, 5.0),
}
GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `at` seconds after the load began. `seconds` is how long it lasts, `chance` (0 to 1) decides what can
    only be chosen when it comes, such as which of the connections."""

    at: float
    kind: str
    target: str
    seconds: float
    chance: float

    @property
    def is_kill(self) -> bool:
        """Whether a process is killed."""
        return self.kind in KILLS


class Deck:
    """Cards in an order drawn anew whenever all were dealt, so that none is missing for long."""

    def __init__(self, cards: Sequence[str], chance: random.Random) -> None:
        self._cards = cards
        self._chance = chance
        self._left: list[str] = []

    def deal(self) -> str:
        """The next card."""
        if not self._left:
            self._left = list(self._cards)
            self._chance.shuffle(self._left)
        return self._left.pop()


def draw_faults(*, seed: int, minutes: float, services: Sequence[str]) -> list[Fault]:
    """The faults of a run in the order of their time."""
    chance = random.Random(f"faults {seed}")
    kills, others = Deck(KILLS, chance), Deck(OTHERS, chance)
    # What is killed has decks of its own, so that everybody's turn comes.
    targets = {is_kill: (Deck(services, chance), Deck([*services, GATEWAY], chance)) for is_kill in (True, False)}
    kinds = list(_kinds(minutes, kills, others, chance))
    begin, end = QUIET_START, max(QUIET_START + 1, minutes * 60 - QUIET_END)
    step = (end - begin) / len(kinds)
    faults = []
    for place, kind in enumerate(kinds):
        shortest, longest = SECONDS.get(kind, (0.0, 0.0))
        faults.append(
            Fault(
                at=round(begin + step * (place + chance.uniform(0.05, 0.95)), 2),
                kind=kind,
                target=_target(kind, *targets[kind in KILLS]),
                seconds=round(chance.uniform(shortest, longest), 2),
                chance=round(chance.random(), 6),
            )
        )
    return faults


def _kinds(minutes: float, kills: Deck, others: Deck, chance: random.Random) -> Iterator[str]:
    """In each minute so many kills and so many others, mixed."""
    full, rest = divmod(minutes, 1)
    for share in [1.0] * int(full) + ([rest] if rest else []):
        dealt = [kills.deal() for _ in range(max(1, round(KILLS_A_MINUTE * share)))]
        dealt += [others.deal() for _ in range(round(OTHERS_A_MINUTE * share))]
        chance.shuffle(dealt)
        yield from dealt


def _target(kind: str, workers: Deck, doors: Deck) -> str:
    subject = kind.partition("_")[2]
    if subject == "worker":
        return f"worker-{workers.deal()}"
    if subject == "http":
        door = doors.deal()
        return "http" if door == GATEWAY else f"http-{door}"
    if subject in {"relay", "backends", "slots", "backend"}:
        return workers.deal()
    return subject


def fingerprint(faults: Sequence[Fault]) -> str:
    """A short hash of a plan, to see that two runs had the same one."""
    content = json.dumps([asdict(fault) for fault in faults], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
