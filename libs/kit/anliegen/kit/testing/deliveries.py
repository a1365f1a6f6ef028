"""Events as another service would have announced them, delivered through the real consumer without Kafka."""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from anliegen.events import Envelope, Event, codec, registry
from anliegen.events.builders import envelope_for

from ..consumer import store
from ..consumer.batch import Batch, take
from ..consumer.records import Place, Record
from ..service import Context

CLUSTER = "test"


@dataclass(frozen=True, slots=True)
class Announced:
    """An event in its envelope, ready to be delivered once or several times."""

    event: Event
    envelope: Envelope

    @property
    def topic(self) -> str:
        """The topic it travels on."""
        return registry.topic_of(type(self.event))


_sequences = itertools.count(1)


def announced(event: Event, *, at: datetime | None = None, cause: Envelope | None = None) -> Announced:
    """Put an event into an envelope, as its service would; later ones have higher sequences."""
    envelope = envelope_for(event, cause=cause) if at is None else envelope_for(event, time=at, cause=cause)
    return Announced(event, replace(envelope, sequence=next(_sequences)))


class HandlingFailed(AssertionError):
    """A handler failed, so the consumer parked the event. Where a test wants that, it says `may_park=True`."""


class Postman:
    """Delivers to one service as Kafka would: one offset after the other in each topic."""

    def __init__(self, context: Context, *, may_park: bool = False) -> None:
        self.context = context
        self.may_park = may_park
        self._offsets: dict[Place, int] = {}

    async def deliver(
        self,
        *things: Event | Announced,
        one_by_one: bool = False,
        despite_inbox: bool = False,
        may_park: bool | None = None,
    ) -> list[Announced]:
        """Deliver these in this order, in one batch or `one_by_one`.

        `despite_inbox=True` first forgets that they were seen, so that the handlers themselves face the repetition.
        Raises HandlingFailed where an event was parked and the test did not say `may_park`.
        """
        mail = [
            thing if isinstance(thing, Announced) else announced(thing, at=self.context.clock.now()) for thing in things
        ]
        if despite_inbox:
            async with self.context.pool.acquire() as connection:
                await connection.execute(
                    "DELETE FROM inbox WHERE event_id = ANY($1::uuid[])", [one.envelope.id for one in mail]
                )
        for batch in [[one] for one in mail] if one_by_one else [mail]:
            if batch:
                await take(self.context, await self._batch([self._record(one) for one in batch]))
        if not (self.may_park if may_park is None else may_park):
            await self._refuse_parked([one.envelope.id for one in mail])
        return mail

    async def _refuse_parked(self, event_ids: Sequence[UUID]) -> None:
        async with self.context.pool.acquire() as connection:
            rows = await connection.fetch(
                """
                SELECT DISTINCT parked_keys.reason FROM parked_events JOIN parked_keys USING (grp, key)
                WHERE event_id = ANY($1::uuid[])
                """,
                list(event_ids),
            )
        if rows:
            reasons = ", ".join(str(row["reason"]) for row in rows)
            raise HandlingFailed(f"{HandlingFailed.__doc__} It failed with: {reasons} (the log says more).")

    async def deliver_raw(
        self, topic: str, *, key: bytes | None, headers: Sequence[tuple[str, bytes]], value: bytes | None
    ) -> None:
        """Deliver bytes as they are, readable or not."""
        place = Place(topic, 0)
        record = Record(place, self._take_offset(place), key, tuple(headers), value, self.context.clock.wall())
        await take(self.context, await self._batch([record]))

    def _record(self, one: Announced) -> Record:
        place = Place(one.topic, 0)
        return Record(
            place=place,
            offset=self._take_offset(place),
            key=one.envelope.key.encode(),
            headers=tuple(one.envelope.to_headers()),
            value=codec.encode(one.event),
            timestamp=one.envelope.time,
        )

    def _take_offset(self, place: Place) -> int:
        offset = self._offsets.get(place, 0)
        self._offsets[place] = offset + 1
        return offset

    async def _batch(self, records: Sequence[Record]) -> Batch:
        steps: dict[Place, tuple[int, int]] = {}
        for record in records:
            begin = steps.get(record.place, (record.offset, 0))[0]
            steps[record.place] = (begin, record.offset + 1)
        async with self.context.pool.acquire() as connection:
            for place, (begin, _) in steps.items():
                await store.insert_position(
                    connection, group=self.context.service.name, place=place, cluster_id=CLUSTER, offset=begin
                )
        # One partition after the other, as a poll hands them over; the order within each is kept.
        return Batch(tuple(records), steps)


def interleavings(things: Iterable[Announced], *, count: int = 20, seed: int = 1) -> Iterator[list[Announced]]:
    """Orders in which these could arrive: within a topic and key as given, between topics in any order.

    `count` random ones, the given order and its topics one after the other, forwards and backwards, among them.
    """
    lanes: dict[tuple[str, str], list[Announced]] = {}
    for thing in things:
        lanes.setdefault((thing.topic, thing.envelope.key), []).append(thing)
    names = sorted(lanes)
    yield [thing for name in names for thing in lanes[name]]
    yield [thing for name in reversed(names) for thing in lanes[name]]
    chance = random.Random(seed)  # noqa: S311 - repeatable orders for tests
    for _ in range(count):
        left = {name: list(lane) for name, lane in lanes.items()}
        order = []
        while left:
            name = chance.choice(sorted(left))
            order.append(left[name].pop(0))
            if not left[name]:
                del left[name]
        yield order
