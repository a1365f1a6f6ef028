"""How many records are taken at once."""

import contextlib
import time
from collections.abc import Iterator


class Pace:
    """As many as take about a second, `most` of them where they are quick.

    One batch is one transaction: its streams are locked while it lasts, so commands on these journeys wait, and a crash
    repeats all of it. With 500 records of slow handlers that was a quarter of a minute, which a worker that is ended
    every quarter of a minute never gets through.
    """

    SECONDS = 1.0
    FEWEST = 10

    def __init__(self, *, most: int) -> None:
        self._most = most
        self.size = most

    @contextlib.contextmanager
    def taking(self, records: int) -> Iterator[None]:
        """Measure how long a batch takes, whether or not it comes to its end."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._took(records, time.monotonic() - begun)

    def _took(self, records: int, seconds: float) -> None:
        if seconds > self.SECONDS:
            self.size = max(self.FEWEST, min(self.size, int(records * self.SECONDS / seconds)))
        elif records >= self.size:
            self.size = min(self._most, 2 * self.size)
