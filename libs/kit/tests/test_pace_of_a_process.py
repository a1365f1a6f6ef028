"""What every long-lived process does to leave the machine to others: rests between rounds, and few searches."""

import asyncio
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anliegen.kit import backoff


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it was rested."""
    rests: list[float] = []

    async def sleep(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return rests


async def test_nothing_waits_after_a_round_with_nothing_in_it(slept: list[float]) -> None:
    await backoff.breathe(0)
    assert slept == []


async def test_a_round_rests_by_what_it_had_and_never_for_long(slept: list[float]) -> None:
    for count in (1, 2, 10, 40, 1_000):
        await backoff.breathe(count)
    assert slept == [0.005, 0.01, 0.05, 0.2, 0.2]


@given(rate=st.floats(1, 180), work=st.floats(0.001, 0.01))
def test_slow_events_do_not_pile_up_and_fast_ones_settle_at_the_longest_rest(rate: float, work: float) -> None:
    def settled(rate: float) -> float:
        rest = 0.0
        for _ in range(200):
            rest = min(max(1.0, rate * (rest + work)) * backoff.BREATH_EACH, backoff.BREATH_MOST)
        return rest

    assert settled(rate) < backoff.BREATH_MOST / 2
    assert settled(400) == backoff.BREATH_MOST


def test_a_process_that_has_settled_searches_what_it_loaded_no_more() -> None:
    code = (
        "import gc; from anliegen.kit import collector; before = gc.get_freeze_count(); collector.settle(); "
        "print(gc.get_freeze_count() - before, gc.get_threshold()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    frozen, threshold = map(int, done.stdout.split())
    assert frozen > 1_000
    assert threshold == 10_000
