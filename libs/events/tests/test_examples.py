"""Golden examples: one record of every type and version, as it lies in Kafka. Every consumer has to read them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from anliegen.events import CaseEvent, Event, registry
from anliegen.events.codec import decode_as_said, encode
from anliegen.events.documentation import EXAMPLES, read_example
from anliegen.events.envelope import format_time, from_headers, to_headers
from anliegen.events.schemas import FOLDER

CLASSES = registry.classes_in("anliegen.events")
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.event_type)


def data_of(cls: type[Event]) -> bytes:
    return json.dumps(read_example(cls.event_type)["data"], ensure_ascii=False, separators=(",", ":")).encode()


def test_every_type_has_an_example_and_no_other_has() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {f"{cls.event_type}.json" for cls in CLASSES}


@each_class
def test_example_is_read_and_written_again_to_the_byte(cls: type[Event]) -> None:
    event = decode_as_said(cls.event_type, data_of(cls))
    assert type(event) is cls
    assert encode(event) == data_of(cls)


@each_class
def test_example_says_nothing_that_the_class_does_not(cls: type[Event]) -> None:
    assert cls.model_validate_json(data_of(cls)) == decode_as_said(cls.event_type, data_of(cls))


@each_class
def test_headers_are_those_of_the_event(cls: type[Event]) -> None:
    example = read_example(cls.event_type)
    event = decode_as_said(cls.event_type, data_of(cls))
    assert event is not None
    envelope = from_headers(to_headers(example["headers"]), example["key"].encode())
    assert envelope.attributes() == example["headers"]
    assert list(envelope.attributes()) == list(example["headers"])
    assert envelope.type == cls.event_type
    assert envelope.source == f"/anliegen/{registry.service_of(cls.event_type)}"
    assert envelope.dataschema == registry.dataschema_of(cls.event_type)
    assert (envelope.key, envelope.subject) == (event.key, event.subject)
    assert envelope.sequence >= 1
    assert envelope.id.version == 7
    assert format_time(envelope.time)[:23] == format_time(moment_in(envelope.id.int))[:23]


@each_class
def test_written_schema_describes_the_example(cls: type[Event]) -> None:
    schema = json.loads((FOLDER / f"{cls.event_type}.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(read_example(cls.event_type)["data"])


@pytest.mark.parametrize("cls", registry.classes_of(CaseEvent), ids=lambda cls: cls.event_type)
def test_case_belongs_to_the_task_that_announces_it(cls: type[Event]) -> None:
    assert read_example(cls.event_type)["data"]["task"] == cls.event_type.partition(".")[0]


def test_offsets_of_a_reason_point_into_the_contact_that_was_triaged() -> None:
    contact: dict[str, Any] = read_example("intake.contact_received.v1")["data"]
    triaged: dict[str, Any] = read_example("triage.contact_triaged.v1")["data"]
    assert triaged["contact_id"] == contact["contact_id"]
    reason = triaged["concerns"][0]["reasons"][0]
    assert contact["text"][reason["start"] : reason["end"]] == "ziehe"


def moment_in(number: int) -> datetime:
    """The time that a UUIDv7 begins with."""
    return datetime.fromtimestamp((number >> 80) / 1000, tz=UTC)
