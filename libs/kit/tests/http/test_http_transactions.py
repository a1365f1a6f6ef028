"""The caller hears "done" only of what is stored, and repetitions are done once."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from starlette.responses import Response

from anliegen.kit.http import purge_idempotency_keys
from anliegen.kit.http.idempotency import KeyMalformed, RepeatableCall, StillRunning, parse_key
from anliegen.kit.testing.clients import TestClient

THINGS = "/kit-door/v1/things"
DOORS = "/kit-door/v1/doors"
JOURNEY = "0b9f6d5e-6d1c-8b1e-9a53-6f2d3c1b7a10"


def key(value: str) -> dict[str, str]:
    return {"Idempotency-Key": value}


async def test_a_refusal_rolls_back(writer, things):
    assert (await writer.post(THINGS, json={"text": "refused"}, headers=key("k"))).status_code == 409
    assert (await writer.post(THINGS, json={"text": "broken"}, headers=key("l"))).status_code == 500
    assert await things() == []


async def test_what_is_answered_is_stored_when_the_answer_arrives(app, writer, things):
    """The transaction ends before the first byte of the answer is sent."""
    seen = []
    inner = app.router.routes[0].app

    async def watching(scope, receive, send):
        async def sending(message):
            if message["type"] == "http.response.start":
                seen.append(await things())
            await send(message)

        await inner(scope, receive, sending)

    app.router.routes[0].app = watching
    try:
        assert (await writer.post(THINGS, json={"text": "a"}, headers=key("k"))).status_code == 201
    finally:
        app.router.routes[0].app = inner
    assert seen == [["a"]]


async def test_a_commit_that_fails_is_no_success(writer, problem, things):
    response = await writer.post(THINGS, json={"text": "refused at commit"}, headers=key("k"))
    problem(response, 500, "internal_error")
    assert await things() == []


async def test_a_connection_that_breaks_within(writer, problem, things):
    problem(await writer.post(THINGS, json={"text": "cut"}, headers=key("k")), 503, "unavailable")
    assert await things() == []


async def test_a_connection_that_breaks_at_commit_leaves_the_outcome_open(writer, problem, monkeypatch):
    from asyncpg.transaction import Transaction

    commit = Transaction.commit

    async def break_then_commit(self):
        self._connection.terminate()
        await commit(self)

    monkeypatch.setattr(Transaction, "commit", break_then_commit)
    response = await writer.post(THINGS, json={"text": "a"}, headers=key("k"))
    problem(response, 503, "outcome_unknown")
    assert response.headers["retry-after"]


async def test_a_key_is_demanded(writer, problem):
    problem(await writer.post(THINGS, json={"text": "a"}), 400, "idempotency_key_missing")


@pytest.mark.parametrize("value", ['""', '"a', 'a"b"', " ", "a b", '"' + "a" * 256 + '"', "a" * 256, '"a\\b"'])
async def test_malformed_key_is_refused(writer, problem, value: str):
    problem(await writer.post(THINGS, json={"text": "a"}, headers=key(value)), 400, "idempotency_key_malformed")


@pytest.mark.parametrize(
    ("header", "expected"),
    [('"a b"', "a b"), ("abc", "abc"), (r'"a\"b\\"', 'a"b\\'), (' "x" ', "x"), ("a" * 255, "a" * 255)],
)
def test_keys_quoted_and_bare(header: str, expected: str):
    assert parse_key(header) == expected


@pytest.mark.parametrize("header", ['"ä"', "ä", '"a"; x=1'])
def test_keys_that_are_none(header: str):
    with pytest.raises(KeyMalformed):
        parse_key(header)


async def test_a_repetition_gets_the_first_answer(writer, things):
    first = await writer.post(THINGS, json={"text": "a", "number": 1}, headers=key('"k1"'))
    again = await writer.post(THINGS, json={"number": 1, "text": "a"}, headers=key("k1"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    for name in ("location", "etag", "content-type"):
        assert first.headers[name] == again.headers[name]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await things() == ["a"]


async def test_the_same_key_for_something_else(writer, problem, things):
    await writer.post(THINGS, json={"text": "a"}, headers=key("k"))
    problem(await writer.post(THINGS, json={"text": "b"}, headers=key("k")), 422, "idempotency_key_reused")
    assert await things() == ["a"]


async def test_a_key_belongs_to_one_caller_and_one_route(client: TestClient, things):
    for caller in (client.as_("agent", scopes="things:write", sub=name) for name in ("anna", "bert")):
        await caller.post(THINGS, json={"text": "a"}, headers=key("k"))
    await client.anonymous.post(DOORS, json={"text": "a"}, headers=key("k"))
    assert await things() == ["a", "a", "a"]


async def test_a_key_belongs_to_one_route(client: TestClient, things):
    caller = client.as_("agent", scopes="things:write")
    for path in (THINGS, DOORS):
        response = await caller.post(path, json={"text": "a", "journey_id": JOURNEY}, headers=key("k"))
        assert "idempotency-replayed" not in response.headers
    assert await things() == ["a", "a"]


async def test_who_loses_a_race_for_a_key_leaves_nothing_behind(begin, things):
    """The answer of another request was committed between our look-up and our end."""
    call = RepeatableCall(b"p" * 32, b"c" * 32)
    with pytest.raises(StillRunning):
        async with begin() as tx:
            await call.claim(tx)
            await tx.execute("INSERT INTO things (thing_id, journey_id, text) VALUES ($1, $1, 'lost')", UUID(JOURNEY))
            async with begin() as other:
                await other.execute(
                    "INSERT INTO idempotency_keys (place, content, status, headers, body) VALUES ($1, $2, 200, $3, $4)",
                    call.place, call.content, [], b"{}",
                )  # fmt: skip
            await call.keep(Response())
    assert await things() == []


async def test_a_key_on_a_public_route_belongs_to_the_caller_if_there_is_one(client: TestClient, things):
    for caller in (client.as_("agent", sub="anna"), client.as_("agent", sub="bert"), client.anonymous):
        response = await caller.post(DOORS, json={"text": "a"}, headers=key("k"))
        assert (response.status_code, response.headers.get("idempotency-replayed")) == (202, None), response.text
    assert await things() == ["a", "a", "a"]


async def test_refusals_are_not_kept(writer, things):
    for _ in range(2):
        assert (await writer.post(THINGS, json={"text": "refused"}, headers=key("k"))).status_code == 409
    assert (await writer.post(THINGS, json={"text": ""}, headers=key("k"))).status_code == 422
    assert (await writer.post(THINGS, json={"text": "a"}, headers=key("k"))).status_code == 201
    assert await things() == ["a"]


async def test_the_second_does_not_wait_for_the_first(router, writer, problem, things):
    first = asyncio.create_task(writer.post(THINGS, json={"text": "wait"}, headers=key("k")))
    while not router.seen:
        await asyncio.sleep(0.01)
    async with asyncio.timeout(2):
        second = await writer.post(THINGS, json={"text": "wait"}, headers=key("k"))
    problem(second, 409, "idempotency_key_in_use")
    assert second.headers["retry-after"] == "1"
    router.gate.set()
    assert (await first).status_code == 201
    third = await writer.post(THINGS, json={"text": "wait"}, headers=key("k"))
    assert third.headers["idempotency-replayed"] == "true"
    assert await things() == ["wait"]


async def test_many_at_once_take_effect_once(client: TestClient, things):
    async def send() -> httpx.Response:
        while True:
            response = await client.anonymous.post(DOORS, json={"text": "a"}, headers=key("k"))
            if response.status_code != 409:
                return response

    answers = await asyncio.gather(*(send() for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert await things() == ["a"]


async def test_a_door_serves_who_has_no_key(client: TestClient, things):
    for _ in range(2):
        assert (await client.anonymous.post(DOORS, json={"text": "a"})).status_code == 202
    assert await things() == ["a", "a"]


async def test_a_form_sent_again_has_another_boundary(client: TestClient, things):
    for boundary in ("one", "two"):
        body = f'--{boundary}\r\nContent-Disposition: form-data; name="text"\r\n\r\nhello\r\n--{boundary}--\r\n'
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", **key("k")}
        response = await client.anonymous.post("/kit-door/v1/forms", content=body.encode(), headers=headers)
        assert response.status_code == 200, response.text
    assert await things() == ["hello"]


async def test_old_answers_are_purged_in_portions(context, writer, things):
    for number in range(3):
        await writer.post(THINGS, json={"text": "a"}, headers=key(f"k{number}"))
    async with context.pool.acquire() as connection:
        assert await purge_idempotency_keys(connection) == 0
        await connection.execute(
            "UPDATE idempotency_keys SET created_at = created_at - interval '49 hours' "
            "WHERE place = (SELECT place FROM idempotency_keys ORDER BY place LIMIT 1)"
        )
        assert await purge_idempotency_keys(connection) == 1
        assert await purge_idempotency_keys(connection, kept=timedelta()) == 2


async def test_a_body_that_is_refused_leaves_no_connection_behind(context, writer):
    for _ in range(20):
        await writer.post(THINGS, json={"text": ""}, headers=key("k"))
    assert context.pool.get_size() - context.pool.get_idle_size() == 0


async def test_the_trace_of_a_request_travels_with_what_it_announces(context, writer):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "tracestate": "vendor=1", **key("k")}
    answer = await writer.post(THINGS, json={"text": "announce"}, headers=headers)
    async with context.pool.acquire() as connection:
        announced = await connection.fetchval("SELECT headers FROM outbox")
    assert announced["traceparent"].startswith(f"00-{trace}-")
    assert announced["tracestate"] == "vendor=1"
    assert announced["traceparent"] == answer.headers["traceparent"]


async def test_a_repetition_announces_nothing_again(context, writer):
    for _ in range(3):
        body = {"text": "announce", "journey_id": JOURNEY}
        assert (await writer.post(THINGS, json=body, headers=key("k"))).status_code == 201
    async with context.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 1
