"""`anliegen events …`: dead letters and parked keys for whoever is on call.

It works on the services' databases by the same functions as the interface over HTTP, so it works while nothing serves
and no issuer answers; whoever may run it says who they are (docs/decisions/0014-operators-at-the-database.md).
"""

from . import look, settle
from .group import events

__all__ = ["look", "settle"]

commands = [events]
