"""How much is measured: the whole in a few minutes, or a trace of everything to see that the instrument works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of all measurements. Times are in seconds."""

    seconds: float = 4.0
    """How long each load lasts."""
    warm_up: float = 1.0
    connections: tuple[int, ...] = (1, 32, 128)
    relay_events: int = 100_000
    consumer_events: tuple[tuple[int, int], ...] = ((500, 50_000), (100, 30_000), (1, 2_000))
    """Batch size, and how many events are consumed at it."""
    latency_seconds: float = 12.0
    contacts: int = 5_000
    journey_contacts: int = 200
    idle_seconds: float = 20.0
    backlog: int = 60_000
    growth: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    peers: bool = True
    """With django-helpdesk and with Kafka's own tools."""


FULL = Plan()
TINY = Plan(
    seconds=0.5, warm_up=0.2, connections=(2,), relay_events=500, consumer_events=((100, 1_000),),
    latency_seconds=1.0, contacts=20, journey_contacts=5, idle_seconds=1.0, backlog=500, growth=(200,),
    peers=False,
)  # fmt: skip
"""For the test that the instrument works: its figures mean nothing."""
