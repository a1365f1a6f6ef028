"""How long to wait before trying again."""

import asyncio
import random


def delay(attempt: int, *, first: float = 0.1, most: float = 30.0) -> float:
    """Seconds before attempt `attempt` + 1 (0 is the first): first × 2ⁿ, at most `most`, with jitter of a half."""
    # The jitter spreads those that failed together; it protects nothing, so any generator will do.
    return float(min(first * 2 ** min(attempt, 30), most) * (0.5 + random.random() / 2))  # noqa: S311


BREATH_EACH = 0.005  # seconds
BREATH_MOST = 0.2  # seconds


async def breathe(count: int) -> None:
    """Rest after a round with `count` in it: 5 ms for each, 0.2 s at most. Not where it is known that a lot waits.

    A round costs the database and Kafka about the same however much is in it, and every process that wakes for it
    takes the machine from all others. The first item after a pause waits for nothing, and up to 200 a second hardly
    anything does; what comes faster gathers into rounds of some dozens. On two cores with eleven processes that halves
    what a contact costs.
    """
    if count:
        await asyncio.sleep(breath(count))


def breath(count: int) -> float:
    """Seconds to rest after a round with `count` in it, for whoever may have to end the rest early."""
    return min(count * BREATH_EACH, BREATH_MOST)
