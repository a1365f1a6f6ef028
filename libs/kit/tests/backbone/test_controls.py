"""The state machine is worth something only if it finds the kit broken where it is: one rule taken out at a time."""

from collections.abc import Iterator

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from simulated.defects import DEFECTS, Defect, Scene
from simulated.machine import LONG, SEARCH, Machine
from simulated.stage import Violation
from simulated.toys import DESK, FRONT
from simulated.world import World

pytestmark = pytest.mark.timeout(600)  # it waits for nothing, but the machine may be busy
every_defect = pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)


@pytest.fixture
def world(postgres) -> Iterator[World]:
    with World(postgres) as world:
        yield world


def perform(world: World, scene: Scene) -> None:
    """Play a scene by the machine's own rules, looking after each step, as Hypothesis does."""
    machine = Machine(world)
    machine.begin()
    for _ in scene(machine):
        machine.everything_holds()
    machine.teardown()


@every_defect
def test_a_rule_that_is_taken_out_is_missed(world: World, defect: Defect) -> None:
    with defect.take_out(world), pytest.raises(Violation) as found:
        perform(world, defect.scene)
    assert found.value.guarantee in defect.breaks


def test_with_every_rule_in_place_the_same_scenes_end_well(world: World) -> None:
    for defect in DEFECTS:
        perform(world, defect.scene)


def test_what_somebody_discarded_is_settled_and_not_missed(world: World) -> None:
    perform(world, a_letter_is_discarded)


def a_letter_is_discarded(machine: Machine) -> Iterator[None]:
    yield machine.write(several=(0,), each=1, desk="fails for ever", view="fine")
    yield machine.relay_flows(service=FRONT)
    yield machine.consume(group=DESK, nth=0, limit=10, only=None)
    yield machine.set_aside(group=DESK, key=0)
    yield machine.settle_letter(group=DESK, nth=0, how="discard")


@pytest.mark.skipif(not LONG, reason="minutes for each: a scene shows the same at once")
@pytest.mark.timeout(0)
@every_defect
def test_the_search_itself_finds_what_is_missed(world: World, defect: Defect) -> None:
    with defect.take_out(world), pytest.raises(BaseException) as found:
        run_state_machine_as_test(lambda: Machine(world), settings=settings(SEARCH, phases=[Phase.generate]))
    # What is found again in another form is told as a group of both.
    assert isinstance(found.value, Violation) or "Violation" in repr(found.value)
