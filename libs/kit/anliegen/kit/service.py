"""A service as the kit sees it: a name, two doors, and what stands behind them in one process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from fastapi import APIRouter

from anliegen.events.topics import manifest

from . import database, failpoints
from .clock import Clock, SystemClock
from .database import Turns
from .fence.gate import Gate
from .handlers import Handlers
from .health import Health
from .heavy import HeavyWork
from .notifier import Notifier
from .settings import Settings, address_for, load
from .telemetry import metrics
from .timers import Timers

if TYPE_CHECKING:
    from .transaction import Transaction

ENTRY_POINTS = "anliegen.services"


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a service's `main.py` declares. Everything else about it follows from its name."""

    name: str
    """As the folder is called, with hyphens; consumer group and Kubernetes app, too."""
    title: str
    description: str
    settings: type[Settings] = Settings
    routers: tuple[APIRouter, ...] = ()
    handlers: Handlers
    timers: Timers = field(default_factory=Timers)
    parts: "dict[str, Callable[[Context], Awaitable[None]]]" = field(default_factory=dict)
    """Further supervised loops of the worker process, such as a dispatcher of outgoing messages."""
    measures: "tuple[Callable[[Transaction], Awaitable[None]], ...]" = ()
    """What dashboards and alarms show of its own tables; each is called every few seconds by the worker."""
    lifespan: "Callable[[Context], AbstractAsyncContextManager[None]] | None" = None
    """Opens what lives as long as the process (clients, models) and puts it into `context.resources`."""

    @property
    def package(self) -> str:
        """The name with underscores: package, database, role and metric prefix."""
        return self.name.replace("-", "_")

    @property
    def source(self) -> str:
        """The CloudEvents source."""
        return f"/anliegen/{self.name}"

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that it alone announces on; none where it announces nothing."""
        own = {f"anliegen.{self.name}", f"anliegen.{self.name}.words"}
        return tuple(spec.name for spec in manifest("development") if spec.name in own)

    @property
    def version(self) -> str:
        """The installed version."""
        try:
            return version(f"anliegen-{self.name}")
        except PackageNotFoundError:
            return "0"

    @property
    def migrations(self) -> Path | None:
        """The folder with the service's own SQL files."""
        try:
            folder = Path(str(files(f"anliegen.{self.package}"))) / "migrations"
        except ModuleNotFoundError:
            return None
        return folder if folder.is_dir() else None


@dataclass(kw_only=True)
class Context:
    """One service at work in one process: what its doors need to open a transaction."""

    service: Service
    settings: Settings
    pool: "asyncpg.Pool[asyncpg.Record]"
    clock: Clock
    notifier: Notifier
    health: Health
    gate: Gate = field(default_factory=Gate)
    """Whether this service may act: a database that was restored to an earlier time first waits for a person."""
    heavy: HeavyWork = field(default_factory=HeavyWork)
    """Where work that takes more than 5 ms of CPU is done, outside any transaction."""
    resources: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def turns(self) -> Turns:
        """The pool's connections, first come, first served."""
        return Turns(self.pool, self.settings.database_pool_size)


class UnknownService(LookupError):
    """There is no service of this name; `anliegen services` lists those that are installed."""


def all_services() -> list[str]:
    """The names of the installed services, sorted."""
    return sorted(entry.name for entry in entry_points(group=ENTRY_POINTS))


def load_service(name: str) -> Service:
    """The service of this name. Raises UnknownService."""
    found = entry_points(group=ENTRY_POINTS, name=name)
    for entry in found:
        service = entry.load()
        if not isinstance(service, Service) or service.name != name:
            raise UnknownService(f"The entry point {name!r} does not name a Service called so.")
        return service
    raise UnknownService(f"{UnknownService.__doc__} Asked for {name!r}, found {', '.join(all_services()) or 'none'}.")


@asynccontextmanager
async def open_context(
    service: Service, settings: Settings | None = None, *, part: str = "http", clock: Clock | None = None
) -> AsyncIterator[Context]:
    """Open pool, notifier and the service's own resources for as long as the process part lives."""
    settings = settings or load(service.settings, service.package)
    failpoints.arm_at_start(settings.failpoints)
    metrics.begin(service.name)
    address = address_for(settings.database_url, service.package, service.package)
    pool = database.create_pool(address, settings, application=f"anliegen {service.name} {part}")
    async with pool:
        notifier = Notifier(address)
        context = Context(
            service=service,
            settings=settings,
            pool=pool,
            clock=clock or SystemClock(),
            notifier=notifier,
            health=Health(service.name),
        )
        try:
            if service.lifespan is None:
                yield context
            else:
                async with service.lifespan(context):
                    yield context
        finally:
            context.heavy.close()
            await notifier.close()
