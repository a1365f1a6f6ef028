"""What an event is that a partner system told us: intake checks it and says it again, once, in the order it came in.

A partner writes a fact as `partner.<fact>.vN`, to intake's door or to its topic; intake announces it as
`intake.<fact>.vN`. The data that a partner gives are the fields of the class but for those of the bases here.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import AwareDatetime, Field

from . import registry
from .base import Event, JourneyEvent, Part

OWN_FIELDS = frozenset({"journey_id", "origin", "occurred_at"})
"""What intake fills in: a partner's data cannot say it."""
P = TypeVar("P", bound="PartnerEvent")


class PartnerOrigin(Part):
    """Which partner told it, and how the partner names it: source and id together are told once."""

    partner: str = Field(max_length=64)
    """The partner's name in our registration."""
    source: str = Field(max_length=500)
    """The `source` of the partner's event."""
    event_id: str = Field(max_length=255)
    """The `id` of the partner's event, in whatever form the partner has."""


class PartnerEvent(Event):
    """A fact that a partner system told us. A class for one that concerns no customer says its `key`."""

    origin: PartnerOrigin
    occurred_at: AwareDatetime
    """When it happened, as the partner says; where it does not say, when it reached us."""


class PartnerCustomerEvent(PartnerEvent, JourneyEvent):
    """A fact about a customer that a partner system told us; it belongs to the journey of the customer number."""

    customer_number: str = Field(max_length=40)
    """Without blanks and separators, in capitals."""


def partner_type_of(cls: type[PartnerEvent]) -> str:
    """What a partner calls it: `intake.customer_record_changed.v1` → `partner.customer_record_changed.v1`."""
    return f"partner.{cls.event_type.partition('.')[2]}"


def partner_classes() -> dict[str, type[PartnerEvent]]:
    """Every class that a partner can write, by the type the partner gives it."""
    found = [cls for cls in registry.classes_of(PartnerEvent) if issubclass(cls, PartnerEvent)]
    return {partner_type_of(cls): cls for cls in found}


def read_partner_data(
    cls: type[P], data: Mapping[str, Any], *, origin: PartnerOrigin, occurred_at: Any, **fields: Any
) -> P:
    """The event that a partner's data make, with what intake knows beside it.

    Fields that the class does not have are ignored, for a partner may be ahead of us. Raises pydantic's
    ValidationError, whose places begin with the data's own fields.
    """
    given = {name: value for name, value in data.items() if name not in OWN_FIELDS}
    return cls.model_validate({**given, **fields, "origin": origin, "occurred_at": occurred_at}, extra="ignore")
