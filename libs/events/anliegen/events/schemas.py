"""JSON Schemas (draft 2020-12) of all event types, for readers in other languages and for partner systems.

A schema says what a reader may rely on for the whole life of a version, so it is looser than the class:
- Fields that are not in it are allowed, since a version may gain optional fields. (Producers refuse them: `Part`.)
- An enumeration that may grow lists today's values beside "any string": read a value you do not know as `unknown`.
- A field with nothing in it is absent, never null (`codec.encode`), so no field is described as nullable.

`python -m anliegen.events.schemas` writes `libs/events/schemas/<type>.json`; `--check` says which are out of date.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from . import registry
from .base import OpenEnum, Part
from .generated import LIBRARY, bring_up_to_date
from .registry import dataschema_of

__all__ = ["FOLDER", "SchemaForReaders", "dataschema_of", "schema_files", "schema_of"]

FOLDER = LIBRARY / "schemas"
_FIRST = ("title", "description", "$ref", "type", "format", "properties")
_LAST = ("default", "required", "$defs")


class SchemaForReaders(GenerateJsonSchema):
    """Pydantic's JSON Schema with the promises that this module's docstring lists, and without decorative titles."""

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        described = super().enum_schema(schema)
        if issubclass(schema["cls"], OpenEnum):
            values = described.pop("enum")
            newer = {"type": "string", "description": "A value of a newer producer: read it as `unknown`."}
            del described["type"]
            described["anyOf"] = [{"enum": values}, newer]
        return described

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        described = super().model_schema(schema)
        described.pop("additionalProperties", None)
        return described

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        ordered: JsonSchemaValue = _in_reading_order(value, names=parent_key == "properties")
        return ordered

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's interface
        return False


def _in_reading_order(value: Any, *, names: bool = False) -> Any:
    """What a thing is before what it consists of. The keys below `names` are somebody's names and stay as they are."""
    if isinstance(value, list):
        return [_in_reading_order(item) for item in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    if not names:
        keys = [key for key in _FIRST if key in value]
        keys += [key for key in value if key not in _FIRST and key not in _LAST]
        keys += [key for key in _LAST if key in value]
    return {key: _in_reading_order(value[key], names=not names and key in {"properties", "$defs"}) for key in keys}


def schema_of(cls: type[Part]) -> dict[str, Any]:
    """The JSON Schema of this event class, or of a part of one."""
    described = cls.model_json_schema(schema_generator=SchemaForReaders)
    head = {"$schema": SchemaForReaders.schema_dialect}
    event_type = getattr(cls, "event_type", "")
    return head | ({"$id": dataschema_of(event_type)} if event_type else {}) | described


def schema_files() -> dict[Path, str]:
    """The schema file of every event type of this package, with its text."""
    return {
        FOLDER / f"{cls.event_type}.json": json.dumps(schema_of(cls), indent=2, ensure_ascii=False) + "\n"
        for cls in registry.classes_in("anliegen.events")
    }


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m anliegen.events.schemas", description="Write the JSON Schemas.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is out of date")
    check = parser.parse_args(arguments).check
    return bring_up_to_date(schema_files(), folder=FOLDER, command="anliegen.events.schemas", check=check)


if __name__ == "__main__":
    sys.exit(main())
