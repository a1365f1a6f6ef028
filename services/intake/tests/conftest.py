"""What intake's tests need beside the kit's fixtures: signed doors, a real mail server, the provider's stand-in."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import uvicorn
from aiosmtpd.smtp import SMTP

from anliegen.intake import announcer
from anliegen.intake.stand_in import StandIn, create_stand_in
from anliegen.kit.testing.clients import TestClient

FIXTURES = Path(__file__).parent / "fixtures"
MAIL_SECRET = "mail-door-secret"
APP_SECRET = "whatsapp-app-secret"
VERIFY_TOKEN = "whatsapp-verify-token"
ACCESS_TOKEN = "whatsapp-access-token"
NUMBER = "106540352242922"
PARTNERS = {
    "erp": {
        "subjects": ["erp-client"],
        "sources": ["urn:example:erp", "urn:example:erp/second"],
        "types": ["partner.customer_record_changed.v1"],
        "origins": ["erp.example"],
    },
    "crm": {"subjects": ["crm-client"], "sources": ["urn:example:crm"], "types": ["*"]},
    "mute": {"subjects": ["mute-client"], "sources": ["urn:example:mute"], "types": []},
}


@pytest.fixture
def mail_bytes() -> Callable[[str], bytes]:
    """A mail of the collection, byte for byte."""
    return lambda name: (FIXTURES / "mails" / f"{name}.eml").read_bytes()


@pytest.fixture
def webhook_bytes() -> Callable[[str], bytes]:
    """A webhook of the collection, byte for byte."""
    return lambda name: (FIXTURES / "whatsapp" / f"{name}.json").read_bytes()


@dataclass
class Mailbox:
    """A mail server that keeps what it is given, refuses whom it is told to, and takes its time where it is told to."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    slow: dict[str, asyncio.Event] = field(default_factory=dict)
    """By recipient, what has to happen before the mail is taken."""
    begun: list[str] = field(default_factory=list)
    """The recipients of all mails that were begun."""

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        self.begun.append(address)
        if address in self.refusals:
            return self.refusals[address]
        if address in self.slow:
            await self.slow[address].wait()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        self.mails.append(cast(EmailMessage, message_from_bytes(envelope.content, policy=default)))
        return "250 OK"


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    """A real SMTP server on loopback."""
    box = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box), "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    yield box
    server.close()


@dataclass
class Provider:
    """The stand-in, served on loopback."""

    url: str
    stand_in: StandIn
    slow: dict[str, asyncio.Event] = field(default_factory=dict)
    """By the last part of a path, what has to happen before a request is answered."""
    begun: list[str] = field(default_factory=list)
    """The paths of all requests."""


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """WhatsApp's provider as the stand-in that ships, over real HTTP."""
    app = create_stand_in(ACCESS_TOKEN)
    given = Provider("", app.state.stand_in)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        given.begun.append(scope["path"])
        if slow := given.slow.get(scope["path"].rpartition("/")[2]):
            await slow.wait()
        await app(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(answer, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    given.url = f"http://127.0.0.1:{port}"
    yield given
    for slow in given.slow.values():
        slow.set()
    server.should_exit = True
    await task


@pytest.fixture
def settings_overrides(mailbox: Mailbox, provider: Provider) -> dict[str, Any]:
    return {
        "smtp_port": mailbox.port,
        "email_door_secret": MAIL_SECRET,
        "email_door_secret_before": "the-secret-before",
        "whatsapp_api_url": provider.url,
        "whatsapp_app_secret": APP_SECRET,
        "whatsapp_verify_token": VERIFY_TOKEN,
        "whatsapp_access_token": ACCESS_TOKEN,
        "mail_authserv_id": "mail.anliegen.example",
        "partners": PARTNERS,
    }


Send = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def send_mail(client: TestClient, clock: Any) -> Send:
    """Hand a mail to its door, signed as it should be unless told otherwise."""

    async def send(raw: bytes, *, account: str = "service@anliegen.example", **headers: str) -> httpx.Response:
        stamp = headers.pop("stamp", str(int(clock.wall().timestamp())))
        secret = headers.pop("secret", MAIL_SECRET)
        signature = hmac.new(secret.encode(), stamp.encode() + b"." + raw, hashlib.sha256).hexdigest()
        signed = {
            "X-Anliegen-Signature": f"sha256={signature}",
            "X-Anliegen-Timestamp": stamp,
            "Content-Type": "message/rfc822",
            **headers,
        }
        return await client.anonymous.post(f"/intake/v1/channels/email/{account}", content=raw, headers=signed)

    return send


@pytest.fixture
def send_webhook(client: TestClient) -> Send:
    """Call the WhatsApp door as the provider does."""

    async def send(raw: bytes, *, secret: str = APP_SECRET, signature: str | None = None) -> httpx.Response:
        right = "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": right if signature is None else signature, "Content-Type": "application/json"}
        return await client.anonymous.post(f"/intake/v1/channels/whatsapp/{NUMBER}", content=raw, headers=headers)

    return send


@pytest.fixture
def as_partner(client: TestClient) -> Callable[[str], httpx.AsyncClient]:
    """A caller with the token of this partner's client."""
    return lambda name: client.as_("partner", sub=f"{name}-client")


@pytest.fixture
def announce_all(context: Any) -> Callable[[], Awaitable[int]]:
    """`await announce_all()`: announce what partners told, as the worker does; tells how many events."""
    return lambda: announcer.announce_waiting(context)


Tell = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def tell(as_partner: Callable[[str], httpx.AsyncClient]) -> Tell:
    """Bring an event (or a list of them, as a batch) to a partner's door, in structured mode."""

    async def bring(event: Any, *, partner: str = "erp", by: str | None = None) -> httpx.Response:
        kind = "cloudevents-batch" if isinstance(event, list) else "cloudevents"
        return await as_partner(by or partner).post(
            f"/intake/v1/partners/{partner}/events",
            content=json.dumps(event).encode(),
            headers={"Content-Type": f"application/{kind}+json; charset=UTF-8"},
        )

    return bring


Event = Callable[..., dict[str, Any]]


@pytest.fixture
def customer_event() -> Event:
    """A partner's record of a customer as a CloudEvent in JSON; None leaves an attribute out."""

    def make(event_id: str = "1", *, data: Any = None, **attributes: Any) -> dict[str, Any]:
        record = {"customer_number": "CH-4711 02", "email": "Anna@Post.example", "name": "Anna Muster"}
        given = {
            "specversion": "1.0",
            "id": event_id,
            "source": "urn:example:erp",
            "type": "partner.customer_record_changed.v1",
            "time": "2026-03-02T08:14:07Z",
            "data": record if data is None else data,
            **attributes,
        }
        return {name: value for name, value in given.items() if value is not None}

    return make


@pytest.fixture
def record(
    tell: Tell, customer_event: Event, announce_all: Callable[[], Awaitable[int]]
) -> Callable[..., Awaitable[None]]:
    """A partner tells a customer's record, and it is announced."""
    told = iter(range(10**6))

    async def bring(number: str, *, time: str = "2026-03-02T08:00:00Z", **data: Any) -> None:
        event = customer_event(f"record {next(told)}", time=time, data={"customer_number": number, **data})
        assert (await tell(event)).status_code == 202
        await announce_all()

    return bring
