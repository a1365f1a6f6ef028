"""Dashboards see what waits for whom, what is overdue, and how long customers waited for the first answer."""

from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from anliegen.kit.operations.gauges import measure_own

STATUSES = ("opened", "in_progress", "waiting_for_customer", "reopened")


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"service": "complaints", **labels}) or 0.0


@pytest.fixture
def counted(context: Any) -> Any:
    """`await counted()`: what is open by status, and what is overdue."""

    async def look() -> tuple[dict[str, float], float]:
        await measure_own(context)
        found = {status: sample("cases_open", status=status) for status in STATUSES}
        return {status: count for status, count in found.items() if count}, sample("cases_overdue")

    return look


async def test_open_cases_are_counted_by_what_they_wait_for(
    open_complaint: Any, counted: Any, clock: Any, run_timers: Any, do: Any, answer: Any
) -> None:
    assert await counted() == ({}, 0)
    taken, answered, _ = [await open_complaint(priority="normal", tier=1) for _ in range(3)]
    await do("acknowledge_complaint", taken.case_id)
    await answer(answered.case_id)
    assert await counted() == ({"opened": 1, "in_progress": 1, "waiting_for_customer": 1}, 0)
    failures = sample("customer_failures_total", kind="broken_promise")
    clock.advance(timedelta(days=11))
    await run_timers()
    assert await counted() == ({"opened": 1, "in_progress": 1, "waiting_for_customer": 1}, 2)
    assert sample("customer_failures_total", kind="broken_promise") == failures + 2
    clock.advance(timedelta(days=30))
    await run_timers()
    assert await counted() == ({"opened": 1, "in_progress": 1}, 2), "what is settled is not open"


async def test_the_final_response_is_timed(open_complaint: Any, clock: Any, answer: Any) -> None:
    def timed() -> tuple[float, float]:
        return sample("case_first_response_seconds_count"), sample("case_first_response_seconds_sum")

    count, total = timed()
    complaint = await open_complaint()
    clock.advance(timedelta(minutes=20))
    await answer(complaint.case_id)
    assert timed() == (count + 1, total + 1200)
