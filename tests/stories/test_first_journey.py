"""The first journey: three people, three channels, real input; each is answered, in one thread, exactly once."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from anliegen.stack.world import World, until

pytestmark = pytest.mark.stack


@pytest.fixture
def run() -> str:
    """Makes the people of this test new to the stack."""
    return uuid4().hex[:8]


def mail_from(examples: Path, run: str) -> bytes:
    raw = (examples / "invoice-question.eml").read_bytes()
    return raw.replace(b"<5f2c9e0a-hoegl-20260302@", f"<{run}-hoegl@".encode()).replace(
        b"renate.hoegl@", f"renate.hoegl+{run}@".encode()
    )


def whatsapp_from(examples: Path, number: str, message_id: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads((examples / "whatsapp-message.json").read_text())
    value = payload["entry"][0]["changes"][0]["value"]
    value["contacts"][0]["wa_id"] = value["messages"][0]["from"] = number
    value["messages"][0]["id"] = message_id
    return payload


async def timeline(agent: httpx.AsyncClient, journey_id: str) -> list[dict[str, Any]]:
    page = await agent.get(f"/journey/v1/journeys/{journey_id}/timeline", params={"limit": 200})
    return page.json()["items"] if page.is_success else []


async def types(agent: httpx.AsyncClient, journey_id: str) -> list[str]:
    return [entry["type"] for entry in await timeline(agent, journey_id)]


async def journey_with(agent: httpx.AsyncClient, handle: str, kind: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = await agent.get("/journey/v1/journeys", params={"handle": handle, "kind": kind})
        for item in found.json()["items"]:
            briefing = (await agent.get(f"/journey/v1/journeys/{item['journey_id']}")).json()
            if briefing["cases"]:
                return briefing
        return None

    found = await until(look, f"journey with a case for {handle}")
    assert found is not None
    return found


async def answer(world: World, agent: httpx.AsyncClient, path: str, words: str) -> None:
    await world.command(agent, f"{path}/answer", {"answer": words}, seen=await agent.get(path))


def once_and_in_order(entries: list[dict[str, Any]]) -> None:
    """Each event once, each source's sequence without gaps, and nothing before what caused it."""
    assert len({entry["event_id"] for entry in entries}) == len(entries)
    places = {entry["event_id"]: place for place, entry in enumerate(entries)}
    for place, entry in enumerate(entries):
        assert places.get(entry["causation_id"], -1) < place
    for service in {entry["service"] for entry in entries}:
        sequences = [entry["sequence"] for entry in entries if entry["service"] == service]
        assert sequences == sorted(sequences) and len(set(sequences)) == len(sequences)


async def test_a_mail_with_an_attachment_becomes_a_case_and_is_answered_by_mail(
    world: World, examples: Path, run: str
) -> None:
    agent = await world.person("agent", name="anna")
    address = f"renate.hoegl+{run}@posteo.example"
    raw = mail_from(examples, run)
    accepted = await world.send_mail(raw)
    assert accepted.status_code == 202
    contact_id = accepted.json()["contact_id"]

    briefing = await journey_with(agent, address, "email")
    contact = (await agent.get(f"/intake/v1/contacts/{contact_id}")).json()
    assert contact["assurance"] == "claimed"
    assert [file["name"] for file in contact["attachments"]] == ["Rechnung März 2026.pdf"]
    assert "Sonnleitenweg" not in contact["text"], "the signature is not part of what she wrote"
    (case,) = [case for case in briefing["cases"] if case["task"] == "billing_inquiry"]

    async def mails(least: int) -> list[dict[str, Any]]:
        found = await world.mails_to(address)
        return found if len(found) >= least else []

    (acknowledgement,) = await until(lambda: mails(1), "acknowledgement")
    assert contact["reference"] in acknowledgement["subject"]

    await answer(world, agent, f"/billing-inquiry/v1/inquiries/{case['case_id']}", "Das Paket nehmen wir heraus.")
    found = await until(lambda: mails(2), "answer")
    assert "Das Paket nehmen wir heraus." in found[-1]["text"]

    again = await world.send_mail(raw)
    assert (again.status_code, again.json()["contact_id"]) == (202, contact_id)
    before = await until(lambda: complete(agent, briefing["journey_id"], 8), "whole timeline")
    await asyncio.sleep(0.5)
    assert await types(agent, briefing["journey_id"]) == before
    assert len(await world.mails_to(address)) == 2
    once_and_in_order(await timeline(agent, briefing["journey_id"]))


async def complete(agent: httpx.AsyncClient, journey_id: str, least: int) -> list[str]:
    found = await types(agent, journey_id)
    return found if len(found) >= least and found.count("intake.reply_sent.v1") == 2 else []


async def test_a_whatsapp_message_becomes_a_question_and_is_answered_there(
    world: World, examples: Path, run: str
) -> None:
    agent = await world.person("agent", name="anna")
    number = f"4179{int(run, 16) % 10**7:07}"
    payload = whatsapp_from(examples, number, f"wamid.{run}")
    for _ in range(3):
        assert (await world.send_whatsapp(payload)).status_code == 200
    briefing = await journey_with(agent, f"+{number}", "whatsapp")
    assert len(briefing["contacts"]) == 1
    (case,) = briefing["cases"]
    assert case["task"] == "helpdesk"

    async def messages(least: int) -> list[dict[str, Any]]:
        found = await world.whatsapps_to(number)
        return found if len(found) >= least else []

    await until(lambda: messages(1), "acknowledgement")
    await answer(world, agent, f"/helpdesk/v1/questions/{case['case_id']}", "Unter WLAN, dann Sicherheit.")
    found = await until(lambda: messages(2), "answer")
    assert "Unter WLAN, dann Sicherheit." in found[-1]["text"]
    await world.send_whatsapp(payload)
    await asyncio.sleep(0.5)
    assert len(await world.whatsapps_to(number)) == 2
    once_and_in_order(await timeline(agent, briefing["journey_id"]))


async def test_a_form_without_a_customer_number_is_acknowledged_on_its_page_and_by_mail(
    world: World, examples: Path, run: str
) -> None:
    agent = await world.person("agent", name="anna")
    address = f"camille+{run}@courriel.example"
    form = json.loads((examples / "web-form.json").read_text())
    form["sender"]["value"] = address
    first, second = [await world.send_form(form, key=run) for _ in range(2)]
    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()

    page = await world.anybody.get(first.json()["status_url"])
    assert page.is_success and first.json()["reference"] in page.text

    briefing = await journey_with(agent, address, "email")
    (case,) = briefing["cases"]
    path = f"/helpdesk/v1/questions/{case['case_id']}"
    await answer(world, agent, path, "Rue de Romont 12, le samedi de 9 h à 16 h.")

    async def both() -> list[dict[str, Any]]:
        found = await world.mails_to(address)
        return found if len(found) >= 2 else []

    acknowledgement, reply = await until(both, "mails")
    assert first.json()["reference"] in acknowledgement["text"] + acknowledgement["subject"]
    assert "Rue de Romont 12" in reply["text"]

    async def page_shows_the_answer() -> bool:
        status = await world.anybody.get(first.json()["status_url"], headers={"Accept": "application/json"})
        return bool(status.json()["cases"] == ["waiting_for_customer"])

    assert await until(page_shows_the_answer, "answered case on the status page")


async def test_nobody_sees_another_persons_journey(world: World, examples: Path, run: str) -> None:
    agent = await world.person("agent", name="anna")
    address = f"camille+{run}@courriel.example"
    form = json.loads((examples / "web-form.json").read_text()) | {"sender": {"kind": "email", "value": address}}
    await world.send_form(form)
    briefing = await journey_with(agent, address, "email")
    stranger = await world.person("customer", journey_id=str(uuid4()))
    assert (await stranger.get(f"/journey/v1/journeys/{briefing['journey_id']}")).status_code == 404
    case = briefing["cases"][0]["case_id"]
    assert (await stranger.get(f"/helpdesk/v1/questions/{case}")).status_code in {403, 404}
    owner = await world.person("customer", journey_id=briefing["journey_id"])
    assert (await owner.get(f"/journey/v1/journeys/{briefing['journey_id']}")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("GET", "/helpdesk/v1/nowhere", {}, 404),
        ("DELETE", "/intake/v1/contacts", {}, 405),
        ("GET", "/helpdesk/v1/questions", {}, 401),
        ("GET", "/helpdesk/v1/questions", {"headers": {"Authorization": "Bearer x.y.z"}}, 401),
        ("POST", "/intake/v1/contacts", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/intake/v1/contacts", {"json": {"channel": "web_form"}}, 422),
        ("POST", "/intake/v1/contacts", {"json": {"channel": "web_form", "text": "a\x00b"}}, 422),
        ("POST", "/intake/v1/channels/email/x@y.example", {"content": b"From: a@b.example\n\nhi"}, 403),
        ("POST", "/intake/v1/channels/whatsapp/1", {"json": {}}, 403),
        ("POST", "/intake/v1/channels/email/x@y.example", {"content": b"x" * 30_000_000}, 413),
    ],
)
async def test_bad_input_gets_a_problem_that_says_what_to_do(
    world: World, method: str, path: str, arguments: dict[str, Any], status: int
) -> None:
    response = await world.anybody.request(method, path, **arguments)
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    problem = response.json()
    assert problem["status"] == status and problem["detail"] and problem["code"] and problem["trace_id"]


async def test_a_broken_mail_is_kept_and_never_lost(world: World, run: str) -> None:
    agent = await world.person("agent", name="anna")
    broken = (
        b"From: =?unknown-8bit?q?J=F6rg?= <joerg+" + run.encode() + b"@web.example>\nSubject: Stromausfall\n"
        b'Content-Type: multipart/mixed; boundary="gibtsnicht"\nContent-Transfer-Encoding: base65\n\n'
        b"--anders\nContent-Type: text/plain; charset=x-klingon\n\nSeit gestern keine Verbindung, R\xfcckruf bitte.\n"
    )
    accepted = await world.send_mail(broken)
    assert accepted.status_code == 202
    contact = (await agent.get(f"/intake/v1/contacts/{accepted.json()['contact_id']}")).json()
    assert "keine Verbindung" in contact["text"] and "Rückruf" in contact["text"]
