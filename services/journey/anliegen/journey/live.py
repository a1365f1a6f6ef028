"""How a reader learns at once that something was stored: a hint from the worker, over the journey's own database.

The worker sends `NOTIFY` after its commit and from a connection of its own, since inside the writing transaction it
would take a lock over the whole cluster. A process that serves streams listens. A hint that is lost costs some seconds,
never an event: every stream looks by itself now and then.
"""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

import asyncpg
import structlog

from anliegen.kit.errors import FieldError, Malformed

from . import store

log = structlog.get_logger(__name__)

CHANNEL = "anliegen_journey"
COALESCE_SECONDS = 0.005
LOOK_SECONDS = 5.0
"""How often a stream looks by itself."""
MOST_IN_A_HINT = 200
"""Ids in one notification: PostgreSQL takes 8,000 bytes."""
REMEMBERED_GAPS = 64
"""How far back a sequence may still be missing; one that is further behind is taken for lost."""
LONGEST_POSITION = 8_000
EVERYBODY = "*"
"""Names all journeys in a hint."""


class Announcer:
    """Tells every listener which journeys have something new."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: asyncpg.Connection | None = None
        self._waiting: set[UUID] = set()
        self._everybody = False
        self._task: asyncio.Task[None] | None = None

    def announce(self, journey_ids: Iterable[UUID]) -> None:
        """These journeys have something new; it is committed."""
        self._waiting.update(journey_ids)
        self._start()

    def announce_all(self) -> None:
        """Everything may have changed."""
        self._everybody = True
        self._start()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        while self._waiting or self._everybody:
            await asyncio.sleep(COALESCE_SECONDS)
            ids = sorted(map(str, self._waiting))
            texts = [",".join(ids[n : n + MOST_IN_A_HINT]) for n in range(0, len(ids), MOST_IN_A_HINT)]
            texts = [EVERYBODY] if self._everybody else texts
            self._waiting.clear()
            self._everybody = False
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(
                        self._address, timeout=5, server_settings={"application_name": "anliegen journey announcer"}
                    )
                for text in texts:
                    await store.events.insert_hint(self._connection, channel=CHANNEL, text=text)

    async def close(self) -> None:
        """Give the connection back."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            self._connection.terminate()


class Subscription:
    """One stream's ear: `wait` returns when one of the watched journeys may have something new."""

    def __init__(self) -> None:
        self.watched: frozenset[str] = frozenset()
        self._flag = asyncio.Event()

    def watch(self, journey_ids: Collection[UUID]) -> None:
        """Listen for these journeys from now on; look for what is there after this, not before."""
        self.watched = frozenset(map(str, journey_ids))
        self._flag.clear()

    def wake(self) -> None:
        """Something may be new."""
        self._flag.set()

    async def wait(self) -> None:
        """Wait for a hint, or until it is time to look anyway."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._flag.wait()


class Listener:
    """Hears the hints for all streams of a process, over one connection that is opened with the first stream."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._subscriptions: set[Subscription] = set()
        self._task: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """An ear for as long as a stream lasts."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._listen())
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def _listen(self) -> None:
        while self._subscriptions:
            try:
                connection = await asyncpg.connect(
                    self._address, timeout=5, server_settings={"application_name": "anliegen journey listener"}
                )
            except (OSError, TimeoutError, asyncpg.PostgresError) as problem:
                log.warning("journey_listener_waits", error=type(problem).__name__)
                await asyncio.sleep(1.0)
                continue
            try:
                self._lost.clear()
                connection.add_termination_listener(lambda _: self._lost.set())
                await connection.add_listener(CHANNEL, self._hear)
                # What was stored while nobody listened.
                self._wake(EVERYBODY)
                await self._while_needed()
            finally:
                connection.terminate()

    async def _while_needed(self) -> None:
        """Return when the connection is lost, or when nobody has listened for a while."""
        while not self._lost.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(60):
                    await self._lost.wait()
            if not self._subscriptions:
                return

    def _hear(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        self._wake(str(payload))

    def _wake(self, text: str) -> None:
        ids = set(text.split(","))
        for subscription in self._subscriptions:
            if text == EVERYBODY or not ids.isdisjoint(subscription.watched):
                subscription.wake()

    async def close(self) -> None:
        """Give the connection back."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


class PositionMalformed(Malformed):
    """This is not an id that the stream gave; leave `Last-Event-ID` out to begin with what comes now."""

    def __init__(self) -> None:
        super().__init__(errors=[FieldError("Last-Event-ID", "position_malformed", "Not an id of this stream.")])


class Position:
    """What a reader has of each key and source: everything up to a sequence, and single ones beyond it.

    Sequences of one key and source are without gaps in the end, but they come on several topics, so a higher one may be
    there before a lower one. As text it is the id of a server-sent event, `key.source.sequence`, for each key and
    source; `+2+3` names those beyond by their distance.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, frozenset[int]]] = {}

    def take(self, key: str, source: str, sequences: Iterable[int]) -> None:
        """These are seen."""
        low, beyond = self._seen.get((key, source), (0, frozenset()))
        more = set(beyond) | {sequence for sequence in sequences if sequence > low}
        if more:
            # What has been missing for long was lost, or erased; it is not waited for.
            low = max(low, max(more) - REMEMBERED_GAPS)
        while low + 1 in more:
            low += 1
        self._seen[key, source] = (low, frozenset(sequence for sequence in more if sequence > low))

    def has(self, key: str, source: str, sequence: int) -> bool:
        """Whether this one is seen."""
        low, beyond = self._seen.get((key, source), (0, frozenset()))
        return sequence <= low or sequence in beyond

    @property
    def lows(self) -> list[tuple[str, str, int]]:
        """Of each key and source the sequence up to which all is seen."""
        return [(key, source, low) for (key, source), (low, _) in sorted(self._seen.items())]

    def encode(self) -> str:
        """The id of a server-sent event."""
        return "~".join(
            f"{quote(key, safe='')}.{quote(source, safe='').replace('.', '%2E')}.{low}"
            + "".join(f"+{sequence - low}" for sequence in sorted(beyond))
            for (key, source), (low, beyond) in sorted(self._seen.items())
        )

    @classmethod
    def decode(cls, text: str) -> "Position":
        """Read what a reader brought back. Raises PositionMalformed."""
        position = cls()
        if len(text) > LONGEST_POSITION:
            raise PositionMalformed
        try:
            for part in filter(None, text.split("~")):
                key, source, numbers = part.split(".")
                low, *beyond = (int(number) for number in numbers.split("+"))
                if low < 0 or len(beyond) > REMEMBERED_GAPS or any(not 0 < n <= REMEMBERED_GAPS for n in beyond):
                    raise PositionMalformed
                position._seen[unquote(key), unquote(source)] = (low, frozenset(low + n for n in beyond))
        except ValueError as problem:
            raise PositionMalformed from problem
        return position
