"""How long to wait before trying again."""

import asyncio
import random


def delay(attempt: int, *, first: float = 0.1, most: float = 30.0) -> float:
    """Seconds before attempt `attempt` + 1 (0 is the first): first × 2ⁿ, at most `most`, with jitter of a half."""
    # The jitter spreads those that failed together; it protects nothing, so any generator will do.
    return float(min(first * 2 ** min(attempt, 30), most) * (0.5 + random.random() / 2))  # noqa: S311


class Breath:
    """Keeps rounds with little in them at least a few milliseconds apart.

    Each round costs the database and Kafka about the same however much is in it. The first event after a pause waits
    for nothing; under load what would have been ten rounds of one becomes one of ten.
    """

    SECONDS = 0.005

    def __init__(self, *, few: int) -> None:
        self._few = few
        self._began = float("-inf")

    async def draw(self, last: int) -> None:
        """Wait where the round before, with `last` in it, began a moment ago and had little in it."""
        loop = asyncio.get_running_loop()
        early = self._began + self.SECONDS - loop.time()
        if last < self._few and early > 0:
            await asyncio.sleep(early)
        self._began = loop.time()
