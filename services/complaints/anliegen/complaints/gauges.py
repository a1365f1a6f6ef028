"""What dashboards show of complaints: how many wait, for whom, and how many for longer than was promised."""

from anliegen.kit import Transaction
from anliegen.kit.telemetry import metrics

from . import store
from .states import CASE_STATUS, SETTLED, State


async def measure_complaints(tx: Transaction) -> None:
    """Count what is not settled, in the words that all tasks share."""
    counts, overdue = await store.count_unsettled(tx)
    service = tx.context.service.name
    totals: dict[str, int] = {}
    # Several steps of ours are one status to the others.
    for state in State:
        if state not in SETTLED:
            status = CASE_STATUS[state].value
            totals[status] = totals.get(status, 0) + counts.get(state, 0)
    for status, total in totals.items():
        metrics.open_cases.labels(service, status).set(total)
    metrics.cases_overdue.labels(service).set(overdue)
