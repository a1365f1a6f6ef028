"""Nothing lost, nothing twice, in order: whatever happens in whatever order, on real databases.

`make search` plays on for as long as one likes, other plays each time, and shrinks what it finds.
"""

from collections.abc import Iterator

import pytest
from hypothesis.stateful import run_state_machine_as_test
from simulated.machine import LONG, SEARCH, Machine
from simulated.world import World


@pytest.fixture
def world(postgres) -> Iterator[World]:
    with World(postgres) as world:
        yield world


@pytest.mark.timeout(0 if LONG else 600)  # it waits for nothing, but the machine may be busy
def test_whatever_happens_nothing_is_lost_doubled_or_out_of_order(world: World) -> None:
    run_state_machine_as_test(lambda: Machine(world), settings=SEARCH)
