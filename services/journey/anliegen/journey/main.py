"""The journey, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anliegen.kit import Context, Service
from anliegen.kit.settings import address_for

from . import api, handlers
from .live import Announcer, Listener


@asynccontextmanager
async def open_resources(context: Context) -> AsyncIterator[None]:
    """The two ends of the live stream; each connects with its first use, so a process pays for what it does."""
    package = context.service.package
    address = address_for(context.settings.database_url, package, package)
    announcer, listener = Announcer(address), Listener(address)
    context.resources["announcer"] = announcer
    context.resources["listener"] = listener
    try:
        yield
    finally:
        await listener.close()
        await announcer.close()


service = Service(
    name="journey",
    title="Journey",
    description="One timeline per person over all services and channels.",
    routers=(api.router,),
    handlers=handlers.handlers,
    lifespan=open_resources,
)
