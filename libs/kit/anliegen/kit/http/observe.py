"""Around every request: a span, a measurement, headers that keep browsers safe, and an answer to what nobody caught."""

import time
from typing import Any

import structlog
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..telemetry import logs, metrics, traces
from .problems import respond_to

SLOW_SECONDS = 1.0
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-site"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
TRANSPORT_SECURITY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

log = structlog.get_logger("anliegen.http")


class Observed:
    """Middleware, the outermost but for CORS. A request that ends well costs it about twenty microseconds."""

    def __init__(self, app: ASGIApp, *, service: str, version: str = "", secure: bool = True) -> None:
        self.app = app
        self.service = service
        self.version = version
        self._headers = [*SECURITY_HEADERS, *([TRANSPORT_SECURITY] if secure else [])]
        self._active = metrics.requests_in_progress.labels(service)
        self._durations: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(self, scope, send)
        self._active.inc()
        try:
            with logs.fields(service=self.service), traces.active(exchange.span):
                await exchange.answer(self.app, receive)
        finally:
            self._active.dec()

    def duration(self, method: str, route: str, status: int) -> Histogram:
        """The series of one kind of answer; looked up by the library once."""
        key = (method, route, status)
        found = self._durations.get(key)
        if found is None:
            found = metrics.request_duration.labels(self.service, method, route, str(status))
            self._durations[key] = found
        return found


class Exchange:
    """One request and its answer."""

    __slots__ = ("_headers", "_observed", "_scope", "_send", "_stream", "span", "started", "status")

    def __init__(self, observed: Observed, scope: Scope, send: Send) -> None:
        self._observed = observed
        self._scope = scope
        self._send = send
        self._headers = observed._headers
        self._stream = False
        self.started = time.perf_counter()
        self.status = 0
        parent = _header(scope, b"traceparent")
        self.span = traces.tracing.tracer(observed.service, observed.version).start_span(
            scope["method"],
            context=traces.extract(parent, _header(scope, b"tracestate") if parent else None),
            kind=SpanKind.SERVER,
        )

    async def send(self, message: Message) -> None:
        """Pass the answer on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.setdefault("headers", [])
            given = {name for name, _ in headers}
            self._stream = (b"content-type", b"text/event-stream; charset=utf-8") in headers
            headers = [*headers, *(header for header in self._headers if header[0] not in given)]
            if trace := traces.inject()[0]:
                headers.append((b"traceparent", trace.encode()))
            message["headers"] = headers
        await self._send(message)

    async def answer(self, app: ASGIApp, receive: Receive) -> None:
        """Let the application answer; what it lets fall is caught here, and its text stays here."""
        trouble = ""
        try:
            await app(self._scope, receive, self.send)
        except Exception as problem:
            trouble = type(problem).__name__
            response = respond_to(problem, path=self._scope["path"])
            if self.status:
                # Half an answer is out: only a broken connection tells the caller that the rest is missing.
                raise
            await response(self._scope, receive, self.send)
        finally:
            self._finish(trouble)

    def _finish(self, trouble: str) -> None:
        taken = time.perf_counter() - self.started
        method, status = self._scope["method"], self.status or 499
        route = route_of(self._scope)
        if not self._stream:
            self._observed.duration(_known_method(method), route, status).observe(taken)
        span = self.span
        if span.is_recording():
            span.update_name(f"{method} {route}")
            span.set_attributes(self._attributes(method, route, status))
            if status >= 500:
                span.set_status(StatusCode.ERROR)
                span.set_attribute("error.type", trouble or str(status))
        if taken > SLOW_SECONDS and not self._stream:
            log.warning("slow_request", method=method, route=route, status=status, seconds=round(taken, 3))
        else:
            log.debug("request", method=method, route=route, status=status, seconds=round(taken, 4))

    def _attributes(self, method: str, route: str, status: int) -> dict[str, Any]:
        return {
            "http.request.method": _known_method(method),
            "http.response.status_code": status,
            "http.route": route,
            "url.scheme": self._scope.get("scheme", "http"),
            "network.protocol.version": self._scope.get("http_version", "1.1"),
        }


_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


def _known_method(method: str) -> str:
    # Invented methods must not make a series each.
    return method if method in _METHODS else "_OTHER"


def route_of(scope: Scope) -> str:
    """The template of the route that answered, such as `/helpdesk/v1/questions/{question_id}`."""
    path = getattr(scope.get("route"), "path_format", None)
    # Starlette's own routes leave no trace but their function.
    return str(path or getattr(scope.get("endpoint"), "__name__", "unmatched"))


def _header(scope: Scope, name: bytes) -> str | None:
    for given, value in scope["headers"]:
        if given == name:
            return str(value, "latin-1")
    return None
