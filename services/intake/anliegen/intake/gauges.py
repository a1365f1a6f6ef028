"""What alarms look at beside what the kit measures: partners' events that were taken and are not announced."""

import asyncio

from anliegen.kit import Context, begin
from anliegen.kit.telemetry import metrics

from .store import partner_events

EVERY_SECONDS = 5.0
COUNTED = 10_000
"""Beyond that many it no longer matters how many exactly."""


async def run(context: Context) -> None:
    """Look every few seconds, for as long as the worker lives: apart from the announcer, which may be what fails."""
    # A counter that is there from the start: an alert on its rise needs something to rise from.
    metrics.customer_records_contradicted.labels(context.service.name)
    while True:
        await measure(context)
        await asyncio.sleep(EVERY_SECONDS)


async def measure(context: Context) -> None:
    """Look once."""
    async with begin(context) as tx:
        count, oldest = await partner_events.count_waiting(tx, most=COUNTED)
        waited = 0.0 if oldest is None else (tx.now - oldest).total_seconds()
    metrics.partner_events_waiting.labels(context.service.name).set(count)
    metrics.partner_events_oldest.labels(context.service.name).set(max(0.0, waited))
