"""Serves an application with uvicorn: one process, uvloop, and an end that loses no request.

On SIGTERM: readiness off → `drain_seconds` for the balancer to notice, in which every answer ends its connection → no
new connections, streams end with a hint to come back → what is being answered is finished, `shutdown_seconds` at most
→ pools close.
"""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from types import FrameType
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..service import Service
from ..settings import Settings, load
from ..telemetry import traces
from ..telemetry.start import start_telemetry
from .app import create_app
from .doors import Doors
from .gateway import Gateway, create_gateway

log = structlog.get_logger(__name__)

KEEP_ALIVE_SECONDS = 65
"""Longer than balancers keep idle connections, so that it is they who close them."""


class Server(uvicorn.Server):
    """uvicorn, which first says that it will go and waits a moment before it does."""

    def __init__(self, config: uvicorn.Config, doors: "Sequence[Doors] | Gateway", *, drain_seconds: float) -> None:
        self._end = asyncio.Event()
        super().__init__(config)
        self._given = doors
        self._drain_seconds = drain_seconds
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def should_exit(self) -> bool:
        """Whether the end was asked for."""
        return self._end.is_set()

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        if value:
            self._end.set()

    async def main_loop(self) -> None:
        """Wait for the end; once a second the `Date` header is written anew."""
        # uvicorn's own loop wakes ten times a second, which an idle process pays for.
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._end.wait()

    @property
    def is_draining(self) -> bool:
        """Whether the end was asked for, and requests are still taken."""
        return self._draining is not None

    def _doors(self) -> list[Doors]:
        if isinstance(self._given, Gateway):
            return [member.doors for member in self._given.members.values() if member.doors]
        return list(self._given)

    async def startup(self, sockets: Any = None) -> None:
        """Start to listen."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal to end; a second one ends at once."""
        if self._loop is None or self._draining is not None:
            self.force_exit = self._draining is not None
            super().handle_exit(sig, frame)
            return
        self._captured_signals.append(sig)
        self._loop.call_soon_threadsafe(self.begin_to_end)

    def begin_to_end(self) -> None:
        """Go out of service, then end."""
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        log.info("server_drains", seconds=self._drain_seconds)
        for doors in self._doors():
            if doors.context is not None:
                doors.context.health.draining = True
        await asyncio.sleep(self._drain_seconds)
        self.should_exit = True

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop to listen, finish, close."""
        for server in self.servers:
            server.close()
        for doors in self._doors():
            doors.streams.close()
        await super().shutdown(sockets)


class Parting:
    """Once the server drains, every answer ends its connection: whoever has more to ask goes to another process.

    A connection that is kept alive until the server closes it may carry a request at that very moment, which would be
    lost.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.server: Server | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if self.server is None or not self.server.is_draining or scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def part(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self.app(scope, receive, part)


def server_for(app: Any, doors: "Sequence[Doors] | Gateway", *, host: str, port: int, settings: Settings) -> Server:
    """A server that is ready to be awaited: `await server.serve()`."""
    parting = Parting(app)
    config = uvicorn.Config(
        parting,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(settings.shutdown_seconds),
        # Where no proxy is named, none is believed; uvicorn would trust whoever calls from this machine.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
    )
    parting.server = Server(config, doors, drain_seconds=settings.drain_seconds)
    return parting.server


def shared_listener(host: str, port: int) -> socket.socket:
    """A socket at a port where this user's other processes listen, too: Linux gives each a part of the connections."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    return listener


def serve_services(services: Sequence[Service], *, host: str, port: int, share_port: bool = False) -> None:
    """Serve one service alone, or several behind the gateway, until the process is told to end."""
    import uvloop

    settings = load(services[0].settings if len(services) == 1 else Settings, services[0].package)
    start_telemetry(services, part="http", settings=settings)

    async def run() -> None:
        if len(services) == 1:
            app = create_app(services[0], settings)
            server = server_for(app, [app.state.doors], host=host, port=port, settings=settings)
        else:
            gateway = create_gateway(services, settings=settings)
            server = server_for(gateway, gateway, host=host, port=port, settings=settings)
        try:
            await server.serve(sockets=[shared_listener(host, port)] if share_port else None)
        finally:
            traces.tracing.close()

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(run())
