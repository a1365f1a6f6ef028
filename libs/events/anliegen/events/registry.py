"""The catalogue: every event type, its class, and the topic it travels on."""

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .base import Event

Old = TypeVar("Old", bound="Event")
New = TypeVar("New", bound="Event")

TYPE_FORM = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*\.v[1-9][0-9]*")
_classes: dict[str, "type[Event]"] = {}
_upcasters: "dict[str, tuple[type[Event], Callable[[Any], Event]]]" = {}


class EventTypeTaken(ValueError):
    """Two classes claim the same event type: give the newer one a type or a version of its own."""


class EventTypeMalformed(ValueError):
    """An event type is `service.fact.vN`, in small letters with underscores, such as `intake.contact_received.v1`."""


class UpcasterMisplaced(ValueError):
    """An upcaster leads from one version of a fact to the next, and there is one from each."""


def register(cls: "type[Event]") -> None:
    """Enter a class under its type. A module that is loaded again replaces its own class."""
    if not TYPE_FORM.fullmatch(cls.event_type):
        raise EventTypeMalformed(f"{EventTypeMalformed.__doc__} Found: {cls.event_type!r}.")
    known = _classes.get(cls.event_type)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise EventTypeTaken(f"{EventTypeTaken.__doc__} Found: {cls.event_type!r} in {known} and {cls}.")
    _classes[cls.event_type] = cls


def find_class(event_type: str) -> "type[Event] | None":
    """The class of this type, or None where a newer producer speaks of something we do not know."""
    return _classes.get(event_type)


def all_classes() -> "list[type[Event]]":
    """Every registered class, sorted by type."""
    return [_classes[name] for name in sorted(_classes)]


def classes_of(base: "type[Event]") -> "list[type[Event]]":
    """The registered classes that are this class or derive from it, sorted by type."""
    return [cls for cls in all_classes() if issubclass(cls, base)]


def classes_in(package: str) -> "list[type[Event]]":
    """The registered classes that this package or a module of it declares, sorted by type."""
    return [cls for cls in all_classes() if cls.__module__ == package or cls.__module__.startswith(f"{package}.")]


def upcasts(old: type[Old], *, to: type[New]) -> Callable[[Callable[[Old], New]], Callable[[Old], New]]:
    """Declare how an event of an old version reads as one of the next: a pure function, beside the new class.

    From then on nobody sees the old version: `codec.decode` gives the new one, and handlers of the new class hear both.
    """

    def enter(function: Callable[[Old], New]) -> Callable[[Old], New]:
        if next_version(old.event_type) != to.event_type or old.event_type in _upcasters:
            raise UpcasterMisplaced(f"{UpcasterMisplaced.__doc__} Found: {old.event_type} to {to.event_type}.")
        _upcasters[old.event_type] = (to, function)
        return function

    return enter


def upcast(event: "Event") -> "Event":
    """The event in the latest version that its upcasters lead to; itself where there is none."""
    while event.event_type in _upcasters:
        event = _upcasters[event.event_type][1](event)
    return event


def versions_read_as(cls: "type[Event]") -> list[str]:
    """The types that reach a handler of this class: its own and the older ones that are upcast to it.

    Empty for a class that is itself upcast: its events are handed on as the newer ones.
    """
    if cls.event_type in _upcasters:
        return []
    found = [cls.event_type]
    for kind in found:
        found += [older for older, (to, _) in _upcasters.items() if to.event_type == kind]
    return found


def next_version(event_type: str) -> str:
    """The type that a break begins: `helpdesk.question_taken.v1` → `helpdesk.question_taken.v2`."""
    number = int(event_type.rpartition(".v")[2])
    return f"{fact_of(event_type)}.v{number + 1}"


@cache
def fact_of(event_type: str) -> str:
    """The fact without its version: `helpdesk.question_taken.v1` → `helpdesk.question_taken`."""
    return event_type.rpartition(".v")[0]


def service_of(event_type: str) -> str:
    """The service that announces this type, as its folder is called: `billing_inquiry.x.v1` → `billing-inquiry`."""
    return event_type.partition(".")[0].replace("_", "-")


def topic_of(cls: "type[Event]") -> str:
    """The topic this class travels on: its service's, or that service's topic for people's words."""
    topic = f"anliegen.{service_of(cls.event_type)}"
    return f"{topic}.words" if cls.words else topic


@cache
def dataschema_of(event_type: str) -> str:
    """The address of this type's JSON Schema: its `$id`, and the attribute `dataschema` of every event of the type.

    It is a name, not a place: nothing has to be fetched to read an event. Optional fields that a version gains do not
    change it, because they change nothing for a reader; a break has a new type and so a new address.
    """
    return f"urn:anliegen:schema:{event_type}"


def topics_of(classes: "Iterable[type[Event]]") -> list[str]:
    """The topics that carry these classes, sorted, each once."""
    return sorted({topic_of(cls) for cls in classes})
