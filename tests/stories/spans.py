"""A tiny collector: takes the spans that the processes of a stack send, and finds what followed from what."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent


@dataclass(frozen=True)
class Span:
    """One span: ids in hexadecimal, attributes as text; `links` are the ids of linked spans."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    links: frozenset[str]
    attributes: dict[str, str] = field(hash=False)

    @property
    def count(self) -> int:
        """How many events it handled."""
        return int(self.attributes.get("messaging.batch.message_count", 1))

    def follows(self, earlier: "Span") -> bool:
        """Whether it was brought about by that one: as its child, or with a link where it is about several."""
        if self.count > 1:
            return earlier.span_id in self.links
        return (self.parent_id, self.trace_id) == (earlier.span_id, earlier.trace_id)


class Collector:
    """What was sent so far."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.spans: list[Span] = []

    def take(self, body: bytes) -> None:
        """Keep the spans of one export."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            known = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [_span(known["service.name"], sent) for sent in scope.spans]

    def find(self, service: str, name: str, *, after: Span | None = None, **attributes: str) -> list[Span]:
        """The spans of this service and name, with these attributes (dots written `__`), that followed from one."""
        wanted = {name.replace("__", "."): value for name, value in attributes.items()}
        return [
            span
            for span in list(self.spans)
            if (span.service, span.name) == (service, name)
            and wanted.items() <= span.attributes.items()
            and (after is None or span.follows(after))
        ]


def _span(service: str, sent: Sent) -> Span:
    values = {one.key: one.value for one in sent.attributes}
    return Span(
        service=service,
        name=sent.name,
        kind=sent.kind,
        trace_id=sent.trace_id.hex(),
        span_id=sent.span_id.hex(),
        parent_id=sent.parent_span_id.hex(),
        links=frozenset(link.span_id.hex() for link in sent.links),
        attributes={name: value.string_value or str(value.int_value) for name, value in values.items()},
    )


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector at a port of its own, for as long as the block lasts."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield collector
        finally:
            server.shutdown()
