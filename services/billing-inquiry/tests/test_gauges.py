"""Dashboards see what waits for whom, what is overdue, and how long customers waited for the first answer."""

from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from anliegen.billing_inquiry import actions
from anliegen.kit.operations.gauges import measure_own
from anliegen.kit.versions import ANY_VERSION

STATUSES = ("opened", "in_progress", "waiting_for_customer", "reopened")


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"service": "billing-inquiry", **labels}) or 0.0


@pytest.fixture
def counted(context: Any) -> Any:
    """`await counted()`: what is open by status, and what is overdue."""

    async def look() -> tuple[dict[str, float], float]:
        await measure_own(context)
        found = {status: sample("cases_open", status=status) for status in STATUSES}
        return {status: count for status, count in found.items() if count}, sample("cases_overdue")

    return look


async def answer(begin: Any, inquiry: Any) -> None:
    async with begin() as tx:
        await actions.answer_inquiry(
            tx, case_id=inquiry.case_id, answer="Ja.", language=None, agent="anna", expected=ANY_VERSION
        )


async def test_open_cases_are_counted_by_what_they_wait_for(
    begin: Any, open_inquiry: Any, counted: Any, clock: Any, run_timers: Any
) -> None:
    assert await counted() == ({}, 0)
    taken, answered, _ = [await open_inquiry() for _ in range(3)]
    async with begin() as tx:
        await actions.take_inquiry(tx, case_id=taken.case_id, agent="anna", expected=ANY_VERSION)
    await answer(begin, answered)
    assert await counted() == ({"opened": 1, "in_progress": 1, "waiting_for_customer": 1}, 0)
    failures = sample("customer_failures_total", kind="broken_promise")
    clock.advance(timedelta(days=4))
    await run_timers()
    assert await counted() == ({"opened": 1, "in_progress": 1, "waiting_for_customer": 1}, 2)
    assert sample("customer_failures_total", kind="broken_promise") == failures + 2
    clock.advance(timedelta(days=30))
    await run_timers()
    assert await counted() == ({"opened": 1, "in_progress": 1}, 2), "what is settled is not open"


async def test_the_first_answer_is_timed_and_no_later_one(begin: Any, open_inquiry: Any, clock: Any) -> None:
    def timed() -> tuple[float, float]:
        return sample("case_first_response_seconds_count"), sample("case_first_response_seconds_sum")

    count, total = timed()
    inquiry = await open_inquiry()
    clock.advance(timedelta(minutes=20))
    await answer(begin, inquiry)
    assert timed() == (count + 1, total + 1200)
    clock.advance(timedelta(hours=1))
    await answer(begin, inquiry)
    assert timed() == (count + 1, total + 1200)
