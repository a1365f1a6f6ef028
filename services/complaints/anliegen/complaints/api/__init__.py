"""Door 2: complaints over HTTP."""

from . import clocks, complaints, decisions, investigations, reports, responses, settlement

routers = (
    complaints.router,
    investigations.router,
    decisions.router,
    responses.router,
    settlement.router,
    clocks.router,
    reports.router,
)
