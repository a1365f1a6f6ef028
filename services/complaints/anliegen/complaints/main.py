"""Complaints, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anliegen.kit import Service
from anliegen.kit.files import Files
from anliegen.kit.service import Context

from . import api, gauges, handlers
from .goodwill.api import router as goodwill
from .letters import FILES


@asynccontextmanager
async def open_files(context: Context) -> AsyncIterator[None]:
    """Open the object store, which lives as long as the process."""
    context.resources[FILES] = Files(context.settings.files_url)
    yield


service = Service(
    name="complaints",
    title="Complaints",
    description="Complaints from receipt to closure, with their legal clocks, and what is given out of goodwill.",
    routers=(goodwill, *api.routers),
    handlers=handlers.handlers,
    timers=handlers.timers,
    measures=(gauges.measure_complaints,),
    lifespan=open_files,
)
