"""One CloudEvent, checked (CloudEvents 1.0.2), and its JSON form, which structured and batched mode have in common."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anliegen.events.envelope import parse_time
from anliegen.kit.errors import FieldError, Invalid, Problem, pointer_token
from anliegen.kit.http import parse_json

ATTRIBUTES = frozenset(
    {"specversion", "id", "source", "type", "time", "datacontenttype", "subject", "data", "data_base64"}
)
"""The names in an event that are not the partner's own."""
LONGEST_ID = 255
LONGEST_SOURCE = 500
LONGEST_TYPE = 200
# RFC 3339, 5.6; ISO 8601 knows many more forms, which not everybody reads alike.
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})")
# CloudEvents, "String": no control characters, no halves of surrogate pairs, no noncharacters.
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_JSON = re.compile(r"(?:application|text)/(?:[a-z0-9.-]+\+)?json")


class EventUnreadable(Invalid):
    """This is not a CloudEvent that this door can read."""


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event of a partner. Attributes that we do not use, extensions among them, are left alone."""

    id: str
    source: str
    type: str
    time: datetime | None
    data: Any
    """What the JSON says; None where there is none."""


def read_json(body: bytes, *, at: str = "") -> Any:
    """What the JSON says. Raises what `parse_json` raises, with what is wrong in it as EventUnreadable, below `at`."""
    try:
        return parse_json(body)
    except Invalid as problem:
        raise EventUnreadable(
            errors=[FieldError(f"{at}{error.pointer}", error.code, error.message) for error in problem.errors]
        ) from None


def read_json_event(value: Any, *, at: str = "") -> CloudEvent:
    """The event in its JSON form (CloudEvents JSON format 1.0). Raises EventUnreadable, with pointers below `at`."""
    if not isinstance(value, Mapping):
        raise EventUnreadable(errors=[FieldError(at, "not_an_object", "A CloudEvent is a JSON object.")])
    given = {name: each for name, each in value.items() if each is not None}
    if "data" in given and "data_base64" in given:
        raise EventUnreadable(errors=[FieldError(f"{at}/data", "data_twice", "Give data or data_base64.")])
    if not is_json(given.get("datacontenttype")):
        raise EventUnreadable(errors=[FieldError(f"{at}/datacontenttype", "data_not_json", "The data has to be JSON.")])
    data = given.get("data")
    if "data_base64" in given:
        data = _read_base64(given["data_base64"], at=f"{at}/data_base64")
    return make_event(given, data=data, at=at)


def make_event(attributes: Mapping[str, Any], *, data: Any, at: str = "") -> CloudEvent:
    """The event with these attributes, checked. Raises EventUnreadable, which names everything that is wrong."""
    errors: list[FieldError] = []

    def refuse(name: str, code: str, message: str) -> None:
        errors.append(FieldError(f"{at}/{pointer_token(name)}", code, message))

    def text(name: str, longest: int) -> str:
        value = attributes.get(name)
        if value is None:
            refuse(name, "missing", f"Every CloudEvent has {name}.")
        elif not isinstance(value, str) or not value or len(value) > longest:
            refuse(name, "not_a_text", f"A text of 1 to {longest} characters.")
        elif _NO_TEXT.search(value):
            refuse(name, "control_character", "No control characters, halves of surrogate pairs or noncharacters.")
        else:
            return value
        return ""

    if attributes.get("specversion") != "1.0":
        refuse("specversion", "version_unknown", "CloudEvents 1.0 is read here.")
    event_id, source, kind = text("id", LONGEST_ID), text("source", LONGEST_SOURCE), text("type", LONGEST_TYPE)
    time: datetime | None = None
    if (given_time := attributes.get("time")) is not None:
        try:
            time = _read_time(given_time)
        except ValueError:
            refuse("time", "not_a_time", "A time with its offset (RFC 3339), such as 2026-03-02T08:14:07Z.")
    if errors:
        raise EventUnreadable(errors=errors)
    return CloudEvent(id=event_id, source=source, type=kind, time=time, data=data)


def media_type_of(content_type: str | None) -> str:
    """The media type without its parameters, in small letters."""
    return (content_type or "").partition(";")[0].strip().lower()


def is_utf8(content_type: str | None) -> bool:
    """Whether nothing but UTF-8 is declared, in which all JSON is written (RFC 8259, 8.1)."""
    for parameter in (content_type or "").lower().split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return value.strip().strip('"') in {"utf-8", "utf8", "us-ascii"}
    return True


def is_json(content_type: Any) -> bool:
    """Whether data of this type are JSON in UTF-8; without a type they are (CloudEvents JSON format, 3.1)."""
    if content_type is None:
        return True
    return (
        isinstance(content_type, str)
        and _JSON.fullmatch(media_type_of(content_type)) is not None
        and is_utf8(content_type)
    )


def _read_time(value: Any) -> datetime:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("not RFC 3339")
    return parse_time(value)


def _read_base64(value: Any, *, at: str) -> Any:
    try:
        return parse_json(base64.b64decode(value, validate=True))
    except Invalid as problem:
        found = dict.fromkeys((error.code, error.message) for error in problem.errors)
        raise EventUnreadable(errors=[FieldError(at, *each) for each in found]) from None
    except (TypeError, ValueError, binascii.Error, Problem):
        raise EventUnreadable(errors=[FieldError(at, "data_not_json", "JSON in base64 (RFC 4648, 4).")]) from None
