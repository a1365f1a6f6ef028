"""The doors over HTTP: what is accepted, what a retry changes (nothing), and what bad input is answered with."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from anliegen.events import Assurance, ContactQuarantined, ContactReceived, CustomerLearnt, ReplySent
from anliegen.kit.testing.clients import TestClient

CONTACTS = "/intake/v1/contacts"
Read = Callable[[str], bytes]
Send = Callable[..., Awaitable[httpx.Response]]
Published = Callable[..., Awaitable[list[Any]]]

FORM = {"channel": "web_form", "text": "Guten Tag, meine Rechnung stimmt nicht, bitte prüfen Sie das."}
MAILED = {**FORM, "sender": {"kind": "email", "value": "Anna@Post.example"}, "display_name": "Anna Muster"}


def is_problem(response: httpx.Response, status: int) -> bool:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= response.json().keys()
    return True


async def test_a_form_without_any_number_is_accepted(client: TestClient, published: Published) -> None:
    response = await client.anonymous.post(CONTACTS, json=FORM)
    assert response.status_code == 202
    answer = response.json()
    assert answer["journey_id"] is None
    assert response.headers["location"] == answer["status_url"]
    received, sent = await published()
    assert isinstance(received, ContactReceived)
    assert (received.assurance, received.language, received.sender) == (Assurance.NONE, "de", None)
    assert isinstance(sent, ReplySent)
    assert sent.template == "acknowledgement"


async def test_a_form_with_an_address_is_acknowledged_by_mail(client: TestClient, database: Any) -> None:
    await client.anonymous.post(CONTACTS, json=MAILED)
    [queued] = (await database.snapshot("outgoing_messages"))["outgoing_messages"]
    assert (queued["channel"], queued["recipient"], queued["state"]) == ("email", "anna@post.example", "pending")


async def test_strangers_cannot_find_out_who_is_known(client: TestClient) -> None:
    first = (await client.anonymous.post(CONTACTS, json=MAILED)).json()
    again = (await client.anonymous.post(CONTACTS, json=MAILED)).json()
    unknown = (await client.anonymous.post(CONTACTS, json={**FORM, "customer_number": "CH-1"})).json()
    assert first.keys() == again.keys() == unknown.keys()
    assert first["journey_id"] is again["journey_id"] is unknown["journey_id"] is None


async def test_the_same_key_gets_the_same_answer(client: TestClient, published: Published) -> None:
    headers = {"Idempotency-Key": '"form-1"'}
    first = await client.anonymous.post(CONTACTS, json=MAILED, headers=headers)
    again = await client.anonymous.post(CONTACTS, json=MAILED, headers=headers)
    assert first.json() == again.json()
    assert len(await published(ContactReceived)) == 1


async def test_a_claimed_number_opens_its_journey_and_merges_nothing(client: TestClient, published: Published) -> None:
    agent = client.as_agent()
    known = await agent.post(CONTACTS, json={"channel": "phone", "text": "Ruft an", "customer_number": "CH-4711 02"})
    await client.anonymous.post(CONTACTS, json={**MAILED, "customer_number": "ch471102"})
    first, second = await published(ContactReceived)
    assert known.json()["journey_id"] == str(first.journey_id) == str(second.journey_id)
    assert second.assurance is Assurance.CLAIMED
    assert second.sender.value == "anna@post.example"
    assert not [event for event in await published() if type(event).__name__ == "JourneysMerged"]


async def test_a_customers_token_vouches(client: TestClient, published: Published) -> None:
    journey = uuid4()
    response = await client.as_customer(journey).post(CONTACTS, json={**FORM, "channel": "app"})
    assert response.json()["journey_id"] == str(journey)
    [received] = await published(ContactReceived)
    assert (received.journey_id, received.assurance) == (journey, Assurance.VERIFIED)


async def test_agents_note_calls_and_nobody_else_does(client: TestClient, database: Any) -> None:
    call = {"channel": "phone", "text": "Kundin fragt nach der Lieferung."}
    assert is_problem(await client.anonymous.post(CONTACTS, json=call), 401)
    assert is_problem(await client.as_customer(uuid4()).post(CONTACTS, json=call), 403)
    assert is_problem(await client.as_agent(scope="cases:read").post(CONTACTS, json=call), 403)
    accepted = await client.as_agent().post(CONTACTS, json=call)
    assert accepted.status_code == 202
    shown = await client.as_agent().get(f"{CONTACTS}/{accepted.json()['contact_id']}")
    assert shown.json()["noted_by"] == "agent-1"
    assert (await database.snapshot("outgoing_messages"))["outgoing_messages"] == []


async def test_two_forms_of_a_new_person_at_the_same_moment_are_one_journey(
    client: TestClient, published: Published, database: Any
) -> None:
    answers = await asyncio.gather(*(client.anonymous.post(CONTACTS, json=MAILED) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({event.journey_id for event in await published(ContactReceived)}) == 1
    assert len((await database.snapshot("handles"))["handles"]) == 1
    # Each of them may be the first to tell whose address this is; they say the same.
    learnt = {event.model_dump_json() for event in await published(CustomerLearnt)}
    assert len(learnt) == 1


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({**FORM, "sender": {"kind": "email", "value": "nobody"}}, 422, "/sender/value"),
        ({**FORM, "channel": "pigeon"}, 422, "/channel"),
        ({**FORM, "text": "  "}, 422, "/text"),
        ({**FORM, "text": "\x01\x02"}, 422, "/text"),
        ({**FORM, "surprise": 1}, 422, "/surprise"),
        ({"channel": "web_form"}, 422, "/text"),
        ({**FORM, "text": "\x00"}, 400, None),
        ([], 422, None),
    ],
)
async def test_a_wrong_form_is_told_what_is_wrong(client: TestClient, body: Any, status: int, pointer: str) -> None:
    response = await client.anonymous.post(
        CONTACTS, content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert response.status_code in {status, 422}
    assert is_problem(response, response.status_code)
    if pointer:
        assert pointer in {error["pointer"] for error in response.json()["errors"]}


async def test_bad_requests_are_problems(client: TestClient) -> None:
    post = client.anonymous.post
    typed = {"content-type": "application/json"}
    assert is_problem(await post(CONTACTS, content=b'{"channel": ', headers=typed), 400)
    assert is_problem(await post(CONTACTS, content=b"x" * 30_000_000, headers=typed), 413)
    wrong = {"Authorization": "Bearer wrong"}
    assert is_problem(await post(CONTACTS, json=FORM, headers=wrong), 401)
    assert is_problem(await client.anonymous.get("/intake/v1/nothing"), 404)
    assert is_problem(await client.anonymous.delete(CONTACTS), 405)
    assert is_problem(await client.anonymous.get(f"{CONTACTS}/{uuid4()}"), 401)
    assert is_problem(await client.as_agent().get(f"{CONTACTS}/{uuid4()}"), 404)


async def test_a_long_text_travels_as_its_beginning(client: TestClient, published: Published) -> None:
    response = await client.anonymous.post(CONTACTS, json={**FORM, "text": "Wort " * 30_000})
    assert response.status_code == 202
    [received] = await published(ContactReceived)
    assert 49_990 < len(received.text) <= 50_000
    path = f"{CONTACTS}/{received.contact_id}/attachments/{received.content.sha256}"
    whole = await client.as_agent().get(path)
    assert len(whole.content) == received.content.size == 30_000 * 5 - 1
    assert is_problem(await client.as_agent().get(path[:-1] + "x"), 404)


async def test_the_status_page_opens_only_with_its_token(client: TestClient) -> None:
    accepted = (await client.anonymous.post(CONTACTS, json=MAILED)).json()
    page = await client.anonymous.get(accepted["status_url"], headers={"accept": "text/html,*/*"})
    assert page.headers["content-type"].startswith("text/html")
    assert accepted["reference"] in page.text
    told = await client.anonymous.get(accepted["status_url"])
    assert told.json()["cases"] == []
    for words in ("anna@", "Muster", "Rechnung stimmt nicht"):
        assert words not in page.text + told.text
    address = accepted["status_url"].partition("?")[0]
    assert is_problem(await client.anonymous.get(address), 404)
    assert is_problem(await client.anonymous.get(f"{address}?token=AAAAAAAAAAAAAAAAAAAAAAAA"), 404)


async def test_ways_to_us_are_never_empty(client: TestClient, clock: Any) -> None:
    options = (await client.anonymous.get("/intake/v1/contact-options")).json()["items"]
    by_channel = {option["channel"]: option for option in options}
    assert {"web_form", "email", "whatsapp", "phone"} <= by_channel.keys()
    assert by_channel["phone"]["open_now"] is True
    clock.advance(timedelta(hours=15))
    night = {o["channel"]: o for o in (await client.anonymous.get("/intake/v1/contact-options")).json()["items"]}
    assert night["phone"]["open_now"] is False
    assert night["email"]["takes_matters_now"] is True


# Mail -----------------------------------------------------------------------------------------------------------------
async def test_a_mail_is_accepted_and_its_retry_changes_nothing(
    send_mail: Send, mail_bytes: Read, published: Published, database: Any
) -> None:
    raw = mail_bytes("german_multipart")
    first = await send_mail(raw)
    assert first.status_code == 202
    before = await database.snapshot("contacts", "handles", "outgoing_messages", "vault", "streams", "outbox")
    again = await send_mail(raw)
    assert again.json() == first.json()
    assert await database.snapshot("contacts", "handles", "outgoing_messages", "vault", "streams", "outbox") == before
    relayed = await send_mail(b"Received: from b by a; Mon, 2 Mar 2026\r\n" + raw)
    assert relayed.json()["contact_id"] == first.json()["contact_id"]
    [received] = await published(ContactReceived)
    assert received.sender.value == "katrin.aebischer@post.example"
    assert [(a.media_type, a.name) for a in received.attachments] == [
        ("application/pdf", "Rechnung Februar.pdf"),
        ("image/png", "Bildschirmfoto.png"),
    ]


async def test_only_our_own_servers_verdict_makes_a_sender_verified(
    send_mail: Send, mail_bytes: Read, published: Published
) -> None:
    raw = mail_bytes("german_multipart")
    await send_mail(b"Authentication-Results: mail.anliegen.example; dmarc=pass\r\n" + raw)
    forged = raw.replace(b"CAB2xQ9mK4tY0", b"other")
    await send_mail(b"Authentication-Results: mx.evil.example; dmarc=pass\r\n" + forged)
    assert [event.assurance for event in await published(ContactReceived)] == [Assurance.VERIFIED, Assurance.CLAIMED]


@pytest.mark.parametrize("name", ["latin1_declared_as_utf8", "unknown_charset", "broken_base64", "missing_boundary",
                                  "wrong_boundary", "broken_headers", "no_headers_at_all", "html_only"])  # fmt: skip
async def test_a_broken_mail_is_still_a_contact(
    send_mail: Send, mail_bytes: Read, published: Published, name: str
) -> None:
    response = await send_mail(mail_bytes(name))
    assert response.status_code == 202
    assert response.json()["contact_id"]
    assert (await published(ContactReceived))[0].text


async def test_what_cannot_be_read_is_kept_listed_and_tried_again(
    client: TestClient, send_mail: Send, mail_bytes: Read, published: Published, monkeypatch: Any
) -> None:
    raw = mail_bytes("only_bytes")
    taken = (await send_mail(raw)).json()
    assert taken["contact_id"] is None
    assert taken["quarantined"] == "email_not_readable"
    assert (await send_mail(raw)).json() == taken
    assert len(await published(ContactQuarantined)) == 1
    staff = client.as_supervisor()
    listed = (await staff.get("/intake/v1/quarantine")).json()["items"]
    assert [item["vault_id"] for item in listed] == [taken["vault_id"]]
    place = f"/intake/v1/quarantine/{taken['vault_id']}"
    assert (await staff.get(f"{place}/content")).content == raw
    assert is_problem(await staff.post(f"{place}/reprocessing"), 428)
    assert is_problem(await client.as_agent().post(f"{place}/reprocessing", headers={"If-Match": '"1"'}), 403)
    tag = (await staff.get(place)).headers["etag"]
    from anliegen.intake.mail import parse

    monkeypatch.setattr(parse, "_READABLE", re.compile(""))
    again = await staff.post(f"{place}/reprocessing", headers={"If-Match": tag})
    assert again.json()["state"] == "processed"
    assert len(again.json()["contacts"]) == 1
    assert is_problem(await staff.post(f"{place}/reprocessing", headers={"If-Match": tag}), 412)


async def test_an_unexpected_fault_loses_nothing(
    client: TestClient, send_mail: Send, mail_bytes: Read, monkeypatch: Any
) -> None:
    from anliegen.intake.actions import understand

    def fail(_raw: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(understand, "read_mail", fail)
    taken = await send_mail(mail_bytes("german_multipart"))
    assert taken.status_code == 202
    assert taken.json()["quarantined"] == "unexpected_trouble"


async def test_the_mail_door_knows_its_key(send_mail: Send, mail_bytes: Read, clock: Any) -> None:
    raw = mail_bytes("html_only")
    assert is_problem(await send_mail(raw, secret="wrong"), 403)
    assert is_problem(await send_mail(raw, **{"X-Anliegen-Signature": ""}), 403)
    assert is_problem(await send_mail(raw, stamp=str(int(clock.wall().timestamp()) - 301)), 403)
    assert is_problem(await send_mail(raw, stamp="soon"), 403)
    assert is_problem(await send_mail(b""), 422)
    assert is_problem(await send_mail(b"x" * 30_000_000), 413)
    assert (await send_mail(raw, secret="the-secret-before")).status_code == 202


async def test_a_large_mail_is_kept_in_the_object_store(send_mail: Send, database: Any, client: TestClient) -> None:
    raw = b"From: a@post.example\r\nSubject: gross\r\n\r\n" + b"Guten Tag, hier ist viel Text. " * 60_000
    taken = (await send_mail(raw)).json()
    assert taken["contact_id"]
    [entry] = (await database.snapshot("vault"))["vault"]
    assert entry["raw"] is None
    path = f"/intake/v1/quarantine/{taken['vault_id']}/content"
    assert (await client.as_supervisor().get(path)).content == raw


# WhatsApp -------------------------------------------------------------------------------------------------------------
async def test_the_handshake_echoes_the_challenge(client: TestClient) -> None:
    door = "/intake/v1/channels/whatsapp/106540352242922"
    query = {"hub.mode": "subscribe", "hub.verify_token": "whatsapp-verify-token", "hub.challenge": "1158201444"}
    assert (await client.anonymous.get(door, params=query)).text == "1158201444"
    assert is_problem(await client.anonymous.get(door, params={**query, "hub.verify_token": "x"}), 403)
    assert is_problem(await client.anonymous.get(door), 403)


async def test_a_whatsapp_message_is_accepted_once_though_it_comes_twice_at_a_time(
    send_webhook: Send, webhook_bytes: Read, published: Published, database: Any
) -> None:
    raw = webhook_bytes("text")
    answers = await asyncio.gather(*(send_webhook(raw) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    [received] = await published(ContactReceived)
    assert (received.sender.value, received.assurance) == ("+16505551234", Assurance.VERIFIED)
    assert (received.display_name, received.language) == ("Sheena Nelson", "en")
    assert len((await database.snapshot("outgoing_messages"))["outgoing_messages"]) == 1


async def test_every_kind_of_message_is_kept(
    send_webhook: Send, webhook_bytes: Read, published: Published, database: Any
) -> None:
    response = await send_webhook(webhook_bytes("every_type"))
    assert response.json()["contacts"] == 11
    texts = [event.text for event in await published(ContactReceived)]
    assert texts[:2] == ["[image] Das kam kaputt an", "[audio]"]
    assert "[hologram]" in texts
    assert "Ja, gelöst" in texts
    rows = await database.snapshot("media", "outgoing_messages")
    assert {row["name"] for row in rows["media"]} == {"image", "audio", "Rechnung.pdf"}
    suppressed = [row["code"] for row in rows["outgoing_messages"] if row["state"] == "suppressed"]
    assert sorted(suppressed) == ["reaction", "system"]


async def test_the_whatsapp_door_verifies_before_it_reads(
    send_webhook: Send, webhook_bytes: Read, published: Published, database: Any
) -> None:
    assert is_problem(await send_webhook(webhook_bytes("text"), secret="wrong"), 403)
    assert is_problem(await send_webhook(webhook_bytes("text"), signature=""), 403)
    assert is_problem(await send_webhook(b"x" * 30_000_000), 413)
    assert (await database.snapshot("vault"))["vault"] == []
    for raw in (b"{", b"[]", b'{"entry": 1}', b"\xff\xfe", b"[" * 100_000):
        taken = await send_webhook(raw)
        assert taken.status_code == 200
        assert taken.json()["quarantined"]
    assert len(await published(ContactQuarantined)) == 5


async def test_half_understood_webhooks_lose_neither_half(
    send_webhook: Send, webhook_bytes: Read, published: Published
) -> None:
    webhook = json.loads(webhook_bytes("text"))
    webhook["entry"][0]["changes"][0]["value"]["messages"].append({"type": "text"})
    taken = (await send_webhook(json.dumps(webhook).encode())).json()
    assert (taken["contacts"], taken["quarantined"]) == (1, "whatsapp_partly_unknown")
    assert len(await published(ContactReceived)) == 1
