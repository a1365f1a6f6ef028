"""`python -m anliegen.stack.gateway`: one address for services that run in processes of their own.

It passes each request on to the service its path names first, as a gateway in front of a cluster does, in both
directions as the bytes come: a live stream stays live. Which port a service has stands in a file that is read again
whenever it was replaced, so a service's next process takes over from one request to the other.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from anliegen.stack.ports import LOOPBACK
from anliegen.stack.routes import Routes

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
# These speak of one connection, not of the message (RFC 9110, section 7.6.1).
ONE_CONNECTION = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
# No limit on reading: a live stream may be silent for as long as its service lets it.
TIMEOUT = httpx.Timeout(10.0, read=None, write=60.0, pool=10.0)


def make_gateway(routes: Callable[[], Mapping[str, int]]) -> Starlette:
    """The application; `routes` gives the port of each service by its name, and is asked at every request."""
    limits = httpx.Limits(max_connections=500, max_keepalive_connections=50, keepalive_expiry=30)
    client = httpx.AsyncClient(timeout=TIMEOUT, limits=limits, follow_redirects=False, trust_env=False)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    async def forward(request: Request) -> Response:
        port = routes().get(request.path_params["service"])
        if port is None:
            return _problem(404, "path_not_found", "Path not found", "There is no service of this name.", request)
        return await _forward(client, request, port)

    async def ready(request: Request) -> Response:
        services = routes()
        answers = await asyncio.gather(*(_ask_ready(client, port) for port in services.values()))
        waiting = [name for name, answer in zip(services, answers, strict=True) if answer is None]
        if waiting:
            detail = "; ".join(f"{name}: not ready" for name in waiting)
            return _problem(503, "not_ready", "Not ready", detail, request)
        fenced = sorted({name for answer in answers if answer for name in answer.get("fenced", ())})
        return JSONResponse({"status": "ok", **({"fenced": fenced} if fenced else {})})

    async def pass_to_any(request: Request) -> Response:
        return await _forward(client, request, next(iter(routes().values())))

    async def describe(_: Request) -> Response:
        from anliegen.kit.http.merged import merge

        services = routes()
        found = await asyncio.gather(*(client.get(f"{_address(port)}/openapi.json") for port in services.values()))
        documents = [
            (name.replace("-", "_"), answer.json())
            for name, answer in zip(services, found, strict=True)
            if answer.is_success
        ]
        return JSONResponse(merge(documents, title="Anliegen", version="1"))

    async def index(_: Request) -> Response:
        listed = {name: {"path": f"/{name}/v1", "port": port} for name, port in routes().items()}
        return JSONResponse({"name": "Anliegen", "services": listed, "links": {"openapi": "/openapi.json"}})

    return Starlette(
        routes=[
            Route("/", index),
            Route("/readyz", ready),
            Route("/livez", lambda _: JSONResponse({"status": "ok"})),
            Route("/openapi.json", describe),
            Route("/problems/{code}", pass_to_any),
            Route("/docs", pass_to_any),
            Route("/docs/{file}", pass_to_any),
            Route("/{service}", forward, methods=METHODS),
            Route("/{service}/{rest:path}", forward, methods=METHODS),
        ],
        lifespan=lifespan,
    )


async def _forward(client: httpx.AsyncClient, request: Request, port: int) -> Response:
    path = request.scope["raw_path"] + (b"?" + request.scope["query_string"] if request.scope["query_string"] else b"")
    headers = [(name, value) for name, value in request.headers.raw if name.decode() not in ONE_CONNECTION]
    caller = request.client.host if request.client else LOOPBACK
    headers.append((b"x-forwarded-for", caller.encode()))
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    passed = client.build_request(
        request.method,
        httpx.URL(_address(port), raw_path=path),
        headers=headers,
        content=request.stream() if has_body else None,
    )
    try:
        answer = await client.send(passed, stream=True)
    except httpx.TransportError:
        return _problem(503, "unavailable", "Unavailable", "This service cannot be reached just now.", request)
    response = StreamingResponse(_bytes_of(answer), status_code=answer.status_code)
    response.raw_headers = [
        (name.lower(), value) for name, value in answer.headers.raw if name.lower().decode() not in ONE_CONNECTION
    ]
    return response


async def _bytes_of(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()


async def _ask_ready(client: httpx.AsyncClient, port: int) -> dict[str, Any] | None:
    """What the service tells of itself; None where it is not ready."""
    try:
        answer = await client.get(f"{_address(port)}/readyz", timeout=3)
    except httpx.TransportError:
        return None
    return cast("dict[str, Any]", answer.json()) if answer.is_success else None


def _address(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


def _problem(status: int, code: str, title: str, detail: str, request: Request) -> Response:
    content: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "code": code,
    }
    return JSONResponse(content, status_code=status, media_type="application/problem+json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--routes", type=Path, required=True)
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s (%(name)s)")
    uvicorn.run(
        make_gateway(Routes(chosen.routes)),
        host=LOOPBACK,
        port=chosen.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=30,
    )


if __name__ == "__main__":
    main()
