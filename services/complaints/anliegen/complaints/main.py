"""Complaints, put together."""

from anliegen.kit import Service

from . import api, handlers

service = Service(
    name="complaints",
    title="Complaints",
    description="Say in a sentence what it is answerable for.",
    routers=(api.router,),
    handlers=handlers.handlers,
    timers=handlers.timers,
)
