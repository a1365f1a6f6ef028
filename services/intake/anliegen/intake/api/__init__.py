"""Door 2: what intake answers over HTTP."""

from . import channels, contacts, identification, options, partners, quarantine, status

routers = (
    contacts.router, channels.router, identification.router, options.router, partners.router, quarantine.router,
    status.router,
)  # fmt: skip

__all__ = ["routers"]
