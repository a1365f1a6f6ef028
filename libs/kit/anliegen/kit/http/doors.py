"""What the routes of one application need at every request, found on the application."""

from dataclasses import dataclass
from typing import Any, cast

from starlette.types import Scope

from ..errors import Unavailable
from ..service import Context
from ..settings import Settings
from .auth import Authenticator
from .rates import Limiter
from .streams import Streams


@dataclass(kw_only=True)
class Doors:
    """One application's own: `context` is there while the application runs."""

    settings: Settings
    authenticator: Authenticator
    limiter: Limiter
    streams: Streams
    context: Context | None = None

    @property
    def running(self) -> Context:
        """The service at work. Raises Unavailable while it is not."""
        if self.context is None:
            raise Unavailable
        return self.context


def doors_of(scope: Scope) -> Doors:
    """The doors of the application that answers this request."""
    app: Any = scope["app"]
    return cast(Doors, app.state.doors)
