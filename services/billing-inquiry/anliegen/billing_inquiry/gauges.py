"""What dashboards show of inquiries: how many wait, for whom, and how many for longer than was promised."""

from anliegen.kit import Transaction
from anliegen.kit.telemetry import metrics

from . import store
from .dunning.rules import PACKS
from .states import CASE_STATUS, SETTLED, State


async def measure_inquiries(tx: Transaction) -> None:
    """Count what is not settled, in the words that all tasks share."""
    counts, overdue = await store.count_unsettled(tx)
    service = tx.context.service.name
    for state in State:
        if state not in SETTLED:
            metrics.open_cases.labels(service, CASE_STATUS[state].value).set(counts.get(state, 0))
    metrics.cases_overdue.labels(service).set(overdue)


async def measure_base_rates(tx: Transaction) -> None:
    """For how long a base rate has been missing: its half-year has begun, and the pack does not know it."""
    service = tx.context.service.name
    for rules in PACKS:
        today = rules.day_of(tx.now)
        since = rules.interest.missing_since(today)
        metrics.dunning_base_rate_missing.labels(service, rules.name).set((today - since).days + 1 if since else 0)
