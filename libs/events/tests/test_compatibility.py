"""Each rule about versions is seen to fail on a schema that breaks it, in a sentence that names the field."""

import copy
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import AwareDatetime, Field

from anliegen.events import JourneyEvent, OpenEnum, Part
from anliegen.events.compatibility import breaches, promise, reworded
from anliegen.events.schemas import schema_of

Schema = dict[str, Any]


class Colour(OpenEnum):
    WHITE = "white"
    RED = "red"
    UNKNOWN = "unknown"


class Lamp(Part):
    """A lamp."""

    height: int = Field(ge=0, le=100)
    """Metres."""
    maker: str | None = Field(default=None, max_length=40)
    """Who made it."""
    beside: tuple["Lamp", ...] = ()
    """Lamps beside it, each with lamps beside it."""


class Lit(Part):
    """What an event says."""

    keeper: str = Field(max_length=40)
    """Who lit it."""
    colour: Colour
    """Of the light."""
    lamps: tuple[Lamp, ...]
    """Those that shine."""
    seal: Annotated[str, Field(pattern="^[0-9a-f]+$")]
    """Of the keeper."""
    until: AwareDatetime
    """When it is put out."""
    turns: int = 1
    """How often it turns."""
    names: dict[str, str] = Field(default_factory=dict)
    """By what names it is known."""


def lit() -> Schema:
    """The released schema; with a list of values that is complete, which no class of ours has."""
    schema = schema_of(Lit)
    schema["properties"]["side"] = {"enum": ["left", "right"], "type": "string"}
    return schema


def in_lit(change: Callable[[Schema], object]) -> Schema:
    schema = copy.deepcopy(lit())
    change(schema)
    return schema


def field(name: str, **keywords: Any) -> Callable[[Schema], object]:
    """Give a field other keywords; None takes one away."""

    def change(schema: Schema) -> None:
        owner = schema if name in schema["properties"] else schema["$defs"]["Lamp"]
        owner["properties"][name].update(keywords)
        for keyword in [keyword for keyword, value in keywords.items() if value is None]:
            del owner["properties"][name][keyword]

    return change


def colours(*listed: str) -> Callable[[Schema], object]:
    return lambda schema: schema["$defs"]["Colour"]["anyOf"].__setitem__(0, {"enum": list(listed)})


def close_colours(schema: Schema) -> None:
    schema["$defs"]["Colour"] = {"enum": ["white", "red", "unknown"], "type": "string"}


def rename_keeper(schema: Schema) -> None:
    schema["properties"]["lit_by"] = schema["properties"].pop("keeper")
    schema["required"][schema["required"].index("keeper")] = "lit_by"


def remove(name: str) -> Callable[[Schema], object]:
    def change(schema: Schema) -> None:
        del schema["properties"][name]
        schema["required"] = [other for other in schema["required"] if other != name]

    return change


def require(name: str) -> Callable[[Schema], object]:
    return lambda schema: schema["required"].append(name)


def add(name: str, schema_of_field: Schema) -> Callable[[Schema], object]:
    return lambda schema: schema["properties"].update({name: schema_of_field})


def add_required(schema: Schema) -> None:
    add("weather", {"type": "string"})(schema)
    require("weather")(schema)


@pytest.mark.parametrize(
    ("change", "rule", "where"),
    [
        (remove("keeper"), "removed", "keeper"),
        (remove("turns"), "removed", "turns"),
        (rename_keeper, "renamed", "keeper"),
        (field("keeper", type="integer"), "retyped", "keeper"),
        (field("turns", type="number"), "retyped", "turns"),
        (close_colours, "retyped", "colour"),
        (field("until", anyOf=[{"type": "string"}, {"type": "integer"}], type=None), "retyped", "until"),
        (require("turns"), "made required", "turns"),
        (add_required, "made required", "weather"),
        (lambda schema: schema["required"].remove("keeper"), "made optional", "keeper"),
        (field("keeper", maxLength=39), "tightened", "keeper"),
        (field("keeper", maxLength=41), "loosened", "keeper"),
        (field("keeper", maxLength=None), "loosened", "keeper"),
        (field("keeper", minLength=1), "tightened", "keeper"),
        (field("height", minimum=1), "tightened", "lamps[].height"),
        (field("height", minimum=-1), "loosened", "lamps[].height"),
        (field("height", maximum=99), "tightened", "lamps[].height"),
        (field("height", maximum=101), "loosened", "lamps[].height"),
        (field("height", exclusiveMinimum=0), "tightened", "lamps[].height"),
        (field("height", multipleOf=5), "tightened", "lamps[].height"),
        (field("lamps", maxItems=3), "tightened", "lamps"),
        (field("lamps", uniqueItems=True), "tightened", "lamps"),
        (field("keeper", pattern="^[a-z]+$"), "tightened", "keeper"),
        (field("seal", pattern="^[0-9a-z]+$"), "tightened", "seal"),
        (field("seal", pattern=None), "loosened", "seal"),
        (field("keeper", format="email"), "tightened", "keeper"),
        (field("until", format="date"), "tightened", "until"),
        (field("until", format=None), "loosened", "until"),
        (field("names", additionalProperties={"type": "integer"}), "retyped", "names.*"),
        (field("names", additionalProperties=False), "tightened", "names"),
        (field("turns", default=2), "meaning", "turns"),
        (field("maker", default="nobody"), "meaning", "lamps[].maker"),
        (colours("white", "unknown"), "value removed", "colour"),
        (field("side", enum=["left"]), "value removed", "side"),
        (field("side", enum=["left", "right", "top"]), "loosened", "side"),
    ],
)
def test_broken_promise_is_named(change: Callable[[Schema], object], rule: str, where: str) -> None:
    (found,) = breaches(lit(), in_lit(change))
    assert (found.rule, found.field) == (rule, where)
    assert str(found).startswith(f"{where}: ")
    assert str(found).endswith(".")


def test_sentence_says_what_was_and_what_is_and_whom_it_hurts() -> None:
    changes = (field("keeper", maxLength=39), rename_keeper, field("height", maximum=200))
    said = [str(found) for change in changes for found in breaches(lit(), in_lit(change))]
    assert said == [
        "keeper: `maxLength` was 40 and is 39; events that were published before could not be read any more.",
        "keeper: is gone, and lit_by is new and of the same kind: renamed? consumers of the release could not read "
        "what is published now.",
        "lamps[].height: `maximum` was 100 and is 200; consumers of the release could not read what is published now.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: None,
        add("weather", {"type": "string", "maxLength": 20}),
        add("weather", {"type": "string", "default": "fair"}),
        colours("white", "red", "green", "unknown"),
        field("keeper", description="The person who lit it."),
        lambda schema: schema.update(title="LightLit"),
        lambda schema: schema["required"].reverse(),
    ],
)
def test_what_a_version_may_gain_is_let_pass(change: Callable[[Schema], object]) -> None:
    assert breaches(lit(), in_lit(change)) == []


def test_several_broken_promises_are_all_named() -> None:
    broken = in_lit(lambda schema: (remove("seal")(schema), field("keeper", maxLength=2)(schema), add_required(schema)))
    assert {found.rule for found in breaches(lit(), broken)} == {"removed", "tightened", "made required"}


def test_parts_may_be_called_otherwise_while_they_are_the_same() -> None:
    renamed = copy.deepcopy(lit())
    renamed["$defs"]["Light"] = renamed["$defs"].pop("Colour")
    renamed["properties"]["colour"]["$ref"] = "#/$defs/Light"
    assert breaches(lit(), renamed) == []
    assert promise(renamed) == promise(lit())


def test_changed_descriptions_are_told_since_no_machine_knows_their_meaning() -> None:
    changed = in_lit(field("keeper", description="Who put it out."))
    field("height", description="Feet.")(changed)
    assert breaches(lit(), changed) == []
    assert reworded(lit(), changed) == ["keeper", "lamps[].height"]
    assert promise(changed) == promise(lit())


def test_order_in_which_fields_are_demanded_promises_nothing() -> None:
    assert promise(in_lit(lambda schema: schema["required"].reverse())) == promise(lit())


def test_promise_changes_with_what_a_version_gains() -> None:
    assert promise(in_lit(add("weather", {"type": "string"}))) != promise(lit())
    assert promise(in_lit(colours("white", "red", "green", "unknown"))) != promise(lit())


def test_event_class_is_held_against_its_schema(own_registry: None) -> None:
    class LampLit(JourneyEvent, type="lighthouse.lamp_lit.v1"):
        """A light shines."""

        keeper: str = Field(max_length=40)

    released = schema_of(LampLit)
    assert breaches(released, schema_of(LampLit)) == []
    assert {found.rule for found in breaches(released, schema_of(Lit))} == {"removed", "made required"}
