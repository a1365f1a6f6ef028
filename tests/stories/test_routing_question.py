"""Nobody knows what a message is about: the customer is asked once, and answers as people do."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from anliegen.stack.world import World, until

pytestmark = pytest.mark.stack
INQUIRIES = "/billing-inquiry/v1/inquiries"


async def write(world: World, examples: Path, number: str, text: str) -> httpx.Response:
    """Somebody writes by WhatsApp."""
    payload = json.loads((examples / "whatsapp-message.json").read_text("utf-8"))
    value = payload["entry"][0]["changes"][0]["value"]
    value["contacts"][0] = {"profile": {"name": "Nina Rossi"}, "wa_id": number}
    value["messages"][0] |= {"from": number, "id": f"wamid.{uuid4().hex}", "text": {"body": text}}
    accepted = await world.send_whatsapp(payload)
    assert accepted.is_success, accepted.text
    return accepted


async def test_a_customer_is_asked_once_and_answers_with_a_number(world: World, examples: Path) -> None:
    anna = await world.person("agent", name="anna")
    number = f"4179{uuid4().int % 10**7:07d}"
    await write(world, examples, number, "???")

    async def waiting() -> dict[str, Any] | None:
        found = await anna.get("/journey/v1/journeys", params={"handle": f"+{number}", "kind": "whatsapp"})
        if not found.is_success or not found.json()["items"]:
            return None
        journey_id = found.json()["items"][0]["journey_id"]
        reviews = (await anna.get("/triage/v1/reviews", params={"channel": "whatsapp", "limit": 200})).json()["items"]
        return next((one for one in reviews if one["journey_id"] == journey_id), None)

    review = await until(waiting, "review")
    assert review is not None
    path = f"/triage/v1/reviews/{review['review_id']}"
    options = {"options": ["billing_inquiry", "complaints"]}
    asked = await world.command(anna, f"{path}/questions", options, seen=await anna.get(path))
    assert [one["state"] for one in asked.json()["questions"]] == ["asked"]

    async def question() -> str | None:
        texts = [message["body"]["text"]["body"] for message in await world.whatsapps_to(number)]
        return next((text for text in texts if "1 – eine Rechnung" in text), None)

    assert "2 – eine Beschwerde" in str(await until(question, "question"))

    # Nobody quotes in a conversation.
    await write(world, examples, number, "1 bitte")

    async def decided() -> dict[str, Any] | None:
        found: dict[str, Any] = (await anna.get(path)).json()
        return found if found["status"] == "decided" else None

    settled = await until(decided, "decision")
    assert settled is not None
    assert (settled["decided_by"], settled["questions"][0]["state"]) == ("customer", "answered")

    async def inquiry() -> dict[str, Any] | None:
        page = await anna.get(INQUIRIES, params={"journey_id": review["journey_id"]})
        return page.json()["items"][0] if page.is_success and page.json()["items"] else None

    opened = await until(inquiry, "inquiry")
    assert opened is not None
    assert opened["contact_id"] == review["contact_id"]
