"""Complaints, put together."""

from anliegen.kit import Service

from . import api, handlers
from .goodwill.api import router as goodwill

service = Service(
    name="complaints",
    title="Complaints",
    description="Say in a sentence what it is answerable for.",
    routers=(goodwill, api.router),
    handlers=handlers.handlers,
    timers=handlers.timers,
)
