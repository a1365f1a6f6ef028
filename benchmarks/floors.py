"""What has to be reached, by the name of the figure. A floor is met or missed; it is never moved to fit a figure."""

from dataclasses import dataclass

from .results import Result


@dataclass(frozen=True, slots=True)
class Floor:
    """A limit. `of_ratio` holds it against the ratio to the bound instead of the value."""

    limit: float
    at_least: bool
    unit: str
    of_ratio: bool = False

    @property
    def said(self) -> str:
        """The limit in words."""
        return f"{'≥' if self.at_least else '≤'} {self.limit:,g}{' ×' if self.of_ratio else ''} {self.unit}".rstrip()

    def is_met(self, result: Result) -> bool:
        """Whether the figure reaches it."""
        value = result.ratio if self.of_ratio else result.value
        if value is None:
            return False
        return value >= self.limit if self.at_least else value <= self.limit


FLOORS = {
    "accept, typed write, 32 connections": Floor(2_000, True, "requests/s"),
    "accept, typed write, 32 connections: p99": Floor(70, False, "ms"),
    "accept, typed write, 32 connections: service's CPU": Floor(0.5, False, "ms"),
    "accept, intake against django-helpdesk": Floor(30, True, "", of_ratio=True),
    "relay": Floor(25_000, True, "events/s"),
    "consumer, lists, batch 500": Floor(8_000, True, "events/s"),
    "consumer, lists, batch 100": Floor(5_000, True, "events/s"),
    "commit → handler at 50 events/s, p50": Floor(10, False, "ms"),
    "commit → handler at 50 events/s, p99": Floor(50, False, "ms"),
    "worker killed under load: until events are handled again": Floor(3, False, "s"),
    "broker killed under load: from ready until events are handled again": Floor(3, False, "s"),
    "catch-up: journey takes 60,000 missed events, from its start": Floor(30, False, "s"),
    "at rest: relays and consumers of eleven services, reckoned": Floor(5, False, "% of a core"),
    "pipeline, contacts with all their effects": Floor(200, True, "contacts/s"),
}


def reaches_floor(result: Result) -> bool:
    """Whether a figure reaches its floor; one without a floor does."""
    floor = FLOORS.get(result.name)
    return floor is None or floor.is_met(result)
