"""What partners may tell, and whether one event is the same as another: decided without touching anything."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anliegen.events import Handle, HandleKind, PartnerCustomerEvent, PartnerEvent, PartnerOrigin, codec
from anliegen.events.partners import OWN_FIELDS, partner_classes, read_partner_data
from anliegen.kit import ids
from anliegen.kit.errors import Conflict, FieldError, Invalid, NotAllowed, pointer_token

from ..partners.cloudevents import CloudEvent
from .identity import handle_of, normalise_customer_number

LARGEST_EVENT = codec.LARGEST_PAYLOAD
_NOBODY = UUID(int=0)


class Partner(BaseModel):
    """A partner system: who it is, and what it may tell. What is not named here is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subjects: frozenset[str] = frozenset()
    """The `sub` of its tokens: its client ids at the issuer. None: its HTTP door is closed, its topic is read."""
    sources: frozenset[str] = Field(min_length=1)
    """The `source` of its events, exactly as written; no two partners have one in common."""
    types: frozenset[str] = frozenset()
    """What it may tell, such as `partner.customer_record_changed.v1`; `*` is everything."""
    origins: frozenset[str] = frozenset()
    """DNS names that may ask for our consent to being called (CloudEvents webhooks, `WebHook-Request-Origin`)."""

    def may_tell(self, event_type: str) -> bool:
        """Whether it may write events of this type."""
        return event_type in self.types or "*" in self.types


class NotThisPartner(NotAllowed):
    """There is no such partner, or this token is not one of its own."""


class EventRefused(Invalid):
    """This event is not one that the partner may tell, or its data are not what its type promises."""


class EventDiffers(Conflict):
    """An event with this source and id came before, with other content. The first one stands: another event needs
    another id."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a partner, checked; `data` are those fields of its class that partners fill in.

    `digest` is the SHA-256 of all that the event says, those fields among it that we do not know.
    """

    partner: str
    source: str
    event_id: str
    type: str
    order_key: str
    occurred_at: datetime
    digest: bytes
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """One that waits for being announced."""

    told: Told
    received_at: datetime
    attempts: int

    @property
    def known_as(self) -> UUID:
        """An id of our own that follows from the partner's: what causes what is announced."""
        return ids.derived("partner event", self.told.source, self.told.event_id)


def check(name: str, partner: Partner, event: CloudEvent, *, now: datetime, at: str = "") -> Told:
    """The event as it is kept. Raises EventRefused, with pointers below `at`."""
    errors = []
    if event.source not in partner.sources:
        errors.append(FieldError(f"{at}/source", "source_not_allowed", "Not one of the sources of this partner."))
    cls = partner_classes().get(event.type)
    if cls is None:
        errors.append(FieldError(f"{at}/type", "type_unknown", "There is no such type."))
    elif not partner.may_tell(event.type):
        errors.append(FieldError(f"{at}/type", "type_not_allowed", "This partner may not tell this."))
    content = _content_of(event)
    if len(content) > LARGEST_EVENT:
        errors.append(FieldError(f"{at}/data", "data_too_large", f"At most {LARGEST_EVENT} bytes."))
    if not isinstance(event.data, Mapping):
        errors.append(FieldError(f"{at}/data", "not_an_object", "The data have to be a JSON object."))
    if errors or cls is None:
        raise EventRefused(errors=errors)
    occurred_at = event.time or now
    origin = PartnerOrigin(partner=name, source=event.source, event_id=event.id)
    read = _read(cls, event.data, origin=origin, occurred_at=occurred_at, at=at)
    return Told(
        partner=name,
        source=event.source,
        event_id=event.id,
        type=event.type,
        order_key=f"customer {read.customer_number}" if isinstance(read, PartnerCustomerEvent) else read.key,
        occurred_at=occurred_at,
        digest=hashlib.sha256(content).digest(),
        data=read.model_dump(mode="json", exclude=set(OWN_FIELDS), exclude_none=True),
    )


def _read(
    cls: type[PartnerEvent], data: Mapping[str, Any], *, origin: PartnerOrigin, occurred_at: datetime, at: str
) -> PartnerEvent:
    fields: dict[str, Any] = {}
    if issubclass(cls, PartnerCustomerEvent):
        fields["journey_id"] = _NOBODY
        # What is no text is left to the class, which says so.
        if isinstance(stated := data.get("customer_number"), str):
            number = normalise_customer_number(stated)
            if number is None:
                place = f"{at}/data/customer_number"
                raise EventRefused(errors=[FieldError(place, "not_a_customer_number", "Letters and digits only.")])
            fields["customer_number"] = number
    try:
        read = read_partner_data(cls, data, origin=origin, occurred_at=occurred_at, **fields)
        codec.encode(read)
    except ValidationError as problem:
        raise EventRefused(
            errors=[
                FieldError(f"{at}/data{''.join(f'/{pointer_token(step)}' for step in e['loc'])}", e["type"], e["msg"])
                for e in problem.errors(include_url=False, include_context=False, include_input=False)[:20]
            ]
        ) from None
    except (codec.PayloadTooLarge, codec.PayloadMalformed):
        message = f"Texts that are Unicode, and at most {LARGEST_EVENT} bytes."
        raise EventRefused(errors=[FieldError(f"{at}/data", "data_not_usable", message)]) from None
    return read


def event_of(cls: type[PartnerEvent], kept: Kept, **fields: Any) -> PartnerEvent:
    """What is announced of it; `fields` are those that only the database tells."""
    told = kept.told
    origin = PartnerOrigin(partner=told.partner, source=told.source, event_id=told.event_id)
    return read_partner_data(cls, told.data, origin=origin, occurred_at=told.occurred_at, **fields)


def _content_of(event: CloudEvent) -> bytes:
    """What an event says: the same by whichever door and in whichever mode it comes."""
    time = None if event.time is None else event.time.astimezone(UTC).isoformat()
    said = [event.type, time, event.data]
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def addresses_of(*, email: str | None, phone: str | None, region: str) -> tuple[Handle, ...]:
    """The handles behind the addresses of a customer record; what is no address names nobody.

    A phone number is a WhatsApp id, too: whoever has such an account has shown that the number is theirs.
    """
    number = handle_of(HandleKind.PHONE, phone, region=region) if phone else None
    found = [
        handle_of(HandleKind.EMAIL, email, region=region) if email else None,
        number,
        Handle(kind=HandleKind.WHATSAPP, value=number.value) if number else None,
    ]
    return tuple(handle for handle in found if handle is not None)
