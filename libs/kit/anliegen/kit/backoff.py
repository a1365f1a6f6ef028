"""How long to wait before trying again."""

import random


def delay(attempt: int, *, first: float = 0.1, most: float = 30.0) -> float:
    """Seconds before attempt `attempt` + 1 (0 is the first): first × 2ⁿ, at most `most`, with jitter of a half."""
    # The jitter spreads those that failed together; it protects nothing, so any generator will do.
    return float(min(first * 2 ** min(attempt, 30), most) * (0.5 + random.random() / 2))  # noqa: S311
