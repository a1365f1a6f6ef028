"""The server itself, over real sockets: limits while a body streams in, streams of events, and an end in good order."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import sys
import time

import httpx
import pytest

from anliegen.kit.http.server import Server, server_for, shared_listener
from anliegen.kit.http.streams import StreamEvent
from anliegen.kit.testing.clients import token

PREFIX = "/kit-door/v1"
TOKEN = {"Authorization": f"Bearer {token('agent', scopes='things:read things:write')}"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
async def server(app, context):
    """The application behind a real server; `server.address` is where."""
    port = free_port()
    server: Server = server_for(app, [app.state.doors], host="127.0.0.1", port=port, settings=context.settings)
    server.address = f"http://127.0.0.1:{port}"
    server.port = port
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server
    server.should_exit = True
    async with asyncio.timeout(10):
        await running


@pytest.fixture
async def caller(server):
    async with httpx.AsyncClient(base_url=server.address, headers=TOKEN, timeout=10) as client:
        yield client


async def test_several_servers_share_one_port(app, context):
    port = free_port()
    servers = [
        server_for(app, [app.state.doors], host="127.0.0.1", port=port, settings=context.settings) for _ in range(2)
    ]
    running = [asyncio.create_task(each.serve(sockets=[shared_listener("127.0.0.1", port)])) for each in servers]
    while not all(each.started for each in servers):
        await asyncio.sleep(0.01)
    for _ in range(40):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/livez")).status_code == 200
    assert all(each.server_state.total_requests for each in servers)
    for each in servers:
        each.should_exit = True
    async with asyncio.timeout(10):
        await asyncio.gather(*running)


async def pieces(count: int, size: int = 100_000):
    for _ in range(count):
        yield b"x" * size


async def test_a_large_body_is_refused_and_the_caller_sees_the_answer(caller, problem):
    found = problem(await caller.put(f"{PREFIX}/small", content=b"x" * 2_000_000), 413, "too_large")
    assert found["maximum_bytes"] == 1_000_000


async def test_a_body_that_does_not_say_how_large_it_is(caller, problem):
    problem(await caller.put(f"{PREFIX}/small", content=pieces(30)), 413, "too_large")
    assert (await caller.put(f"{PREFIX}/small", content=pieces(9))).json() == {"bytes": 900_000}


async def test_a_route_may_take_more(caller, problem):
    assert (await caller.put(f"{PREFIX}/large", content=pieces(29))).json() == {"bytes": 2_900_000}
    problem(await caller.put(f"{PREFIX}/large", content=pieces(31)), 413, "too_large")


async def test_thirty_megabytes_are_not_kept_in_memory(caller, problem):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    problem(await caller.put(f"{PREFIX}/large", content=pieces(300)), 413, "too_large")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


async def test_an_unauthenticated_body_is_not_read(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"PUT {PREFIX}/large HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 401")


async def test_the_connection_goes_on_after_a_refused_body(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"PUT {PREFIX}/small HTTP/1.1\r\nHost: x\r\nAuthorization: {TOKEN['Authorization']}\r\n"
    for _ in range(2):
        writer.write(f"{head}Content-Length: 1500000\r\n\r\n".encode() + b"x" * 1_500_000)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert answer.startswith(b"HTTP/1.1 413")
        length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        assert json.loads(await reader.readexactly(length))["code"] == "too_large"
    writer.close()


async def lines_of(response: httpx.Response, count: int) -> list[str]:
    found: list[str] = []
    async for line in response.aiter_lines():
        found.append(line)
        if len(found) == count:
            break
    return found


async def test_a_stream_goes_on_where_the_caller_was(caller, router):
    async with caller.stream("GET", f"{PREFIX}/stream", headers={"Last-Event-ID": "6"}) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["x-accel-buffering"] == "no"
        found = await lines_of(response, 6)
    assert found == ["retry: 2000", "", "event: thing", 'data: {"number": 7}', "id: 7", ""]
    async with asyncio.timeout(5):
        while "stream ended" not in router.seen:
            await asyncio.sleep(0.01)


async def test_a_quiet_stream_has_a_heartbeat(app, caller):
    app.state.doors.streams.heartbeat = 0.05
    async with caller.stream("GET", f"{PREFIX}/stream") as response:
        found = await lines_of(response, 20)
    assert found.count(":") >= 2
    assert [line for line in found if line.startswith("id")] == ["id: 1", "id: 2", "id: 3"]


async def test_a_caller_has_so_many_streams_and_no_more(app, server, caller, problem):
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(8):
            await stack.enter_async_context(caller.stream("GET", f"{PREFIX}/stream"))
        problem(await caller.get(f"{PREFIX}/stream"), 429, "too_many_streams")
        assert app.state.doors.streams.count == 8
    async with asyncio.timeout(5):
        while app.state.doors.streams.count:
            await asyncio.sleep(0.01)


async def test_server_finishes_what_it_began(app, server, caller, router, context):
    """Readiness goes off first, what is being answered is finished, streams end with a hint, nothing new is taken."""
    body, headers = {"text": "wait"}, {"Idempotency-Key": "k"}
    async with caller.stream("GET", f"{PREFIX}/stream", headers={"Last-Event-ID": "2"}) as stream:
        running = asyncio.create_task(caller.post(f"{PREFIX}/things", json=body, headers=headers))
        while not router.seen:
            await asyncio.sleep(0.01)
        server._drain_seconds = 0.3
        server.begin_to_end()
        await asyncio.sleep(0.05)
        assert (await caller.get("/readyz")).status_code == 503
        alive = await caller.get("/livez")
        assert alive.status_code == 200
        assert alive.headers["connection"] == "close", "or its next request might meet the end of the connection"
        text = "".join([piece async for piece in stream.aiter_text()])
    assert text.endswith(": closing\nretry: 2000\n\n")
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient(base_url=server.address) as late:
            await late.get("/livez")
    router.gate.set()
    assert (await running).status_code == 201


PROCESS = """
from anliegen.kit import Handlers, Service
from anliegen.kit.http import APIRouter, public
from anliegen.kit.http.public_routes import PUBLIC_ROUTES
from anliegen.kit.http.server import serve_services

PUBLIC_ROUTES["GET /odd/v1/x"] = "100/minute"
router = APIRouter(prefix="/odd/v1")

@router.get("/x", name="get_x", dependencies=[public("a test")])
async def get_x() -> dict[str, str]:
    return {"x": "y"}

names = ("odd", "even")
services = [Service(name=n, title=n, description=n, routers=(router,) if n == "odd" else (), handlers=Handlers(n))
            for n in names[: int(__import__("sys").argv[2])]]
serve_services(services, host="127.0.0.1", port=int(__import__("sys").argv[1]))
"""


async def test_a_process_serves_and_ends_when_it_is_told(database, tmp_path):
    """The whole process: JSON lines on standard output, an answer, and a quick end by SIGTERM."""
    port = free_port()
    script = tmp_path / "process.py"
    script.write_text(PROCESS)
    environment = {
        **os.environ,
        "ANLIEGEN_ENVIRONMENT": "test",
        "ANLIEGEN_DATABASE_URL": database.address.format(role="kit_door", database="kit_door"),
        "PYTHONWARNINGS": "error::ResourceWarning",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), str(port), "1", env=environment, stdout=-1, stderr=-1
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client, asyncio.timeout(30):
            while True:
                try:
                    answer = await client.get("/odd/v1/x")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
            assert answer.json() == {"x": "y"}
            assert (await client.get("/livez")).status_code == 200
        process.send_signal(signal.SIGTERM)
        output, errors = await asyncio.wait_for(process.communicate(), 10)
    finally:
        if process.returncode is None:
            process.kill()
    lines = [json.loads(line) for line in output.splitlines()]
    assert {"process_starts", "server_drains"} <= {line["event"] for line in lines}
    assert all(line["service"] == "odd" for line in lines), lines
    assert errors == b""
    assert process.returncode in {0, -signal.SIGTERM}


def test_events_on_a_stream_are_well_formed():
    assert StreamEvent(id="1", data="two\nlines").encode() == b"data: two\ndata: lines\nid: 1\n\n"
    assert StreamEvent(id="1", data="").encode() == b"data: \nid: 1\n\n"
    for wrong in (StreamEvent(id="1\n2", data=""), StreamEvent(id="1", data="", event="a\r"), StreamEvent("\0", "")):
        with pytest.raises(ValueError, match="one line"):
            wrong.encode()


async def test_a_request_costs_little_beside_fastapi(caller):
    """Not a measurement: only that nothing waits (a heartbeat, a poll, a thread) on the way of a plain request."""
    await caller.get("/livez")
    started = time.perf_counter()
    for _ in range(50):
        await caller.get("/livez")
    assert time.perf_counter() - started < 2.0
