"""The door for partner systems: CloudEvents 1.0 over HTTP, binary, structured or batched."""

from typing import Annotated

from fastapi import Header, Path, Request, Response
from pydantic import BaseModel, Field

from anliegen.kit import begin
from anliegen.kit.errors import FieldError
from anliegen.kit.http import APIRouter, Caller, body_limit, doors_of, public, rate_limit, requires, unconditional

from ..actions.hear_partner import hear_events
from ..domain.partners import EventDiffers, EventRefused, NotThisPartner, Told, check
from ..partners.bindings import BATCHED, MOST_ERRORS, STRUCTURED, read_http
from ..resources import resources_of
from ..settings import PARTNER_NAME

router = APIRouter(prefix="/intake/v1", tags=["intake"])

LARGEST_BODY = 4_000_000
"""Bytes of a whole batch; one event's data are limited on their own."""
REQUESTS_A_MINUTE = 600
PartnerName = Annotated[
    str, Path(pattern=f"^{PARTNER_NAME.pattern}$", description="The partner's name in our registration.")
]
_TEXT = {"schema": {"type": "string"}}
_EVENT = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 255},
        "source": {"type": "string", "minLength": 1, "maxLength": 500},
        "type": {"type": "string", "minLength": 1, "maxLength": 200},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"type": "string"},
        "data": {"type": "object"},
        "data_base64": {"type": "string"},
    },
}
_ANNOUNCEMENT = {
    "requestBody": {
        "required": True,
        "description": "Binary mode needs the headers `ce-specversion`, `ce-id`, `ce-source` and `ce-type`.",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            STRUCTURED: {"schema": _EVENT},
            BATCHED: {"schema": {"type": "array", "items": _EVENT, "maxItems": 1000}},
        },
    },
    "parameters": [
        {"name": name, "in": "header", "required": False, "description": description, **_TEXT}
        for name, description in (
            ("ce-specversion", "`1.0`, in binary mode."),
            ("ce-id", "The partner's own id of the event: with the source it names the event for ever."),
            ("ce-source", "One of the partner's registered sources."),
            ("ce-type", "Such as `partner.customer_record_changed.v1`."),
            ("ce-time", "When it happened (RFC 3339); without it, when it reached us."),
        )
    ],
}


class PartnerEventsTaken(BaseModel):
    """All events are kept, and will be announced."""

    accepted: int = Field(description="How many were new.")
    repeated: int = Field(description="How many had come before with the same content; they change nothing.")


@router.post(
    "/partners/{partner}/events",
    name="announce_partner_events",
    status_code=202,
    summary="Tell what happened, as a CloudEvent or a batch of them",
    openapi_extra=_ANNOUNCEMENT,
    dependencies=[
        requires("events:write"),
        body_limit(LARGEST_BODY),
        rate_limit(f"{REQUESTS_A_MINUTE}/minute"),
        unconditional("an event that comes again is known by its source and id"),
    ],
)
async def announce_partner_events(partner: PartnerName, request: Request, caller: Caller) -> PartnerEventsTaken:
    """Take a partner's events: all of them, or none and a list of what is wrong, in which a batch's events have their
    numbers (`/3/data/email`). Repeating a request is harmless."""
    context = doors_of(request.scope).running
    registered = resources_of(context).settings.partners.get(partner)
    if registered is None or caller.subject not in registered.subjects:
        # The same for a name that does not exist: nobody learns who our partners are.
        raise NotThisPartner
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"]]
    events, is_batch = read_http(headers, await request.body())
    now = context.clock.now()
    told: list[Told] = []
    errors: list[FieldError] = []
    for index, event in enumerate(events):
        try:
            told.append(check(partner, registered, event, now=now, at=f"/{index}" if is_batch else ""))
        except EventRefused as problem:
            errors.extend(problem.errors)
        if len(errors) > MOST_ERRORS:
            break
    if errors:
        raise EventRefused(errors=errors[:MOST_ERRORS])
    async with begin(context, principal=caller) as tx:
        heard = await hear_events(tx, partner=partner, told=told)
        if heard.differing:
            places = [f"/{index}/id" if is_batch else "/id" for index in heard.differing]
            message = "It came before, with other content."
            raise EventDiffers(errors=[FieldError(place, "event_differs", message) for place in places[:MOST_ERRORS]])
    return PartnerEventsTaken(accepted=heard.new, repeated=heard.repeated)


@router.options(
    "/partners/{partner}/events",
    name="agree_to_partner_events",
    summary="Whether a partner's webhook may call this door",
    response_class=Response,
    responses={200: {"description": "Consent stands in the headers `WebHook-Allowed-Origin` and `…-Rate`."}},
    dependencies=[public("it tells consent to registered origins, and takes nothing")],
)
async def agree_to_partner_events(
    partner: PartnerName,
    request: Request,
    webhook_request_origin: Annotated[str | None, Header(max_length=253)] = None,
) -> Response:
    """The handshake against abuse of the CloudEvents webhook specification, 4. Without the two headers there is no
    consent. A callback is never called: its address would be anybody's."""
    settings = resources_of(doors_of(request.scope).running).settings
    registered = settings.partners.get(partner)
    headers = {"Allow": "OPTIONS, POST"}
    if registered is not None and webhook_request_origin and webhook_request_origin.lower() in registered.origins:
        headers["WebHook-Allowed-Origin"] = webhook_request_origin
        headers["WebHook-Allowed-Rate"] = str(REQUESTS_A_MINUTE)
    return Response(status_code=200, headers=headers)
