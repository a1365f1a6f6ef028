"""What alarms look at beside what the kit measures: partners' events that are not announced, and when the last came."""

from anliegen.events import Channel
from anliegen.kit import Transaction
from anliegen.kit.telemetry import metrics

from .domain.replies import OUTGOING
from .store import partner_events

COUNTED = 10_000
"""Beyond that many it no longer matters how many exactly."""
OUTCOMES = ("sent", "failed", "rejected", "not_noted")


def begin(service: str) -> None:
    """Let the counters be there from the start: a rise can only be seen from something to rise from."""
    metrics.customer_records_contradicted.labels(service)
    for channel in Channel:
        metrics.contacts_received.labels(service, channel.value)
    for channel in OUTGOING:
        for outcome in OUTCOMES:
            metrics.delivery_attempts.labels(service, channel.value, outcome)


async def measure_partner_events(tx: Transaction) -> None:
    """How many wait for the announcer, for how long, and when the last one came."""
    count, oldest = await partner_events.count_waiting(tx, most=COUNTED)
    waited = 0.0 if oldest is None else (tx.now - oldest).total_seconds()
    metrics.partner_events_waiting.labels(tx.context.service.name).set(count)
    metrics.partner_events_oldest.labels(tx.context.service.name).set(max(0.0, waited))
    # From the table: a process that was started since has heard none, and the silence would end with each release.
    last = await partner_events.find_last_received(tx)
    if last is not None:
        metrics.channel_last_received.known(tx.context.service.name, Channel.PARTNER.value, at=last.timestamp())
