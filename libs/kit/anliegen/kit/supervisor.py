"""The supervisor rebuilds the part that failed, and that part alone."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from . import backoff
from .health import Health
from .telemetry import metrics

log = structlog.get_logger(__name__)

STEADY_SECONDS = 10.0
"""A part that ran for so long had recovered: its next failure is a new one."""
LONGEST_WAIT = 10.0


async def supervise(health: Health, parts: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
    """Run these parts until cancelled; one that ends or raises is built anew after a while."""
    async with asyncio.TaskGroup() as group:
        for name, build in parts.items():
            group.create_task(keep_running(health, name, build), name=f"{health.service} {name}")


async def keep_running(health: Health, name: str, build: Callable[[], Awaitable[None]]) -> None:
    """Run one part for ever."""
    part, attempt = health.part(name), 0
    restarts = metrics.part_restarts.labels(health.service, name)
    while True:
        began = asyncio.get_running_loop().time()
        part.running = True
        try:
            await build()
            part.last_error = "it ended"
        except asyncio.CancelledError:
            raise
        except Exception as problem:
            part.last_error = f"{type(problem).__name__}: {problem}"[:500]
        finally:
            part.running = False
        part.failures += 1
        restarts.inc()
        if asyncio.get_running_loop().time() - began > STEADY_SECONDS:
            attempt = 0
        wait = backoff.delay(attempt, most=LONGEST_WAIT)
        attempt += 1
        log.warning(
            "part_restarts", service=health.service, part=name, error=part.last_error, in_seconds=round(wait, 2)
        )
        await asyncio.sleep(wait)
