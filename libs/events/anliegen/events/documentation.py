"""The catalogue of events for people, `docs/events.md`, written from the classes and the golden examples.

`python -m anliegen.events.documentation` writes it; `--check` says whether it is out of date. Who hears an event is
known to the services, which this library does not import: a script that knows them all calls `main(consumers=…)`.
"""

import argparse
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from . import registry
from .base import Event
from .codec import LARGEST_PAYLOAD
from .generated import LIBRARY, REPOSITORY, bring_up_to_date
from .schemas import schema_of
from .topics import TopicSpec, manifest

PAGE = REPOSITORY / "docs" / "events.md"
EXAMPLES = LIBRARY / "examples"
HEARD_BY = "Heard by: "

HEADERS = {
    "ce_specversion": "`1.0`",
    "ce_id": "the event's id, a UUID; a repetition has the same one, so a reader that has seen it leaves it",
    "ce_source": "the service that announces it: `/anliegen/<service>`",
    "ce_type": "what happened, with its version: `intake.contact_received.v1`",
    "ce_subject": "what it is about: a case, else a contact, else the key",
    "ce_time": "when it happened, in UTC",
    "content-type": "`application/json`",
    "ce_dataschema": "the `$id` of its JSON Schema, a name of the form `urn:anliegen:schema:<type>`; "
    "the schemas lie in `libs/events/schemas`",
    "ce_partitionkey": "the record's key",
    "ce_sequence": "counts up by one within the key and the service, so a gap shows",
    "ce_correlationid": "the contact or request that began it all",
    "ce_causationid": "the event that caused this one",
    "traceparent": "the trace it belongs to ([W3C](https://www.w3.org/TR/trace-context/))",
    "tracestate": "the trace it belongs to ([W3C](https://www.w3.org/TR/trace-context/))",
}
"""What each header of an event says."""

_HEADER_TABLE = "\n".join(
    ["| header | says |", "|---|---|", *(f"| `{name}` | {says} |" for name, says in HEADERS.items())]
)

_INTRODUCTION = f"""\
# Events

Everything that Anliegen's services tell each other, and partner systems, is on this page: it is written from the event
classes in `libs/events` by `python -m anliegen.events.documentation`, so change those and not this.

An event is a fact: it is named in the past tense, is never changed, and is announced by one service alone. It travels
as a [CloudEvent](https://cloudevents.io) in binary mode: the record's value is the data as JSON (at most
{LARGEST_PAYLOAD // 1024} KiB), its key keeps everything about one journey in order, and its headers say what it is:

{_HEADER_TABLE}

What a reader has to bear with:
- **New fields.** A version may gain optional fields: ignore what you do not know. Anything else is a new version,
  announced beside the old one until nobody reads that any more.
- **New values.** Lists of values that may grow are marked so; read a value you do not know as `unknown`.
- **New types.** Skip a type that you do not know.
- **Absent fields.** A field with nothing in it is left out; it is never null.
- **Repetition and order.** An event may come twice. Order holds within one topic and key, not between topics.

## Topics

What a person wrote travels on topics of its own, which are kept for days; everything else is ids, codes and amounts.
"""


def render(consumers: Mapping[str, Sequence[str]] | None = None) -> str:
    """The page. `consumers` names, for an event type, the services that hear it."""
    classes = sorted(registry.classes_in("anliegen.events"), key=_place)
    by_service = [(name, list(group)) for name, group in groupby(classes, lambda c: registry.service_of(c.event_type))]
    lines = [_INTRODUCTION, *_topics(manifest("production"), classes), ""]
    for service, announced in by_service:
        lines += [f"## {service}", "", inspect.getdoc(sys.modules[announced[0].__module__]) or "", ""]
        lines += ["| event | says |", "|---|---|"]
        lines += [f"| {_link(cls.__name__)} | {_first_sentence(cls)} |" for cls in announced]
        for cls in announced:
            lines += ["", *_event(cls, consumers)]
        lines.append("")
    definitions = {name: part for cls in classes for name, part in schema_of(cls).get("$defs", {}).items()}
    lines += ["## Parts of events", ""]
    for name in sorted(name for name, part in definitions.items() if "properties" in part):
        lines += [
            f"### {name}",
            "",
            definitions[name].get("description", ""),
            "",
            *_fields(definitions[name], definitions),
            "",
        ]
    lines += ["## Lists of values", ""]
    for name in sorted(name for name, part in definitions.items() if "properties" not in part):
        lines += [f"### {name}", "", definitions[name].get("description", ""), "", _values(definitions[name]), ""]
    return "\n".join(lines).rstrip() + "\n"


def without_hearers(page: str) -> str:
    """The page without what only the services know, for comparing it where they are not known."""
    return re.sub(rf"^{HEARD_BY}.*\n\n", "", page, flags=re.MULTILINE)


def main(arguments: list[str] | None = None, *, consumers: Mapping[str, Sequence[str]] | None = None) -> int:
    """The command; returns the exit code. Without consumers, a page that has them and is right otherwise stays."""
    parser = argparse.ArgumentParser(
        prog="python -m anliegen.events.documentation", description="Write the catalogue of events."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is out of date")
    check = parser.parse_args(arguments).check
    page = render(consumers)
    if consumers is None and PAGE.is_file() and without_hearers(PAGE.read_text("utf-8")) == page:
        return 0
    return bring_up_to_date({PAGE: page}, command="anliegen.events.documentation", check=check)


def _place(cls: type[Event]) -> tuple[str, int]:
    # By service, and then as the module declares them: the order in which they happen.
    return registry.service_of(cls.event_type), list(vars(sys.modules[cls.__module__])).index(cls.__name__)


def _topics(topics: Iterable[TopicSpec], classes: Sequence[type[Event]]) -> Iterator[str]:
    yield "| topic | kept | carries |"
    yield "|---|---|---|"
    for topic in topics:
        kept = "for ever" if topic.retention_hours < 0 else f"{topic.retention_hours // 24} days"
        carried = ", ".join(_link(cls.__name__) for cls in classes if registry.topic_of(cls) == topic.name)
        yield f"| `{topic.name}` | {kept} | {carried} |"


def _event(cls: type[Event], consumers: Mapping[str, Sequence[str]] | None) -> Iterator[str]:
    example = read_example(cls.event_type)
    key, subject = (_field_with(example["data"], value) for value in (example["key"], example["headers"]["ce_subject"]))
    yield f"### {cls.__name__}"
    yield ""
    yield inspect.getdoc(cls) or ""
    yield ""
    yield f"Type `{cls.event_type}` on topic `{registry.topic_of(cls)}`; key `{key}`, subject `{subject}`."
    if cls.words:
        yield "It carries what a person wrote."
    yield ""
    if consumers is not None:
        hearers = ", ".join(sorted(consumers.get(cls.event_type, ()))) or "nobody"
        yield f"{HEARD_BY}{hearers}."
        yield ""
    yield from _fields(schema_of(cls), schema_of(cls).get("$defs", {}))
    yield ""
    record = json.dumps(example, indent=2, ensure_ascii=False)
    yield f"<details><summary>Example</summary>\n\n```json\n{record}\n```\n\n</details>"


def read_example(event_type: str) -> dict[str, Any]:
    """The golden example of this type: `{"headers": {name: text}, "key": text, "data": {…}}`."""
    example: dict[str, Any] = json.loads((EXAMPLES / f"{event_type}.json").read_text("utf-8"))
    return example


def _field_with(data: Mapping[str, Any], value: str) -> str:
    return next(name for name, given in data.items() if given == value)


def _fields(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    yield "| field | type | given | meaning |"
    yield "|---|---|---|---|"
    for name, field in schema["properties"].items():
        given = "always" if name in schema.get("required", ()) else "where there is one"
        if "default" in field:
            given = f"`{json.dumps(field['default'], ensure_ascii=False)}` unless said otherwise"
        what_it_is = definitions.get(field.get("$ref", "").rpartition("/")[2], {})
        meaning = field.get("description") or what_it_is.get("description", "")
        yield f"| `{name}` | {_type(field)} | {given} | {_cell(meaning)} |"


def _type(field: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one for each kind
    match field:
        case {"$ref": reference}:
            return _link(reference.rpartition("/")[2])
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "object", "additionalProperties": values}:
            return f"{_type(values)} by name"
        case {"format": "uuid"}:
            return "UUID"
        case {"format": "date-time"}:
            return "time"
        case {"pattern": pattern}:
            return f"text of the form `{pattern}`"
        case {"type": "string", "maxLength": longest}:
            return f"text, at most {longest:,} characters"
        case {"type": "integer" | "number" as kind}:
            name = "whole number" if kind == "integer" else "number"
            return name + _range(field)
        case {"type": "boolean"}:
            return "true or false"
    return "text"


def _range(field: Mapping[str, Any]) -> str:
    match field:
        case {"minimum": least, "maximum": most}:
            return f", {least} to {most}"
        case {"minimum": least}:
            return f", {least} or more"
        case {"maximum": most}:
            return f", {most} or less"
    return ""


def _values(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"anyOf": [{"enum": values}, *_]}:
            return f"{_quoted(values)}; the list may grow."
    return f"{_quoted(schema['enum'])}; the list is complete."


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _first_sentence(cls: type[Event]) -> str:
    return _cell((inspect.getdoc(cls) or "").splitlines()[0].partition(". ")[0].rstrip(".") + ".")


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


if __name__ == "__main__":
    sys.exit(main())
