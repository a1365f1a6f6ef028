"""Door 2: the story of a person, told to agents in full and to customers as far as it is theirs."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import AwareDatetime

from anliegen.events import HandleKind
from anliegen.kit import Context, Principal, begin
from anliegen.kit.errors import FieldError, Invalid
from anliegen.kit.http import (
    APIRouter,
    Caller,
    EventStream,
    LastEventId,
    Page,
    Paging,
    StreamEvent,
    Tx,
    doors_of,
    requires,
)

from . import actions
from .domain import Filter, JourneyNotFound, Placed, StoredEvent, cut, read_json
from .live import Listener, Position, PositionMalformed
from .views import BriefingView, EntryView, FoundView, HandleView
from .visibility import CUSTOMER_SEES, for_customer

router = APIRouter(prefix="/journey/v1", tags=["journey"], dependencies=[requires("journeys:read")])

LONGEST_STREAM_SECONDS = 900.0
"""A stream ends after this time, so that whoever follows shows a token that is still good."""
LARGEST_SEQUENCE = 2**63 - 1
AsOf = Annotated[AwareDatetime | None, Query(description="As the story stood at this time; links as they were then.")]
KnownKind = Literal["customer_number", "email", "phone", "whatsapp", "account", "anonymous"]


class SearchUnclear(Invalid):
    """Give either `customer_number`, or `handle` with its `kind` where you know it."""


@router.get("/journeys", name="find_journeys")
async def find_journeys(
    *,
    tx: Tx,
    principal: Caller,
    customer_number: Annotated[str | None, Query(min_length=1, max_length=40)] = None,
    handle: Annotated[str | None, Query(min_length=1, max_length=320, description="An address or number.")] = None,
    kind: Annotated[KnownKind | None, Query(description="What kind of handle it is.")] = None,
) -> Page[FoundView]:
    """The journeys that know a customer number or a handle, the surest first."""
    if (customer_number is None) == (handle is None) or (kind is not None and handle is None):
        raise SearchUnclear(errors=[FieldError("?handle", "search_unclear", "One of the two, please.")])
    kinds = [HandleKind.CUSTOMER_NUMBER.value] if customer_number else [kind] if kind else []
    found = await actions.find_journeys(tx, kinds=kinds, value=customer_number or handle or "", principal=principal)
    views = [
        FoundView(journey_id=row["journey_id"], root=members[0], members=members, handle=HandleView.of(row))
        for row, members in found
    ]
    return Page(items=views)


@router.get("/journeys/{journey_id}", name="get_journey")
async def get_journey(journey_id: UUID, tx: Tx, principal: Caller, as_of: AsOf = None) -> BriefingView:
    """The story so far: who, what, cases, promises, failures, answers, mood."""
    return await actions.tell_briefing(tx, journey_id=journey_id, principal=principal, as_of=as_of)


@router.get("/journeys/{journey_id}/timeline", name="get_timeline")
async def get_timeline(
    *,
    journey_id: UUID,
    tx: Tx,
    principal: Caller,
    paging: Paging,
    response: Response,
    type: Annotated[list[str] | None, Query(max_length=50, description="Only these types.")] = None,  # noqa: A002
    service: Annotated[list[str] | None, Query(max_length=20, description="Only what these services said.")] = None,
    case_id: Annotated[list[UUID] | None, Query(max_length=50, description="Only these cases.")] = None,
    as_of: AsOf = None,
    sort: Annotated[Literal["at", "-at"], Query(description="`-at` begins with the latest.")] = "at",
) -> Page[EntryView]:
    """Everything that happened, over all services and channels, in one order: nothing before what caused it."""
    sight = await actions.look_at(tx, journey_id=journey_id, principal=principal, as_of=as_of)
    wanted = Filter(
        types=frozenset(type or ()),
        services=frozenset(service or ()),
        case_ids=frozenset(case_id or ()),
        as_of=as_of,
        only_types=None if sight.for_staff else CUSTOMER_SEES.keys(),
    )
    timeline = await actions.tell_timeline(tx, members=sight.members, wanted=wanted)
    if sort == "-at":
        timeline.reverse()
    shown = cut(timeline, edge=paging.after(datetime), backwards=paging.backwards, limit=paging.fetch)
    entries = await actions.read_entries(tx, timeline=shown)
    return paging.page(
        entries,
        edge=lambda entry: (entry[0].at, entry[0].beat.event_id),
        view=lambda entry: _view(entry[1], entry[0], for_staff=sight.for_staff),
        response=response,
    )


@router.get("/journeys/{journey_id}/stream", name="follow_journey", response_class=EventStream)
async def follow_journey(
    journey_id: UUID, request: Request, tx: Tx, principal: Caller, last_event_id: LastEventId
) -> EventStream:
    """Everything that happens from now on, or after `Last-Event-ID`, as server-sent events.

    An id names, for each journey and source, the sequence up to which everything was sent. The first event, `position`,
    carries only such an id. Open the stream first and read the timeline then, and nothing is missed between the two.
    """
    sight = await actions.look_at(tx, journey_id=journey_id, principal=principal)
    if last_event_id:
        position = Position.decode(last_event_id)
        # Before the stream begins: afterwards only a broken connection could tell.
        if any(low > LARGEST_SEQUENCE or "\x00" in key + source for key, source, low in position.lows):
            raise PositionMalformed
    else:
        position = await actions.stand_now(tx, members=sight.members)
    return EventStream(request, _follow(doors_of(request.scope).running, journey_id, principal, position))


async def _follow(
    context: Context, journey_id: UUID, principal: Principal, position: Position
) -> AsyncIterator[StreamEvent]:
    listener: Listener = context.resources["listener"]
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + LONGEST_STREAM_SECONDS
    yield StreamEvent(id=position.encode(), event="position", data={"journey_id": str(journey_id)})
    with listener.subscribe() as subscription:
        while loop.time() < ends_at:
            async with begin(context, principal=principal) as tx:
                # Asked again each time: a merge widens what belongs to the person, a split may take it away.
                try:
                    sight = await actions.look_at(tx, journey_id=journey_id, principal=principal)
                except JourneyNotFound:
                    return
                subscription.watch(sight.members)
                news = await actions.tell_news(tx, members=sight.members, position=position)
            for event in news:
                position.take(event.key, event.source, [event.sequence])
                if sight.for_staff or event.type in CUSTOMER_SEES:
                    view = _view(event, None, for_staff=sight.for_staff)
                    yield StreamEvent(id=position.encode(), event=event.type, data=view.model_dump_json())
            await subscription.wait()


def _view(event: StoredEvent, placed: Placed | None, *, for_staff: bool) -> EntryView:
    data: Any = read_json(event.payload)
    return EntryView(
        event_id=event.event_id,
        at=placed.at if placed else event.time,
        time=event.time,
        type=event.type,
        service=event.service,
        journey_id=event.journey_id,
        sequence=event.sequence,
        case_id=event.case_id,
        contact_id=event.contact_id,
        causation_id=event.causation_id if for_staff else None,
        correlation_id=event.correlation_id if for_staff else None,
        data=data if for_staff else for_customer(event.type, data),
    )
