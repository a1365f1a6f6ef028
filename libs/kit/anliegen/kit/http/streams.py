"""Server-sent events: replay from `Last-Event-ID`, a comment as heartbeat, an end with a retry hint at shutdown."""

import asyncio
import contextlib
import json
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ..errors import TooManyRequests
from ..telemetry import metrics
from .rates import address_of
from .scope import PRINCIPAL

HEARTBEAT_SECONDS = 15.0
RETRY_MILLISECONDS = 2_000
MOST_PER_CALLER = 8
_LINE_END = re.compile(r"\r\n|\r|\n")


class TooManyStreams(TooManyRequests):
    """You follow as many streams as one caller may; close one first."""

    headers = {"Retry-After": "5"}  # noqa: RUF012 - read-only


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event on a stream. `id` is what the caller sends back as `Last-Event-ID`; `data` is written as JSON."""

    id: str
    data: Any
    event: str | None = None

    def encode(self) -> bytes:
        """The lines of the event."""
        text = self.data if isinstance(self.data, str) else json.dumps(self.data, ensure_ascii=False, default=str)
        lines = [f"event: {self.event}"] if self.event else []
        # Only these end a line for a reader; `splitlines` knows more, which may stand within a JSON text.
        lines.extend(f"data: {line}" for line in _LINE_END.split(text))
        lines.append(f"id: {self.id}")
        if any("\n" in line or "\r" in line or "\x00" in line for line in lines):
            raise ValueError("an event's name and id are one line")
        return ("\n".join(lines) + "\n\n").encode()


class Streams:
    """The open streams of one application."""

    def __init__(
        self, *, service: str, most_per_caller: int = MOST_PER_CALLER, heartbeat: float = HEARTBEAT_SECONDS
    ) -> None:
        self.heartbeat = heartbeat
        self._gauge = metrics.streams_open.labels(service)
        self._most = most_per_caller
        self._open: Counter[str] = Counter()
        self._closing = asyncio.Event()

    @property
    def count(self) -> int:
        """How many streams are open."""
        return self._open.total()

    def close(self) -> None:
        """End every stream; the callers come back, to another process."""
        self._closing.set()

    def enter(self, caller: str) -> None:
        """Count one more stream of a caller. Raises TooManyStreams."""
        if self._open[caller] >= self._most:
            raise TooManyStreams
        self._open[caller] += 1
        self._gauge.inc()

    def leave(self, caller: str) -> None:
        """One stream less."""
        self._gauge.dec()
        self._open[caller] -= 1
        if self._open[caller] <= 0:
            del self._open[caller]

    async def lines(self, events: AsyncIterator[StreamEvent]) -> AsyncGenerator[bytes, None]:
        """What goes over the wire, until the events end, the caller leaves or the process shuts down."""
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        closing = asyncio.ensure_future(self._closing.wait())
        upcoming: asyncio.Future[StreamEvent] | None = None
        try:
            while not closing.done():
                upcoming = upcoming or asyncio.ensure_future(anext(events))
                waiting: set[asyncio.Future[Any]] = {upcoming, closing}
                await asyncio.wait(waiting, timeout=self.heartbeat, return_when=asyncio.FIRST_COMPLETED)
                if upcoming.done():
                    try:
                        yield upcoming.result().encode()
                    except StopAsyncIteration:
                        return
                    upcoming = None
                elif not closing.done():
                    yield b":\n\n"
            yield f": closing\nretry: {RETRY_MILLISECONDS}\n\n".encode()
        finally:
            closing.cancel()
            if upcoming is not None:
                upcoming.cancel()
                with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                    await upcoming
            if close := getattr(events, "aclose", None):
                await close()


class EventStream(StreamingResponse):
    """The response of a streaming route."""

    media_type = "text/event-stream"

    def __init__(self, request: Request, events: AsyncIterator[StreamEvent], *, status_code: int = 200) -> None:
        """Raises TooManyStreams. The description of the interface takes the status from the default here."""
        self._streams: Streams = request.app.state.doors.streams
        principal = request.scope.get(PRINCIPAL)
        self._caller = principal.subject if principal else address_of(request.scope)
        self._streams.enter(self._caller)
        self._lines = self._streams.lines(events)
        super().__init__(self._lines, status_code, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.leave(self._caller)
            await self._lines.aclose()


async def _last_event_id(
    last_event_id: Annotated[
        str | None, Header(description="The id of the last event you have; the stream goes on after it.")
    ] = None,
) -> str | None:
    return last_event_id


LastEventId = Annotated[str | None, Depends(_last_event_id)]
"""Where a caller who was cut off wants to go on."""
