"""New service, put together."""

from anliegen.kit import Service

from . import api, handlers

service = Service(
    name="new-service",
    title="New service",
    description="Say in a sentence what it is answerable for.",
    routers=(api.router,),
    handlers=handlers.handlers,
    timers=handlers.timers,
)
