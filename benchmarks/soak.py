"""Memory under steady load for many minutes: flat, or not. Only when asked for: `make bench SOAK=20m`."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

from .cpu import memory
from .results import Result
from .stack_world import OUTSIDE, World

EVERY = 10.0
COUNTED = 0.75
"""The share at the end that is judged: fifteen of twenty minutes. Before that caches fill."""


def minutes(text: str) -> float:
    """`20m` or `90s` in seconds. Raises ValueError."""
    number, unit = float(text[:-1]), text[-1]
    return number * {"s": 1, "m": 60, "h": 3600}[unit]


async def measure(world: World, *, seconds: float, rate: float, samples_to: Path | None) -> AsyncIterator[Result]:
    """Steady load at this rate for so long; memory of each process every ten seconds."""
    sending = asyncio.create_task(world.send(round(seconds * rate), rate=rate))
    began = time.monotonic()
    samples: list[dict[str, float]] = []
    behind = 0
    while not sending.done():
        found = {name: round(memory(pid) / 1e6, 2) for name, pid in world.pids().items()}
        samples.append({"seconds": round(time.monotonic() - began, 1), **found})
        if samples_to is not None:
            # As they come: what breaks after an hour must not take the hour with it.
            await asyncio.to_thread(samples_to.write_text, json.dumps(samples) + "\n")
        behind = max(behind, *(await world.lags()).values())
        await asyncio.wait({sending}, timeout=EVERY)
    answers = await sending
    await world.settle()
    yield Result(f"soak of {seconds / 60:g} min: contacts accepted", answers.answered / answers.seconds, "contacts/s")
    yield Result("soak: most records that a service was behind", behind, "records")
    judged = [one for one in samples if one["seconds"] >= (1 - COUNTED) * seconds] or samples
    ours = [name for name in judged[0] if name != "seconds" and name not in OUTSIDE]
    for name in sorted(ours):
        values = [one[name] for one in judged if name in one]
        middle = statistics.mean(values)
        spread = max(abs(value - middle) for value in values) / middle * 100
        yield Result(f"soak: memory of {name}", middle, "MB")
        yield Result(f"soak: memory of {name}, farthest from that", spread, "%")
        if len(values) > 2:
            slope = statistics.linear_regression([one["seconds"] for one in judged], values).slope
            yield Result(f"soak: memory of {name}, rises by", slope * 3600, "MB/h")
