"""The AsyncAPI document is valid, complete, and agrees with what really travels."""

import copy
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from anliegen.events import ContactReceived, asyncapi, registry
from anliegen.events.asyncapi import SOMETIMES, document
from anliegen.events.builders import build, envelope_for
from anliegen.events.documentation import HEADERS
from anliegen.events.generated import REPOSITORY
from anliegen.events.partners import PartnerEvent, partner_type_of
from anliegen.events.topics import manifest

CLASSES = registry.classes_in("anliegen.events")
WRITTEN = json.loads((REPOSITORY / "docs" / "asyncapi.json").read_text("utf-8"))
OFFICIAL = Path(__file__).parent / "asyncapi" / "asyncapi-3.0.0.json"


def problems(described: dict[str, Any]) -> list[str]:
    """What the official JSON Schema of AsyncAPI 3.0.0 has against a document."""
    official = json.loads(OFFICIAL.read_text("utf-8"))
    return [f"{error.json_path}: {error.message[:200]}" for error in Draft7Validator(official).iter_errors(described)]


def test_official_schema_is_as_it_was_published() -> None:
    checksum = hashlib.sha256(OFFICIAL.read_bytes()).hexdigest()
    assert checksum == "abe96881dbfaad495ccbb6bd8d3fb43ca18a13b9d7564849ccb66f39d5e5b20f"


def test_written_document_is_valid() -> None:
    assert problems(WRITTEN) == []


@pytest.mark.parametrize(
    "broken",
    [
        lambda described: described.pop("info"),
        lambda described: described.update(asyncapi="2.6.0"),
        lambda described: described["channels"]["anliegen.intake"].update(adress="anliegen.intake"),
        lambda described: next(iter(described["operations"].values())).update(action="publish"),
        lambda described: described["channels"]["anliegen.intake"]["bindings"]["kafka"].update(partitions=0),
        lambda described: described["components"]["schemas"]["EventHeaders"].update(type="text"),
        lambda described: described["components"]["messages"]["triage.contact_triaged.v1"].update(examples=[{}]),
    ],
)
def test_broken_document_is_found(broken: Any) -> None:
    described = copy.deepcopy(WRITTEN)
    broken(described)
    assert problems(described)


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_reference_leads_somewhere() -> None:
    assert references(WRITTEN)
    for reference in references(WRITTEN):
        found = WRITTEN
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def errors(schema: Any, value: Any) -> list[str]:
    """What a schema of the document has against the value."""
    validator = Draft7Validator({**schema, "components": WRITTEN["components"]})
    return [error.message for error in validator.iter_errors(value)]


@pytest.mark.parametrize("name", WRITTEN["components"]["messages"])
def test_examples_are_valid_under_their_message(name: str) -> None:
    message = WRITTEN["components"]["messages"][name]
    for example in message["examples"]:
        assert errors(message["headers"], example["headers"]) == []
        assert errors(message["payload"], example["payload"]) == []


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.event_type)
def test_headers_of_an_event_are_described(cls: Any) -> None:
    message = WRITTEN["components"]["messages"][cls.event_type]
    headers = message["examples"][0]["headers"]
    assert headers.keys() >= HEADERS.keys() - SOMETIMES
    for name in HEADERS.keys() - SOMETIMES:
        without = {other: value for other, value in headers.items() if other != name}
        assert errors(message["headers"], without) == [f"{name!r} is a required property"]
    assert errors(message["headers"], {**headers, "ce_type": "intake.something_else.v1"})
    assert errors(message["headers"], {**headers, "ce_sequence": "-1"})


def test_every_header_that_travels_is_explained() -> None:
    optional = dict.fromkeys(("correlationid", "causationid", "traceparent", "tracestate"), "x")
    full = replace(envelope_for(build(ContactReceived)), **optional)
    assert set(full.attributes()) == set(HEADERS)


def test_every_event_travels_on_its_channel() -> None:
    for cls in CLASSES:
        channel = WRITTEN["channels"][registry.topic_of(cls)]
        assert channel["messages"][cls.__name__] == {"$ref": f"#/components/messages/{cls.event_type}"}
    ours = {name for name in WRITTEN["channels"] if name != "anliegen.partner"}
    assert ours == {topic.name for topic in manifest("production")}
    assert WRITTEN["channels"]["anliegen.partner"]["address"] == "anliegen.partner.{name}"


def test_channel_is_cut_and_kept_as_the_manifest_says() -> None:
    for topic in manifest("production"):
        binding = WRITTEN["channels"][topic.name]["bindings"]["kafka"]
        assert (binding["topic"], binding["partitions"], binding["replicas"]) == (topic.name, 24, 3)
        assert {name: str(binding["topicConfiguration"][name]) for name in topic.config} == topic.config


def test_operations_say_who_announces_and_who_hears() -> None:
    described = document({"intake.contact_received.v1": ["journey", "triage"]}, ["intake"])
    announced = {name: kind for name, kind in described["operations"].items() if kind["action"] == "send"}
    assert {name.split(".announces.")[0] for name in announced} == {registry.service_of(c.event_type) for c in CLASSES}
    assert sum(len(kind["messages"]) for kind in announced.values()) == len(CLASSES)
    heard = {name: kind for name, kind in described["operations"].items() if kind["action"] == "receive"}
    assert list(heard) == ["journey.hears.intake.words", "triage.hears.intake.words", "intake.hears.partner"]
    triage = heard["triage.hears.intake.words"]
    assert triage["messages"] == [{"$ref": "#/channels/anliegen.intake.words/messages/ContactReceived"}]
    assert triage["bindings"]["kafka"]["groupId"] == {"type": "string", "const": "triage"}
    assert problems(described) == []


def test_parts_that_events_share_are_the_same_in_all() -> None:
    """They lie side by side under their names, so two different ones of a name would hide each other."""
    for cls in CLASSES:
        found = asyncapi._schemas([cls])
        assert all(WRITTEN["components"]["schemas"][name] == part for name, part in found.items()), cls


def test_partner_channel_names_every_fact_that_a_partner_may_tell_in_both_modes() -> None:
    kinds = [partner_type_of(cls) for cls in CLASSES if issubclass(cls, PartnerEvent)]
    assert "partner.customer_record_changed.v1" in kinds
    messages = WRITTEN["channels"]["anliegen.partner"]["messages"]
    assert messages.keys() == {name for kind in kinds for name in (kind, f"{kind}.structured")}
    for kind in kinds:
        binary, structured = (WRITTEN["components"]["messages"][name] for name in (kind, f"{kind}.structured"))
        headers, event = binary["examples"][0]["headers"], structured["examples"][0]["payload"]
        other = "com.example.invoice.sent"
        assert errors(binary["headers"], {**headers, "ce_type": other}) == [f"{kind!r} was expected"]
        assert errors(structured["payload"], {**event, "type": other}) == [f"{kind!r} was expected"]
        assert errors(binary["headers"], {**headers, "content-type": "application/cloudevents+json"})
        assert errors(structured["payload"], {name: value for name, value in event.items() if name != "data"})
