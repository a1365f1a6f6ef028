"""A matter that came to the wrong task goes on at the right one: the thread holds, and nobody asks again."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from anliegen.stack.world import World, until

pytestmark = pytest.mark.stack
COMPLAINTS, INQUIRIES = "/complaints/v1/complaints", "/billing-inquiry/v1/inquiries"


async def case_of(agent: httpx.AsyncClient, cases: str, journey_id: str) -> httpx.Response | None:
    """The one case of this journey at a task."""
    page = (await agent.get(cases, params={"journey_id": journey_id})).json()["items"]
    kind = "complaint_id" if cases == COMPLAINTS else "inquiry_id"
    return await agent.get(f"{cases}/{page[0][kind]}") if page else None


async def test_a_handed_over_case_goes_on_at_the_other_task_with_its_story(world: World) -> None:
    anna = await world.person("agent", name="anna")
    form = {
        "channel": "web_form", "stated_task": "complaints", "language": "de",
        "sender": {"kind": "email", "value": f"noa+{uuid4().hex[:8]}@post.example"},
        "text": "Ich verstehe die Position Servicepauschale auf meiner Rechnung nicht. Was ist das?",
    }  # fmt: skip
    accepted = await world.send_form(form)
    assert accepted.is_success, accepted.text
    contact_id = accepted.json()["contact_id"]
    journey_id = (await anna.get(f"/intake/v1/contacts/{contact_id}")).json()["journey_id"]
    complaint = await until(lambda: case_of(anna, COMPLAINTS, journey_id), "complaint")
    assert complaint is not None
    complaint_id = complaint.json()["complaint_id"]

    # It is a question about a bill, and no complaint.
    await world.command(anna, f"{COMPLAINTS}/{complaint_id}/transfer", {"to_task": "billing_inquiry"}, seen=complaint)
    inquiry = await until(lambda: case_of(anna, INQUIRIES, journey_id), "inquiry")
    assert inquiry is not None
    told = inquiry.json()
    assert (told["continues"], told["contact_id"]) == (complaint_id, contact_id)

    # The customer's own words stand there, once, with both cases; nobody is confirmed the same contact twice.
    async def story() -> dict[str, Any] | None:
        answer = await anna.get(f"/journey/v1/journeys/{journey_id}")
        found = answer.json() if answer.is_success else {"cases": []}
        states = {case["task"]: case["status"] for case in found["cases"]}
        return found if states == {"complaints": "transferred", "billing_inquiry": "opened"} else None

    found = await until(story, "both cases")
    assert found is not None
    [contact] = found["contacts"]
    assert [concern["task"] for concern in contact["concerns"]] == ["complaints", "billing_inquiry"]
    assert [answer["template"] for answer in found["answers"]] == ["acknowledgement"]

    # Who takes it up answers as ever.
    words = {"answer": "Das ist die Miete für Ihren Router."}
    answered = await world.command(anna, f"{INQUIRIES}/{told['inquiry_id']}/answer", words, seen=inquiry)
    assert answered.json()["answered_at"] is not None
