import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwk, jwt
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from anliegen.stack.home import Home
from anliegen.stack.outside import app as app_module
from anliegen.stack.outside.app import make_app
from anliegen.stack.outside.mailbox import Mailbox
from anliegen.stack.ports import any_free

BASE = "http://127.0.0.1"


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, int]]:
    home = Home.find(tmp_path)
    home.make()
    smtp_port = any_free()
    app = make_app(home, port=80, smtp_port=smtp_port)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client,
    ):
        yield client, smtp_port


def _mail(**headers: str) -> EmailMessage:
    mail = EmailMessage()
    given = {"From": "Hilfe <hilfe@example.org>", "To": "Jörg Meier <Joerg@example.org>", "Subject": "Grüße", **headers}
    for name, value in given.items():
        mail[name.replace("_", "-")] = value
    mail.set_content("Guten Tag <script>alert(1)</script>")
    return mail


async def _send(port: int, mail: EmailMessage, to: list[str] | None = None) -> None:
    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
            server.send_message(mail, to_addrs=to)

    await asyncio.to_thread(send)


async def test_sent_mail_is_in_the_mailbox(outside: tuple[httpx.AsyncClient, int]) -> None:
    client, port = outside
    mail = _mail(Message_ID="<one@example.org>", In_Reply_To="<zero@example.org>")
    mail.add_alternative("<p>Guten <b>Tag</b></p>", subtype="html")
    mail.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="Rechnung für Sie.pdf")
    await _send(port, mail)
    (listed,) = (await client.get("/mailbox.json")).json()
    assert (listed["subject"], listed["recipients"], listed["message_id"]) == (
        "Grüße",
        ["joerg@example.org"],
        "<one@example.org>",
    )
    read = (await client.get(f"/mailbox/{listed['id']}.json")).json()
    assert read["text"].startswith("Guten Tag")
    assert read["html"].startswith("<p>Guten")
    assert read["headers"]["in-reply-to"] == "<zero@example.org>"
    assert read["attachments"] == [{"name": "Rechnung für Sie.pdf", "type": "application/pdf", "bytes": 8}]
    attachment = await client.get(f"/mailbox/{listed['id']}/attachments/0")
    assert attachment.content == b"%PDF-1.7"
    assert attachment.headers["content-disposition"].startswith("attachment;")
    raw = await client.get(f"/mailbox/{listed['id']}.eml")
    assert b"In-Reply-To: <zero@example.org>" in raw.content


async def test_list_is_filtered_by_recipient_and_message(outside: tuple[httpx.AsyncClient, int]) -> None:
    client, port = outside
    await _send(port, _mail(Message_ID="<one@example.org>"), ["a@example.org", "hidden@example.org"])
    await _send(port, _mail(Message_ID="<two@example.org>"), ["B@example.org"])

    async def found(**query: str) -> list[str]:
        return [mail["message_id"] for mail in (await client.get("/mailbox.json", params=query)).json()]

    assert await found() == ["<two@example.org>", "<one@example.org>"]
    assert await found(to="b@example.org") == ["<two@example.org>"]
    assert await found(to="hidden@example.org") == ["<one@example.org>"]
    assert (
        await found(message_id="one@example.org")
        == await found(message_id="<one@example.org>")
        == ["<one@example.org>"]
    )
    assert await found(to="b@example.org", message_id="one@example.org") == []
    (full,) = (await client.get("/mailbox.json", params={"full": "true", "to": "b@example.org"})).json()
    assert "Guten Tag" in full["text"]


async def test_pages_show_a_mail_and_let_nothing_in_it_run(outside: tuple[httpx.AsyncClient, int]) -> None:
    client, port = outside
    assert "No mail yet" in (await client.get("/mailbox")).text
    mail = _mail(Subject="<img src=x onerror=alert(1)>")
    mail.add_alternative("<script>alert(1)</script>", subtype="html")
    await _send(port, mail)
    page = await client.get("/mailbox")
    assert "&lt;img src=x" in page.text
    assert "<img src=x" not in page.text
    mail_id = (await client.get("/mailbox.json")).json()[0]["id"]
    shown = await client.get(f"/mailbox/{mail_id}")
    assert "<script>" not in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    html = await client.get(f"/mailbox/{mail_id}/html")
    assert html.headers["content-security-policy"].startswith("sandbox;")


async def test_odd_ids_are_not_found(outside: tuple[httpx.AsyncClient, int]) -> None:
    client, _ = outside
    for path in ("nothing", "..%2f..%2fsecrets.json", "20260101T000000000000Z-00000000"):
        for rest in ("", ".eml", ".json", "/html", "/attachments/0"):
            assert (await client.get(f"/mailbox/{path}{rest}")).status_code == 404


async def test_mails_outlive_the_process(tmp_path: Path) -> None:
    Mailbox(tmp_path).keep("a@example.org", ["b@example.org"], _mail().as_bytes())
    (found,) = Mailbox(tmp_path).list()
    assert found.recipients == ["b@example.org"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no headers at all",
        b"\xff\xfe\x00\r\n\r\n\x00",
        b"Content-Type: text/plain; charset=never-heard-of\r\n\r\n\xe4",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x",
        b"Subject: =?utf-8?q?=ff=fe?=\r\nDate: never\r\nTo: ,,,\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%",
    ],
)
async def test_malformed_mail_is_kept_and_shown(outside: tuple[httpx.AsyncClient, int], content: bytes) -> None:
    client, port = outside

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
            server.sendmail("a@example.org", ["b@example.org"], content)

    await asyncio.to_thread(send)
    (listed,) = (await client.get("/mailbox.json")).json()
    for address in ("/mailbox", f"/mailbox/{listed['id']}", f"/mailbox/{listed['id']}.json"):
        assert (await client.get(address)).status_code == 200


async def test_issuer_gives_tokens_that_its_keys_confirm(outside: tuple[httpx.AsyncClient, int]) -> None:
    client, _ = outside
    discovery = (await client.get("/issuer/.well-known/openid-configuration")).json()
    assert discovery["issuer"] == f"{BASE}:80/issuer"
    keys = jwk.KeySet.import_key_set((await client.get(discovery["jwks_uri"])).json())
    asked = {"grant_type": "client_credentials", "client_id": "agent", "scope": "cases:read", "task": "claims"}
    answer = (await client.post(discovery["token_endpoint"], data=asked)).json()
    claims = jwt.decode(answer["access_token"], keys, algorithms=["ES256"]).claims
    assert (claims["scope"], claims["tasks"], claims["roles"]) == ("cases:read", ["claims"], ["agent"])
    assert answer["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("asked", "status", "error"),
    [
        ({}, 400, "unsupported_grant_type"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_id": "king"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "agent", "lifetime": "long"}, 400, "invalid_request"),
        ({"grant_type": "client_credentials", "client_id": "agent", "lifetime": "99999999"}, 400, "invalid_request"),
    ],
)
async def test_wrong_questions_are_refused(
    outside: tuple[httpx.AsyncClient, int], asked: dict[str, str], status: int, error: str
) -> None:
    client, _ = outside
    answer = await client.post("/issuer/token", data=asked)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_other_host_names_are_refused(outside: tuple[httpx.AsyncClient, int]) -> None:
    client, _ = outside
    answer = await client.post(
        "/issuer/token",
        data={"grant_type": "client_credentials", "client_id": "agent"},
        headers={"host": "rebound.example.org"},
    )
    assert answer.status_code == 400


class _Entry:
    def __init__(self, name: str, app: Any) -> None:
        self.name = name
        self.load = lambda: app


async def test_stand_ins_are_mounted_with_their_lifespan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lived: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        lived.append("in")
        yield
        lived.append("out")

    good = Starlette(routes=[Route("/hello", lambda _: PlainTextResponse("hi"))], lifespan=lifespan)

    def bad() -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(
        app_module, "entry_points", lambda group: [_Entry("provider", lambda: good), _Entry("broken", bad)]
    )
    home = Home.find(tmp_path)
    home.make()
    app = make_app(home, port=80, smtp_port=any_free())
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client,
    ):
        assert lived == ["in"]
        assert (await client.get("/provider/hello")).text == "hi"
        front = (await client.get("/")).text
        assert "provider" in front
        assert "broken" not in front
    assert lived == ["in", "out"]
