"""One process for all services: each request goes to the service its path names first, `/helpdesk/v1/…`.

Every service is entered, watched and entered again apart from the others: one that cannot start answers 503 and is
tried again, while the rest serve.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import backoff
from ..errors import SettingsRefused, Unavailable
from ..health import LoopLag
from ..migrate import wait_for_migrations
from ..service import Context, Service
from ..settings import Settings
from ..telemetry import logs
from .app import check_infrastructure, create_app
from .cors import CrossOrigin
from .docs_page import docs_routes
from .doors import Doors
from .health import Health
from .infrastructure import infrastructure_routes
from .limits import BodyLimit
from .merged import merge
from .observe import Observed
from .problems import HANDLERS, respond
from .routing import RouteRefused

log = structlog.get_logger(__name__)

CreateApp = Callable[..., FastAPI]


class ServiceUnavailable(Unavailable):
    """This service cannot be reached just now; it is being started again."""


@dataclass
class Member:
    """One service behind the gateway."""

    service: Service
    app: FastAPI | None = None
    ready: bool = False

    @property
    def doors(self) -> Doors | None:
        """What the service's routes use."""
        return None if self.app is None else self.app.state.doors

    @property
    def context(self) -> Context | None:
        """The service at work."""
        return self.doors.context if self.doors else None


class Gateway:
    """The application of several services; `create_gateway` makes it."""

    def __init__(self, services: Sequence[Service], *, create: CreateApp, origins: Sequence[str], docs: bool) -> None:
        self.members = {service.name: Member(service) for service in services}
        self.lag = LoopLag()
        self._create = create
        self._stop = asyncio.Event()
        self._schema: dict[str, Any] | None = None
        self._schema_of: tuple[str, ...] = ()
        for member in self.members.values():
            # A route nobody decided about and settings that are not safe stop everything; other trouble only delays.
            self._build(member)
        health = Health(self._contexts, self.lag, expected=list(self.members))
        routes = [Route("/", self.show_index, name="show_index"), *infrastructure_routes(health, self.openapi)]
        if docs:
            routes += docs_routes()
        check_infrastructure(routes)
        self._routes = Starlette(routes=routes, exception_handlers=HANDLERS)
        self._own: ASGIApp = Observed(BodyLimit(self._answer), service="gateway")
        if origins:
            self._own = CrossOrigin(self._own, origins=origins)

    def _contexts(self) -> list[Context]:
        return [member.context for member in self.members.values() if member.ready and member.context]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _answer_lifespan(self.lifespan, receive, send)
            return
        member = self._member(scope)
        if member is not None and member.ready and member.app is not None:
            await member.app(scope, receive, send)
        else:
            await self._own(scope, receive, send)

    def _member(self, scope: Scope) -> Member | None:
        return self.members.get(scope["path"].partition("/")[2].partition("/")[0])

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What the gateway answers itself: its own routes, and for a service that does not run."""
        if member := self._member(scope):
            problem = ServiceUnavailable(f"The service {member.service.name} is not available for the moment.")
            await respond(problem, path=scope["path"])(scope, receive, send)
        else:
            await self._routes(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Keep every service running for as long as this one does."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._keep(member)) for member in self.members.values()]
            watch = group.create_task(self.lag.watch())
            try:
                yield
            finally:
                self._stop.set()
                watch.cancel()
                await asyncio.wait(tasks)

    def _build(self, member: Member) -> None:
        try:
            member.app = self._create(member.service, lag=self.lag)
        except (RouteRefused, SettingsRefused):
            raise
        except Exception as problem:
            log.exception("service_not_built", service=member.service.name, error=type(problem).__name__)

    async def _keep(self, member: Member) -> None:
        logs.bind(service=member.service.name)
        attempt = 0
        while not self._stop.is_set():
            try:
                if member.app is None:
                    self._build(member)
                if member.app is not None:
                    async with member.app.router.lifespan_context(member.app):
                        await self._serve(member)
                        attempt = 0
            except Exception as problem:
                log.exception("service_restarts", service=member.service.name, error=type(problem).__name__)
            finally:
                member.ready = False
            if not self._stop.is_set():
                await self._wait(backoff.delay(attempt, first=0.5))
                attempt += 1

    async def _serve(self, member: Member) -> None:
        if member.context is not None:
            waiting = asyncio.ensure_future(wait_for_migrations(member.context))
            stopping = asyncio.ensure_future(self._stop.wait())
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not waiting.done():
                waiting.cancel()
                return
            await waiting
            member.context.health.started = True
        member.ready = True
        log.info("service_ready", service=member.service.name)
        await self._stop.wait()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            pass

    def openapi(self) -> dict[str, Any]:
        """The interfaces of all services in one document."""
        built = [member for member in self.members.values() if member.app is not None]
        names = tuple(member.service.name for member in built)
        if self._schema is None or self._schema_of != names:
            documents = [(m.service.package, m.app.openapi()) for m in built if m.app is not None]
            self._schema = merge(documents, title="Anliegen", version=_own_version())
            self._schema_of = names
        return self._schema

    async def show_index(self, _request: Request) -> Response:
        """What is here, and where to go on."""
        services = {
            name: {
                "title": member.service.title,
                "version": member.service.version,
                "path": f"/{name}/v1",
                "ready": member.ready,
            }
            for name, member in self.members.items()
        }
        links: dict[str, str] = {"openapi": "/openapi.json", "health": "/readyz"}
        if "intake" in services:
            links["contact_options"] = "/intake/v1/contact-options"
        return JSONResponse({"name": "Anliegen", "version": _own_version(), "services": services, "links": links})


def _own_version() -> str:
    try:
        return version("anliegen-kit")
    except PackageNotFoundError:
        return "0"


def create_gateway(
    services: Sequence[Service], *, settings: Settings | None = None, create: CreateApp = create_app
) -> Gateway:
    """The application for several services; `settings` are the gateway's own (origins, environment)."""
    return Gateway(
        services,
        create=create,
        origins=settings.cors_origins if settings else (),
        docs=settings.is_development if settings else False,
    )


async def _answer_lifespan(lifespan: Callable[[], Any], receive: Receive, send: Send) -> None:
    """Speak the server's start and stop protocol around a context manager."""
    await receive()
    started = False
    try:
        async with lifespan():
            await send({"type": "lifespan.startup.complete"})
            started = True
            await receive()
    except BaseException as problem:
        kind = "shutdown" if started else "startup"
        await send({"type": f"lifespan.{kind}.failed", "message": type(problem).__name__})
        raise
    await send({"type": "lifespan.shutdown.complete"})
