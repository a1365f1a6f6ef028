"""How far a consumer is behind, in records and in seconds, partition by partition."""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping

from ..telemetry import metrics
from .records import Place, Record


class Lag:
    """What waits in Kafka for one group, as far as its client knows. `records` is as of the last measurement."""

    def __init__(self, group: str) -> None:
        self.records = 0
        self._group = group
        self._seen: dict[Place, float] = {}
        self._passed: dict[Place, int] = {}

    def polled(self, records: Iterable[Record]) -> None:
        """These come next: until they are taken, the age of the first of each partition is how far we are behind."""
        self._seen.update({record.place: record.timestamp.timestamp() for record in reversed([*records])})

    def taken(self, records: Iterable[Record]) -> None:
        """These are done: what comes next is younger."""
        self._seen.update({record.place: record.timestamp.timestamp() for record in records})

    def passed(self, place: Place, offset: int) -> None:
        """The client has found no record before this offset: transactions of others leave marks in the log."""
        self._passed[place] = offset

    def measure(self, following: Mapping[Place, int], ends: Callable[[Place], int | None]) -> list[Place]:
        """Set the gauges by where we go on and where each log ends; tells which partitions hold more for us."""
        self.records, now, behind_in = 0, time.time(), []
        for place, offset in following.items():
            labels = (self._group, place.topic, str(place.part))
            behind = max(0, (ends(place) or offset) - max(offset, self._passed.get(place, 0)))
            self.records += behind
            behind_in += [place] if behind else []
            metrics.consumer_lag_records.labels(*labels).set(behind)
            # The next record is unknown until it is fetched: it came after the last one taken, or after all was done.
            self._seen[place] = self._seen.get(place, now) if behind else now
            metrics.consumer_lag_seconds.labels(*labels).set(now - self._seen[place])
        return behind_in

    def forget(self, places: Iterable[Place]) -> None:
        """Somebody else's from now on: what was measured last must not stand for ever."""
        for place in places:
            for gauge in (metrics.consumer_lag_records, metrics.consumer_lag_seconds):
                with contextlib.suppress(KeyError):
                    gauge.remove(self._group, place.topic, str(place.part))
        self._seen.clear()
        self._passed.clear()
