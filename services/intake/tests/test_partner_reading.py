"""CloudEvents as the official SDK and others write them, in every mode, read by us."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.v1.event import CloudEvent as SdkEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anliegen.intake.partners.bindings import BATCHED, MOST_EVENTS, STRUCTURED, TooManyEvents, read_http, read_record
from anliegen.intake.partners.cloudevents import CloudEvent, EventUnreadable
from anliegen.kit.errors import Problem

calm = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=50)
names = st.from_regex(r"x[a-z0-9]{1,15}", fullmatch=True)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=zones)  # noqa: DTZ001
plain = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | plain
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain, inner, max_size=3))
datas = st.none() | st.dictionaries(plain, values, max_size=4)
types = st.sampled_from([None, "application/json", "application/vnd.erp+json; charset=utf-8", "text/json"])


@st.composite
def events(draw: st.DrawFn) -> tuple[SdkEvent, CloudEvent]:
    """An event as the SDK holds it, and as we should read it."""
    wanted = CloudEvent(draw(texts), draw(texts), draw(texts), draw(moments), draw(datas))
    attributes: dict[str, Any] = {"id": wanted.id, "source": wanted.source, "type": wanted.type, "time": wanted.time}
    attributes |= draw(st.dictionaries(names, texts, max_size=3))
    if content_type := draw(types):
        attributes["datacontenttype"] = content_type
    return SdkEvent(attributes, wanted.data), wanted


def same(read: CloudEvent, wanted: CloudEvent) -> bool:
    assert read.time is not None and read.time.tzinfo is UTC
    assert read == wanted
    return True


@calm
@given(pair=events())
def test_binary_mode_over_http(pair: tuple[SdkEvent, CloudEvent]) -> None:
    written = http.to_binary_event(pair[0])
    [read], is_batch = read_http(list(written.headers.items()), written.body)
    assert same(read, pair[1]) and not is_batch


@calm
@given(pair=events())
def test_structured_mode_over_http(pair: tuple[SdkEvent, CloudEvent]) -> None:
    written = http.to_structured_event(pair[0])
    [read], is_batch = read_http(list(written.headers.items()), written.body)
    assert same(read, pair[1]) and not is_batch


@calm
@given(pairs=st.lists(events(), max_size=4))
def test_batched_mode_over_http(pairs: list[tuple[SdkEvent, CloudEvent]]) -> None:
    body = b"[" + b",".join(http.to_structured_event(event).body for event, _ in pairs) + b"]"
    read, is_batch = read_http([("Content-Type", f"{BATCHED}; charset=UTF-8")], body)
    assert is_batch and all(same(*each) for each in zip(read, (wanted for _, wanted in pairs), strict=True))


@calm
@given(pair=events())
def test_binary_mode_over_kafka(pair: tuple[SdkEvent, CloudEvent]) -> None:
    written = kafka.to_binary_event(pair[0])
    assert same(read_record(written.headers.items(), written.value), pair[1])


@calm
@given(pair=events())
def test_structured_mode_over_kafka(pair: tuple[SdkEvent, CloudEvent]) -> None:
    written = kafka.to_structured_event(pair[0])
    assert same(read_record(written.headers.items(), written.value), pair[1])


@calm
@given(pair=events())
def test_json_given_as_bytes_comes_as_base64(pair: tuple[SdkEvent, CloudEvent]) -> None:
    content = json.dumps(pair[1].data).encode()
    written = http.to_structured_event(SdkEvent(dict(pair[0].get_attributes()), content))
    assert b"data_base64" in written.body
    [read], _ = read_http(list(written.headers.items()), written.body)
    assert same(read, pair[1])


header_names = st.sampled_from(["ce_id", "ce_type", "ce_specversion", "content-type", "CE_x"])
header_lists = st.lists(st.tuples(header_names, st.none() | st.binary(max_size=30)))


@calm
@given(headers=header_lists, value=st.none() | st.binary(max_size=60))
def test_any_record_is_either_read_or_a_named_trouble(headers: list[Any], value: bytes | None) -> None:
    try:
        read_record(headers, value)
    except Problem as problem:
        assert str(problem)


@calm
@given(value=st.recursive(scalars | st.floats(allow_nan=False), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["id", "source", "type", "time", "specversion", "data", "data_base64", "datacontenttype"]), inner)),
    kind=st.sampled_from([STRUCTURED, BATCHED]))  # fmt: skip
def test_any_json_is_either_read_or_a_named_trouble(value: Any, kind: str) -> None:
    try:
        read_http([("content-type", kind)], json.dumps(value).encode())
    except Problem as problem:
        assert str(problem)


def binary(*changes: tuple[str, str], body: bytes = b"{}") -> CloudEvent:
    """A good event in binary mode, with these headers in place of its own."""
    given = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
    kept = [(name, value) for name, value in given.items() if name not in {c[0].lower() for c in changes}]
    [read], _ = read_http([*kept, *changes], body)
    return read


def codes(*changes: tuple[str, str], body: bytes = b"{}") -> list[tuple[str, str]]:
    with pytest.raises(EventUnreadable) as refused:
        binary(*changes, body=body)
    return [(error.pointer, error.code) for error in refused.value.errors]


@pytest.mark.parametrize(
    ("header", "means"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("%e2%82%ac", "€"),
        ('"quoted \\"twice\\" \\\\"', 'quoted "twice" \\'),
        ('"Euro%20%E2%82%AC"', "Euro €"),
        ("100%25", "100%"),
        ("a%2520b", "a%20b"),
        ("5%", "5%"),
        ("€".encode().decode("latin-1"), "€"),
        ("  inner  blanks  ", "inner  blanks"),
    ],
)
def test_headers_are_decoded_once_as_the_binding_says(header: str, means: str) -> None:
    assert binary(("CE-Id", header)).id == means


@pytest.mark.parametrize("header", ["%C0%A0", "%FF", "\xff", "%ED%A0%80"])
def test_bytes_that_are_no_utf8_are_refused(header: str) -> None:
    assert codes(("ce-id", header)) == [("/id", "not_utf8")]


@pytest.mark.parametrize("header", ["a%0D%0Ace-source:%20x", "a%00b", "%7F", "%C2%85", "%EF%BF%BF"])
def test_characters_that_no_attribute_may_have_are_refused(header: str) -> None:
    assert codes(("ce-id", header)) == [("/id", "control_character")]


def test_an_attribute_that_is_given_twice_is_refused() -> None:
    assert codes(("ce-id", "1"), ("CE-ID", "2")) == [("/id", "given_twice")]


def test_everything_that_is_wrong_is_named() -> None:
    assert codes(("ce-specversion", "0.3"), ("ce-id", ""), ("ce-source", "x" * 501), ("ce-time", "yesterday")) == [
        ("/specversion", "version_unknown"), ("/id", "not_a_text"), ("/source", "not_a_text"), ("/time", "not_a_time"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-02T08:14:07Z",
        "2026-03-02t08:14:07.000z",
        "2026-03-02T09:14:07+01:00",
        "2026-03-02T08:14:07.000000000-00:00",
    ],
)
def test_times_are_read_in_every_form_of_rfc_3339(time: str) -> None:
    assert binary(("ce-time", time.replace("+", "%2B"))).time == datetime(2026, 3, 2, 8, 14, 7, tzinfo=UTC)
    assert binary(("ce-time", time)).time == datetime(2026, 3, 2, 8, 14, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-02T08:14:07",
        "2026-03-02",
        "20260302T081407Z",
        "2026-W10-1T08:14:07Z",
        "2026-03-02 08:14:07Z",
        "1772439247",
        "2026-13-02T08:14:07Z",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_other_forms_of_time_are_not_guessed(time: str) -> None:
    assert codes(("ce-time", time)) == [("/time", "not_a_time")]


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        ([], ("", "not_an_object")),
        ({"id": 5}, ("/id", "not_a_text")),
        ({"id": None}, ("/id", "missing")),
        ({"time": 5}, ("/time", "not_a_time")),
        ({"specversion": 1.0}, ("/specversion", "version_unknown")),
        ({"data": {}, "data_base64": "e30="}, ("/data", "data_twice")),
        ({"data": None, "data_base64": "!"}, ("/data_base64", "data_not_json")),
        ({"data": None, "data_base64": base64.b64encode(b"\xff{").decode()}, ("/data_base64", "data_not_json")),
        (
            {"data": None, "data_base64": base64.b64encode(b'{"a": 1, "a": 2}').decode()},
            ("/data_base64", "given_twice"),
        ),
        ({"data": None, "data_base64": 7}, ("/data_base64", "data_not_json")),
        ({"datacontenttype": "application/xml", "data": "<a/>"}, ("/datacontenttype", "data_not_json")),
        ({"datacontenttype": "application/json; charset=latin-1"}, ("/datacontenttype", "data_not_json")),
    ],
)
def test_faults_of_the_json_form_are_named_with_their_place(event: Any, fault: tuple[str, str]) -> None:
    good = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
    body = good | event if isinstance(event, dict) else event
    for kind, content, at in ((STRUCTURED, body, ""), (BATCHED, [good, body], "/1")):
        with pytest.raises(EventUnreadable) as refused:
            read_http([("content-type", kind)], json.dumps(content).encode())
        assert [(error.pointer, error.code) for error in refused.value.errors] == [(at + fault[0], fault[1])]


def test_attributes_that_are_null_are_not_set() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "time": None, "data": None, "subject": None}
    [read], _ = read_http([("content-type", STRUCTURED)], json.dumps(event).encode())
    assert (read.time, read.data) == (None, None)


def test_a_batch_may_be_empty_and_has_an_end() -> None:
    assert read_http([("content-type", BATCHED)], b"[]") == ([], True)
    with pytest.raises(TooManyEvents):
        read_http([("content-type", BATCHED)], json.dumps([{}] * (MOST_EVENTS + 1)).encode())


def test_trace_and_other_headers_are_left_alone() -> None:
    assert binary(("traceparent", "00-1-2-03"), ("ce-traceparent", "00-1-2-03"), ("x-other", "\xff")).id == "1"
