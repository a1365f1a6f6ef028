"""Traces that run through Kafka: each request and each handled event is a span, joined by `traceparent`.

Where `otlp_endpoint` is set, spans are sent there (OTLP over HTTP). Elsewhere nothing is recorded, but every span still
has valid ids, so that `traceparent` always travels and every log line and problem names its trace.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from opentelemetry import context as current_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from anliegen.events import Envelope

_propagator = TraceContextTextMapPropagator()
# A trace that begins where nothing is recorded may go on where something is.
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class SilentTracer:
    """Makes spans that record nothing and are sent nowhere, with valid ids: about three microseconds each."""

    def start_span(self, name: str, context: Context | None = None, **_attributes: Any) -> Span:  # noqa: ARG002
        """A span of the parent's trace, or of a new one."""
        parent = trace.get_current_span(context).get_span_context()
        return NonRecordingSpan(
            SpanContext(
                trace_id=parent.trace_id or random.getrandbits(128) or 1,
                span_id=random.getrandbits(64) or 1,
                is_remote=False,
                trace_flags=parent.trace_flags if parent.is_valid else _SAMPLED,
                trace_state=parent.trace_state,
            )
        )


class Tracing:
    """The tracers of one process, one per service, all of them sending to the same place."""

    def __init__(self) -> None:
        self._processor: Any = None
        self._providers: dict[str, Any] = {}
        self._silent = SilentTracer()

    def export_to(self, endpoint: str) -> None:
        """Send spans to an OTLP collector, `http://collector:4318`, from now on. Called again, it changes nothing."""
        if self._processor is not None:
            return
        # Only who exports pays for these imports.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        address = endpoint.rstrip("/")
        exporter = OTLPSpanExporter(endpoint=address if address.endswith("/v1/traces") else f"{address}/v1/traces")
        self._processor = BatchSpanProcessor(exporter)

    def process_with(self, processor: Any) -> None:
        """Hand finished spans to this span processor; None stops the recording."""
        self._processor = processor
        self._providers.clear()

    def tracer(self, service: str, version: str = "") -> Tracer | SilentTracer:
        """The tracer of a service; a silent one where nothing is exported."""
        if self._processor is None:
            return self._silent
        provider = self._providers.get(service)
        if provider is None:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider

            attributes = {"service.name": service, "service.namespace": "anliegen", "service.version": version}
            provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
            provider.add_span_processor(self._processor)
            self._providers[service] = provider
        tracer: Tracer = provider.get_tracer("anliegen.kit")
        return tracer

    def close(self) -> None:
        """Send what is left."""
        if self._processor is not None:
            self._processor.shutdown()
            self.process_with(None)


tracing = Tracing()


def setup(otlp_endpoint: str) -> None:
    """Begin to export where an endpoint is given."""
    if otlp_endpoint:
        tracing.export_to(otlp_endpoint)


def inject(cause: Envelope | None = None) -> tuple[str | None, str | None]:
    """`traceparent` and `tracestate` for the outbox row: of the current span, else of the event that is the cause; None
    where there is neither."""
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return (cause.traceparent, cause.tracestate) if cause is not None else (None, None)
    state = span.trace_state.to_header() if span.trace_state else ""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}", state or None


def extract(traceparent: str | None, tracestate: str | None = None) -> Context:
    """The context of a remote span, as headers name it; an empty one where they do not, or not readably."""
    if not traceparent:
        return Context()
    carrier = {"traceparent": traceparent}
    if tracestate:
        carrier["tracestate"] = tracestate
    return _propagator.extract(carrier, context=Context())


def current_ids() -> tuple[str, str] | None:
    """Trace id and span id of the current span, in hexadecimal; None where there is none."""
    span = trace.get_current_span().get_span_context()
    return (f"{span.trace_id:032x}", f"{span.span_id:016x}") if span.is_valid else None


def current_trace_id() -> str | None:
    """The trace id of the current span, in hexadecimal."""
    ids = current_ids()
    return ids[0] if ids else None


@contextmanager
def active(span: Span) -> Iterator[Span]:
    """Make this the current span; at the end it is closed, and an exception leaves its type on it, never its text."""
    token = current_context.attach(trace.set_span_in_context(span))
    try:
        yield span
    except Exception as problem:
        failed(span, type(problem).__name__)
        raise
    finally:
        current_context.detach(token)
        span.end()


def failed(span: Span, error_type: str) -> None:
    """Mark the span as failed."""
    if span.is_recording():
        span.set_attribute("error.type", error_type)
        span.set_status(StatusCode.ERROR)


@contextmanager
def work_span(
    name: str,
    *,
    service: str,
    traceparent: str | None = None,
    reaches_out: bool = False,
    attributes: dict[str, Any] | None = None,
) -> Iterator[Span]:
    """A span around work that no request and no event is waiting for, such as a timer's, current inside; it follows
    from the span that `traceparent` names. `reaches_out`: it calls another system."""
    kind = SpanKind.CLIENT if reaches_out else SpanKind.INTERNAL
    span = tracing.tracer(service).start_span(name, context=extract(traceparent), kind=kind, attributes=attributes)
    with active(span):
        yield span


class Delivered(Protocol):
    """A delivery as the consumer knows it."""

    @property
    def envelope(self) -> Envelope: ...
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...


@contextmanager
def consumer_span(deliveries: Sequence[Delivered], *, group: str, handler: str = "") -> Iterator[Span]:
    """The span `process <topic>` of one event or of a batch, current for as long as the handler runs.

    One event: the producer's span is the parent, so a trace runs from the first request to the last effect, and log
    lines name the event. A batch: a trace of its own with a link to each producer's span (OpenTelemetry's messaging
    conventions).
    """
    tracer = tracing.tracer(group)
    first = deliveries[0].envelope
    alone = len(deliveries) == 1
    topics = dict.fromkeys(delivery.topic for delivery in deliveries)
    parent = extract(first.traceparent, first.tracestate) if alone else Context()
    attributes: dict[str, Any] | None = None
    links: list[Link] | None = None
    if not isinstance(tracer, SilentTracer):
        attributes = _messaging(deliveries, list(topics), group, handler)
        links = None if alone else _links(deliveries)
    span = tracer.start_span(
        f"process {' '.join(topics)}", context=parent, kind=SpanKind.CONSUMER, attributes=attributes, links=links
    )
    with active(span), _fields_of(first) if alone else nullcontext():
        yield span


def _fields_of(envelope: Envelope) -> AbstractContextManager[None]:
    from . import logs

    return logs.fields(event_id=str(envelope.id), correlation_id=envelope.correlationid or str(envelope.id))


def _messaging(deliveries: Sequence[Delivered], topics: list[str], group: str, handler: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": group,
    }
    if handler:
        attributes["code.function.name"] = handler
    if len(topics) == 1:
        attributes["messaging.destination.name"] = topics[0]
        partitions = {delivery.partition for delivery in deliveries}
        if len(partitions) == 1:
            attributes["messaging.destination.partition.id"] = str(partitions.pop())
    if len(deliveries) > 1:
        attributes["messaging.batch.message_count"] = len(deliveries)
        return attributes
    event = deliveries[0].envelope
    attributes["messaging.message.id"] = attributes["cloudevents.event_id"] = str(event.id)
    attributes["messaging.message.conversation_id"] = event.correlationid or str(event.id)
    attributes["cloudevents.event_type"] = event.type
    attributes["cloudevents.event_source"] = event.source
    return attributes


def _links(deliveries: Sequence[Delivered]) -> list[Link]:
    parents = (extract(d.envelope.traceparent, d.envelope.tracestate) for d in deliveries)
    contexts = (trace.get_current_span(parent).get_span_context() for parent in parents)
    return [Link(context) for context in contexts if context.is_valid]
