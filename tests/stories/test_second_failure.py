"""The second failure (R76): who was failed twice comes to the top staff before the next answer, with goodwill."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from biller import Biller

from anliegen.stack.business_clock import move_clock, read_clock
from anliegen.stack.stack import Stack
from anliegen.stack.world import World, until

pytestmark = pytest.mark.stack
GOODWILL = "/complaints/v1/goodwill"
QUESTIONS = "/helpdesk/v1/questions"
BILLING = "/billing-inquiry/v1"


def read_clock_now(stack: Stack) -> timedelta:
    """How far the business clock is ahead."""
    return max(read_clock(stack).values(), default=timedelta())


async def ask(world: World, agent: httpx.AsyncClient, address: str, text: str) -> tuple[str, dict[str, Any]]:
    """Somebody asks a question; the contact and the question, once the helpdesk has it."""
    form = {
        "channel": "web_form", "stated_task": "helpdesk", "sender": {"kind": "email", "value": address}, "text": text,
        "language": "de",
    }  # fmt: skip
    accepted = await world.send_form(form)
    assert accepted.is_success, accepted.text
    contact_id = accepted.json()["contact_id"]
    journey_id = (await agent.get(f"/intake/v1/contacts/{contact_id}")).json()["journey_id"]

    async def look() -> dict[str, Any] | None:
        page = (await agent.get(QUESTIONS, params={"journey_id": journey_id})).json()
        return next((one for one in page["items"] if one["contact_id"] == contact_id), None)

    found = await until(look, f"question of {address}")
    assert found is not None
    return contact_id, found


async def test_who_was_failed_twice_comes_to_the_top_staff_who_may_make_it_good(
    world: World, stack: Stack, moved_back: None
) -> None:
    anna, tim = await world.person("agent", name="anna"), await world.person("agent", name="tim", tier=3)
    address = f"luca+{uuid4().hex[:8]}@post.example"
    _, question = await ask(world, anna, address, "Wie richte ich das WLAN am Router ein?")
    assert question["tier"] == 1
    path = f"{QUESTIONS}/{question['question_id']}"

    # The first failure: nobody answers in time.
    move_clock(stack, read_clock_now(stack) + timedelta(hours=25))

    async def overdue() -> bool:
        return bool((await anna.get(path)).json()["overdue"])

    await until(overdue, "broken promise")

    # The second: a wrong bill. The billing system knows the address, so it is one person with one story (R60).
    run, today = uuid4().hex[:8], datetime.now(UTC) + read_clock_now(stack)
    biller = Biller(await world.person("partner"), customer_number=f"CH{int(run, 16)}")
    await biller.tell("customer_record_changed", email=address, name="Luca Keller", language="de")
    await biller.bill(f"R-{run}", issued=today - timedelta(days=3), roaming=12_000)

    async def billed() -> httpx.Response | None:
        answer = await anna.get(f"{BILLING}/invoices/R-{run}")
        return answer if answer.is_success else None

    bill = await until(billed, "bill")
    assert bill is not None
    wrong = {"lines": [{"line_id": "2", "net": 0}], "reason": "wrong_line", "language": "de"}
    await world.command(anna, f"{BILLING}/invoices/R-{run}/correction", wrong, seen=bill)

    async def both_are_known() -> bool:
        body = {
            "journey_id": question["journey_id"], "case_id": question["question_id"], "severity": 3,
            "product_value": {"amount": 12_500, "currency": "EUR"}, "reason": "repeated_failure",
        }  # fmt: skip
        steps = (await tim.post(f"{GOODWILL}/preview", json=body)).json()["explanation"]
        return any("for 2 failures" in step["says"] for step in steps)

    await until(both_are_known, "two failures")

    async def comes_to_the_top() -> tuple[str, dict[str, Any]] | None:
        contact_id, found = await ask(world, anna, address, "Wie sind Ihre Öffnungszeiten am Samstag?")
        return (contact_id, found) if found["tier"] == 3 else None

    # The guard acts before the next answer: an easy question, and yet it comes to the top staff.
    found = await until(comes_to_the_top, "question at the top tier")
    assert found is not None
    contact_id, second = found
    proposal = {
        "journey_id": second["journey_id"], "case_id": second["question_id"], "contact_id": contact_id, "severity": 3,
        "product_value": {"amount": 12_500, "currency": "EUR"}, "reason": "repeated_failure",
    }  # fmt: skip
    annas = (await anna.post(f"{GOODWILL}/preview", json=proposal)).json()
    assert (annas["outcome"], annas["waits_for"]) == ("waits_for_approval", "agent_tier_3")
    given = await world.command(tim, GOODWILL, proposal)
    assert (given.json()["status"], given.json()["amount"]["amount"]) == ("approved", 4000)
    assert given.json()["failures"] == 2
