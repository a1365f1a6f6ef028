"""CloudEvents over HTTP (binary, structured, batched) and over Kafka (binary, structured)."""

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from anliegen.kit.errors import FieldError, NotSupported, TooLarge

from .cloudevents import (
    CloudEvent,
    EventUnreadable,
    is_json,
    is_utf8,
    make_event,
    media_type_of,
    read_json,
    read_json_event,
)

FAMILY = "application/cloudevents"
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
MOST_EVENTS = 1_000
MOST_ERRORS = 50
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


class FormatUnknown(NotSupported):
    """Send CloudEvents 1.0: `ce-` headers with JSON as the body, or application/cloudevents+json, or
    application/cloudevents-batch+json; all in UTF-8."""


class TooManyEvents(TooLarge):
    """There are more events in this batch than this door takes at once."""


def read_http(headers: Sequence[tuple[str, str]], body: bytes) -> tuple[list[CloudEvent], bool]:
    """The events of a request, and whether it was a batch, in whose pointers each event has its number.

    Raises FormatUnknown, EventUnreadable (with a pointer for each fault), and what `read_json` raises.
    """
    content_type = next((value for name, value in headers if name.lower() == "content-type"), None)
    media_type = media_type_of(content_type)
    if media_type.startswith(FAMILY):
        if media_type not in {STRUCTURED, BATCHED} or not is_utf8(content_type):
            raise FormatUnknown
        value = read_json(body)
        return (_read_batch(value), True) if media_type == BATCHED else ([read_json_event(value)], False)
    attributes = _attributes((name, value) for name, value in headers if name.lower().startswith("ce-"))
    if not attributes or not is_json(content_type):
        raise FormatUnknown
    return [make_event(attributes, data=read_json(body, at="/data") if body else None)], False


def read_record(headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> CloudEvent:
    """The event of a Kafka record. Raises FormatUnknown, EventUnreadable, and what `read_json` raises."""
    attributes: dict[str, str] = {}
    content_type: str | None = None
    for raw_name, raw in headers:
        name = raw_name.lower()
        if raw is None or not (name == "content-type" or name.startswith("ce_")):
            continue
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise EventUnreadable(
                errors=[FieldError(f"/{name.removeprefix('ce_')}", "not_utf8", "Not UTF-8.")]
            ) from None
        if name == "content-type":
            content_type = text
        else:
            _enter(attributes, name.removeprefix("ce_"), text)
    media_type = media_type_of(content_type)
    if media_type.startswith(FAMILY):
        if media_type != STRUCTURED or not is_utf8(content_type):
            raise FormatUnknown
        return read_json_event(read_json(value or b""))
    if not attributes or not is_json(content_type):
        raise FormatUnknown
    return make_event(attributes, data=read_json(value, at="/data") if value else None)


def _read_batch(value: Any) -> list[CloudEvent]:
    if not isinstance(value, list):
        raise EventUnreadable(errors=[FieldError("", "not_a_list", "A batch is a JSON list of CloudEvents.")])
    if len(value) > MOST_EVENTS:
        raise TooManyEvents(maximum_events=MOST_EVENTS)
    events: list[CloudEvent] = []
    errors: list[FieldError] = []
    for index, each in enumerate(value):
        try:
            events.append(read_json_event(each, at=f"/{index}"))
        except EventUnreadable as problem:
            errors.extend(problem.errors)
        if len(errors) > MOST_ERRORS:
            break
    if errors:
        raise EventUnreadable(errors=errors[:MOST_ERRORS])
    return events


def _attributes(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """HTTP headers as attributes, decoded (HTTP binding, 3.1.3.2)."""
    attributes: dict[str, str] = {}
    for raw_name, raw in headers:
        name = raw_name.lower().removeprefix("ce-")
        text = raw.strip()
        if quoted := _QUOTED.fullmatch(text):
            text = re.sub(r"\\(.)", r"\1", quoted[1])
        try:
            # The server reads headers as Latin-1; what is not ASCII in them should not be there, and is bytes of UTF-8.
            _enter(attributes, name, unquote_to_bytes(text.encode("latin-1")).decode())
        except UnicodeError:
            raise EventUnreadable(
                errors=[FieldError(f"/{name}", "not_utf8", "Percent-encoded UTF-8 is expected.")]
            ) from None
    return attributes


def _enter(attributes: dict[str, str], name: str, text: str) -> None:
    if name in attributes:
        # Two readers could each believe another one.
        raise EventUnreadable(errors=[FieldError(f"/{name}", "given_twice", "An attribute is given once.")])
    attributes[name] = text
