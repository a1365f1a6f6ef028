"""What somebody tries who means harm: addresses, cursors and headers that no client of ours would write."""

import asyncio
import base64
import json
from uuid import uuid4

import pytest

from anliegen.kit.http import Cursor
from anliegen.kit.http.cursors import CursorMalformed
from anliegen.kit.http.server import server_for
from anliegen.kit.http.streams import StreamEvent
from anliegen.kit.testing.clients import TestClient


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029b", "a\u0085b", "a\x0bb", "a\x1cb"])
def test_no_character_of_a_text_ends_a_line_of_a_stream(text: str):
    event = StreamEvent(id="1", data=json.dumps({"text": text}, ensure_ascii=False))
    data, rest = event.encode().decode().split("\nid: ")
    assert json.loads(data.removeprefix("data: ")) == {"text": text}
    assert rest == "1\n\n"


@pytest.mark.parametrize("path", ["%C3%A4%20x", "%22%3Cscript%3E", "%0D%0AX:1", "%ED%A0%80"])
async def test_instance_is_a_uri_reference(client: TestClient, path: str):
    problem = (await client.anonymous.get(f"/nowhere/{path}")).json()
    assert problem["instance"].startswith("/nowhere/%")
    assert problem["instance"].isascii()
    assert not set(problem["instance"]) & set(' <>"\r\n')


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_cursor_beyond_all_time_is_no_cursor(at: str):
    text = base64.urlsafe_b64encode(json.dumps([{"t": at}, str(uuid4()), 0]).encode()).rstrip(b"=").decode()
    with pytest.raises(CursorMalformed):
        Cursor.decode(text)


def test_nobody_is_believed_where_no_proxy_is_named(context):
    server = server_for(None, [], host="127.0.0.1", port=0, settings=context.settings)
    assert context.settings.trusted_proxies == ""
    assert server.config.proxy_headers is False


@pytest.fixture
def sent(app, monkeypatch):
    """What is answered to somebody who sends half a body and then does what `then` does."""

    async def ask(then):
        answers = []
        scope = {
            "type": "http", "method": "POST", "path": "/kit-door/v1/doors", "raw_path": b"", "query_string": b"",
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"100")],
            "client": ("192.0.2.1", 1), "server": ("x", 80), "scheme": "http", "http_version": "1.1", "root_path": "",
        }  # fmt: skip
        pieces = iter([{"type": "http.request", "body": b"{", "more_body": True}])

        async def receive():
            return next(pieces, None) or await then()

        async def send(message):
            answers.append(message)

        await app(scope, receive, send)
        return answers[0]["status"]

    monkeypatch.setattr("anliegen.kit.http.limits.PIECE_SECONDS", 0.05)
    return ask


async def test_who_leaves_in_the_middle_of_a_body_is_no_fault_of_ours(sent, client: TestClient):
    async def leave():
        return {"type": "http.disconnect"}

    assert await sent(leave) == 400


async def test_who_never_ends_a_body_is_not_waited_for(sent, client: TestClient):
    async def wait():
        await asyncio.sleep(1.0)
        return {"type": "http.disconnect"}

    assert await sent(wait) == 408
