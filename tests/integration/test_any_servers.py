"""A matter from the door to the answer, on whichever PostgreSQL and Kafka there are."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from anliegen.stack.world import World, until

pytestmark = pytest.mark.stack


async def case_of(agent: httpx.AsyncClient, journey_id: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        briefing = await agent.get(f"/journey/v1/journeys/{journey_id}")
        cases = briefing.json().get("cases", []) if briefing.is_success else []
        return cases[0] if cases else None

    found = await until(look, "case")
    assert found is not None
    return found


async def test_form_reaches_its_task_and_the_answer_its_writer(world: World) -> None:
    agent = await world.person("agent", name="anna")
    address = f"ada.{uuid4().hex[:8]}@post.example"
    form = {
        "channel": "web_form", "text": "Guten Tag, wie ändere ich das WLAN-Passwort an meinem Router?",
        "language": "de",
        "sender": {"kind": "email", "value": address},
    }  # fmt: skip
    key = uuid4().hex
    accepted = await world.send_form(form, key=key)
    assert accepted.status_code == 202, accepted.text
    contact = await agent.get(f"/intake/v1/contacts/{accepted.json()['contact_id']}")
    journey_id = contact.json()["journey_id"]
    case = await case_of(agent, journey_id)
    assert case["task"] == "helpdesk"
    path = f"/helpdesk/v1/questions/{case['case_id']}"
    await world.command(agent, f"{path}/taking", seen=await agent.get(path))
    await world.command(agent, f"{path}/answer", {"answer": "Am Router, unter WLAN."}, seen=await agent.get(path))

    async def answered() -> list[str]:
        return [mail["text"] for mail in await world.mails_to(address) if "Am Router" in mail["text"]]

    assert len(await until(answered, "answer by mail")) == 1
    again = await world.send_form(form, key=key)
    assert again.json()["contact_id"] == accepted.json()["contact_id"]
    contacts = (await agent.get(f"/journey/v1/journeys/{journey_id}")).json()["contacts"]
    assert len(contacts) == 1
