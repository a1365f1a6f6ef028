"""Complaints, put together."""

from anliegen.kit import Service

from . import api, gauges, handlers
from .goodwill.api import router as goodwill

service = Service(
    name="complaints",
    title="Complaints",
    description="Complaints from receipt to closure, with their legal clocks, and what is given out of goodwill.",
    routers=(goodwill, *api.routers),
    handlers=handlers.handlers,
    timers=handlers.timers,
    measures=(gauges.measure_complaints,),
)
