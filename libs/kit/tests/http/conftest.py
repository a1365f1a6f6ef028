"""A toy service with every kind of route, on a real database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import File, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from anliegen.events import CustomerLearnt
from anliegen.events.builders import build
from anliegen.kit import Handlers, Service
from anliegen.kit.database import connect
from anliegen.kit.errors import NotFound, Refusal
from anliegen.kit.http import (
    APIRouter,
    Caller,
    EventStream,
    IfMatch,
    LastEventId,
    MaybeCaller,
    Page,
    Paging,
    StreamEvent,
    Tx,
    authorize_case,
    body_limit,
    idempotent,
    idempotent_optional,
    open_query,
    parse_json,
    public,
    rate_limit,
    requires,
    set_etag,
)
from anliegen.kit.http.app import create_app
from anliegen.kit.telemetry import logs
from anliegen.kit.testing.clients import TestClient

TABLE = """
CREATE TABLE IF NOT EXISTS things (
    thing_id uuid PRIMARY KEY, journey_id uuid NOT NULL, text text NOT NULL, number bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1, opened_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE OR REPLACE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.text = 'refused at commit' THEN RAISE EXCEPTION 'too late'; END IF; RETURN NEW; END $$;
DROP TRIGGER IF EXISTS late ON things;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse_late();
GRANT ALL ON things TO kit_door;
"""
PREFIX = "/kit-door/v1"
PUBLIC = {
    f"POST {PREFIX}/doors": "1000/minute",
    f"GET {PREFIX}/counted": "3/minute",
    f"POST {PREFIX}/hooks": "1000/minute",
    f"GET {PREFIX}/whoami": "1000/minute",
    f"POST {PREFIX}/forms": "1000/minute",
}


class ThingNotFound(NotFound):
    """There is no thing with this id, or it is not yours to see."""


class ThingTooOld(Refusal):
    """The thing is too old for this."""


class NewThing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1)
    number: int = 0
    journey_id: UUID = Field(default_factory=uuid4)
    parts: list[Any] = []


class Rename(BaseModel):
    text: str


class ThingView(BaseModel):
    thing_id: UUID
    text: str
    version: int


class Filters(BaseModel):
    status: list[str] = []
    limit: int = 10


def make_router() -> APIRouter:
    router = APIRouter(prefix=PREFIX, tags=["kit-door"])
    router.gate = asyncio.Event()
    router.seen = []
    read, write = requires("things:read"), requires("things:write")

    async def insert(tx: Tx, body: NewThing) -> ThingView:
        thing_id = uuid4()
        await tx.execute(
            "INSERT INTO things (thing_id, journey_id, text, number) VALUES ($1, $2, $3, $4)",
            thing_id, body.journey_id, body.text, body.number,
        )  # fmt: skip
        return ThingView(thing_id=thing_id, text=body.text, version=1)

    @router.post("/things", name="create_thing", status_code=201, dependencies=[write, idempotent])
    async def create_thing(body: NewThing, tx: Tx, principal: Caller, response: Response) -> ThingView:
        if body.text == "wait":
            router.seen.append("waiting")
            await router.gate.wait()
        view = await insert(tx, body)
        if body.text == "announce":
            await tx.lock(body.journey_id)
            tx.publish(build(CustomerLearnt, journey_id=body.journey_id))
        if body.text == "refused":
            raise ThingTooOld
        if body.text == "broken":
            raise RuntimeError("the customer anna@example.org is broken")
        if body.text == "cut":
            await tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        response.headers["Location"] = f"{PREFIX}/things/{view.thing_id}"
        set_etag(response, view.version)
        assert tx.principal == principal
        return view

    @router.post("/doors", name="come_in", status_code=202, dependencies=[public("a test"), idempotent_optional])
    async def come_in(body: NewThing, tx: Tx, principal: MaybeCaller) -> ThingView:
        assert tx.principal == principal
        return await insert(tx, body)

    @router.get("/things", name="list_things", dependencies=[read])
    async def list_things(tx: Tx, paging: Paging, response: Response, text: str | None = None) -> Page[ThingView]:
        edge = paging.after(datetime)
        sign, order = (">", "ASC") if paging.backwards else ("<", "DESC")
        rows = await tx.fetch(
            f"""SELECT * FROM things WHERE ($1::timestamptz IS NULL OR (opened_at, thing_id) {sign} ($1, $2))
            AND ($3::text IS NULL OR text = $3) ORDER BY opened_at {order}, thing_id {order} LIMIT $4""",
            *(edge or (None, None)), text, paging.fetch,
        )  # fmt: skip
        return paging.page(
            rows,
            edge=lambda row: (row["opened_at"], row["thing_id"]),
            view=lambda row: ThingView(**{name: row[name] for name in ("thing_id", "text", "version")}),
            response=response,
        )

    @router.get("/things/{thing_id}", name="get_thing", dependencies=[read])
    async def get_thing(thing_id: UUID, tx: Tx, principal: Caller, response: Response) -> ThingView:
        row = await tx.fetchrow("SELECT * FROM things WHERE thing_id = $1", thing_id)
        if row is None:
            raise ThingNotFound
        members = await tx.members(row["journey_id"])
        authorize_case(
            principal, task="helpdesk", journey_id=row["journey_id"], members=members, otherwise=ThingNotFound
        )
        set_etag(response, row["version"])
        return ThingView(thing_id=thing_id, text=row["text"], version=row["version"])

    @router.post("/things/{thing_id}/name", name="rename_thing", dependencies=[write])
    async def rename_thing(thing_id: UUID, body: Rename, tx: Tx, version: IfMatch, response: Response) -> ThingView:
        row = await tx.fetchrow("SELECT * FROM things WHERE thing_id = $1 FOR UPDATE", thing_id)
        if row is None:
            raise ThingNotFound
        version.check(row["version"])
        await tx.execute("UPDATE things SET text = $2, version = version + 1 WHERE thing_id = $1", thing_id, body.text)
        set_etag(response, row["version"] + 1)
        return ThingView(thing_id=thing_id, text=body.text, version=row["version"] + 1)

    @router.put("/large", name="put_large", dependencies=[write, body_limit(3_000_000)])
    async def put_large(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @router.put("/small", name="put_small", dependencies=[write])
    async def put_small(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @router.post("/hooks", name="take_hook", dependencies=[public("a test"), open_query])
    async def take_hook(request: Request) -> Any:
        return {"given": parse_json(await request.body())}

    @router.post("/forms", name="take_form", dependencies=[public("a test"), idempotent_optional])
    async def take_form(tx: Tx, text: Annotated[str, Form()], file: Annotated[bytes, File()] = b"") -> ThingView:
        return await insert(tx, NewThing(text=text))

    @router.get("/counted", name="count_calls", dependencies=[public("a test")])
    async def count_calls() -> dict[str, bool]:
        return {"ok": True}

    @router.get("/costly", name="do_costly", dependencies=[read, rate_limit("2/minute")])
    async def do_costly() -> dict[str, bool]:
        return {"ok": True}

    @router.get("/whoami", name="who_am_i", dependencies=[public("a test")])
    async def who_am_i(principal: MaybeCaller) -> dict[str, str | None]:
        return {"subject": principal.subject if principal else None}

    @router.get("/filtered", name="list_filtered", dependencies=[read])
    async def list_filtered(filters: Annotated[Filters, Query()]) -> Filters:
        return filters

    @router.get("/administered", name="administer", dependencies=[requires("admin:dead-letters")])
    async def administer() -> dict[str, bool]:
        return {"ok": True}

    @router.get("/trouble/{kind}", name="make_trouble", dependencies=[read])
    async def make_trouble(kind: str, tx: Tx) -> dict[str, Any]:
        troubles: dict[str, Exception] = {
            "deadlock": asyncpg.DeadlockDetectedError("two wait"),
            "connection": ConnectionRefusedError("host db.internal"),
            "unexpected": ValueError("anna@example.org said hello"),
            "unique": asyncpg.UniqueViolationError("duplicate key (mail)=(anna@example.org)"),
            "response": KeyError("x"),
        }
        if kind == "model":
            return ThingView(thing_id=uuid4(), text="x", version="not a number")  # type: ignore[return-value]
        raise troubles[kind]

    @router.get("/stream", name="follow_things", dependencies=[read])
    async def follow_things(request: Request, last_event_id: LastEventId) -> EventStream:
        async def events() -> AsyncIterator[StreamEvent]:
            number = int(last_event_id or 0)
            try:
                while True:
                    number += 1
                    yield StreamEvent(id=str(number), event="thing", data={"number": number})
                    if number % 3 == 0:
                        await router.gate.wait()
            finally:
                router.seen.append("stream ended")

        return EventStream(request, events())

    return router


@pytest.fixture(autouse=True, scope="session")
def log_lines() -> None:
    """Log lines as in production: quick, and without the values of local variables."""
    logs.setup_own("INFO")


@pytest.fixture
def router() -> APIRouter:
    return make_router()


@pytest.fixture
def service(router: APIRouter) -> Service:
    return Service(
        name="kit-door", title="Door", description="Things.", routers=(router,), handlers=Handlers("kit-door")
    )


@pytest.fixture
async def database(service: Service, migrated):
    database = await migrated(service)
    async with connect(database.owner_address, application="toy") as connection:
        await connection.execute(TABLE)
    yield database
    await database.empty()


@pytest.fixture
def app(context):
    return create_app(context.service, context.settings, context=context, public_routes=PUBLIC)


@pytest.fixture
async def client(app) -> AsyncIterator[TestClient]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        yield TestClient(app, stack)


@pytest.fixture
def writer(client: TestClient) -> httpx.AsyncClient:
    return client.as_("supervisor", scopes="things:read things:write")


@pytest.fixture
def things(context):
    """The texts of all things."""

    async def read() -> list[str]:
        async with context.pool.acquire() as connection:
            return [row["text"] for row in await connection.fetch("SELECT text FROM things ORDER BY opened_at")]

    return read


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The response is a complete problem of this kind."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    problem = response.json()
    assert problem["status"] == status
    assert problem["code"] == code, problem
    assert problem["type"] == f"/problems/{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"].startswith("/")
    assert len(problem["trace_id"]) == 32
    return problem


@pytest.fixture
def problem():
    return assert_problem
