"""Everybody around a running stack, for stories and demonstrations: customers, providers, agents, a mailbox."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx

from anliegen.stack.stack import Stack

T = TypeVar("T")

MAILBOX = "service@anliegen.example"
PHONE_NUMBER_ID = "106540352242922"
PATIENCE = 20.0


class TooSlow(AssertionError):
    """What was waited for did not come."""


class World:
    """Speaks to the stack as the world does: over its public interfaces and over nothing else."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._opened = AsyncExitStack()
        self._agents: dict[str, httpx.AsyncClient] = {}

    async def __aenter__(self) -> Self:
        self.anybody = await self._client()
        self.outside = await self._client(base_url=self.stack.outside_url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def _client(self, *, base_url: str = "", token: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.AsyncClient(base_url=base_url or self.stack.http_url, headers=headers, timeout=30)
        return await self._opened.enter_async_context(client)

    async def person(
        self,
        role: str,
        *,
        name: str | None = None,
        tasks: Iterable[str] = (),
        tier: int | None = None,
        journey_id: str | None = None,
    ) -> httpx.AsyncClient:
        """Somebody with a token: an agent called Anna by `person("agent", name="anna")`, a customer by the journey."""
        place = json.dumps([role, name, sorted(tasks), tier, journey_id])
        if place not in self._agents:
            token = self.stack.token(role, tasks=tasks, tier=tier, journey_id=journey_id, subject=name)
            self._agents[place] = await self._client(token=token)
        return self._agents[place]

    # Customers --------------------------------------------------------------------------------------------------------
    async def send_mail(self, raw: bytes, *, mailbox: str = MAILBOX) -> httpx.Response:
        """A mail server hands over a mail, signed as the e-mail door asks."""
        stamp = str(int(time.time()))
        secret = self.stack.environment()["ANLIEGEN_INTAKE_EMAIL_DOOR_SECRET"]
        return await self.anybody.post(
            f"/intake/v1/channels/email/{mailbox}",
            content=raw,
            headers={
                "Content-Type": "message/rfc822",
                "X-Anliegen-Timestamp": stamp,
                "X-Anliegen-Signature": f"sha256={_sign(secret, stamp.encode() + b'.' + raw)}",
            },
        )

    async def send_whatsapp(self, payload: dict[str, Any], *, account: str = PHONE_NUMBER_ID) -> httpx.Response:
        """WhatsApp's provider calls the webhook."""
        raw = json.dumps(payload, ensure_ascii=False).encode()
        secret = self.stack.environment()["ANLIEGEN_INTAKE_WHATSAPP_APP_SECRET"]
        return await self.anybody.post(
            f"/intake/v1/channels/whatsapp/{account}",
            content=raw,
            headers={"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={_sign(secret, raw)}"},
        )

    async def send_form(self, form: dict[str, Any], *, key: str | None = None) -> httpx.Response:
        """A visitor of the website sends a form."""
        headers = {"Idempotency-Key": f'"{key}"'} if key else {}
        return await self.anybody.post("/intake/v1/contacts", json=form, headers=headers)

    # What reaches customers -------------------------------------------------------------------------------------------
    async def mails_to(self, address: str) -> list[dict[str, Any]]:
        """The mails that reached this address, the oldest first, with their text."""
        found = (await self.outside.get("/mailbox.json", params={"to": address, "full": "true"})).json()
        return sorted(found, key=lambda mail: str(mail["received_at"]))

    async def whatsapps_to(self, wa_id: str) -> list[dict[str, Any]]:
        """The WhatsApp messages that the provider was given for this number, the oldest first."""
        found = (await self.outside.get("/whatsapp-stand-in/messages.json")).json()
        return sorted((one for one in found if one["to"] == wa_id), key=lambda one: int(one["number"]))

    # Agents -----------------------------------------------------------------------------------------------------------
    async def command(
        self,
        agent: httpx.AsyncClient,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        seen: httpx.Response | None = None,
    ) -> httpx.Response:
        """A command with a fresh Idempotency-Key, and with the ETag of what the agent has `seen`."""
        headers = {"Idempotency-Key": f'"{uuid4()}"'}
        if seen is not None:
            headers["If-Match"] = seen.headers["etag"]
        answer = await agent.post(path, json=body, headers=headers)
        answer.raise_for_status()
        return answer

    @asynccontextmanager
    async def following(
        self, agent: httpx.AsyncClient, journey_id: str
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """The live stream of a journey, event by event."""
        async with agent.stream("GET", f"/journey/v1/journeys/{journey_id}/stream", timeout=None) as response:
            response.raise_for_status()
            yield _events(response)


async def until(look: Callable[[], Awaitable[T]], what: str, *, seconds: float = PATIENCE) -> T:
    """Look again and again until there is something. Raises TooSlow."""
    deadline = time.monotonic() + seconds
    while not (found := await look()):
        if time.monotonic() > deadline:
            raise TooSlow(f"{TooSlow.__doc__} After {seconds:.0f} s still no {what}.")
        await asyncio.sleep(0.02)
    return found


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield {"event": name, **json.loads(line.removeprefix("data: "))}


def _sign(secret: str, content: bytes) -> str:
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
