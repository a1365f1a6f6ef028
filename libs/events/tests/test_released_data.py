"""Generated data in both directions: what was published before is read today, what is published today is read by all.

The check by rules (`test_compatibility.py`) reads schemas; this one asks the classes themselves, so it also sees what
no schema says, such as a validator between two fields.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from pydantic import Field, model_validator

from anliegen.events import Event, JourneyEvent, OpenEnum, registry
from anliegen.events.codec import PayloadMalformed, decode, decode_as_said, encode
from anliegen.events.compatibility import promise
from anliegen.events.releases import Release, all_releases, retired_types
from anliegen.events.schemas import schema_of

RELEASES = [release for release in all_releases() if release.event_type not in retired_types()]
each_release = pytest.mark.parametrize("release", RELEASES, ids=str)
quick = settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def class_of(release: Release) -> type[Event]:
    cls = registry.find_class(release.event_type)
    assert cls is not None, f"{release} has no class"
    return cls


@each_release
@quick
@given(choice=st.data())
def test_whatever_a_release_allowed_is_read_by_todays_class(
    release: Release, choice: st.DataObject, data_under: Any
) -> None:
    data = choice.draw(data_under(release.schema))
    payload = json.dumps(data).encode()
    assert type(decode_as_said(release.event_type, payload)) is class_of(release)
    assert decode(release.event_type, payload) is not None


@each_release
@quick
@given(choice=st.data())
def test_whatever_todays_class_says_is_read_by_consumers_of_a_release(
    release: Release, choice: st.DataObject, events_of: Any, consumer: Any
) -> None:
    event = choice.draw(events_of(class_of(release)))
    consumer(release.schema).validate(json.loads(encode(event)))


class Before(OpenEnum):
    RED = "red"
    GREEN = "green"
    UNKNOWN = "unknown"


def declare(fields: dict[str, Any], *, rule: bool = False) -> type[Event]:
    """A class of the type `lighthouse.lamp_lit.v1` with these fields: pairs of annotation and default."""

    def in_order(self: Any) -> Any:
        if self.height > self.width:
            raise ValueError("it is wider than high")
        return self

    given: dict[str, Any] = {name: default for name, (_, default) in fields.items()}
    given["__annotations__"] = {name: annotation for name, (annotation, _) in fields.items()}
    if rule:
        given["_in_order"] = model_validator(mode="after")(in_order)
    given |= {"__doc__": "A light shines.", "__module__": __name__, "__qualname__": "LampLit"}
    return type("LampLit", (JourneyEvent,), given, type="lighthouse.lamp_lit.v1")


FIELDS: dict[str, Any] = {
    "keeper": (str, Field(max_length=10)),
    "height": (int, Field(ge=0, le=9)),
    "width": (int, Field(default=9, ge=0, le=9)),
    "colour": (Before, Before.RED),
    "seal": (str | None, Field(default=None, max_length=4)),
}


def unread(released: dict[str, Any], cls: type[Event], data_under: Callable[..., Any]) -> Any:
    """Data that the release allowed and the class cannot read; None where there is none."""

    def refused(data: Any) -> bool:
        try:
            return decode(cls.event_type, json.dumps(data).encode()) is None
        except PayloadMalformed:
            return True

    return found(data_under(released), refused)


def unacceptable(released: dict[str, Any], cls: type[Event], events_of: Any, consumer: Any) -> Any:
    """What the class can say and consumers of the release cannot read; None where there is nothing."""
    return found(events_of(cls), lambda event: not consumer(released).is_valid(json.loads(encode(event))))


def found(strategy: st.SearchStrategy[Any], wrong: Callable[[Any], bool]) -> Any:
    phases = (Phase.generate,)
    try:
        return find(strategy, wrong, settings=settings(quick, max_examples=200, phases=phases, database=None))
    except NoSuchExample:
        return None


OLD_BREAKS: dict[str, dict[str, Any]] = {
    "a field is narrower": {"keeper": (str, Field(max_length=9))},
    "a number is narrower": {"height": (int, Field(ge=0, le=8))},
    "a field is retyped": {"keeper": (int, ...)},
    "a field is required": {"seal": (str, Field(max_length=4))},
    "a new field is required": {"maker": (str, ...)},
    "a pattern is new": {"keeper": (str, Field(pattern="^[a-z]+$", max_length=10))},
}
NEW_BREAKS: dict[str, dict[str, Any]] = {
    "a field is wider": {"keeper": (str, Field(max_length=11))},
    "a number is wider": {"height": (int, Field(ge=-1, le=9))},
    "a field is retyped": {"height": (str, ...)},
    "a field is optional": {"keeper": (str | None, Field(default=None, max_length=10))},
    "a field is gone": {"keeper": None},
    "a field is a list": {"keeper": (tuple[str, ...], ...)},
}


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: field for name, field in {**FIELDS, **changes}.items() if field is not None}


@pytest.mark.parametrize("name", OLD_BREAKS)
def test_class_that_cannot_read_old_events_is_found(own_registry: None, name: str, data_under: Any) -> None:
    released = schema_of(declare(FIELDS))
    assert unread(released, declare(changed(OLD_BREAKS[name])), data_under) is not None


@pytest.mark.parametrize("name", NEW_BREAKS)
def test_class_that_old_consumers_cannot_read_is_found(
    own_registry: None, name: str, events_of: Any, consumer: Any
) -> None:
    released = schema_of(declare(FIELDS))
    assert unacceptable(released, declare(changed(NEW_BREAKS[name])), events_of, consumer) is not None


def test_rule_between_fields_that_no_schema_shows_is_found(own_registry: None, data_under: Any) -> None:
    released = schema_of(declare(FIELDS))
    stricter = declare(FIELDS, rule=True)
    assert promise(schema_of(stricter)) == promise(released)
    assert unread(released, stricter, data_under) is not None


class After(OpenEnum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"
    UNKNOWN = "unknown"


def test_what_a_version_may_gain_is_read_in_both_directions(
    own_registry: None, data_under: Any, events_of: Any, consumer: Any
) -> None:
    released = schema_of(declare(FIELDS))
    gained = {"colour": (After, After.RED), "maker": (str, "nobody"), "seen": (int | None, None)}
    newer = declare(changed(gained))
    assert unread(released, newer, data_under) is None
    assert unacceptable(released, newer, events_of, consumer) is None
    # It is not for want of trying: the generator does say the new things.
    assert found(events_of(newer), lambda event: event.seen is not None and event.colour is After.BLUE) is not None
