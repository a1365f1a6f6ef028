"""Attributes to headers and back, and what is not a CloudEvent that we can place."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anliegen.events.envelope import Envelope, EnvelopeMalformed, format_time, from_headers, parse_time, to_headers

OURS = {
    "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_sequence", "ce_subject", "ce_dataschema",
    "ce_correlationid", "ce_causationid", "traceparent", "tracestate", "ce_traceparent", "ce_tracestate",
}  # fmt: skip
texts = st.text(min_size=1, max_size=80)
optional_texts = st.none() | texts
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=zones)  # noqa: DTZ001
envelopes = st.builds(
    Envelope,
    id=st.uuids(), source=texts, type=texts, time=moments, key=texts, sequence=st.integers(0, 2**63 - 1),
    subject=optional_texts, dataschema=optional_texts, correlationid=optional_texts, causationid=optional_texts,
    traceparent=optional_texts, tracestate=optional_texts,
)  # fmt: skip
foreign_headers = st.lists(
    st.tuples(st.text(max_size=30).filter(lambda name: name.lower() not in OURS), st.none() | st.binary(max_size=60))
)


def headers_with(**changes: bytes | None) -> list[tuple[str, bytes | None]]:
    """The headers of a good record, with these put in place of theirs; None leaves one out."""
    good: dict[str, bytes | None] = {
        "ce_specversion": b"1.0", "ce_id": b"019cad9c-9a98-7f9b-ab4e-7445165c8bfd", "ce_source": b"/anliegen/intake",
        "ce_type": b"intake.contact_received.v1", "ce_time": b"2026-03-02T08:14:07.512Z", "ce_sequence": b"7",
    }  # fmt: skip
    return [(name, value) for name, value in (good | changes).items() if value is not None]


@given(envelope=envelopes, foreign=foreign_headers, order=st.randoms())
def test_attributes_come_back_among_any_other_headers(envelope: Envelope, foreign: list, order) -> None:  # type: ignore[type-arg,no-untyped-def]
    headers = [*envelope.to_headers(), *foreign]
    order.shuffle(headers)
    assert from_headers(headers, envelope.key.encode()) == envelope


@given(envelope=envelopes)
def test_what_the_outbox_keeps_is_what_is_published(envelope: Envelope) -> None:
    assert to_headers(envelope.attributes()) == envelope.to_headers()
    assert all(value for value in envelope.attributes().values())


def test_header_names_may_be_written_in_capitals() -> None:
    assert from_headers([(name.upper(), value) for name, value in headers_with()], b"k").sequence == 7


def test_optional_attributes_may_be_missing_or_empty() -> None:
    envelope = from_headers(headers_with(ce_sequence=b"", ce_subject=b"", tracestate=b""), b"k")
    assert (envelope.sequence, envelope.subject, envelope.tracestate) == (0, None, None)


def test_broken_trace_costs_the_trace_and_not_the_event() -> None:
    envelope = from_headers(headers_with(traceparent=b"\xff\xfe"), b"k")
    assert envelope.traceparent is None
    assert envelope.id == UUID("019cad9c-9a98-7f9b-ab4e-7445165c8bfd")


def test_producing_service_is_the_end_of_the_source() -> None:
    assert from_headers(headers_with(ce_source=b"/anliegen/billing-inquiry"), b"k").service == "billing-inquiry"


@pytest.mark.parametrize(
    ("changes", "key", "says"),
    [
        ({"ce_id": None}, b"k", "ce_id is missing"),
        ({"ce_id": b""}, b"k", "ce_id is missing"),
        ({"ce_id": b"secret-17"}, b"k", "ce_id is not readable"),
        ({"ce_source": None}, b"k", "ce_source is missing"),
        ({"ce_type": None}, b"k", "ce_type is missing"),
        ({"ce_type": b""}, b"k", "ce_type is missing"),
        ({"ce_time": None}, b"k", "ce_time is missing"),
        ({"ce_time": b"secret o'clock"}, b"k", "ce_time is not readable"),
        ({"ce_time": b"2026-03-02T08:14:07"}, b"k", "ce_time is not readable"),
        ({"ce_time": b"0001-01-01T00:00:00+14:00"}, b"k", "ce_time is not readable"),
        ({"ce_specversion": None}, b"k", "ce_specversion is not 1.0"),
        ({"ce_specversion": b"0.3"}, b"k", "ce_specversion is not 1.0"),
        ({"ce_sequence": b"secret"}, b"k", "ce_sequence is not readable"),
        ({"ce_sequence": b"-1"}, b"k", "ce_sequence is not readable"),
        ({"ce_sequence": b"1_0"}, b"k", "ce_sequence is not readable"),
        ({"ce_sequence": "٣".encode()}, b"k", "ce_sequence is not readable"),
        ({"ce_sequence": b"9223372036854775808"}, b"k", "ce_sequence is not readable"),
        ({"ce_sequence": b"9" * 5000}, b"k", "ce_sequence is not readable"),
        ({"ce_source": b"\xff"}, b"k", "ce_source is not UTF-8"),
        ({"ce_subject": b"\xff"}, b"k", "ce_subject is not UTF-8"),
        ({}, None, "has no key"),
        ({}, b"", "has no key"),
        ({}, b"\xff", "key is not UTF-8"),
    ],
)
def test_record_that_cannot_be_placed_is_malformed(
    changes: dict[str, bytes | None], key: bytes | None, says: str
) -> None:
    with pytest.raises(EnvelopeMalformed, match=says) as refused:
        from_headers(headers_with(**changes), key)
    assert "secret" not in str(refused.value)


@given(headers=st.lists(st.tuples(st.sampled_from(sorted(OURS)), st.none() | st.binary(max_size=40))), key=st.binary())
def test_any_headers_are_either_read_or_malformed(headers: list[tuple[str, bytes | None]], key: bytes) -> None:
    try:
        assert from_headers(headers, key).key
    except EnvelopeMalformed as refused:
        assert str(refused)


@given(moment=moments)
def test_time_comes_back_to_the_microsecond(moment: datetime) -> None:
    text = format_time(moment)
    assert text.endswith("Z")
    assert parse_time(text) == moment
    assert parse_time(text).tzinfo is UTC


def test_time_without_a_zone_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="no zone"):
        format_time(datetime(2026, 3, 2, 8, 14))  # noqa: DTZ001
    with pytest.raises(ValueError, match="no zone"):
        parse_time("2026-03-02T08:14:07")


def test_envelope_is_frozen() -> None:
    envelope = Envelope(uuid4(), "/anliegen/intake", "intake.contact_received.v1", datetime.now(UTC), "k")
    with pytest.raises(AttributeError):
        envelope.key = "another"  # type: ignore[misc]
