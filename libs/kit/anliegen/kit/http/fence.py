"""What administrators see and do after a restore: the fence, what was announced and is not known, the release.

Every service has these routes, like those of `operations.py`, without a line of its own.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from ..errors import NotFound
from ..fence import actions, lists, store
from ..fence.lists import Announced
from ..fence.store import Fence
from ..operations.journal import Operator
from ..service import Service
from ..transaction import Transaction
from .auth import Caller
from .cursors import Page, Paging
from .markers import requires, unconditional, while_fenced
from .merged import EVERY_SERVICE
from .operations import TAG, Text
from .routing import APIRouter
from .transactions import Tx

SCOPE = "admin:fence"


class FenceNotFound(NotFound):
    """This service was never fenced, or not by a fence of this number."""


class FenceDetail(BaseModel):
    """What stops a service, or stopped it last."""

    fence_id: int
    fenced_at: datetime
    fenced_by: str = Field(description="Who set it; `anliegen` where the service found by itself that it was restored.")
    reason: str
    listed_at: datetime | None = Field(description="When the list was complete; null while the log is being read.")
    events: int = Field(description="How many events were announced that the database does not know.")
    by_hand: int = Field(description="How many of them came from commands: a person has to do these again.")
    released_at: datetime | None
    released_by: str | None
    release_reason: str | None


class FenceStatus(BaseModel):
    """Whether a service is fenced."""

    fenced: bool
    looked_at: bool = Field(description="False where this very database was not yet compared with the log of events.")
    fence: FenceDetail | None = Field(description="The one that is open, else the one released last.")


class AnnouncedView(BaseModel):
    """An event that this service announced and its database does not know. Its content lies in Kafka."""

    event_id: UUID
    type: str
    key: str = Field(description="The journey, or whatever else the event is about.")
    subject: str | None = Field(description="The case or the customer.")
    sequence: int
    time: datetime
    by_hand: bool = Field(description="A command announced it: do it again. Else it comes again by itself.")
    causation_id: str | None
    correlation_id: str | None
    topic: str
    partition: int
    offset: int

    @classmethod
    def of(cls, event: Announced) -> "AnnouncedView":
        return cls(
            event_id=event.event_id, type=event.type, key=event.key, subject=event.subject, sequence=event.sequence,
            time=event.time, by_hand=event.by_hand, causation_id=event.causation_id,
            correlation_id=event.correlation_id, topic=event.topic, partition=event.part, offset=event.offset,
        )  # fmt: skip


class ReleaseFence(BaseModel):
    """Why the service may go on. No customer's data."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "the list was worked off"}]})

    reason: Text


class FenceReleased(BaseModel):
    """The service goes on."""

    fence_id: int
    streams: int = Field(description="How many keys go on after numbers that only others knew.")


async def show_fence(tx: Tx) -> FenceStatus:
    """Whether this service was restored to an earlier time and waits for a person, and what for."""
    standing, last = await store.get_standing(tx), await store.find_last_fence(tx)
    detail = None if last is None else await _detail(tx, last)
    return FenceStatus(fenced=standing.fence is not None, looked_at=standing.is_looked_at, fence=detail)


async def list_fence_events(
    *,
    tx: Tx,
    paging: Paging,
    response: Response,
    fence_id: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="Another fence than the last.")] = None,
    by_hand: Annotated[bool | None, Query(description="Only what commands announced, or only the rest.")] = None,
) -> Page[AnnouncedView]:
    """What was announced and the restored database does not know, by time. It stays after the release."""
    if fence_id is None:
        last = await store.find_last_fence(tx)
        if last is None:
            raise FenceNotFound
        fence_id = last.fence_id
    rows = await lists.list_announced(
        tx, fence_id=fence_id, by_hand=by_hand, after=paging.after(datetime), backwards=paging.backwards,
        limit=paging.fetch,
    )  # fmt: skip
    return paging.page(rows, edge=lambda e: (e.time, e.event_id), view=AnnouncedView.of, response=response)


async def release_fence(body: ReleaseFence, tx: Tx, caller: Caller) -> FenceReleased:
    """Let the service go on: its worker takes up its events, and numbers that others heard are not used again."""
    done = await actions.release(tx, operator=Operator(caller.subject, body.reason))
    return FenceReleased(fence_id=done.fence_id, streams=done.streams)


async def _detail(tx: Transaction, fence: Fence) -> FenceDetail:
    counts = await lists.count_unknown(tx, fence_id=fence.fence_id)
    return FenceDetail(
        fence_id=fence.fence_id, fenced_at=fence.fenced_at, fenced_by=fence.fenced_by, reason=fence.reason,
        listed_at=fence.listed_at, events=counts.events, by_hand=counts.by_hand, released_at=fence.released_at,
        released_by=fence.released_by, release_reason=fence.release_reason,
    )  # fmt: skip


def fence_router(service: Service) -> APIRouter:
    """The routes of one service."""
    router = APIRouter(prefix=f"/{service.name}/v1/fence", tags=[TAG["name"]], dependencies=[requires(SCOPE)])
    shared = {EVERY_SERVICE: True}
    router.add_api_route("", show_fence, methods=["GET"], name="show_fence", openapi_extra=shared)
    router.add_api_route("/events", list_fence_events, methods=["GET"], name="list_fence_events", openapi_extra=shared)
    router.add_api_route(
        "/release", release_fence, methods=["POST"], name="release_fence", openapi_extra=shared,
        dependencies=[while_fenced, unconditional("a second release is refused")],
    )  # fmt: skip
    return router
