"""What several tests of the events share."""

import builtins
import string
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, timedelta, timezone
from enum import Enum
from typing import Annotated, Any, get_args, get_origin
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import AwareDatetime

from anliegen.events import Event, Part, registry
from anliegen.events.envelope import parse_time

Schema = dict[str, Any]

ZONES = st.sampled_from([UTC, ZoneInfo("Europe/Zurich"), timezone(timedelta(hours=-9, minutes=-30))])

formats = FormatChecker(["uuid"])
formats.checks("date-time", raises=ValueError)(lambda text: isinstance(text, str) and bool(parse_time(text)))


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that the test declares are forgotten after it."""
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(registry, "_upcasters", dict(registry._upcasters))


@pytest.fixture(scope="session")
def consumer() -> Callable[[Schema], Draft202012Validator]:
    """A consumer that knows this schema and nothing else: it checks what is in it and ignores what is not."""
    return lambda schema: Draft202012Validator(schema, format_checker=formats)


@pytest.fixture(scope="session")
def data_under() -> Callable[[Schema], st.SearchStrategy[Any]]:
    """Any data that a schema allows, fields and values that nobody knows yet among them."""
    return lambda schema: _data_under(schema, schema.get("$defs", {}))


@pytest.fixture(scope="session")
def events_of() -> Callable[[type[Event]], st.SearchStrategy[Event]]:
    """Any event that a producer with this class can announce; made from the class's fields, not from its schema."""
    return _parts_of


def _data_under(schema: Schema, definitions: Schema) -> st.SearchStrategy[Any]:
    match schema:
        case {"$ref": reference}:
            return _data_under(definitions[reference.rpartition("/")[2]], definitions)
        case {"anyOf": choices}:
            return st.one_of([_data_under(choice, definitions) for choice in choices])
        case {"enum": values}:
            return st.sampled_from(values)
        case {"properties": properties}:
            fields = {name: _data_under(field, definitions) for name, field in properties.items()}
            required = {name: fields.pop(name) for name in schema.get("required", ())}
            newer = st.dictionaries(
                st.text(string.ascii_lowercase, min_size=1).map("new_{}".format), st.integers(0, 9), max_size=1
            )
            known = st.fixed_dictionaries(required, optional=fields)
            return st.builds(lambda ours, theirs: _as_the_rules_say(theirs | ours), known, newer)
        case {"additionalProperties": values}:
            return st.dictionaries(st.text(max_size=10), _data_under(values, definitions), max_size=3)
        case {"items": items}:
            return st.lists(_data_under(items, definitions), min_size=schema.get("minItems", 0), max_size=2)
        case {"format": "uuid"}:
            return st.uuids().map(str)
        case {"format": "date-time"}:
            return st.datetimes(timezones=ZONES).filter(lambda t: t.year > 1).map(_as_rfc3339)
        case {"format": "date"}:
            return st.dates().map(date.isoformat)
        case {"pattern": pattern}:
            return st.from_regex(pattern, fullmatch=True)
        case {"type": "string"}:
            return _texts(schema.get("maxLength", 60), schema.get("minLength", 0))
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "integer"}:
            return st.integers(schema.get("minimum", -(2**63)), schema.get("maximum", 2**63))
        case {"type": "number"}:
            return st.floats(schema["minimum"], schema["maximum"])
    raise AssertionError(f"the test does not know how to make data for {schema}")


def _as_the_rules_say(data: Schema) -> Schema:
    """What a schema cannot say: which of a link's journeys stands first, and that sums agree."""
    if "journey_a" in data:
        assume(data["journey_a"] != data["journey_b"])
        first, second = sorted((data["journey_a"], data["journey_b"]))
        return data | {"journey_a": first, "journey_b": second}
    if "gross" in data:
        limit = 2**52
        net, tax = (max(-limit, min(limit, data[name])) for name in ("net", "tax"))
        return data | {"net": net, "tax": tax, "gross": net + tax}
    if "lines" in data and "total" in data:
        lines = data["lines"]
        ids = [_read(line, "line_id") for line in lines]
        if isinstance(data["total"], int):
            assume(len(set(ids)) == len(ids))
            total = sum(_read(line, "gross") for line in lines)
            assume(abs(total) <= 2**53)
            return data | {"total": total}
    if data.get("allocations"):
        wanted = {_read(one, "invoice_number") for one in data["allocations"]}
        assume(len(wanted) == len(data["allocations"]))
        given = sum(_read(one, "amount") for one in data["allocations"])
        assume(given <= 2**53)
        return data | {"amount": max(data["amount"], given)}
    return data


def _read(part: Any, name: str) -> Any:
    return part[name] if isinstance(part, dict) else getattr(part, name)


def _as_rfc3339(moment: Any) -> str:
    offset = moment.utcoffset()
    return str((moment.replace(tzinfo=None) - offset).isoformat()) + "Z"


def _parts_of(cls: type[Any]) -> st.SearchStrategy[Any]:
    fields = {name: _values_of(field.annotation, field.metadata) for name, field in cls.model_fields.items()}
    required = {name: fields.pop(name) for name, field in cls.model_fields.items() if field.is_required()}
    return st.fixed_dictionaries(required, optional=fields).map(_as_the_rules_say).map(lambda given: cls(**given))


def _values_of(annotation: Any, metadata: Sequence[Any] = ()) -> st.SearchStrategy[Any]:
    limits = {name: limit for item in metadata for name, limit in _limits(item)}
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        return _values_of(inner, [*metadata, *notes])
    match get_origin(annotation), get_args(annotation):
        case (types.UnionType, choices) | (typing.Union, choices):
            return st.one_of([_values_of(choice, metadata) for choice in choices])
        case builtins.tuple, (inner, builtins.Ellipsis):
            return st.lists(_values_of(inner), min_size=limits.get("min_length", 0), max_size=2).map(tuple)
        case builtins.dict, (_, inner):
            return st.dictionaries(st.text(max_size=10), _values_of(inner), max_size=3)
    if annotation is types.NoneType:
        return st.none()
    if annotation is AwareDatetime:
        return st.datetimes(timezones=ZONES).filter(lambda moment: 1 < moment.year < 9999)
    if issubclass(annotation, Part):
        return _parts_of(annotation)
    if issubclass(annotation, Enum):
        return st.sampled_from(list(annotation))
    if annotation is str and "pattern" in limits:
        return st.from_regex(limits["pattern"], fullmatch=True)
    if annotation is str:
        return _texts(limits.get("max_length", 60), limits.get("min_length", 0))
    known: dict[type, Callable[[], st.SearchStrategy[Any]]] = {
        bool: st.booleans,
        UUID: st.uuids,
        date: st.dates,
        int: lambda: st.integers(limits.get("ge", -(2**63)), limits.get("le", 2**63)),
        float: lambda: st.floats(limits.get("ge"), limits.get("le"), allow_nan=False, allow_infinity=False),
    }
    if annotation not in known:
        raise AssertionError(f"the test does not know how to make {annotation}")
    return known[annotation]()


def _limits(item: Any) -> Iterator[tuple[str, Any]]:
    for nested in getattr(item, "metadata", ()):
        yield from _limits(nested)
    for name in ("max_length", "min_length", "pattern", "ge", "le"):
        if getattr(item, name, None) is not None:
            yield name, getattr(item, name)


def _texts(longest: int, shortest: int = 0) -> st.SearchStrategy[str]:
    """Mostly short ones, and some as long as they may be: what got narrower is refused there."""
    return st.text(min_size=shortest, max_size=min(longest, 60)) | st.just("x" * longest)
