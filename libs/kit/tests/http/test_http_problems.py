"""Every 4xx and 5xx is a problem that says what is the matter and leaks nothing."""

import pytest

from anliegen.kit.testing.clients import TestClient

THINGS = "/kit-door/v1/things"


async def test_unknown_path_is_a_problem(client: TestClient, problem):
    problem(await client.anonymous.get("/nowhere"), 404, "path_not_found")


async def test_wrong_method_says_which_are_right(client: TestClient, problem):
    response = await client.anonymous.delete(THINGS)
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"", b"nothing", b'{"text": "a"', b'{"text": NaN}', b'{"text": Infinity}', b"\xff\xfe{", b'{"a": "\xff"}',
        '{"text": "a"}'.encode("utf-16"), b'{"text": "a\x00b"}', b"[" * 100_000,
    ],
)  # fmt: skip
async def test_unreadable_body_is_a_problem(writer, problem, body: bytes):
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    response = await writer.post(THINGS, content=body, headers=headers)
    if body == b"":
        problem(response, 422, "invalid")
    elif body.startswith(b"["):
        problem(response, 400, "json_too_deep")
    else:
        problem(response, 400, "json_unreadable")


async def test_body_without_content_type_is_refused_with_the_reason(writer, problem):
    response = await writer.post(THINGS, content=b'{"text": "a"}', headers={"Idempotency-Key": "k"})
    assert "Content-Type: application/json" in problem(response, 422, "invalid")["detail"]


async def test_fields_are_pointed_at(writer, problem):
    body = {"text": "", "number": "x", "surplus/ous~": 1}
    found = problem(await writer.post(THINGS, json=body, headers={"Idempotency-Key": "k"}), 422, "invalid")
    errors = {error["pointer"]: error["code"] for error in found["errors"]}
    assert errors == {
        "/text": "string_too_short", "/number": "int_parsing", "/surplus~1ous~0": "extra_forbidden",
    }  # fmt: skip
    assert {name for error in found["errors"] for name in error} == {"pointer", "code", "message"}


@pytest.mark.parametrize("path", ["/kit-door/v1/things/not-an-id", "/kit-door/v1/things/%00"])
async def test_path_that_is_no_id(writer, problem, path: str):
    found = problem(await writer.get(path), 422, "invalid")
    assert found["errors"][0]["pointer"] == "{thing_id}"


async def test_query_out_of_range(writer, problem):
    found = problem(await writer.get(THINGS, params={"limit": 201}), 422, "invalid")
    assert found["errors"][0]["pointer"] == "?limit"


async def test_unknown_query_parameter(writer, problem):
    found = problem(await writer.get(THINGS, params={"limit": 2, "staus": "open"}), 400, "unknown_query")
    assert [error["pointer"] for error in found["errors"]] == ["?staus"]


async def test_query_models_and_repeated_parameters_are_known(writer):
    response = await writer.get("/kit-door/v1/filtered?status=a&status=b&limit=3")
    assert response.json() == {"status": ["a", "b"], "limit": 3}


async def test_open_query_lets_everything_through(client: TestClient):
    response = await client.anonymous.post("/kit-door/v1/hooks?bodySHA256=x", content=b"[1]")
    assert response.json() == {"given": [1]}


@pytest.mark.parametrize(
    ("text", "pointer", "code"),
    [
        (r'{"text": "a\u0000b"}', "/text", "nul_character"),
        (r'{"text": "a", "parts": [{"x": ["\u0000"]}]}', "/parts/0/x/0", "nul_character"),
        (r'{"text": "a\ud800b"}', "/text", "lone_surrogate"),
        (r'{"text": "a", "\udfff": 1}', "", "lone_surrogate"),
        ('{"text": "a", "number": 9223372036854775808}', "/number", "integer_too_large"),
        ('{"text": "a", "number": -99999999999999999999}', "/number", "integer_too_large"),
        (f'{{"text": "a", "number": {"1" * 5000}}}', "/number", "integer_too_large"),
        (f'{{"text": "a", "parts": [-{"9" * 100_000}]}}', "/parts/0", "integer_too_large"),
        ('{"text": "a", "text": "a"}', "/text", "given_twice"),
        ('{"text": "a", "parts": [{"x/y": 1, "z": 2, "x/y": {}}]}', "/parts/0/x~1y", "given_twice"),
        (r'{"text": "a", "t\u0065xt": "b"}', "/text", "given_twice"),
        (r'{"text": "a", "\ud800": 1, "\ud800": 2}', "", "lone_surrogate"),
    ],
)
async def test_what_cannot_be_taken_is_pointed_at(writer, problem, text: str, pointer: str, code: str):
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    found = problem(await writer.post(THINGS, content=text.encode(), headers=headers), 422, "invalid")
    assert [(error["pointer"], error["code"]) for error in found["errors"]] == [(pointer, code)]


async def test_a_pair_of_surrogates_is_one_character(writer, things):
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    response = await writer.post(THINGS, content=rb'{"text": "\ud83d\ude00"}', headers=headers)
    assert response.status_code == 201
    assert await things() == ["😀"]


async def test_nul_in_a_query(writer, problem):
    found = problem(await writer.get(f"{THINGS}?text=a%00"), 422, "invalid")
    assert found["errors"][0] == {
        "pointer": "?text", "code": "nul_character", "message": "The text contains a NUL character.",
    }  # fmt: skip


async def test_nul_in_a_form_is_no_server_error(client: TestClient, problem):
    problem(await client.anonymous.post("/kit-door/v1/forms", data={"text": "a\x00"}), 422, "not_storable")


async def test_json_may_be_wide_but_not_deep(writer, problem):
    headers = {"Idempotency-Key": "k"}
    deep: list = []
    for _ in range(70):
        deep = [deep]
    problem(await writer.post(THINGS, json={"text": "a", "parts": deep}, headers=headers), 400, "json_too_deep")
    wide = [[] for _ in range(500)]
    assert (await writer.post(THINGS, json={"text": "a", "parts": wide}, headers=headers)).status_code == 201


async def test_refusal_and_not_found(writer, problem):
    problem(await writer.post(THINGS, json={"text": "refused"}, headers={"Idempotency-Key": "k"}), 409, "thing_too_old")
    response = await writer.get(f"{THINGS}/00000000-0000-0000-0000-000000000000")
    assert problem(response, 404, "thing_not_found")["detail"].startswith("There is no thing with this id")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("deadlock", 503, "unavailable"), ("connection", 503, "unavailable"), ("unexpected", 500, "internal_error"),
        ("unique", 409, "already_there"), ("response", 500, "internal_error"), ("model", 500, "internal_error"),
    ],
)  # fmt: skip
async def test_trouble_within_tells_nothing_of_itself(writer, problem, capsys, kind: str, status: int, code: str):
    response = await writer.get(f"/kit-door/v1/trouble/{kind}")
    problem(response, status, code)
    assert ("retry-after" in response.headers) == (status == 503)
    for word in ("anna", "db.internal", "two wait", "Traceback"):
        assert word not in response.text


async def test_problem_types_are_explained(client: TestClient, problem):
    response = await client.anonymous.get("/problems/thing_not_found")
    assert response.json() == {
        "type": "/problems/thing_not_found",
        "title": "Thing not found",
        "status": 404,
        "description": "There is no thing with this id, or it is not yours to see.",
    }
    problem(await client.anonymous.get("/problems/never_heard_of"), 404, "path_not_found")


async def test_headers_keep_browsers_safe(client: TestClient):
    headers = (await client.anonymous.get("/nowhere")).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["cache-control"] == "no-store"
    assert headers["traceparent"].startswith("00-")
