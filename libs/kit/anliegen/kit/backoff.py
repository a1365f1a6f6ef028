"""How long to wait before trying again."""

import asyncio
import random


def delay(attempt: int, *, first: float = 0.1, most: float = 30.0) -> float:
    """Seconds before attempt `attempt` + 1 (0 is the first): first × 2ⁿ, at most `most`, with jitter of a half."""
    # The jitter spreads those that failed together; it protects nothing, so any generator will do.
    return float(min(first * 2 ** min(attempt, 30), most) * (0.5 + random.random() / 2))  # noqa: S311


class Breath:
    """Keeps rounds with little in them apart, the longer the more they had: 5 ms for each item, 0.2 s at most.

    A round costs the database and Kafka about the same however much is in it, and every process that wakes for it
    takes the machine from all others. The first item after a pause waits for nothing, and up to 200 a second hardly
    anything does; what comes faster gathers into rounds of some dozens. On two cores with eleven processes that halves
    what a contact costs.
    """

    SECONDS_EACH = 0.005
    MOST_SECONDS = 0.2

    def __init__(self, *, few: int) -> None:
        self._few = few

    async def draw(self, count: int) -> None:
        """Rest after a round with `count` in it, unless that was nothing, or a lot: then more of it waits."""
        if 0 < count < self._few:
            await asyncio.sleep(min(count * self.SECONDS_EACH, self.MOST_SECONDS))
