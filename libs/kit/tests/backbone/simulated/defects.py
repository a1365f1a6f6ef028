"""The kit with one of its rules taken out, and for each a short scene in which that costs something.

The machine that finds nothing wrong with the kit has to find each of these.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import ANY, patch
from uuid import UUID, uuid4

from anliegen.kit import retry, streams
from anliegen.kit.consumer import store
from anliegen.kit.horizon import Horizon
from anliegen.kit.relay import Relay, Row
from anliegen.kit.service import Context
from anliegen.kit.transaction import Transaction

from . import guarantees
from .machine import Machine
from .toys import DESK, FRONT
from .world import World

Scene = Callable[[Machine], Iterator[None]]


@dataclass(frozen=True)
class Defect:
    """A rule that is taken out, what must be found to be broken then, and a scene that shows it."""

    name: str
    take_out: Callable[[World], contextlib.AbstractContextManager[Any]]
    breaks: frozenset[str]
    scene: Scene


# No inbox -------------------------------------------------------------------------------------------------------------
def without_inbox(_: World) -> contextlib.AbstractContextManager[Any]:
    async def insert_inbox(_connection: object, *, group: str, event_ids: Sequence[UUID]) -> set[UUID]:
        del group
        return set(event_ids)

    return patch.object(store, "insert_inbox", insert_inbox)


def a_record_comes_twice(machine: Machine) -> Iterator[None]:
    yield machine.write(several=(0,), each=1, desk="fine", view="fine")
    yield machine.relay_flows(service=FRONT)
    yield machine.consume(group=DESK, nth=0, limit=10, only=None)
    for nth in range(4):
        yield machine.repeat_record(group=DESK, nth=nth, which=0)
    yield machine.consume(group=DESK, nth=0, limit=10, only=None)


# A relay that never looks back ----------------------------------------------------------------------------------------
@contextlib.contextmanager
def with_a_cursor(world: World) -> Iterator[None]:
    last: dict[str, int] = {}

    class CursorRelay(Relay):
        async def _fetch(self, horizon: Horizon, flying: Sequence[Row]) -> list[Row]:
            horizon.low = last.get(self._service, 0)
            rows = await super()._fetch(horizon, flying)
            last[self._service] = max([horizon.low, *(row.seq for row in rows)])
            return rows

    with patch.object(world, "leader_kind", CursorRelay):
        yield


def a_command_commits_late(machine: Machine) -> Iterator[None]:
    yield machine.write_slowly(several=(0,), desk="fine", view="fine")
    yield machine.write(several=(1,), each=1, desk="fine", view="fine")
    yield machine.relay_flows(service=FRONT)
    yield machine.go_on(nth=0, how="go on")
    yield machine.relay_flows(service=FRONT)


# A relay that deletes up to the last number ---------------------------------------------------------------------------
@contextlib.contextmanager
def deleting_up_to_the_last(world: World) -> Iterator[None]:
    class SweepingRelay(Relay):
        async def _delete(self, rows: Sequence[Row]) -> None:
            await self._connection.execute("DELETE FROM outbox WHERE seq <= $1", rows[-1].seq)

    with patch.object(world, "leader_kind", SweepingRelay):
        yield


def a_command_commits_while_others_are_sent(machine: Machine) -> Iterator[None]:
    yield machine.write_slowly(several=(0,), desk="fine", view="fine")
    yield machine.write(several=(1,), each=1, desk="fine", view="fine")
    yield machine.relay_steps(service=FRONT, steps=2)
    yield machine.go_on(nth=0, how="go on")
    yield machine.relay_flows(service=FRONT)


# Numbers that are not drawn one by one --------------------------------------------------------------------------------
@contextlib.contextmanager
def with_numbers_drawn_ahead(world: World) -> Iterator[None]:
    owners = [home.owner for home in world.homes.values()]
    for owner in owners:
        world.run(owner.execute("ALTER TABLE outbox ALTER COLUMN seq SET CACHE 20"))
    try:
        yield
    finally:
        for owner in owners:
            world.run(owner.execute("ALTER TABLE outbox ALTER COLUMN seq SET CACHE 1"))


def two_connections_write_in_turn(machine: Machine) -> Iterator[None]:
    yield machine.write_slowly(several=(1,), desk="fine", view="fine")
    yield machine.write(several=(0,), each=1, desk="fine", view="fine")
    yield machine.go_on(nth=0, how="go on")
    yield machine.write(several=(0,), each=1, desk="fine", view="fine")
    yield machine.relay_flows(service=FRONT)


# Numbers that are drawn before the lock -------------------------------------------------------------------------------
def with_numbers_drawn_before_the_lock(_: World) -> contextlib.AbstractContextManager[Any]:
    async def write_at_once(
        connection: Any, *, key: str, writes: Sequence[streams.Write], rows: Sequence[streams.OutgoingRow]
    ) -> int:
        async with connection.transaction():
            for row in rows:
                await connection.execute(
                    """
                    WITH held AS (
                        INSERT INTO streams AS s (key, last_sequence) VALUES ($1, 1)
                        ON CONFLICT (key) DO UPDATE SET last_sequence = s.last_sequence + 1
                        RETURNING s.last_sequence
                    )
                    INSERT INTO outbox (event_id, topic, key, type, sequence, headers, payload)
                    VALUES ($2, $3, $1, $4, (SELECT last_sequence FROM held), $5::text::jsonb
                            || jsonb_build_object('ce_sequence', (SELECT last_sequence FROM held)::text), $6)
                    """,
                    key, row.event_id, row.topic, row.type, row.headers, row.payload,
                )  # fmt: skip
            for query, values in writes:
                await connection.execute(query, *values)
        return len(rows)

    return patch.object(streams, "write_at_once", write_at_once)


def a_command_says_more_while_another_waits(machine: Machine) -> Iterator[None]:
    yield machine.write_slowly(several=(0,), desk="fine", view="fine")
    yield machine.write_at_once(key=0, each=1, view="fine")
    yield machine.go_on(nth=0, how="say more")
    yield machine.relay_flows(service=FRONT)


# A retry worker that locks no stream ----------------------------------------------------------------------------------
@contextlib.contextmanager
def retrying_without_the_stream(_: World) -> Iterator[None]:
    async def lock_none(tx: Transaction, *given: Any) -> None:
        deliveries = given[1] if len(given) > 1 else []
        tx._held |= {key for delivery in deliveries for key in delivery.lock_keys}

    with patch.object(retry, "lock_for", lock_none), patch.object(retry, "_lock_stream", lock_none):
        yield


def a_command_decides_while_its_key_is_retried(machine: Machine) -> Iterator[None]:
    yield machine.write(several=(0,), each=1, desk="fails once", view="fine")
    yield machine.relay_flows(service=FRONT)
    yield machine.consume(group=DESK, nth=0, limit=10, only=None)
    yield machine.decide(key=0, hold="decided")
    yield machine.retry(group=DESK)
    yield machine.go_on(nth=0, how="go on")


# A failure that is held against whichever event is the oldest by then -------------------------------------------------
def blaming_the_oldest(world: World) -> contextlib.AbstractContextManager[Any]:
    record_failure = retry._record_failure

    async def record(context: Context, key: str, failed: store.ParkedEvent, problem: Exception) -> bool:
        await world.stage.pause("failed")  # no lock is held here, so nobody's turn at one decides who comes first
        return await record_failure(context, key, replace(failed, event_id=ANY), problem)

    return patch.object(retry, "_record_failure", record)


def two_workers_retry_what_is_refused(machine: Machine) -> Iterator[None]:
    yield machine.write(several=(0,), each=1, desk="is refused later", view="fine")
    yield machine.write(several=(0,), each=1, desk="fails for long", view="fine")
    yield machine.relay_flows(service=FRONT)
    yield machine.consume(group=DESK, nth=0, limit=10, only=None)
    yield machine.retry_slowly(group=DESK, until="failed")
    yield machine.retry(group=DESK)
    yield machine.go_on(nth=0, how="go on")


# Ids that do not follow from their cause ------------------------------------------------------------------------------
def with_fresh_ids(_: World) -> contextlib.AbstractContextManager[Any]:
    return patch.object(Transaction, "_id_of", lambda *_: uuid4())


def the_desk_is_restored(machine: Machine) -> Iterator[None]:
    yield machine.back_up(group=DESK)
    yield machine.write(several=(0,), each=1, desk="fine", view="fine")
    yield machine.relay_flows(service=FRONT)
    yield machine.consume(group=DESK, nth=0, limit=10, only=None)
    yield machine.relay_flows(service=DESK)
    yield machine.restore(group=DESK)


DEFECTS = (
    Defect("no inbox", without_inbox, frozenset({guarantees.ONCE}), a_record_comes_twice),
    Defect("a relay with a cursor", with_a_cursor, frozenset({guarantees.EMPTY}), a_command_commits_late),
    Defect(
        "a relay that deletes up to the last number",
        deleting_up_to_the_last,
        frozenset({guarantees.NOTHING_LOST}),
        a_command_commits_while_others_are_sent,
    ),
    Defect(
        "numbers drawn twenty at a time",
        with_numbers_drawn_ahead,
        frozenset({guarantees.ORDER, guarantees.SEQUENCE}),
        two_connections_write_in_turn,
    ),
    Defect(
        "numbers drawn before the lock",
        with_numbers_drawn_before_the_lock,
        frozenset({guarantees.ORDER, guarantees.SEQUENCE}),
        a_command_says_more_while_another_waits,
    ),
    Defect(
        "a retry worker without the stream lock",
        retrying_without_the_stream,
        frozenset({guarantees.ONE_DECISION}),
        a_command_decides_while_its_key_is_retried,
    ),
    Defect(
        "a failure held against the oldest event",
        blaming_the_oldest,
        frozenset({guarantees.NOTHING_LOST}),
        two_workers_retry_what_is_refused,
    ),
    Defect("ids that are fresh each time", with_fresh_ids, frozenset({guarantees.SAME_AGAIN}), the_desk_is_restored),
)
