"""What the alarms look at: letters that nobody has settled, keys that are held up, and for how long."""

import asyncio

from ..service import Context
from ..telemetry import metrics
from ..transaction import begin

EVERY_SECONDS = 5.0
COUNTED = 10_000
"""Beyond that many it no longer matters how many exactly."""


async def run(context: Context) -> None:
    """Have the service measure its own every few seconds: apart from the ticker, which nobody's table may stop."""
    while True:
        await measure_own(context)
        await asyncio.sleep(EVERY_SECONDS)


async def measure_own(context: Context) -> None:
    """Have the service measure its own once."""
    async with begin(context) as tx:
        for each in context.service.measures:
            await each(tx)


async def measure(context: Context) -> None:
    """Look once. Nothing of it is large where all is well, so it costs one short statement."""
    service = context.service
    async with context.pool.acquire() as connection:
        row = await connection.fetchrow(
            """
            SELECT keys, oldest, exhausted,
                   (SELECT count(*) FROM (SELECT 1 FROM parked_events WHERE grp = $1 LIMIT $3) AS counted) AS events,
                   (SELECT count(*) FROM (SELECT 1 FROM dead_letters WHERE settled_at IS NULL LIMIT $3) AS counted)
                       AS letters
            FROM (SELECT count(*) AS keys, extract(epoch FROM clock_timestamp() - min(since)) AS oldest,
                         count(*) FILTER (WHERE attempts >= $2 AND reason IS DISTINCT FROM 'not_yet') AS exhausted
                  FROM parked_keys WHERE grp = $1) AS held
            """,
            service.name, service.handlers.attempts, COUNTED,
        )  # fmt: skip
    assert row is not None
    stays = service.handlers.policy == "stay"
    metrics.parked_keys.labels(service.name).set(row["keys"])
    metrics.parked_keys_oldest.labels(service.name).set(max(0.0, float(row["oldest"] or 0)))
    metrics.parked_keys_exhausted.labels(service.name).set(row["exhausted"] if stays else 0)
    metrics.events_parked.labels(service.name).set(row["events"])
    metrics.dead_letters_unsettled.labels(service.name).set(row["letters"])
