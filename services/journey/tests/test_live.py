"""The live stream, over a real socket: at once, without gaps, and again from where a reader was cut off."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from anliegen.events import JourneysMerged, JourneysSplit
from anliegen.events.builders import build
from anliegen.kit.http.app import create_app
from anliegen.kit.http.server import server_for
from anliegen.kit.testing.clients import token


@pytest.fixture
async def address(service: Any, settings: Any, context: Any) -> AsyncIterator[str]:
    """The journey behind a real server."""
    app = create_app(service, settings, context=context)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = server_for(app, [app.state.doors], host="127.0.0.1", port=port, settings=settings)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    async with asyncio.timeout(10):
        await running


class Reader:
    """Follows one journey."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id = ""

    async def next(self) -> tuple[str, Any]:
        """The next event: its name and data."""
        name, data = "", None
        async with asyncio.timeout(4):
            async for line in self._lines:
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data = json.loads(value)
                elif field == "id":
                    self.last_id = value
                elif not line and name:
                    return name, data
        raise AssertionError("the stream ended")


class Follow:
    """`async with Follow(address, journey_id) as reader`, as an agent or with another token."""

    def __init__(self, address: str, journey_id: UUID, *, after: str = "", bearer: str = "") -> None:
        headers = {"Authorization": f"Bearer {bearer or token('agent')}"} | ({"Last-Event-ID": after} if after else {})
        self._client = httpx.AsyncClient(base_url=address, headers=headers, timeout=10)
        self._stream = self._client.stream("GET", f"/journey/v1/journeys/{journey_id}/stream")

    async def __aenter__(self) -> Reader:
        response = await self._stream.__aenter__()
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        reader = Reader(response)
        assert (await reader.next())[0] == "position"
        return reader

    async def __aexit__(self, *problem: object) -> None:
        await self._stream.__aexit__(None, None, None)
        await self._client.aclose()


async def test_what_is_stored_is_heard_at_once(address: str, teller: Any, deliver: Any) -> None:
    journey_id = uuid4()
    teller.answered_question(journey_id)
    first, *others = teller.told
    await deliver(first)
    async with Follow(address, journey_id) as reader:
        waits = []
        for one in others:
            began = time.perf_counter()
            await deliver(one)
            name, data = await reader.next()
            waits.append(time.perf_counter() - began)
            assert (name, data["event_id"]) == (one.envelope.type, str(one.envelope.id))
    # Without a hint a stream would look only every few seconds.
    assert sorted(waits)[len(waits) // 2] < 1.0


async def test_reader_who_was_cut_off_gets_what_was_missed(address: str, teller: Any, deliver: Any) -> None:
    journey_id = uuid4()
    teller.answered_question(journey_id)
    told = teller.told
    await deliver(told[0])
    async with Follow(address, journey_id) as reader:
        await deliver(told[2])
        await reader.next()
        last = reader.last_id
    # What comes later has a lower sequence than what the reader has of intake: it is not taken for seen.
    await deliver(told[7], told[1])
    async with Follow(address, journey_id, after=last) as reader:
        heard = {(await reader.next())[1]["event_id"] for _ in range(2)}
        assert heard == {str(told[1].envelope.id), str(told[7].envelope.id)}
        last = reader.last_id
        await deliver(told[3])
        assert (await reader.next())[1]["event_id"] == str(told[3].envelope.id)


async def test_customer_hears_the_own_story_and_nothing_after_a_split(address: str, teller: Any, deliver: Any) -> None:
    a, b = sorted([uuid4(), uuid4()])
    link = {"link_id": uuid4(), "journey_a": a, "journey_b": b}
    teller.open_inquiry(a)
    teller.open_inquiry(b)
    merge = teller.tell(build(JourneysMerged, **link, made_at=teller.morning))
    await deliver(*teller.told)
    split = teller.tell(build(JourneysSplit, **link, removed_at=teller.morning))
    seen = len(teller.told)
    teller.answered_question(a)
    contact, learnt, triaged, opened = teller.told[seen : seen + 4]
    async with Follow(address, a, bearer=token("customer", journey_id=b)) as reader:
        await deliver(contact, learnt, triaged, opened)
        names = [(await reader.next())[0] for _ in range(2)]
        assert names == ["intake.contact_received.v1", "helpdesk.question_opened.v1"]
        await deliver(split)
        with pytest.raises(AssertionError, match="the stream ended"):
            await reader.next()
    assert merge.envelope.key == str(a)


@pytest.mark.parametrize("after", ["something else", f"a.b.{2**63}", "a%00.b.1", "a.b%00.1"])
async def test_strange_last_event_id_is_refused(address: str, teller: Any, deliver: Any, after: str) -> None:
    journey_id = uuid4()
    teller.open_inquiry(journey_id)
    await deliver(*teller.told)
    headers = {"Authorization": f"Bearer {token('agent')}", "Last-Event-ID": after}
    async with (
        httpx.AsyncClient(base_url=address, headers=headers) as client,
        client.stream("GET", f"/journey/v1/journeys/{journey_id}/stream") as response,
    ):
        assert response.status_code == 400
        await response.aread()
    assert (response.status_code, response.json()["code"]) == (400, "position_malformed")
