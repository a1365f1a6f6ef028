"""Cross-origin requests: from the origins in the settings and no others."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from ..errors import NotAllowed
from .problems import respond

EXPOSED = (
    "ETag", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "Idempotency-Replayed", "traceparent",
)  # fmt: skip
ACCEPTED = (
    "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "traceparent",
    "tracestate",
)  # fmt: skip


class OriginNotAllowed(NotAllowed):
    """Pages of this origin may not call this, or not so."""


class CrossOrigin(CORSMiddleware):
    """Middleware, the outermost, so that errors reach the page that asked, too."""

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=list(origins),
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=ACCEPTED,
            expose_headers=EXPOSED,
            max_age=3600,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a browser that asks first."""
        response = super().preflight_response(request_headers)
        return respond(OriginNotAllowed(), path="") if response.status_code >= 400 else response
