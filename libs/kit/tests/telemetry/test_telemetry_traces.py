"""One trace from the first request to the last effect, through the outbox and Kafka's headers."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from anliegen.events import Envelope
from anliegen.kit.http.observe import Observed
from anliegen.kit.telemetry import logs, traces
from anliegen.kit.telemetry.traces import Tracing, consumer_span, extract, inject

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass
class Delivered:
    envelope: Envelope
    topic: str = "anliegen.intake"
    partition: int = 3


@pytest.fixture
def spans():
    """What was recorded; nothing is afterwards."""
    exporter = InMemorySpanExporter()
    traces.tracing.process_with(SimpleSpanProcessor(exporter))
    yield exporter.get_finished_spans
    traces.tracing.process_with(None)


def envelope(traceparent: str | None = PARENT, tracestate: str | None = "vendor=1") -> Envelope:
    return Envelope(
        id=uuid4(), source="/anliegen/intake", type="intake.contact_received.v1", time=datetime.now(UTC), key="k",
        correlationid="c", traceparent=traceparent, tracestate=tracestate,
    )  # fmt: skip


def test_outside_a_span_there_is_nothing_to_pass_on():
    assert inject() == (None, None)
    assert traces.current_trace_id() is None


def test_what_is_announced_later_stays_in_the_trace_of_its_cause():
    cause = envelope()
    assert inject(cause) == (PARENT, "vendor=1")
    with consumer_span([Delivered(envelope(None, None))], group="triage"):
        assert inject(cause)[0][3:35] != PARENT[3:35], "a span that is open comes first"


@pytest.mark.parametrize("traceparent", [PARENT, None])
def test_work_that_nobody_waits_for_has_a_span(spans, traceparent):
    with traces.work_span("send email", service="intake", traceparent=traceparent, reaches_out=True):
        told = inject()[0]
    (span,) = spans()
    assert (span.name, span.kind) == ("send email", SpanKind.CLIENT)
    assert told[36:52] == f"{span.context.span_id:016x}"
    assert (span.parent and f"{span.parent.span_id:016x}") == (PARENT[36:52] if traceparent else None)


@pytest.mark.parametrize("recording", [False, True])
def test_the_parent_is_the_producer_and_the_span_is_current_in_the_handler(recording, request):
    if recording:
        request.getfixturevalue("spans")
    with consumer_span([Delivered(envelope())], group="triage", handler="triage_contact"):
        traceparent, tracestate = inject()
        assert traceparent is not None
        assert traceparent[3:35] == PARENT[3:35]
        assert traceparent[36:52] != PARENT[36:52]
        assert traceparent.endswith("-01")
        assert tracestate == "vendor=1"
        assert traces.current_trace_id() == PARENT[3:35]
    assert inject() == (None, None)


def test_without_a_parent_a_trace_begins():
    with consumer_span([Delivered(envelope(None, None))], group="triage"):
        first = inject()[0]
    with consumer_span([Delivered(envelope("nonsense", None))], group="triage"):
        second = inject()[0]
    assert first is not None
    assert second is not None
    assert len({first[3:35], second[3:35], PARENT[3:35]}) == 3
    assert first.endswith("-01"), "who records further on is to record this trace"


def test_attributes_follow_the_messaging_conventions(spans):
    event = envelope()
    with consumer_span([Delivered(event)], group="triage", handler="triage_contact"):
        pass
    (span,) = spans()
    assert (span.name, span.kind) == ("process anliegen.intake", SpanKind.CONSUMER)
    assert f"{span.parent.span_id:016x}" == PARENT[36:52]
    assert span.resource.attributes["service.name"] == "triage"
    assert dict(span.attributes) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": "triage",
        "messaging.destination.name": "anliegen.intake",
        "messaging.destination.partition.id": "3",
        "messaging.message.id": str(event.id),
        "messaging.message.conversation_id": "c",
        "cloudevents.event_id": str(event.id),
        "cloudevents.event_type": "intake.contact_received.v1",
        "cloudevents.event_source": "/anliegen/intake",
        "code.function.name": "triage_contact",
    }


def test_a_batch_links_to_its_producers(spans):
    other = PARENT.replace("00f0", "11f0")
    batch = [Delivered(envelope()), Delivered(envelope(other, None)), Delivered(envelope(None, None))]
    with consumer_span(batch, group="journey"):
        pass
    (span,) = spans()
    assert span.parent is None
    assert [f"{link.context.span_id:016x}" for link in span.links] == [PARENT[36:52], other[36:52]]
    assert span.attributes["messaging.batch.message_count"] == 3


def test_an_exception_leaves_its_type_and_not_its_text(spans):
    with (
        pytest.raises(ValueError, match="anna"),
        consumer_span([Delivered(envelope())], group="triage"),
    ):
        raise ValueError("anna@example.org")
    (span,) = spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "ValueError"
    assert not span.events
    assert "anna" not in span.to_json()


def test_log_lines_of_a_handler_name_the_event():
    event = envelope()
    with consumer_span([Delivered(event)], group="triage"):
        line = logs.add_context(None, "info", {"event": "x"})
    assert (line["event_id"], line["correlation_id"], line["trace_id"]) == (str(event.id), "c", PARENT[3:35])


def test_only_who_exports_loads_the_exporter():
    tracing = Tracing()
    assert isinstance(tracing.tracer("x"), traces.SilentTracer)
    tracing.export_to("http://127.0.0.1:9/")
    try:
        assert not isinstance(tracing.tracer("x"), traces.SilentTracer)
        assert tracing._processor.span_exporter._endpoint == "http://127.0.0.1:9/v1/traces"
    finally:
        tracing.close()


def test_what_cannot_be_read_is_no_parent():
    for text in (None, "", "x", "00-0-0-00", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"):
        assert not trace.get_current_span(extract(text)).get_span_context().is_valid


async def call(app, headers=()) -> list[dict]:
    sent: list[dict] = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/x", "query_string": b"", "headers": list(headers)}
    await app(scope, receive, send)
    return sent


async def test_a_request_is_a_span_and_passes_its_trace_on(spans):
    seen = []

    class Template:
        path_format = "/things/{id}"

    async def app(scope, receive, send):
        seen.append(inject()[0])
        scope["route"] = Template()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    headers = [(b"traceparent", PARENT.encode()), (b"tracestate", b"vendor=1")]
    sent = await call(Observed(app, service="helpdesk"), headers)
    (span,) = spans()
    assert (span.name, span.kind) == ("GET /things/{id}", SpanKind.SERVER)
    assert f"{span.parent.span_id:016x}" == PARENT[36:52]
    assert span.attributes["http.route"] == "/things/{id}"
    assert span.attributes["http.response.status_code"] == 204
    assert seen[0][:36] == PARENT[:36]
    assert (b"traceparent", seen[0].encode()) in sent[0]["headers"]


async def test_what_nobody_caught_is_answered_and_marked(spans):
    async def app(scope, receive, send):
        raise ValueError("anna@example.org")

    sent = await call(Observed(app, service="helpdesk"))
    assert sent[0]["status"] == 500
    assert b"anna" not in sent[1]["body"]
    (span,) = spans()
    assert span.attributes["error.type"] == "ValueError"
    assert span.status.status_code is StatusCode.ERROR
    assert "anna" not in span.to_json()


async def test_half_an_answer_breaks_the_connection():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        await call(Observed(app, service="helpdesk"))
