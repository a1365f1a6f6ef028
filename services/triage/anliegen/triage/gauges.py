"""What dashboards show of triage: contacts that wait for a person to say what they are about."""

from anliegen.kit import Transaction
from anliegen.kit.telemetry import metrics

from . import store


async def measure_reviews(tx: Transaction) -> None:
    """How many wait, and for how long."""
    count, since = await store.count_open_reviews(tx)
    waited = (tx.now - since).total_seconds() if since else 0.0
    metrics.reviews_open.labels(tx.context.service.name).set(count)
    metrics.reviews_oldest.labels(tx.context.service.name).set(max(0.0, waited))
