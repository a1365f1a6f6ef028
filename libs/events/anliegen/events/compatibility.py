"""What a schema may not do to readers and writers of a released one, said in sentences.

Both directions count. *Old events*, which lie in topics for years, must be read by today's class: nothing may be
demanded that they lack, nothing refused that they say. *Old consumers*, deployed later than producers, must be able to
read what today's class says: nothing may be missing, and nothing be wider than they check. So within a version a field
keeps its type, limits and default, and only optional fields and values of open lists are added.

A machine cannot tell whether a field still means the same; `reworded` lists the fields whose description changed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Schema = Mapping[str, Any]

OLD_EVENTS = "events that were published before could not be read any more"
OLD_CONSUMERS = "consumers of the release could not read what is published now"
OPEN = "a list of values that may grow"
UNKNOWN = "something else"
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_NOTES = frozenset({"title", "description", "$comment", "examples", "deprecated", "$schema", "$id", "$defs"})
_COMPARED = frozenset({"type", "anyOf", "enum", "properties", "required", "items", "additionalProperties", "default",
                       *_UPPER, *_LOWER}) | _NOTES  # fmt: skip


@dataclass(frozen=True, slots=True)
class Breach:
    """One promise of a release that is not kept."""

    rule: str
    """The rule in a word: `removed`, `renamed`, `retyped`, `tightened` …"""
    field: str
    """Where: `concerns[].hardness`; empty for the event itself."""
    sentence: str

    def __str__(self) -> str:
        return f"{self.field}: {self.sentence}" if self.field else self.sentence


class _Node(NamedTuple):
    """A piece of a schema with the definitions that its references point to."""

    schema: Any
    definitions: Schema

    def resolved(self) -> "_Node":
        """The piece itself where this is a reference to it; what stands beside the reference comes first."""
        if "$ref" not in self.schema:
            return self
        beside = {name: value for name, value in self.schema.items() if name != "$ref"}
        target = self.definitions[self.schema["$ref"].rpartition("/")[2]]
        return _Node({**target, **beside}, self.definitions).resolved()

    def part(self, schema: Schema) -> "_Node":
        return _Node(schema, self.definitions).resolved()

    @property
    def properties(self) -> "dict[str, _Node]":
        return {name: self.part(schema) for name, schema in self.schema.get("properties", {}).items()}


def breaches(released: Schema, present: Schema) -> list[Breach]:
    """What `present` does not keep of what `released` promised; empty where both directions hold."""
    return list(_compare("", *_pair(released, present), ()))


def reworded(released: Schema, present: Schema) -> list[str]:
    """The fields whose description changed: a person has to see whether they still mean the same."""
    return list(_reworded("", *_pair(released, present), ()))


def promise(schema: Schema) -> Any:
    """The schema without what is said to people alone: two schemas with one promise need no release in between."""
    return _promised(_Node(schema, schema.get("$defs", {})), ())


def _pair(released: Schema, present: Schema) -> tuple[_Node, _Node]:
    old, new = (_Node(schema, schema.get("$defs", {})).resolved() for schema in (released, present))
    return old, new


def _compare(field: str, old: _Node, new: _Node, above: tuple[str, ...]) -> Iterator[Breach]:
    title = str(old.schema.get("title", ""))
    if title and title in above:
        return  # a part that holds itself has been compared once
    above = (*above, title)
    if _kind(old) != _kind(new):
        yield Breach("retyped", field, f"was {_kind(old)} and is {_kind(new)}; {_reason(_kind(old), _kind(new))}.")
        return
    if _kind(old) == UNKNOWN and _promised(old, ()) != _promised(new, ()):
        yield Breach("retyped", field, f"was {_promised(old, ())!r} and is {_promised(new, ())!r}; {OLD_EVENTS}.")
    yield from _values(field, old, new)
    yield from _limits(field, old.schema, new.schema)
    yield from _others(field, old, new)
    yield from _fields(field, old, new, above)
    for keyword, place in (("items", "[]"), ("additionalProperties", ".*")):
        before, after = old.schema.get(keyword), new.schema.get(keyword)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _compare(field + place, old.part(before), new.part(after), above)
        elif before != after:
            rule, what = ("loosened", OLD_CONSUMERS) if after in (None, True) else ("tightened", OLD_EVENTS)
            yield Breach(rule, field, f"`{keyword}` was {_shown(before)} and is {_shown(after)}; {what}.")


def _kind(node: _Node) -> str:
    match node.schema:
        case {"anyOf": [{"enum": _}, {"type": "string"}]}:
            return OPEN
        case {"enum": _}:
            return "a complete list of values"
        case {"type": "array" | "integer" | "object" as kind}:
            return f"an {kind}"
        case {"type": str(kind)}:
            return f"a {kind}"
    return UNKNOWN


def _reason(old: str, new: str) -> str:
    if (old, new) == ("an integer", "a number"):
        return OLD_CONSUMERS
    return OLD_EVENTS


def _values(field: str, old: _Node, new: _Node) -> Iterator[Breach]:
    is_open = _kind(old) == OPEN
    before, after = (_listed(node.schema) for node in (old, new))
    for value in before:
        if value not in after:
            what = "events that have it would read as `unknown`" if is_open else OLD_EVENTS
            yield Breach("value removed", field, f"the value {value!r} is gone; {what}.")
    for value in after:
        if value not in before and not is_open:
            yield Breach("loosened", field, f"the value {value!r} is new in a complete list; {OLD_CONSUMERS}.")


def _listed(schema: Schema) -> list[Any]:
    match schema:
        case {"anyOf": [{"enum": list(values)}, *_]} | {"enum": list(values)}:
            return values
    return []


def _limits(field: str, old: Schema, new: Schema) -> Iterator[Breach]:
    for keyword in (*_UPPER, *_LOWER):
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        narrower = before is None or (after is not None and (after < before) == (keyword in _UPPER))
        rule, what = ("tightened", OLD_EVENTS) if narrower else ("loosened", OLD_CONSUMERS)
        yield Breach(rule, field, f"`{keyword}` was {_shown(before)} and is {_shown(after)}; {what}.")


def _others(field: str, old: _Node, new: _Node) -> Iterator[Breach]:
    """Keywords that are either the same or a break; which of two patterns is the narrower one cannot be told."""
    before, after = (node.schema.get("default") for node in (old, new))
    if before != after:
        what = "events that leave the field out would mean something else"
        yield Breach("meaning", field, f"the default was {_shown(before)} and is {_shown(after)}; {what}.")
    for keyword in sorted({*old.schema, *new.schema} - _COMPARED):
        before, after = (_promised(_Node(node.schema.get(keyword), node.definitions), ()) for node in (old, new))
        if before == after:
            continue
        match before, after:
            case None, _:
                rule, what = "tightened", OLD_EVENTS
            case _, None:
                rule, what = "loosened", OLD_CONSUMERS
            case _:
                rule, what = "tightened", f"{OLD_EVENTS}, or {OLD_CONSUMERS}"
        yield Breach(rule, field, f"`{keyword}` was {_shown(before)} and is {_shown(after)}; {what}.")


def _fields(field: str, old: _Node, new: _Node, above: tuple[str, ...]) -> Iterator[Breach]:
    before, after = old.properties, new.properties
    demanded_before, demanded = set(old.schema.get("required", ())), set(new.schema.get("required", ()))
    added = {name: part for name, part in after.items() if name not in before}
    for name, part in before.items():
        place = f"{field}.{name}" if field else name
        if name in after:
            if name in demanded - demanded_before:
                yield Breach("made required", place, f"was optional and is required; {OLD_EVENTS}.")
            if name in demanded_before - demanded:
                yield Breach("made optional", place, f"was always there and is optional; {OLD_CONSUMERS}.")
            yield from _compare(place, part, after[name], above)
            continue
        what = OLD_CONSUMERS if name in demanded_before else "what earlier events say here would be lost"
        new_name = next((other for other in added if _promised(added[other], ()) == _promised(part, ())), None)
        if new_name is None:
            yield Breach("removed", place, f"the field is gone; {what}.")
        else:
            del added[new_name]
            yield Breach("renamed", place, f"is gone, and {new_name} is new and of the same kind: renamed? {what}.")
    for name in demanded & added.keys():
        place = f"{field}.{name}" if field else name
        yield Breach("made required", place, f"is new and required: give it a default; {OLD_EVENTS}.")


def _reworded(field: str, old: _Node, new: _Node, above: tuple[str, ...]) -> Iterator[str]:
    title = str(old.schema.get("title", ""))
    if title and title in above:
        return
    if old.schema.get("description") != new.schema.get("description"):
        yield field or "the event itself"
    for name, part in old.properties.items():
        if name in new.properties:
            place = f"{field}.{name}" if field else name
            yield from _reworded(place, part, new.properties[name], (*above, title))
    if isinstance(old.schema.get("items"), Mapping) and isinstance(new.schema.get("items"), Mapping):
        parts = old.part(old.schema["items"]), new.part(new.schema["items"])
        yield from _reworded(f"{field}[]", *parts, (*above, title))


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)


def _promised(node: _Node, above: tuple[str, ...], *, names: bool = False) -> Any:
    """What the piece says without notes, with the definitions in place of the references to them."""
    value, definitions = node
    if isinstance(value, list):
        return [_promised(_Node(item, definitions), above) for item in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str) and not names:
        if reference in above:
            return reference
        return _promised(node.resolved(), (*above, reference))
    return {
        name: sorted(part)
        if name == "required" and not names
        else _promised(_Node(part, definitions), above, names=not names and name == "properties")
        for name, part in value.items()
        if names or name not in _NOTES
    }
