"""CloudEvents in earnest: the official SDK reads what we write, and we read what it writes."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.bindings.kafka import KafkaMessage
from cloudevents.core.v1.event import CloudEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anliegen.events import Envelope, EnvelopeMalformed, registry
from anliegen.events.codec import decode, encode
from anliegen.events.documentation import read_example
from anliegen.events.envelope import from_headers, to_headers

CLASSES = registry.classes_in("anliegen.events")
TRACE = {"traceparent", "tracestate"}
calm = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# CloudEvents: a String has no control characters, no halves of surrogate pairs and no noncharacters.
texts = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=60)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=zones)  # noqa: DTZ001
envelopes = st.builds(
    Envelope,
    id=st.uuids(), source=texts, type=texts, time=moments, key=texts, sequence=st.integers(0, 2**63 - 1),
    subject=st.none() | texts, dataschema=st.none() | texts, correlationid=st.none() | texts,
    causationid=st.none() | texts, traceparent=st.none() | texts, tracestate=st.none() | texts,
)  # fmt: skip


def attributes_of(envelope: Envelope) -> dict[str, Any]:
    """The envelope as CloudEvents attributes, of the types that the SDK gives them."""
    values = {name: value for name, value in asdict(envelope).items() if value is not None and name not in TRACE}
    changes = {"id": str(envelope.id), "sequence": str(envelope.sequence), "partitionkey": values.pop("key")}
    return {**values, **changes, "datacontenttype": "application/json", "specversion": "1.0"}


def read_by_sdk(headers: list[tuple[str, bytes]], key: str, value: bytes) -> Any:
    return kafka.from_kafka_event(KafkaMessage(headers=dict(headers), key=key.encode(), value=value))


@calm
@given(envelope=envelopes)
def test_sdk_reads_every_attribute_that_we_write(envelope: Envelope) -> None:
    seen = read_by_sdk(envelope.to_headers(), envelope.key, b"{}")
    assert seen.get_attributes() == attributes_of(envelope)


@calm
@given(envelope=envelopes)
def test_trace_travels_as_headers_of_its_own_and_not_as_attributes(envelope: Envelope) -> None:
    headers = dict(envelope.to_headers())
    assert [headers.get(name) for name in sorted(TRACE)] == [
        value.encode() if value else None for value in (envelope.traceparent, envelope.tracestate)
    ]
    assert not TRACE & set(read_by_sdk(envelope.to_headers(), envelope.key, b"{}").get_attributes())


@calm
@given(envelope=envelopes, extension=texts)
def test_we_read_what_the_sdk_writes_in_binary_mode(envelope: Envelope, extension: str) -> None:
    attributes = attributes_of(envelope)
    trace = {name: value for name in TRACE if (value := getattr(envelope, name))}
    # An extension that we do not know is left alone.
    written = kafka.to_binary_event(CloudEvent({**attributes, **trace, "comexampleother": extension}, {"a": 1}))
    assert written.key == envelope.key
    assert from_headers(written.headers.items(), str(written.key).encode()) == envelope
    assert json.loads(written.value) == {"a": 1}


def test_trace_in_headers_goes_before_the_same_as_an_attribute() -> None:
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"019cad9c-9a98-7f9b-ab4e-7445165c8bfd"), ("ce_source", b"/a"),
               ("ce_type", b"a.b.v1"), ("ce_time", b"2026-03-02T08:14:07Z"), ("ce_traceparent", b"attribute"),
               ("traceparent", b"header"), ("ce_tracestate", b"\xff")]  # fmt: skip
    envelope = from_headers(headers, b"k")
    assert (envelope.traceparent, envelope.tracestate) == ("header", None)


@calm
@given(envelope=envelopes)
def test_header_names_of_any_case_are_read_by_both(envelope: Envelope) -> None:
    shouted = [(name.upper(), value) for name, value in envelope.to_headers()]
    assert from_headers(shouted, envelope.key.encode()) == envelope
    assert read_by_sdk(shouted, envelope.key, b"{}").get_id() == str(envelope.id)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.event_type)
def test_golden_examples_pass_through_the_sdk_and_back(cls: Any) -> None:
    example = read_example(cls.event_type)
    data = json.dumps(example["data"]).encode()
    headers, key = to_headers(example["headers"]), example["key"]
    seen = read_by_sdk(headers, key, data)
    assert seen.get_data() == example["data"]
    written = kafka.to_binary_event(seen)
    # The SDK knows nothing of headers that are no attributes.
    read = from_headers(written.headers.items(), key.encode())
    assert read == replace(from_headers(headers, key.encode()), traceparent=None, tracestate=None)
    event = decode(read.type, written.value)
    assert event is not None and json.loads(encode(event)) == example["data"]
    over_http = http.from_http_event(http.to_binary_event(seen))
    assert over_http.get_attributes() == seen.get_attributes()


def test_structured_mode_is_for_partners_alone() -> None:
    written = kafka.to_structured_event(CloudEvent({"type": "a.b.v1", "source": "/a", "partitionkey": "k"}, {"a": 1}))
    with pytest.raises(EnvelopeMalformed):
        from_headers(written.headers.items(), b"k")


@calm
@given(moment=moments)
def test_times_with_any_offset_mean_the_same_to_both(moment: datetime) -> None:
    event = CloudEvent({"id": "019cad9c-9a98-7f9b-ab4e-7445165c8bfd", "type": "t", "source": "/s", "time": moment}, {})
    written = kafka.to_binary_event(event)
    assert from_headers(written.headers.items(), b"k").time == moment.astimezone(UTC)
