"""The events as an AsyncAPI 3 document, `docs/asyncapi.json`: for tools, what `docs/events.md` is for people.

Channels are topics, messages are event types with their headers, data and golden example, operations say which service
announces and which hears them. Who hears what is known to the services, which this library does not import, so
`scripts/docs.py` (`make docs`) writes the file.

Schemas are given as AsyncAPI's own Schema Objects, which are JSON Schema draft 07: a reference there stands alone, so
what else is said of a field stands around it (`allOf`), and shared parts lie in `components`.
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from . import registry
from .asyncapi_partners import data_schema_of, partner_classes_among, partner_messages
from .base import Event
from .codec import LARGEST_PAYLOAD
from .documentation import HEADERS, read_example
from .partners import partner_type_of
from .schemas import schema_of
from .topics import PARTNER, TopicSpec, manifest

BINDING_VERSION = "0.5.0"
SOMETIMES = frozenset({"ce_causationid", "traceparent", "tracestate"})
"""Headers that an event may lack: nothing caused it but a request, or nobody traces."""

_DESCRIPTION = f"""\
What Anliegen's services tell each other and those who listen, and what partner systems may tell Anliegen. An event is a
CloudEvent in binary mode: the record's value is the data as JSON (at most {LARGEST_PAYLOAD // 1024} KiB), its key \
keeps one journey in order.

Bear with new fields (ignore them), new values of lists (read them as `unknown`), new types (skip them), absent fields \
(never null) and repetitions (the same `ce_id`). Order holds within one topic and key."""

_FORMS: Mapping[str, Mapping[str, Any]] = {
    "ce_specversion": {"const": "1.0"},
    "content-type": {"const": "application/json"},
    "ce_id": {"format": "uuid"},
    "ce_source": {"format": "uri-reference"},
    "ce_time": {"format": "date-time"},
    "ce_dataschema": {"format": "uri"},
    "ce_sequence": {"pattern": "^[0-9]{1,19}$"},
    "traceparent": {"pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
}


def document(hearers: Mapping[str, Sequence[str]], partner_readers: Sequence[str] = ()) -> dict[str, Any]:
    """The document. `hearers` names the services that hear each event type, `partner_readers` who hears partners."""
    classes = registry.classes_in("anliegen.events")
    services = sorted({registry.service_of(cls.event_type) for cls in classes})
    return {
        "asyncapi": "3.0.0",
        "id": "urn:anliegen:events",
        "info": {
            "title": "Anliegen: events",
            "version": version("anliegen-events"),
            "description": _DESCRIPTION,
            "contact": {"name": "The maintainers of Anliegen"},
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "tags": [{"name": name, "description": f"Announced by {name}."} for name in services]
            + [{"name": "words", "description": "Carries what a person wrote, and is kept for days."}],
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The Kafka of the installation.",
                "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "ANLIEGEN_KAFKA_BOOTSTRAP"}},
            }
        },
        "channels": dict(_channels(classes)),
        "operations": dict(_operations(classes, hearers, partner_readers)),
        "components": {
            "messages": {cls.event_type: _message(cls) for cls in classes} | partner_messages(classes),
            "schemas": _schemas(classes),
            "correlationIds": {
                "beginning": {
                    "location": "$message.header#/ce_correlationid",
                    "description": HEADERS["ce_correlationid"],
                }
            },
        },
    }


def _channels(classes: Sequence[type[Event]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for spec in manifest("production"):
        carried = [cls for cls in classes if registry.topic_of(cls) == spec.name]
        if carried:
            service = registry.service_of(carried[0].event_type)
            yield (
                spec.name,
                {
                    "address": spec.name,
                    "description": f"What {'people wrote' if carried[0].words else 'happened'}, as {service} tells it.",
                    "messages": {cls.__name__: _reference("messages", cls.event_type) for cls in carried},
                    "tags": _tags(carried[0]),
                    "bindings": {"kafka": _binding(spec)},
                },
            )
    name = f"{PARTNER}{{name}}"
    (spec,) = (spec for spec in manifest("production", partners=["{name}"]) if spec.name == name)
    binding = {key: value for key, value in _binding(spec).items() if key != "topic"}
    yield (
        PARTNER.rstrip("."),
        {
            "address": name,
            "description": "What a partner system tells Anliegen: CloudEvents 1.0 in binary or structured mode, of "
            "these types, as far as the partner is registered for them. They are taken once by source and id; what "
            "cannot be taken is a dead letter of its reader. The same is taken over HTTP: docs/partners.md.",
            "parameters": {"name": {"description": "The partner system's name in the settings of the installation."}},
            "messages": {kind: _reference("messages", kind) for kind in partner_messages(classes)},
            "bindings": {"kafka": binding},
        },
    )


def _binding(spec: TopicSpec) -> dict[str, Any]:
    config = {name: int(value) for name, value in spec.config.items()}
    return {
        "topic": spec.name,
        "partitions": spec.partitions,
        "replicas": spec.replication,
        "topicConfiguration": {"cleanup.policy": ["delete"], **config},
        "bindingVersion": BINDING_VERSION,
    }


def _operations(
    classes: Sequence[type[Event]], hearers: Mapping[str, Sequence[str]], partner_readers: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for topic in registry.topics_of(classes):
        carried = [cls for cls in classes if registry.topic_of(cls) == topic]
        yield _operation("send", registry.service_of(carried[0].event_type), topic, [cls.__name__ for cls in carried])
    for service in sorted({name for names in hearers.values() for name in names}):
        heard = [cls for cls in classes if service in hearers.get(cls.event_type, ())]
        for topic in registry.topics_of(heard):
            names = [cls.__name__ for cls in heard if registry.topic_of(cls) == topic]
            yield _operation("receive", service, topic, names)
    for service in partner_readers:
        yield _operation("receive", service, PARTNER.rstrip("."), list(partner_messages(classes)))


def _operation(action: str, service: str, channel: str, messages: Sequence[str]) -> tuple[str, dict[str, Any]]:
    told = "announces" if action == "send" else "hears"
    operation: dict[str, Any] = {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": f"{service} {told} {', '.join(messages)}.",
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }
    if action == "receive":
        group = {"type": "string", "const": service}
        operation["bindings"] = {"kafka": {"groupId": group, "bindingVersion": BINDING_VERSION}}
    return f"{service}.{told}.{channel.removeprefix('anliegen.')}", operation


def _message(cls: type[Event]) -> dict[str, Any]:
    example = read_example(cls.event_type)
    told = inspect.getdoc(cls) or ""
    says = {
        "ce_type": cls.event_type,
        "ce_source": f"/anliegen/{registry.service_of(cls.event_type)}",
        "ce_dataschema": registry.dataschema_of(cls.event_type),
    }
    fixed = {name: {"const": value} for name, value in says.items()}
    key = next(name for name, value in example["data"].items() if value == example["key"])
    return {
        "name": cls.event_type,
        "title": cls.__name__,
        "summary": told.partition("\n")[0],
        "description": told,
        "contentType": "application/json",
        "headers": {"allOf": [_reference("schemas", "EventHeaders"), {"type": "object", "properties": fixed}]},
        "payload": _reference("schemas", cls.event_type),
        "correlationId": _reference("correlationIds", "beginning"),
        "tags": _tags(cls),
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": f"The `{key}` of the data."},
                "bindingVersion": BINDING_VERSION,
            }
        },
        "examples": [{"name": "golden", "headers": example["headers"], "payload": example["data"]}],
    }


def _schemas(classes: Iterable[type[Event]]) -> dict[str, Any]:
    headers = {name: {"type": "string", "description": told, **_FORMS.get(name, {})} for name, told in HEADERS.items()}
    required = [name for name in headers if name not in SOMETIMES]
    found: dict[str, Any] = {"EventHeaders": {"type": "object", "properties": headers, "required": required}}
    for cls in classes:
        schema = schema_of(cls)
        parts = schema.pop("$defs", {})
        for name in ("$schema", "$id"):
            del schema[name]
        for name, part in {**parts, cls.event_type: schema}.items():
            found[name] = _as_draft_07(part)
    for partner_cls in partner_classes_among(classes):
        found[partner_type_of(partner_cls)] = _as_draft_07(data_schema_of(partner_cls))
    return found


def _as_draft_07(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_draft_07(item) for item in value]
    if not isinstance(value, dict):
        return value
    told = {name: _as_draft_07(item) for name, item in value.items() if name != "$ref"}
    if "$ref" not in value:
        return told
    target = _reference("schemas", value["$ref"].rpartition("/")[2])
    return {**told, "allOf": [target]} if told else target


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _tags(cls: type[Event]) -> list[dict[str, str]]:
    names = [registry.service_of(cls.event_type), *(["words"] if cls.words else [])]
    return [{"name": name} for name in names]
