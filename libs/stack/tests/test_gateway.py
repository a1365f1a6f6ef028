import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from anliegen.stack.gateway import make_gateway
from anliegen.stack.ports import any_free
from anliegen.stack.routes import Routes, write_routes

heard: asyncio.Queue[str] = asyncio.Queue()


async def _echo(request: Request) -> Response:
    body = await request.body()
    content = {
        "method": request.method,
        "path": request.scope["raw_path"].decode(),
        "query": request.scope["query_string"].decode(),
        "body": len(body),
        "headers": dict(request.headers),
    }
    answer = JSONResponse(content, status_code=201, headers={"ETag": '"7"'})
    answer.headers.append("set-cookie", "a=1")
    answer.headers.append("set-cookie", "b=2")
    return answer


async def _live(request: Request) -> Response:
    async def words() -> AsyncIterator[bytes]:
        try:
            yield b"data: first\n\n"
            await asyncio.sleep(30)
        finally:
            heard.put_nowait("closed")

    return StreamingResponse(words(), media_type="text/event-stream")


SERVICE = Starlette(
    routes=[
        Route("/helpdesk/v1/live", _live),
        Route("/readyz", lambda _: JSONResponse({})),
        Route("/{rest:path}", _echo, methods=["GET", "POST", "DELETE"]),
    ]
)


@asynccontextmanager
async def _served(app: object, port: int) -> AsyncIterator[None]:
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=1)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[assignment,method-assign]
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await running


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[httpx.AsyncClient]:
    service, front = any_free(), any_free()
    closed = any_free()
    async with (
        _served(SERVICE, service),
        _served(make_gateway(lambda: {"helpdesk": service, "gone": closed}), front),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{front}", timeout=10) as client,
    ):
        yield client


async def test_request_and_answer_are_passed_on_unchanged(gateway: httpx.AsyncClient) -> None:
    body = b"x" * 3_000_000
    answer = await gateway.post("/helpdesk/v1/a%2Fb?q=%20x&q=2", content=body, headers={"If-Match": '"3"'})
    seen = answer.json()
    assert answer.status_code == 201
    assert (seen["method"], seen["path"], seen["query"], seen["body"]) == (
        "POST",
        "/helpdesk/v1/a%2Fb",
        "q=%20x&q=2",
        len(body),
    )
    assert seen["headers"]["if-match"] == '"3"'
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["host"] == gateway.base_url.netloc.decode()
    assert answer.headers["etag"] == '"7"'
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


async def test_streamed_body_without_a_length_is_passed_on(gateway: httpx.AsyncClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"y" * 1000

    assert (await gateway.post("/helpdesk/v1/x", content=parts())).json()["body"] == 5000


async def test_live_stream_comes_at_once_and_ends_with_its_reader(gateway: httpx.AsyncClient) -> None:
    async with asyncio.timeout(5):
        async with gateway.stream("GET", "/helpdesk/v1/live") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert await anext(answer.aiter_raw()) == b"data: first\n\n"
        assert await heard.get() == "closed"


async def test_service_that_is_away_is_a_problem_503(gateway: httpx.AsyncClient) -> None:
    answer = await gateway.get("/gone/v1/x")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 503


async def test_next_request_goes_where_the_routes_say_by_then(tmp_path: Path) -> None:
    first, second, front = any_free(), any_free(), any_free()
    write_routes(tmp_path / "routes.json", {"helpdesk": first})
    async with (
        _served(SERVICE, first),
        _served(Starlette(routes=[Route("/{rest:path}", lambda _: JSONResponse("second"))]), second),
        _served(make_gateway(Routes(tmp_path / "routes.json")), front),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{front}", timeout=10) as client,
    ):
        assert (await client.get("/helpdesk/v1/x")).json()["path"] == "/helpdesk/v1/x"
        async with client.stream("GET", "/helpdesk/v1/live") as answer:
            write_routes(tmp_path / "routes.json", {"helpdesk": second})
            assert (await client.get("/helpdesk/v1/x")).json() == "second"
            assert await anext(answer.aiter_raw()) == b"data: first\n\n", "what had begun goes on where it was"
        assert await heard.get() == "closed"


async def test_unknown_service_is_a_problem_404(gateway: httpx.AsyncClient) -> None:
    for path in ("/nothing/v1/x", "/nothing"):
        answer = await gateway.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_gateway_is_ready_only_with_all_its_services(gateway: httpx.AsyncClient) -> None:
    answer = await gateway.get("/readyz")
    assert answer.status_code == 503
    assert json.loads(answer.content)["detail"] == "gone: not ready"
    assert (await gateway.get("/livez")).status_code == 200
    assert set((await gateway.get("/")).json()["services"]) == {"helpdesk", "gone"}


async def test_docs_are_those_of_any_service(gateway: httpx.AsyncClient) -> None:
    for path in ("/docs", "/docs/swagger-ui.css", "/problems/x"):
        assert (await gateway.get(path)).json()["path"] == path


async def test_gateway_names_the_services_that_are_fenced() -> None:
    ready = {"status": "ok"}
    fenced = {"status": "ok", "fenced": ["helpdesk"]}
    helpdesk, triage, front = any_free(), any_free(), any_free()
    async with (
        _served(Starlette(routes=[Route("/readyz", lambda _: JSONResponse(fenced))]), helpdesk),
        _served(Starlette(routes=[Route("/readyz", lambda _: JSONResponse(ready))]), triage),
        _served(make_gateway(lambda: {"helpdesk": helpdesk, "triage": triage}), front),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{front}", timeout=10) as client,
    ):
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, fenced)
