"""A load generator in a process of its own: HTTP/1.1 over raw sockets, the next request when the last is answered.

`python -m benchmarks.load` reads a JSON specification from its first argument and prints one of results. `@@@@@@@@@@`
in the body becomes a number of ten digits that no other request has; `@@` in a header's value becomes an address
10.x.y.z made from it. With `repeat` senders come back: their numbers, `%%%%%%%%%%`, are taken modulo `repeat`.
"""

import asyncio
import itertools
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import uvloop

from .children import run_json
from .results import percentile

NUMBER, SENDER, ADDRESS = b"@" * 10, b"%" * 10, b"@@"


@dataclass
class Load:
    """What is to be sent. It ends after `count` answers where that is given, else after `seconds`.

    Where a count is given, another request is sent for each that is refused.
    """

    port: int
    path: str
    bodies: list[str]
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 32
    seconds: float = 5.0
    warm_up: float = 1.0
    """Seconds before `seconds` that count for nothing."""
    count: int = 0
    rate: float = 0.0
    """Requests a second at most, over all connections; 0 for as many as are answered."""
    repeat: int = 0
    first: int = 0
    """The first number: later loads must not repeat earlier ones' numbers."""


@dataclass
class Answers:
    """What came back. Times are in seconds; `cpu` is what the load generator itself used."""

    answered: int
    refused: int
    seconds: float
    p50: float
    p99: float
    cpu: float
    sent: int
    """The numbers that were used up, warm-up included."""
    began: float
    """When counting began, on the machine's monotonic clock."""

    @property
    def rate(self) -> float:
        """Answered requests a second."""
        return self.answered / self.seconds


async def run_load(load: Load) -> Answers:
    """Run this load in a process of its own."""
    return Answers(**await run_json("benchmarks.load", json.dumps(asdict(load))))


class _Generator:
    def __init__(self, load: Load) -> None:
        self.load = load
        head = "".join(f"{name}: {value}\r\n" for name, value in load.headers.items())
        self.requests = [
            f"POST {load.path} HTTP/1.1\r\nHost: 127.0.0.1:{load.port}\r\nContent-Length: {len(body.encode())}\r\n"
            f"{head}\r\n{body}".encode()
            for body in load.bodies
        ]
        self.numbers = itertools.count(load.first)
        self.times: list[float] = []
        self.refused = 0
        self.counting_from = 0.0
        self.end = float("inf")
        self.issued = 0
        self.first_refusal = b""
        self.done = asyncio.Event()
        self.open = 0
        self.next_send = 0.0

    def next_request(self) -> bytes:
        number = next(self.numbers)
        self.issued += 1
        request = self.requests[number % len(self.requests)]
        sender = number % self.load.repeat if self.load.repeat else number
        address = b"10.%d.%d.%d" % (number >> 16 & 255, number >> 8 & 255, number & 255)
        return (
            request.replace(NUMBER, b"%010d" % number).replace(SENDER, b"%010d" % sender).replace(ADDRESS, address, 1)
        )

    def answered(self, took: float, now: float, status: bytes, data: bytes) -> None:
        if not status.startswith(b"2"):
            self.refused += 1
            self.first_refusal = self.first_refusal or data[-600:]
        elif self.counting_from <= now:
            self.times.append(took)

    def goes_on(self, now: float) -> bool:
        return now < self.end and not (self.load.count and self.issued - self.refused >= self.load.count)

    def wait(self, now: float) -> float:
        """Seconds to wait before the next request, where there is a rate."""
        if not self.load.rate:
            return 0.0
        self.next_send = max(self.next_send + 1 / self.load.rate, now - 0.1)
        return self.next_send - now

    async def run(self) -> Answers:
        loop = asyncio.get_running_loop()
        began = self.next_send = time.monotonic()
        self.counting_from = began if self.load.count else began + self.load.warm_up
        if not self.load.count:
            self.end = self.counting_from + self.load.seconds
        self.open = self.load.connections
        cpu = time.process_time()
        for _ in range(self.load.connections):
            await loop.create_connection(lambda: _Connection(self, loop), "127.0.0.1", self.load.port)
        await self.done.wait()
        took = time.monotonic() - self.counting_from
        if self.refused:
            sys.stderr.write(f"{self.refused} refused, the first: {self.first_refusal!r}\n")
        return Answers(
            answered=len(self.times), refused=self.refused, seconds=took,
            p50=percentile(self.times or [0.0], 0.5), p99=percentile(self.times or [0.0], 0.99),
            cpu=time.process_time() - cpu, sent=self.issued, began=self.counting_from,
        )  # fmt: skip


class _Connection(asyncio.Protocol):
    def __init__(self, generator: _Generator, loop: asyncio.AbstractEventLoop) -> None:
        self.generator, self.loop = generator, loop
        self.received = b""
        self.sent_at = 0.0
        self.waiting = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._send_when_due()

    def _send_when_due(self) -> None:
        now = time.monotonic()
        if not self.generator.goes_on(now):
            self._finish()
            return
        pause = self.generator.wait(now)
        if pause > 0:
            self.loop.call_later(pause, self._send_unless_done)
        else:
            self._send()

    def _send_unless_done(self) -> None:
        # While this one waited for its turn, others may have sent what was left.
        if self.generator.goes_on(time.monotonic()):
            self._send()
        else:
            self._finish()

    def _send(self) -> None:
        self.received, self.waiting, self.sent_at = b"", True, time.monotonic()
        self.transport.write(self.generator.next_request())

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.received[:end].lower()
        at = head.find(b"content-length:")
        if at < 0 or len(self.received) < end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0]):
            return  # without a length the answer ends with the connection
        self._complete()
        if b"connection: close" in head:
            self.transport.close()
        else:
            self._send_when_due()

    def _complete(self) -> None:
        now = time.monotonic()
        self.waiting = False
        self.generator.answered(now - self.sent_at, now, self.received[9:12], self.received)

    def connection_lost(self, _problem: Exception | None) -> None:
        if self.waiting:
            self._complete()
        if self.generator.goes_on(time.monotonic()):
            again = self.loop.create_connection(lambda: _Connection(self.generator, self.loop), "127.0.0.1",
                                                self.generator.load.port)  # fmt: skip
            task = self.loop.create_task(again)
            task.add_done_callback(lambda done: self._finish() if done.exception() else None)
        else:
            self._finish()

    def _finish(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()
            return
        self.generator.open -= 1
        if self.generator.open <= 0:
            self.generator.done.set()


async def _main() -> None:
    answers = await _Generator(Load(**json.loads(sys.argv[1]))).run()
    print(json.dumps(asdict(answers)))


if __name__ == "__main__":
    uvloop.run(_main())
