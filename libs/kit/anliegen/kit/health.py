"""What a process part tells of itself. Liveness is answered from memory alone: it never asks Kafka or PostgreSQL."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

LOOP_LAG_LIMIT = 5.0
NO_PROGRESS_LIMIT = 60.0


@dataclass
class Part:
    """One supervised part of a service."""

    name: str
    running: bool = False
    failures: int = 0
    last_error: str = ""


@dataclass
class Health:
    """The health of one service in one process; times are seconds of the monotonic clock."""

    service: str
    parts: dict[str, Part] = field(default_factory=dict)
    started: bool = False
    draining: bool = False
    fenced: str | None = None
    """Why this service does nothing but serve reads; None where it works."""
    last_poll: float | None = None
    lag: int = 0
    """Records that wait in Kafka for this consumer."""
    last_progress: float = field(default_factory=time.monotonic)

    def part(self, name: str) -> Part:
        """The part of this name, entered at first sight."""
        return self.parts.setdefault(name, Part(name))

    def polled(self, *, lag: int, progress: bool) -> None:
        """The consumer asked Kafka again."""
        self.last_poll = time.monotonic()
        if progress or lag == 0:
            self.last_progress = self.last_poll
        self.lag = lag

    def consumes_anew(self) -> None:
        """The consumer was built anew: until it has asked Kafka, nobody knows what waits."""
        self.lag, self.last_progress = 0, time.monotonic()

    def why_not_alive(self) -> str | None:
        """The reason to restart this process, or None."""
        if self.lag > 0 and time.monotonic() - self.last_progress > NO_PROGRESS_LIMIT:
            return f"{self.service}: {self.lag} records wait and none was handled for {NO_PROGRESS_LIMIT:.0f} s"
        return None


class LoopLag:
    """Measures by how much the event loop is late."""

    def __init__(self, every: float = 1.0) -> None:
        self.seconds = 0.0
        self._lately: deque[float] = deque(maxlen=max(1, round(60.0 / every)))
        self._every = every
        self._last = time.monotonic()

    async def watch(self) -> None:
        """Run for as long as the process lives."""
        while True:
            self._last = time.monotonic()
            await asyncio.sleep(self._every)
            self.seconds = max(0.0, time.monotonic() - self._last - self._every)
            self._lately.append(self.seconds)

    @property
    def current(self) -> float:
        """Seconds by which the loop is late right now, a stall that is still going on included."""
        return max(self.seconds, time.monotonic() - self._last - self._every)

    @property
    def longest(self) -> float:
        """The longest stall of the last minute, in seconds: a moment's measurement would hardly ever meet one."""
        return max(self.current, *self._lately, 0.0)

    def why_not_alive(self) -> str | None:
        """The reason to restart this process, or None."""
        return f"the event loop is {self.current:.1f} s late" if self.current > LOOP_LAG_LIMIT else None
