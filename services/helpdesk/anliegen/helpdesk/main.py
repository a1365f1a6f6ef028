"""The helpdesk, put together."""

from anliegen.kit import Service

from . import api, gauges, handlers

service = Service(
    name="helpdesk",
    title="Helpdesk",
    description="General questions, answered and followed until they are settled.",
    routers=(api.router,),
    handlers=handlers.handlers,
    timers=handlers.timers,
    measures=(gauges.measure_questions,),
)
