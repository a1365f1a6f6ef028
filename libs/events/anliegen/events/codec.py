"""Events to bytes and back."""

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from . import registry
from .base import Event, Part

LARGEST_PAYLOAD = 256 * 1024
"""Bytes. A larger payload is refused when it is published: longer texts travel as an excerpt and a reference."""


class PayloadTooLarge(ValueError):
    """The event is larger than 256 KiB: send an excerpt and a content reference instead."""


class PayloadMalformed(ValueError):
    """The data is not what this event type promises."""


def encode(event: Event) -> bytes:
    """The exact bytes to publish.

    Raises PayloadTooLarge over 256 KiB, and PayloadMalformed where a text cannot be written as UTF-8 (half of a
    surrogate pair, as a broken charset leaves it behind).
    """
    try:
        payload = event.model_dump_json(exclude_none=True).encode()
    except PydanticSerializationError:
        raise PayloadMalformed(f"{PayloadMalformed.__doc__} {event.event_type}: a text is not Unicode.") from None
    if len(payload) > LARGEST_PAYLOAD:
        raise PayloadTooLarge(f"{PayloadTooLarge.__doc__} {event.event_type}: {len(payload)} bytes.")
    return payload


def decode(event_type: str, payload: bytes) -> Event | None:
    """The event in these bytes, or None where the type is not known here (producers are deployed first).

    An old version is handed on as the newest that it can be upcast to. Fields that a newer producer added are ignored.
    Raises PayloadMalformed; its text names fields, never their values.
    """
    try:
        event = decode_as_said(event_type, payload)
        return registry.upcast(event) if event is not None else None
    except ValidationError as problem:
        errors = problem.errors(include_url=False, include_context=False, include_input=False)[:5]
        where = "; ".join(f"{_place(error['loc'])}: {error['type']}" for error in errors)
        raise PayloadMalformed(f"{PayloadMalformed.__doc__} {event_type}: {where}") from None


def decode_as_said(event_type: str, payload: bytes) -> Event | None:
    """The event in the version in which it was said. Raises pydantic's ValidationError."""
    cls = registry.find_class(event_type)
    return cls.model_validate_json(payload, extra="ignore") if cls is not None else None


def _place(location: tuple[int | str, ...]) -> str:
    """Where in the data, by the names of fields and the positions in lists; a name that the data chose is left out."""
    names = _field_names(Part)
    return ".".join(str(step) if isinstance(step, int) or step in names else "…" for step in location) or "data"


def _field_names(cls: type[Part]) -> set[str]:
    return set(cls.model_fields).union(*(_field_names(derived) for derived in cls.__subclasses__()))
