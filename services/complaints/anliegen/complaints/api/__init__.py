"""Door 2: complaints over HTTP."""

from . import clocks, complaints, decisions, investigations, reports, settlement

routers = (complaints.router, investigations.router, decisions.router, settlement.router, clocks.router, reports.router)
