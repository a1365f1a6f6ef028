"""Dead letters and parked keys of a service, for administrators: `/<service>/v1/dead-letters`, `…/parked-keys`.

Every service has these routes without a line of its own. One scope lets people see and settle; what stands in an event
may be a person's words, so it takes another scope, and each look is written down.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from ..errors import Invalid
from ..operations import actions, journal, letters, parked
from ..operations.journal import Operator
from ..operations.letters import Filter
from ..operations.views import (
    ActionView,
    ContentView,
    DeadLetterDetail,
    DeadLetterView,
    ParkedEventView,
    ParkedKeyView,
    RedrivenView,
)
from ..service import Service
from .auth import Caller
from .cursors import Page, PageRequest, Paging
from .doors import doors_of
from .etags import IfMatch, set_etag
from .markers import Mark, requires, unconditional
from .merged import EVERY_SERVICE
from .routing import APIRouter
from .transactions import Tx

SETTLE = "admin:events"
LOOK_INSIDE = "admin:payloads"
TAG = {"name": "operations", "description": "For administrators: events that could not be handled, of every service."}
ACTIONS_SHOWN = 50
_NO_ID = UUID(int=0)
"""These lists are sorted by a number that is there once, so a page's edge needs no id beside it."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
LetterId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Number = Annotated[str, StringConstraints(pattern="^(0|[1-9][0-9]{0,17})$")]


class FilterMissing(Invalid):
    """Say which dead letters you mean: by type, key, error_type, since or until."""


class Why(BaseModel):
    """Why it is done, for those who ask later. No customer's data."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "mended in 1.4.2"}]})

    reason: Text | None = None


class DiscardLetter(BaseModel):
    """Why nobody needs the event. No customer's data."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "a test of the mail server"}]})

    reason: Text


class SetEventAside(BaseModel):
    """Which event is set aside, and why. No customer's data."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID = Field(description="The oldest behind the key, as it was seen; another one is refused.")
    reason: Text


class RedriveLetters(BaseModel):
    """Which unsettled letters are redriven; several values of one field mean "any of these"."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"error_type": ["KeyError"], "since": "2026-03-02T08:00:00Z", "reason": "1.4.2"}]
        },
    )

    type: list[Text] | None = None
    key: Text | None = None
    error_type: list[Text] | None = None
    since: AwareDatetime | None = Field(default=None, description="Died then or later.")
    until: AwareDatetime | None = Field(default=None, description="Died before.")
    after: Number | None = Field(default=None, description="`next` of the answer before.")
    limit: int = Field(default=200, ge=1, le=actions.MOST_AT_ONCE)
    reason: Text | None = None


def _wanted(
    types: Annotated[list[str] | None, Query(alias="type")] = None,
    key: Annotated[str | None, Query(description="The journey or subject.")] = None,
    error_type: Annotated[list[str] | None, Query()] = None,
    since: Annotated[AwareDatetime | None, Query(description="Died then or later.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Died before.")] = None,
) -> Filter:
    return Filter(types=types, key=key, error_types=error_type, since=since, until=until)


Wanted = Annotated[Filter, Depends(_wanted)]


def _edge(paging: PageRequest) -> int | None:
    after = paging.after(int)
    return None if after is None else after[0]


# Dead letters ---------------------------------------------------------------------------------------------------------
async def list_dead_letters(
    *, tx: Tx, wanted: Wanted, paging: Paging, response: Response, settled: bool | None = None
) -> Page[DeadLetterView]:
    """Events that were given up on, the newest first. A repeated parameter means "any of these"."""
    rows = await letters.list_letters(
        tx, wanted=wanted, settled=settled, before=_edge(paging), backwards=paging.backwards, limit=paging.fetch
    )
    return paging.page(rows, edge=lambda one: (one.id, _NO_ID), view=DeadLetterView.of, response=response)


async def get_dead_letter(*, letter_id: LetterId, tx: Tx, response: Response) -> DeadLetterDetail:
    """One dead letter: where it came from, what failed, and what was done with it."""
    letter = await letters.get_letter(tx, letter_id=letter_id)
    set_etag(response, letter.version)
    record = await letters.get_record(tx, letter_id=letter_id)
    done = await journal.list_actions(tx, about=letter.about, limit=ACTIONS_SHOWN)
    return DeadLetterDetail.look(tx.context, letter, record, done)


async def get_dead_letter_content(*, letter_id: LetterId, tx: Tx, caller: Caller, response: Response) -> ContentView:
    """What stands in the event. It may be a person's words: that you looked is written down."""
    response.headers["Cache-Control"] = "no-store"
    return ContentView.of(await actions.read_letter(tx, letter_id=letter_id, operator=Operator(caller.subject)))


async def redrive_dead_letter(
    *, letter_id: LetterId, tx: Tx, caller: Caller, version: IfMatch, response: Response, body: Why | None = None
) -> DeadLetterView:
    """Put the event back, once, for the consumer that gave up on it: behind its key, after what came since."""
    operator = Operator(caller.subject, body.reason if body else None)
    letter = await actions.redrive(tx, letter_id=letter_id, operator=operator, version=version)
    set_etag(response, letter.version)
    return DeadLetterView.of(letter)


async def discard_dead_letter(
    *, letter_id: LetterId, body: DiscardLetter, tx: Tx, caller: Caller, version: IfMatch, response: Response
) -> DeadLetterView:
    """Give the event up for good."""
    letter = await actions.discard(
        tx, letter_id=letter_id, operator=Operator(caller.subject, body.reason), version=version
    )
    set_etag(response, letter.version)
    return DeadLetterView.of(letter)


async def redrive_dead_letters(*, body: RedriveLetters, request: Request, caller: Caller) -> RedrivenView:
    """Put many events back, the oldest first, each on its own; what is refused stays and is named."""
    wanted = Filter(types=body.type, key=body.key, error_types=body.error_type, since=body.since, until=body.until)
    if wanted.is_empty:
        raise FilterMissing
    done = await actions.redrive_many(
        doors_of(request.scope).running,
        wanted=wanted,
        operator=Operator(caller.subject, body.reason),
        after=int(body.after or 0),
        limit=body.limit,
    )
    return RedrivenView.of(done)


# Parked keys ----------------------------------------------------------------------------------------------------------
async def list_parked_keys(*, tx: Tx, paging: Paging, response: Response) -> Page[ParkedKeyView]:
    """Keys whose events wait, the longest waiting first."""
    rows = await parked.list_keys(
        tx,
        group=tx.context.service.name,
        after=paging.after(datetime),
        backwards=paging.backwards,
        limit=paging.fetch,
    )
    return paging.page(
        rows,
        edge=lambda one: (one.since, one.number),
        view=lambda one: ParkedKeyView.of(tx.context, one),
        response=response,
    )


async def get_parked_key(*, key: str, tx: Tx) -> ParkedKeyView:
    """One parked key: since when, how often it was tried, what failed last."""
    return ParkedKeyView.of(tx.context, await parked.get_key(tx, group=tx.context.service.name, key=key))


async def list_parked_events(*, key: str, tx: Tx, paging: Paging, response: Response) -> Page[ParkedEventView]:
    """The events behind a key, in the order in which they are handled."""
    group = tx.context.service.name
    await parked.get_key(tx, group=group, key=key)
    rows = await parked.list_events(
        tx, group=group, key=key, after=_edge(paging), backwards=paging.backwards, limit=paging.fetch
    )
    return paging.page(rows, edge=lambda one: (one.ord, _NO_ID), view=ParkedEventView.of, response=response)


async def get_parked_event_content(
    *, key: str, event_id: UUID, tx: Tx, caller: Caller, response: Response
) -> ContentView:
    """What stands in an event that waits. It may be a person's words: that you looked is written down."""
    response.headers["Cache-Control"] = "no-store"
    operator = Operator(caller.subject)
    return ContentView.of(await actions.read_parked(tx, key=key, event_id=event_id, operator=operator))


async def retry_parked_key(*, key: str, tx: Tx, caller: Caller, body: Why | None = None) -> ParkedKeyView:
    """Have the key tried within a second, whenever it was due."""
    operator = Operator(caller.subject, body.reason if body else None)
    return ParkedKeyView.of(tx.context, await actions.retry_now(tx, key=key, operator=operator))


async def set_parked_event_aside(*, key: str, body: SetEventAside, tx: Tx, caller: Caller) -> DeadLetterView:
    """Make the oldest event behind the key a dead letter, so that its journey goes on."""
    operator = Operator(caller.subject, body.reason)
    return DeadLetterView.of(await actions.set_aside(tx, key=key, event_id=body.event_id, operator=operator))


async def list_operator_actions(
    *, tx: Tx, paging: Paging, response: Response, about: str | None = None
) -> Page[ActionView]:
    """What people did and looked at by hand, the newest first."""
    rows = await journal.list_actions(
        tx, about=about, before=_edge(paging), backwards=paging.backwards, limit=paging.fetch
    )
    return paging.page(rows, edge=lambda one: (one.id, _NO_ID), view=ActionView.of, response=response)


_SETTLE = requires(SETTLE)
_LOOK_INSIDE = requires(SETTLE, LOOK_INSIDE)
_ROUTES: tuple[tuple[str, str, str, Callable[..., Any], tuple[Mark, ...]], ...] = (
    ("GET", "/dead-letters", "list_dead_letters", list_dead_letters, (_SETTLE,)),
    ("GET", "/dead-letters/{letter_id:int}", "get_dead_letter", get_dead_letter, (_SETTLE,)),
    ("GET", "/dead-letters/{letter_id:int}/content", "get_dead_letter_content", get_dead_letter_content,
     (_LOOK_INSIDE,)),
    ("POST", "/dead-letters/{letter_id:int}/redrive", "redrive_dead_letter", redrive_dead_letter, (_SETTLE,)),
    ("POST", "/dead-letters/{letter_id:int}/discard", "discard_dead_letter", discard_dead_letter, (_SETTLE,)),
    ("POST", "/dead-letters/redrive", "redrive_dead_letters", redrive_dead_letters,
     (_SETTLE, unconditional("each letter is redriven once, however often this is asked for"))),
    ("GET", "/parked-keys", "list_parked_keys", list_parked_keys, (_SETTLE,)),
    ("GET", "/parked-keys/{key}", "get_parked_key", get_parked_key, (_SETTLE,)),
    ("GET", "/parked-keys/{key}/events", "list_parked_events", list_parked_events, (_SETTLE,)),
    ("GET", "/parked-keys/{key}/events/{event_id}/content", "get_parked_event_content", get_parked_event_content,
     (_LOOK_INSIDE,)),
    ("POST", "/parked-keys/{key}/retry", "retry_parked_key", retry_parked_key,
     (_SETTLE, unconditional("trying sooner does no harm, however often"))),
    ("POST", "/parked-keys/{key}/set-aside", "set_parked_event_aside", set_parked_event_aside,
     (_SETTLE, unconditional("it names the event that it means"))),
    ("GET", "/operator-actions", "list_operator_actions", list_operator_actions, (_SETTLE,)),
)  # fmt: skip


def operations_router(service: Service) -> APIRouter:
    """The routes of one service."""
    router = APIRouter(prefix=f"/{service.name}/v1", tags=[TAG["name"]])
    for method, path, name, endpoint, marks in _ROUTES:
        router.add_api_route(
            path, endpoint, methods=[method], name=name, dependencies=list(marks), openapi_extra={EVERY_SERVICE: True}
        )
    return router
