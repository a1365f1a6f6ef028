"""WhatsApp out: the provider's Cloud API (Graph)."""

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import httpx

from ..settings import IntakeSettings
from .trouble import SendingFailed

LONGEST_TEXT = 4096
TIMEOUT_SECONDS = 20.0
CONNECTIONS = 16
"""Messages at once: the provider takes 80 messages a second of one number."""
MEDIA_CONNECTIONS = 4
LARGEST_MEDIA = 100_000_000
_WINDOW_CLOSED = 131047
_PASSING = frozenset({1, 2, 4, 80007, 130429, 131000, 131016, 131048, 131056, 133004})
"""Error codes of the provider that say "later": its own trouble, and its rate limits."""


@dataclass(frozen=True, slots=True)
class OutgoingText:
    """One message. `account` is the phone number id we send from, `recipient` E.164, `context_id` what it answers."""

    reply_id: UUID
    account: str
    recipient: str
    text: str
    context_id: str | None = None
    template: str | None = None
    """The provider's name of an approved template; then `text` fills its one place."""
    language: str = "de"


class WhatsAppSender(Protocol):
    """Hands messages to WhatsApp's provider and fetches files from it."""

    async def send(self, message: OutgoingText) -> str:
        """Hand over one message and tell the provider's id of it, of its first piece. Raises SendingFailed."""

    async def fetch_media(self, media_id: str) -> bytes:
        """A file that a customer sent. Raises SendingFailed."""

    async def close(self) -> None:
        """Give back what is open."""


class GraphSender:
    """The real client. `biz_opaque_callback_data` carries the reply's id, by which a repetition can be told."""

    def __init__(self, settings: IntakeSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._base = settings.whatsapp_api_url.rstrip("/")
        self._hosts = frozenset({httpx.URL(self._base).host, *settings.whatsapp_media_hosts})
        token = settings.whatsapp_access_token.get_secret_value()
        # Connections of their own: files that take long keep no message waiting, nor the other way round.
        self._client = _client(token, CONNECTIONS, transport)
        self._media_client = _client(token, MEDIA_CONNECTIONS, transport)

    async def send(self, message: OutgoingText) -> str:
        """Hand over one message and tell the provider's id of it. Raises SendingFailed."""
        if message.template is not None:
            return await self._post(message, _template(message))
        first: str | None = None
        for part in cut(message.text):
            provider_id = await self._post(message, {"type": "text", "text": {"body": part, "preview_url": False}})
            first = first or provider_id
        assert first is not None
        return first

    async def _post(self, message: OutgoingText, content: dict[str, Any]) -> str:
        body: dict[str, Any] = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": message.recipient.removeprefix("+"),
            "biz_opaque_callback_data": str(message.reply_id),
            **content,
        }
        if message.context_id:
            body["context"] = {"message_id": message.context_id}
        try:
            response = await self._client.post(f"{self._base}/{message.account}/messages", json=body)
        except httpx.HTTPError as problem:
            raise SendingFailed("provider_unreachable", lasting=False) from problem
        if response.status_code >= 400:
            raise _refusal(response)
        try:
            return str(response.json()["messages"][0]["id"])
        except (ValueError, LookupError, TypeError) as problem:
            raise SendingFailed("provider_answer_unreadable", lasting=False) from problem

    async def fetch_media(self, media_id: str) -> bytes:
        """A file that a customer sent: its address first, then its bytes. Raises SendingFailed."""
        try:
            about = await self._media_client.get(f"{self._base}/{media_id}")
            if about.status_code >= 400:
                raise _refusal(about)
            address = str(about.json()["url"])
            if httpx.URL(address).host not in self._hosts:
                raise SendingFailed("media_host_unknown", lasting=True)
            content = bytearray()
            async with self._media_client.stream("GET", address) as response:
                if response.status_code >= 400:
                    raise SendingFailed("media_refused", lasting=response.status_code == 404)
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > LARGEST_MEDIA:
                        raise SendingFailed("media_too_large", lasting=True)
        except httpx.HTTPError as problem:
            raise SendingFailed("provider_unreachable", lasting=False) from problem
        except (ValueError, LookupError, TypeError, httpx.InvalidURL) as problem:
            raise SendingFailed("provider_answer_unreadable", lasting=False) from problem
        return bytes(content)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._media_client.aclose()


def _client(token: str, connections: int, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        headers={"Authorization": f"Bearer {token}"},
        # Who waits for a free connection has not begun, so that alone is no failure.
        timeout=httpx.Timeout(TIMEOUT_SECONDS, pool=None),
        limits=httpx.Limits(max_connections=connections),
        follow_redirects=False,
        transport=transport,
    )


def _template(message: OutgoingText) -> dict[str, Any]:
    # A template's place takes one line: the provider refuses line breaks and long runs of blanks there.
    text = " ".join(message.text.split())[:1000]
    body = {"type": "body", "parameters": [{"type": "text", "text": text}]}
    template = {"name": message.template, "language": {"code": message.language}, "components": [body]}
    return {"type": "template", "template": template}


def _refusal(response: httpx.Response) -> SendingFailed:
    try:
        code = int(response.json()["error"]["code"])
    except (ValueError, LookupError, TypeError):
        code = 0
    if code == _WINDOW_CLOSED:
        return SendingFailed("whatsapp_window_closed", lasting=True)
    later = response.status_code >= 500 or response.status_code in {401, 429} or code in _PASSING
    return SendingFailed(f"provider_refused_{code or response.status_code}", lasting=not later)


def cut(text: str, *, longest: int = LONGEST_TEXT) -> list[str]:
    """A text in pieces that the provider takes, cut between paragraphs, lines or words where that can be."""
    pieces = []
    while len(text) > longest:
        places = (text.rfind(mark, longest // 2, longest) for mark in ("\n\n", "\n", " "))
        place = next((found for found in places if found > 0), longest)
        pieces.append(text[:place].rstrip())
        text = text[place:].lstrip()
    return [*pieces, text]
