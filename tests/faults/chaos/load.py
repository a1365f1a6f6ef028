"""Steady load over the real doors, by clients that repeat the same request until it is answered; and the ledger."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import random
import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from anliegen.stack.stack import Stack
from anliegen.stack.world import MAILBOX, PHONE_NUMBER_ID

from .contacts import Contact, Person

AT_ONCE = 48
PATIENCE = 150.0
"""Seconds for which a client repeats a request."""
AGAIN = (0.1, 0.2, 0.4, 0.8, 1.5)
"""Seconds before each repetition; the last one holds from then on."""
CONTACTS_AN_AGENT = 4.0
"""A second: an agent's door takes ten."""
LOOKS_AT_MESSAGES_EVERY = 2.0
REPEATED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Accepted:
    """One line of the ledger: the door said 2xx. `at` in seconds since 1970."""

    number: int
    person: int
    channel: str
    at: float


@dataclass
class Ledger:
    """What was accepted, in this order, and what it took."""

    accepted: list[Accepted] = field(default_factory=list)
    unsettled: dict[int, str] = field(default_factory=dict)
    """Contacts whose client gave up or was refused, with the last answer: they may have taken effect or not."""
    requests: int = 0
    repeated: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """What was not 2xx, by status or kind of error."""
    messages: list[str] = field(default_factory=list)
    """The replies that WhatsApp's stand-in was given, in its order, by their ids."""


class Load:
    """Brings the contacts of a plan at their time."""

    def __init__(self, stack: Stack, contacts: Sequence[Contact], *, rate: float, repeats: bool = True) -> None:
        self.stack = stack
        self.contacts = contacts
        self.rate = rate
        self.repeats = repeats
        self.ledger = Ledger()
        environment = stack.environment()
        self._email_secret = environment["ANLIEGEN_INTAKE_EMAIL_DOOR_SECRET"].encode()
        self._whatsapp_secret = environment["ANLIEGEN_INTAKE_WHATSAPP_APP_SECRET"].encode()
        agents = max(4, round(rate / CONTACTS_AN_AGENT))
        self._agents = [stack.token("agent", subject=f"agent-{number}") for number in range(agents)]
        self._customers: dict[int, str] = {}
        self._queues: dict[int, deque[Contact]] = defaultdict(deque)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._seen = 0
        self._ended = False
        self._client: httpx.AsyncClient

    async def run(self) -> None:
        """Bring all contacts; returns when the last one is accepted or given up."""
        limits = httpx.Limits(max_connections=AT_ONCE + 2, max_keepalive_connections=AT_ONCE + 2)
        loop = asyncio.get_running_loop()
        async with httpx.AsyncClient(
            base_url=self.stack.http_url, timeout=15, limits=limits, trust_env=False
        ) as self._client:
            watch = asyncio.create_task(self._watch_messages())
            begun = loop.time()
            async with asyncio.TaskGroup() as group:
                for contact in self.contacts:
                    await asyncio.sleep(max(0.0, begun + contact.number / self.rate - loop.time()))
                    if self._ended:
                        break
                    # One person's contacts come one after the other, or there would be no order to keep.
                    queue = self._queues[contact.person.number]
                    queue.append(contact)
                    if len(queue) == 1:
                        group.create_task(self._serve(queue))
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch

    def end(self) -> None:
        """Bring no further contacts; those that were begun are brought to their end."""
        self._ended = True

    async def _serve(self, queue: deque[Contact]) -> None:
        while queue:
            async with self._slots:
                await self._bring(queue[0])
            queue.popleft()

    async def _bring(self, contact: Contact) -> None:
        begun, attempt, answer = time.monotonic(), 0, ""
        chance = random.Random(contact.number)
        while True:
            self.ledger.requests += 1
            wait = AGAIN[min(attempt, len(AGAIN) - 1)]
            try:
                response = await self._send(contact)
                answer = str(response.status_code)
                if response.is_success:
                    accepted = Accepted(contact.number, contact.person.number, contact.channel, time.time())
                    self.ledger.accepted.append(accepted)
                    return
                if response.status_code not in REPEATED:
                    answer = f"{answer} {response.text[:200]}"
                wait = max(wait, float(response.headers.get("retry-after", 0)))
            except httpx.TransportError as problem:
                answer = type(problem).__name__
            self.ledger.answers[answer[:3] if answer[:3].isdigit() else answer] += 1
            refused = answer[:3].isdigit() and int(answer[:3]) not in REPEATED
            if refused or not self.repeats or time.monotonic() - begun > PATIENCE:
                self.ledger.unsettled[contact.number] = answer
                return
            attempt += 1
            self.ledger.repeated += 1
            await asyncio.sleep(wait * chance.uniform(0.75, 1.25))

    async def _send(self, contact: Contact) -> httpx.Response:
        match contact.channel:
            case "email":
                return await self._send_mail(contact)
            case "whatsapp":
                return await self._send_whatsapp(contact)
        headers = {"Idempotency-Key": f'"{contact.person.run}-{contact.number}"'}
        body: dict[str, Any] = {"channel": contact.channel, "text": contact.text, "language": "de"}
        if contact.channel == "phone":
            headers["Authorization"] = f"Bearer {self._agents[contact.person.number % len(self._agents)]}"
            body["sender"] = {"kind": "phone", "value": contact.person.address}
        elif contact.channel == "app":
            headers["Authorization"] = f"Bearer {self._token_of(contact.person)}"
        else:
            body["sender"] = {"kind": "email", "value": contact.person.address}
        return await self._client.post("/intake/v1/contacts", json=body, headers=headers)

    def _token_of(self, person: Person) -> str:
        if person.number not in self._customers:
            subject = f"customer-{person.number}"
            self._customers[person.number] = self.stack.token("customer", journey_id=person.address, subject=subject)
        return self._customers[person.number]

    async def _send_mail(self, contact: Contact) -> httpx.Response:
        answers = [] if contact.answers is None else [f"In-Reply-To: {message_id(contact, contact.answers)}"]
        lines = [
            f"From: <{contact.person.address}>", f"To: <{MAILBOX}>", f"Message-ID: {message_id(contact)}", *answers,
            "Subject: Anfrage", "Content-Language: de", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
            "", contact.text, "",
        ]  # fmt: skip
        raw = "\r\n".join(lines).encode()
        stamp = str(int(time.time()))
        headers = {
            "Content-Type": "message/rfc822",
            "X-Anliegen-Timestamp": stamp,
            "X-Anliegen-Signature": _signature(self._email_secret, stamp.encode() + b"." + raw),
        }
        return await self._client.post(f"/intake/v1/channels/email/{MAILBOX}", content=raw, headers=headers)

    async def _send_whatsapp(self, contact: Contact) -> httpx.Response:
        sender = contact.person.address
        message = {
            "from": sender, "id": f"wamid.{contact.person.run}{contact.number}", "timestamp": "1772437269",
            "type": "text", "text": {"body": contact.text},
        }  # fmt: skip
        value = {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "4989123456", "phone_number_id": PHONE_NUMBER_ID},
            "contacts": [{"profile": {"name": f"Person {contact.person.number}"}, "wa_id": sender}],
            "messages": [message],
        }
        entry = {"id": "102290129340398", "changes": [{"field": "messages", "value": value}]}
        raw = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": _signature(self._whatsapp_secret, raw),
        }
        return await self._client.post(f"/intake/v1/channels/whatsapp/{PHONE_NUMBER_ID}", content=raw, headers=headers)

    # What reaches customers -------------------------------------------------------------------------------------------
    async def _watch_messages(self) -> None:
        while True:
            await asyncio.sleep(LOOKS_AT_MESSAGES_EVERY)
            with contextlib.suppress(httpx.TransportError):  # it is slow; it forgets nothing until the next look
                await self.look_at_messages()

    async def look_at_messages(self) -> None:
        """Note what WhatsApp's stand-in was given since the last look; it remembers only a thousand."""
        # Without `verify` the client would read all the certificates of this machine each time.
        async with httpx.AsyncClient(timeout=15, trust_env=False, verify=False) as client:
            address = f"{self.stack.outside_url}/whatsapp-stand-in/messages.json"
            found = (await client.get(address, params={"after": self._seen})).json()
        new = sorted(found, key=lambda one: int(one["number"]))
        if new and new[0]["number"] > self._seen + 1:
            raise RuntimeError("The stand-in forgot messages before they were looked at: look more often.")
        self.ledger.messages.extend(one["body"]["biz_opaque_callback_data"] for one in new)
        self._seen = new[-1]["number"] if new else self._seen

    def begin_messages_anew(self) -> None:
        """The stand-in was started anew, and counts from one again."""
        self._seen = 0


def message_id(contact: Contact, number: int | None = None) -> str:
    """The Message-ID of a person's mail."""
    return f"<{contact.number if number is None else number}.{contact.person.run}@posteo.example>"


def _signature(secret: bytes, content: bytes) -> str:
    return f"sha256={hmac.new(secret, content, hashlib.sha256).hexdigest()}"
