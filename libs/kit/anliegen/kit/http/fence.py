"""What administrators see and do after a restore: the fence, what was announced and is not known, the release.

Every service has these routes, like those of `operations.py`, without a line of its own.
"""

from datetime import datetime
from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from ..errors import NotFound
from ..fence import actions, lists, store
from ..fence.views import AnnouncedView, FenceStatus
from ..operations.journal import Operator
from ..service import Service
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
    return await FenceStatus.look(tx)


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
