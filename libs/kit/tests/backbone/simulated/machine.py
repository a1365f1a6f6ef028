"""The state machine: Hypothesis draws what happens next, and after each step it is looked whether all still holds.

No step depends on what is found in the databases, so a seed draws the same play again; where there is nothing to do, a
step does nothing.
"""

import os
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from anliegen.kit.failpoints import POINTS

from . import guarantees, toys
from .stage import Violation
from .toys import DESK, FRONT, HEARD, VIEW
from .world import World

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SEARCH = settings(
    max_examples=int(os.environ.get("HYPOTHESIS_PLAYS", "5000")) if LONG else 20,
    stateful_step_count=60 if LONG else 40,
    # The same plays each time, so that nobody's change is held up by an old fault; the long search is for those.
    derandomize=not LONG,
    phases=[Phase.generate, Phase.shrink] if LONG else [Phase.generate],
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
ROUNDS = 1000
"""Each event may need five of them, one after the other; what has not come to rest by then never does."""
MOST_HELD = 2

groups = st.sampled_from(sorted(HEARD))
announcers = st.sampled_from([FRONT, DESK])
numbers = st.integers(0, 3)
keys = st.sampled_from([0, 0, 1, 2])
several_keys = st.lists(keys, min_size=1, max_size=3, unique=True).map(tuple)
fates = st.sampled_from([*[toys.FINE] * 8, *sorted(toys.FATES)])
limits = st.sampled_from([1, 2, 10, 10])
partitions = st.one_of(st.none(), st.none(), numbers)


def points(*prefixes: str) -> st.SearchStrategy[str]:
    """A failpoint of these parts to die at."""
    return st.sampled_from([point for point in POINTS if point.startswith(prefixes)])


# What can happen: how often among the others, and with what.
STEPS: dict[str, tuple[int, dict[str, st.SearchStrategy[Any]]]] = {
    "write": (4, {"several": several_keys, "each": st.integers(1, 2), "desk": fates, "view": fates}),
    "write_at_once": (2, {"key": keys, "each": st.integers(1, 2), "view": fates}),
    "write_slowly": (3, {"several": several_keys, "desk": fates, "view": fates}),
    "die_writing": (1, {"several": several_keys, "point": points("write.")}),
    "roll_back": (1, {"several": several_keys}),
    "merge": (1, {"pair": st.sampled_from([(0, 1), (0, 2), (1, 2)]), "desk": fates}),
    "decide": (2, {"key": keys, "hold": st.sampled_from(["", "decided"])}),
    "go_on": (6, {"nth": numbers, "how": st.sampled_from(["go on"] * 4 + ["say more", "change its mind", "die"])}),
    "relay_steps": (3, {"service": announcers, "steps": st.integers(1, 4)}),
    "relay_flows": (2, {"service": announcers}),
    "relay_ends": (2, {"service": announcers, "how": st.sampled_from(["stop", "kill", "lose"])}),
    "network": (3, {"nth": numbers, "how": st.sampled_from(["arrive", "arrive", "arrive unheard", "lose"])}),
    "repeat_record": (1, {"group": groups, "nth": numbers, "which": numbers}),
    "disturb_log": (1, {"group": groups, "nth": numbers, "litter": st.booleans()}),
    "consume": (4, {"group": groups, "nth": numbers, "limit": limits, "only": partitions}),
    "consume_slowly": (2, {"group": groups, "nth": numbers, "limit": limits}),
    "die_consuming": (
        2, {"group": groups, "nth": numbers, "point": points("consume.", "write."), "times": st.integers(1, 2)}
    ),
    "insist": (1, {"group": groups, "nth": numbers}),
    "rebalance": (1, {"group": groups, "nth": numbers}),
    "retry": (5, {"group": groups}),
    "retry_slowly": (2, {"group": groups}),
    "die_retrying": (1, {"group": groups, "point": points("retry.", "write."), "times": st.integers(1, 2)}),
    "settle_letter": (
        3, {"group": groups, "nth": numbers, "how": st.sampled_from(["redrive", "mend", "mend", "discard"])}
    ),
    "set_aside": (1, {"group": groups, "key": keys}),
    "back_up": (1, {"group": groups}),
    "restore": (1, {"group": groups}),
    "forget": (1, {}),
    "all_flows": (6, {}),
}  # fmt: skip
RARE = sorted(name for name, (weight, _) in STEPS.items() if weight == 1)


@dataclass(frozen=True)
class Step:
    """One thing that happens, written as the call that makes it happen."""

    name: str
    given: dict[str, Any]

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.given.items())})"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        # Hypothesis would print a dataclass field by field, over many lines.
        printer.text(repr(self))


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Any step."""
    name = draw(st.sampled_from([name for name, (weight, _) in STEPS.items() for _ in range(weight)]))
    return Step(name, {argument: draw(values) for argument, values in STEPS[name][1].items()})


class Machine(RuleBasedStateMachine):
    """One play."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.broken = False

    def play(self, work: Any) -> None:
        """One step; a breach is raised."""
        try:
            self.world.run(work)
        except BaseException:
            self.broken = True
            raise

    @initialize(off=st.sets(st.sampled_from(RARE)))
    def begin(self, off: frozenset[str] = frozenset()) -> None:
        """Begin a play in which some of what is rare does not happen at all."""
        self.off = off
        self.play(self.world.begin_play())

    # One rule for all steps: with a rule for each, Hypothesis would leave out every second one, and little would flow.
    @rule(step=steps())
    def happens(self, step: Step) -> None:
        if step.name in self.off:
            step = Step("all_flows", {})
        getattr(self, step.name)(**step.given)

    def _if_few(self, hold: str) -> str:
        """Hold up another process only where few are held: they hold up all others in turn."""
        return hold if len([act for act in self.world.stage.held if not act.is_relay]) < MOST_HELD else ""

    # Commands ---------------------------------------------------------------------------------------------------------
    def write(self, several: tuple[int, ...], each: int, desk: str, view: str) -> None:
        self.play(self.world.write(several, each, desk=desk, view=view))

    def write_at_once(self, key: int, each: int, view: str) -> None:
        self.play(self.world.write_at_once(key, each, view=view))

    def write_slowly(self, several: tuple[int, ...], desk: str, view: str) -> None:
        self.play(self.world.write(several, 1, desk=desk, view=view, hold=self._if_few("written")))

    def die_writing(self, several: tuple[int, ...], point: str) -> None:
        self.play(self.world.write(several, 1, dies_at=point))

    def roll_back(self, several: tuple[int, ...]) -> None:
        self.play(self.world.write(several, 1, rolls_back=True))

    def merge(self, pair: tuple[int, int], desk: str) -> None:
        self.play(self.world.merge(*pair, desk=desk))

    def decide(self, key: int, hold: str) -> None:
        self.play(self.world.decide(key, hold=self._if_few(hold)))

    def go_on(self, nth: int, how: str) -> None:
        self.play(self.world.go_on(nth, how))

    # Relay ------------------------------------------------------------------------------------------------------------
    def relay_steps(self, service: str, steps: int) -> None:
        self.play(self._relay_steps(service, steps))

    async def _relay_steps(self, service: str, steps: int) -> None:
        for _ in range(steps):
            leader = await self.world.lead(service)
            await leader.step()

    def relay_flows(self, service: str) -> None:
        self.play(self._relay_flows(service))

    async def _relay_flows(self, service: str) -> None:
        leader = await self.world.lead(service)
        await leader.flow()

    def relay_ends(self, service: str, how: str) -> None:
        self.play(self._relay_ends(service, how))

    async def _relay_ends(self, service: str, how: str) -> None:
        leader = self.world.homes[service].leader
        if leader is None or leader.act.task.done():
            return
        if how == "stop":
            await leader.stop()
        else:
            await leader.kill(lost=how == "lose")

    def network(self, nth: int, how: str) -> None:
        self.play(self._network(nth, how))

    async def _network(self, nth: int, how: str) -> None:
        oldest = self.world.network.oldest()
        if not oldest:
            return
        sending = oldest[nth % len(oldest)]
        if how == "lose":
            self.world.network.lose(sending.producer, ConnectionError("cut off"))
        else:
            heard = None if how == "arrive" else ConnectionError("the answer was lost")
            self.world.network.deliver(sending, acknowledge=heard)
        await self.world.stage.settle()

    def repeat_record(self, group: str, nth: int, which: int) -> None:
        self.world.log.repeat(self.world.places(group)[nth], which)

    def disturb_log(self, group: str, nth: int, litter: bool) -> None:
        if litter:
            self.world.litter(group, nth)
        else:
            self.world.log.skip(self.world.places(group)[nth])

    def all_flows(self) -> None:
        self.play(self._all_flows())

    async def _all_flows(self) -> None:
        for service, group in ((FRONT, DESK), (DESK, VIEW)):
            await (await self.world.lead(service)).flow()
            await self.world.consume(group, 0)

    # Consumers --------------------------------------------------------------------------------------------------------
    def consume(self, group: str, nth: int, limit: int, only: int | None) -> None:
        self.play(self.world.consume(group, nth, limit=limit, only=only))

    def consume_slowly(self, group: str, nth: int, limit: int) -> None:
        self.play(self.world.consume(group, nth, limit=limit, hold=self._if_few("decided")))

    def die_consuming(self, group: str, nth: int, point: str, times: int) -> None:
        self.play(self.world.consume(group, nth, dies_at=point, times=times))

    def insist(self, group: str, nth: int) -> None:
        self.play(self.world.consume(group, nth, insist=True))

    def rebalance(self, group: str, nth: int) -> None:
        workers = self.world.workers[group]
        self.play(self.world.assign(workers[nth % len(workers)]))

    def retry(self, group: str) -> None:
        self.play(self.world.retry(group))

    def retry_slowly(self, group: str, until: str = "decided") -> None:
        self.play(self.world.retry(group, hold=self._if_few(until)))

    def die_retrying(self, group: str, point: str, times: int) -> None:
        self.play(self.world.retry(group, dies_at=point, times=times))

    # People -----------------------------------------------------------------------------------------------------------
    def settle_letter(self, group: str, nth: int, how: str) -> None:
        self.play(self.world.settle_letter(group, nth, how))

    def set_aside(self, group: str, key: int) -> None:
        self.play(self.world.set_aside(group, key))

    # Fate -------------------------------------------------------------------------------------------------------------
    def back_up(self, group: str) -> None:
        self.play(self.world.back_up(group))

    def restore(self, group: str) -> None:
        self.play(self.world.restore(group))

    def forget(self) -> None:
        self.play(self.world.forget())

    # Ends -------------------------------------------------------------------------------------------------------------
    @invariant()
    def everything_holds(self) -> None:
        self.play(guarantees.check(self.world))

    def teardown(self) -> None:
        try:
            if not self.broken:
                self.play(come_to_rest(self.world))
                self.play(guarantees.check_at_rest(self.world))
        finally:
            self.world.run(self.world.end_play())


async def come_to_rest(world: World) -> None:
    """Let everybody finish, then relay, deliver, consume and retry until nothing moves any more."""
    for _ in range(ROUNDS):
        held = [act for act in world.stage.held if not act.is_relay]
        if not held:
            break
        held[0].let_on()
        await world.stage.settle()
    before = None
    for _ in range(ROUNDS):
        for sending in world.network.oldest():
            while sending in world.network.under_way:
                world.network.deliver(sending)
        await world.stage.settle()
        for service in (FRONT, DESK):
            await (await world.lead(service)).flow()
        for group in HEARD:
            await world.assign(world.workers[group][0])
            await world.consume(group, 0)
            await world.retry(group)
        now = await _where_all_stand(world)
        if before == now and not world.network.under_way:
            return
        before = now
    raise Violation(guarantees.AT_REST, "it never ends")


async def _where_all_stand(world: World) -> list[Any]:
    seen = [await guarantees.look(home) for home in world.homes.values()]
    tries = [tried for (group, event), tried in world.fates.tries.items() if not world.is_hopeless(group, event)]
    return [seen, sum(tries)]
