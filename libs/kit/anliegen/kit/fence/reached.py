"""How far the relay announced: the end of what Kafka acknowledged, by partition, for the database to remember."""

import asyncio
from typing import Any


class Reached:
    """Collects what was acknowledged until it is written down together with the deletion of the rows.

    It may be written later than it is true, never earlier: at the next start a little more is looked at than need be.
    """

    def __init__(self) -> None:
        self._next: dict[tuple[str, int], int] = {}

    def watch(self, send: "asyncio.Future[Any]", *, count: int) -> None:
        """Note where a batch of `count` records ends once Kafka has it."""
        send.add_done_callback(lambda done: self._note(done, count))

    def _note(self, send: "asyncio.Future[Any]", count: int) -> None:
        if send.cancelled() or send.exception() is not None:
            return
        told = send.result()
        # A batch that Kafka had already is acknowledged without its place (-1).
        if told is not None and told.offset >= 0:
            place = (told.topic, told.partition)
            self._next[place] = max(self._next.get(place, 0), told.offset + count)

    def take(self) -> tuple[list[str], list[int], list[int]]:
        """What is new since the last time: topics, partitions and offsets, one of each for a place."""
        taken, self._next = self._next, {}
        places = sorted(taken)
        return [topic for topic, _ in places], [part for _, part in places], [taken[place] for place in places]
