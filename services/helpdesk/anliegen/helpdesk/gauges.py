"""What dashboards show of questions: how many wait, for whom, and how many for longer than was promised."""

from anliegen.kit import Transaction
from anliegen.kit.telemetry import metrics

from . import store
from .states import CASE_STATUS, SETTLED, State


async def measure_questions(tx: Transaction) -> None:
    """Count what is not settled, in the words that all tasks share."""
    counts, overdue = await store.count_unsettled(tx)
    service = tx.context.service.name
    for state in State:
        if state not in SETTLED:
            metrics.open_cases.labels(service, CASE_STATUS[state].value).set(counts.get(state, 0))
    metrics.cases_overdue.labels(service).set(overdue)
