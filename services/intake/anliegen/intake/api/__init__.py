"""Door 2: what intake answers over HTTP."""

from . import channels, contacts, identification, options, quarantine, status

routers = (contacts.router, channels.router, identification.router, options.router, quarantine.router, status.router)

__all__ = ["routers"]
