"""What partner systems may write to their topics, as AsyncAPI has it: each fact in both modes of CloudEvents on Kafka.

It follows from the classes that derive from PartnerEvent, like what intake takes.
"""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

from .base import Event
from .documentation import read_example
from .partners import OWN_FIELDS, PartnerCustomerEvent, PartnerEvent, PartnerOrigin, partner_type_of
from .schemas import schema_of

STRUCTURED = "application/cloudevents+json"
_DEMANDED = ("specversion", "id", "source", "type")
_DATA = "Its fields; others are ignored."


def partner_classes_among(classes: Iterable[type[Event]]) -> list[type[PartnerEvent]]:
    """Those of these classes that a partner can write."""
    return [cls for cls in classes if issubclass(cls, PartnerEvent)]


def data_schema_of(cls: type[PartnerEvent]) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the data that a partner gives: without what intake fills in."""
    schema = schema_of(cls)
    properties = {name: field for name, field in schema["properties"].items() if name not in OWN_FIELDS}
    if issubclass(cls, PartnerCustomerEvent):
        told = (
            "Letters and digits, at most 40; blanks and separators (. / - _) are left out, small letters are capitals."
        )
        properties["customer_number"] = {"description": told, "type": "string"}
    return {
        "title": f"Partner{cls.__name__}",
        "description": inspect.getdoc(cls) or "",
        "type": "object",
        "properties": properties,
        "required": [name for name in schema["required"] if name not in OWN_FIELDS],
    }


def partner_messages(classes: Sequence[type[Event]]) -> dict[str, dict[str, Any]]:
    """The messages by their names: a fact's type for its binary mode, `<type>.structured` for the other."""
    found = {}
    for cls in partner_classes_among(classes):
        kind = partner_type_of(cls)
        found[kind], found[f"{kind}.structured"] = _binary(cls), _structured(cls)
    return found


def _binary(cls: type[PartnerEvent]) -> dict[str, Any]:
    attributes, data = _example(cls)
    content_type = {
        "type": "string",
        "pattern": "^(?!application/cloudevents)(application|text)/([a-z0-9.-]+\\+)?json",
        "description": "JSON in UTF-8; it may be left out.",
    }
    return {
        "name": partner_type_of(cls),
        "title": f"{cls.__name__}, in binary mode",
        "summary": f"{_summary(cls)} Attributes as headers, data as the value.",
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {f"ce_{name}": schema for name, schema in _attributes(cls).items()}
            | {"content-type": content_type},
            "required": [f"ce_{name}" for name in _DEMANDED],
        },
        "payload": _data(cls),
        "examples": [
            {
                "headers": {f"ce_{name}": value for name, value in attributes.items()}
                | {"content-type": "application/json"},
                "payload": data,
            }
        ],
    }


def _structured(cls: type[PartnerEvent]) -> dict[str, Any]:
    attributes, data = _example(cls)
    return {
        "name": partner_type_of(cls),
        "title": f"{cls.__name__}, in structured mode",
        "summary": f"{_summary(cls)} Attributes and data in the value.",
        "contentType": STRUCTURED,
        "headers": {
            "type": "object",
            "properties": {"content-type": {"type": "string", "pattern": "^application/cloudevents\\+json"}},
            "required": ["content-type"],
        },
        "payload": {
            "type": "object",
            "properties": {
                **_attributes(cls),
                "datacontenttype": {"type": "string", "description": "JSON in UTF-8; it may be left out."},
                "data": _data(cls),
                "data_base64": {"type": "string", "description": "The same, as JSON in base64, instead of `data`."},
            },
            "required": list(_DEMANDED),
            "oneOf": [{"required": ["data"]}, {"required": ["data_base64"]}],
        },
        "examples": [{"headers": {"content-type": STRUCTURED}, "payload": {**attributes, "data": data}}],
    }


def _attributes(cls: type[PartnerEvent]) -> dict[str, Any]:
    origin = schema_of(PartnerOrigin)["properties"]
    return {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {
            "type": "string",
            "minLength": 1,
            "maxLength": origin["event_id"]["maxLength"],
            "description": "Unique for the source: a repetition has the same one.",
        },
        "source": {
            "type": "string",
            "minLength": 1,
            "maxLength": origin["source"]["maxLength"],
            "description": "One of the sources that the partner is registered with, exactly.",
        },
        "type": {"type": "string", "const": partner_type_of(cls)},
        "time": {
            "type": "string",
            "format": "date-time",
            "description": "When it happened; without it, when it reached us.",
        },
    }


def _data(cls: type[PartnerEvent]) -> dict[str, Any]:
    return {"description": _DATA, "allOf": [{"$ref": f"#/components/schemas/{partner_type_of(cls)}"}]}


def _summary(cls: type[PartnerEvent]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def _example(cls: type[PartnerEvent]) -> tuple[dict[str, str], dict[str, Any]]:
    """The golden example as the partner wrote it: its attributes and its data."""
    told = read_example(cls.event_type)["data"]
    attributes = {
        "specversion": "1.0",
        "id": told["origin"]["event_id"],
        "source": told["origin"]["source"],
        "type": partner_type_of(cls),
        "time": told["occurred_at"],
    }
    return attributes, {name: value for name, value in told.items() if name not in OWN_FIELDS}
