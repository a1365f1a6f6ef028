"""What somebody tries who means harm: at the doors, with tokens that vouch for little, with names of others."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from anliegen.events import Assurance, Channel, ContactReceived, JourneysMerged
from anliegen.intake.actions import speak
from anliegen.kit.testing.clients import TestClient

CONTACTS = "/intake/v1/contacts"
FORM = {"channel": "web_form", "text": "Guten Tag, meine Rechnung stimmt nicht, bitte prüfen Sie das."}
Read = Callable[[str], bytes]
Send = Callable[..., Awaitable[httpx.Response]]
Published = Callable[..., Awaitable[list[Any]]]


@pytest.mark.parametrize(
    "claim",
    [{"customer_number": "CH-4711"}, {"sender": {"kind": "email", "value": "victim@post.example"}}],
    ids=["number", "address"],
)
async def test_a_vouched_address_is_never_linked_with_what_is_only_claimed(
    client: TestClient, published: Published, claim: dict[str, Any]
) -> None:
    await client.anonymous.post(CONTACTS, json={**FORM, **claim})
    attacker = client.as_("customer", email="attacker@post.example", email_verified=True)
    assert (await attacker.post(CONTACTS, json={**FORM, **claim})).status_code == 202
    assert await published(JourneysMerged) == []
    _, second = await published(ContactReceived)
    assert second.assurance is Assurance.CLAIMED


async def test_a_vouched_address_is_the_callers_own(client: TestClient, published: Published) -> None:
    customer = client.as_("customer", email="anna@post.example", email_verified=True)
    assert (await customer.post(CONTACTS, json=FORM)).status_code == 202
    [received] = await published(ContactReceived)
    assert (received.sender.value, received.assurance) == ("anna@post.example", Assurance.VERIFIED)


@pytest.mark.parametrize(
    "broken",
    [
        {"id": "wamid.a\x00b"},
        {"id": "wamid.a\ud800b"},
        {"context": {"id": "a\x00"}},
        {"type": "image", "image": {"id": "1\x00", "mime_type": "a\ud800", "filename": "../\x00"}},
    ],
    ids=["nul", "surrogate", "context", "media"],
)
async def test_one_strange_message_does_not_keep_back_those_that_came_with_it(
    send_webhook: Send, webhook_bytes: Read, published: Published, broken: dict[str, Any]
) -> None:
    webhook = json.loads(webhook_bytes("text"))
    messages = webhook["entry"][0]["changes"][0]["value"]["messages"]
    messages.insert(0, {**messages[0], "id": "wamid.first", **broken})
    taken = (await send_webhook(json.dumps(webhook).encode())).json()
    assert (taken["contacts"], taken["quarantined"]) == (2, None)
    assert len(await published(ContactReceived)) == 2


async def test_a_message_that_cannot_be_kept_leaves_the_others_their_way(
    send_webhook: Send, webhook_bytes: Read, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    from anliegen.intake.actions import accept

    whole = accept.accept_contact

    async def refuse_the_first(tx: Any, message: Any, evidence: Any) -> Any:
        if message.message_id == "wamid.first":
            raise RuntimeError("a fault of ours")
        return await whole(tx, message, evidence)

    monkeypatch.setattr(accept, "accept_contact", refuse_the_first)
    webhook = json.loads(webhook_bytes("text"))
    messages = webhook["entry"][0]["changes"][0]["value"]["messages"]
    messages.insert(0, {**messages[0], "id": "wamid.first"})
    taken = (await send_webhook(json.dumps(webhook).encode())).json()
    assert (taken["contacts"], taken["quarantined"]) == (1, "unexpected_trouble")
    assert len(await published(ContactReceived)) == 1


async def test_a_stranger_named_in_many_forms_at_once_gets_one_mail(
    client: TestClient, database: Any, begin: Any
) -> None:
    stranger = {"sender": {"kind": "email", "value": "stranger@post.example"}}
    forms = [{**FORM, **stranger, "customer_number": f"CH-{number}"} for number in range(12)]
    answers = await asyncio.gather(*(client.anonymous.post(CONTACTS, json=form) for form in forms))
    assert {answer.status_code for answer in answers} == {202}
    claimed = []
    for _ in range(3):
        async with begin() as tx:
            claimed += await speak.claim_replies(tx, places={Channel.EMAIL: 16}, hold=timedelta(minutes=3))
    assert [reply.way.recipient for reply in claimed] == ["stranger@post.example"]
    queued = (await database.snapshot("outgoing_messages"))["outgoing_messages"]
    mails = [one for one in queued if one["recipient"] == "stranger@post.example"]
    others = {(one["state"], one["code"]) for one in mails if one["reply_id"] != claimed[0].reply_id}
    assert others <= {("suppressed", "answered_within_a_day")}
