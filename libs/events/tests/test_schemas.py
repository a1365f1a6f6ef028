"""Schemas and classes agree in both directions, and the written schemas are those of the classes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from anliegen.events import Event, OpenEnum, generated, registry, schemas
from anliegen.events.builders import build
from anliegen.events.codec import decode_as_said, encode
from anliegen.events.generated import bring_up_to_date, stale_files
from anliegen.events.schemas import dataschema_of, schema_files, schema_of

CLASSES = registry.classes_in("anliegen.events")
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.event_type)


@pytest.fixture
def validator(consumer: Any) -> Callable[[type[Event]], Draft202012Validator]:
    return lambda cls: consumer(schema_of(cls))


@each_class
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(choice=st.data())
def test_whatever_the_schema_allows_is_read_and_written_again(
    cls: type[Event], choice: st.DataObject, consumer: Any, data_under: Any
) -> None:
    schema = schema_of(cls)
    data = choice.draw(data_under(schema))
    consumer(schema).validate(data)
    event = decode_as_said(cls.event_type, json.dumps(data).encode())
    assert event is not None
    written = encode(event)
    consumer(schema).validate(json.loads(written))
    assert decode_as_said(cls.event_type, written) == event


@each_class
def test_schema_describes_what_producers_write(cls: type[Event], validator: Any) -> None:
    validator(cls).validate(json.loads(encode(build(cls))))


@each_class
def test_schema_is_valid_and_named(cls: type[Event]) -> None:
    schema = schema_of(cls)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == dataschema_of(cls.event_type)


@each_class
def test_schema_demands_the_fields_that_the_class_demands(cls: type[Event], validator: Any) -> None:
    data = json.loads(encode(build(cls)))
    for name, field in cls.model_fields.items():
        without = {other: value for other, value in data.items() if other != name}
        assert validator(cls).is_valid(without) is not field.is_required(), name


@each_class
def test_every_field_is_explained(cls: type[Event]) -> None:
    schema = schema_of(cls)
    parts = [schema, *(part for part in schema.get("$defs", {}).values() if "properties" in part)]
    for part in parts:
        assert part["description"], part["title"]
        for name, field in part["properties"].items():
            assert "description" in field or "$ref" in field, f"{part['title']}.{name} has no docstring"


def test_lists_that_may_grow_are_open() -> None:
    definitions = {name: part for cls in CLASSES for name, part in schema_of(cls).get("$defs", {}).items()}
    for enum in (enum for enum in OpenEnum.__subclasses__() if enum.__module__.startswith("anliegen.events.")):
        listed, newer = definitions[enum.__name__]["anyOf"]
        assert listed == {"enum": [member.value for member in enum]}
        assert newer["type"] == "string"


@each_class
def test_event_without_words_has_no_room_for_them(cls: type[Event]) -> None:
    """Free text is for topics that are kept for days: elsewhere a text is a code, an id or a number, and short."""
    if cls.words:
        return
    schema = schema_of(cls)
    parts = [schema, *(part for part in schema.get("$defs", {}).values() if "properties" in part)]
    for part in parts:
        for name, field in part["properties"].items():
            text = field.get("items", field)
            if text.get("type") == "string" and "format" not in text:
                assert text["maxLength"] <= 500, f"{part['title']}.{name}"
            assert text.get("type") != "object", f"{part['title']}.{name} has names that nobody limits"


def test_written_schemas_are_up_to_date() -> None:
    assert stale_files(schema_files(), folder=schemas.FOLDER) == [], "Run: python -m anliegen.events.schemas"


def test_check_finds_what_is_missing_changed_or_left_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generated, "REPOSITORY", tmp_path)
    wanted = {tmp_path / name: "new" for name in ("missing.json", "changed.json", "good.json")}
    (tmp_path / "changed.json").write_text("old")
    (tmp_path / "good.json").write_text("new")
    (tmp_path / "left_over.json").write_text("old")
    assert bring_up_to_date(wanted, folder=tmp_path, command="some.command", check=True) == 1
    said = capsys.readouterr().err
    assert [name for name in ("missing", "changed", "left_over", "good") if name in said] == [
        "missing",
        "changed",
        "left_over",
    ]
    assert "python -m some.command" in said
    assert not (tmp_path / "missing.json").exists()

    assert bring_up_to_date(wanted, folder=tmp_path, command="some.command", check=False) == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {path.name: "new" for path in wanted}
    assert bring_up_to_date(wanted, folder=tmp_path, command="some.command", check=True) == 0


def test_installed_package_has_no_folder_for_generated_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated, "LIBRARY", tmp_path)
    assert bring_up_to_date({tmp_path / "a.json": ""}, command="some.command", check=False) == 2
    assert not (tmp_path / "a.json").exists()


def test_check_of_fresh_schemas_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert schemas.main(["--check"]) == 0
    assert capsys.readouterr() == ("", "")
