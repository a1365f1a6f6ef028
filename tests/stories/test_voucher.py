"""The voucher: in proportion, below the cost of winning a customer, decided by who may; its effect is measured."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from anliegen.stack.business_clock import move_clock, read_clock
from anliegen.stack.stack import Stack
from anliegen.stack.world import World, until

pytestmark = pytest.mark.stack
GOODWILL = "/complaints/v1/goodwill"


async def customer_of(world: World, agent: httpx.AsyncClient, address: str) -> dict[str, Any]:
    """Somebody whose dress came too late for the wedding: journey, contact and case."""
    form = {
        "channel": "web_form", "stated_task": "helpdesk", "sender": {"kind": "email", "value": address},
        "text": "Das Kleid kam erst nach der Hochzeit an. Kann ich es noch zurückgeben?", "language": "de",
    }  # fmt: skip
    accepted = await world.send_form(form)
    assert accepted.is_success, accepted.text

    async def look() -> dict[str, Any] | None:
        found = await agent.get("/journey/v1/journeys", params={"handle": address, "kind": "email"})
        for item in found.json()["items"]:
            briefing = (await agent.get(f"/journey/v1/journeys/{item['journey_id']}")).json()
            if briefing["cases"]:
                return {
                    "journey_id": briefing["journey_id"],
                    "contact_id": accepted.json()["contact_id"],
                    "case_id": briefing["cases"][0]["case_id"],
                }
        return None

    found = await until(look, f"case of {address}")
    assert found is not None
    return found


def dress(customer: dict[str, Any], *, price: int, severity: int) -> dict[str, Any]:
    return customer | {
        "severity": severity, "product_value": {"amount": price, "currency": "EUR"}, "reason": "late_delivery",
    }  # fmt: skip


async def mail_with(world: World, address: str, words: str) -> str:
    async def look() -> str:
        return next((mail["text"] for mail in await world.mails_to(address) if words in mail["text"]), "")

    return await until(look, f"mail with {words!r}")


async def test_a_voucher_is_proportionate_decided_by_who_may_and_its_effect_is_measured(
    world: World, stack: Stack, moved_back: None
) -> None:
    anna, sara = await world.person("agent", name="anna"), await world.person("supervisor", name="sara")
    shop = await world.person("partner", name="shop")
    run = uuid4().hex[:8]
    elena, zoe = f"elena+{run}@post.example", f"zoe+{run}@post.example"

    # A dress for 125 euros: 25 euros are in proportion (R82, R83), and every agent may decide that (R90).
    first = dress(await customer_of(world, anna, elena), price=12_500, severity=3)
    preview = (await anna.post(f"{GOODWILL}/preview", json=first)).json()
    assert (preview["outcome"], preview["amount"]) == ("approved", {"amount": 2500, "currency": "EUR"})
    given = await world.command(anna, GOODWILL, first)
    assert given.json()["decision"]["explanation"] == preview["explanation"]
    path = f"{GOODWILL}/{given.json()['goodwill_id']}"
    await world.command(anna, f"{path}/issue", {}, seen=given)
    text = await mail_with(world, elena, "25,00\u00a0€")
    (code,) = re.findall(r"[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}", text)

    # A gown for 900 euros, worth nothing: below the 80 euros that a customer costs (R85), and not for Anna to give.
    second = dress(await customer_of(world, anna, zoe), price=90_000, severity=4)
    waits = await world.command(anna, GOODWILL, second)
    assert (waits.json()["status"], waits.json()["amount"]["amount"]) == ("waiting_for_approval", 7500)
    assert waits.json()["decision"]["waits_for"] == "agent_tier_3"
    other = f"{GOODWILL}/{waits.json()['goodwill_id']}"
    headers = {"Idempotency-Key": f'"{uuid4()}"', "If-Match": waits.headers["etag"]}
    assert (await anna.post(f"{other}/approval", json={}, headers=headers)).status_code == 403
    approved = await world.command(sara, f"{other}/approval", {}, seen=waits)
    await world.command(anna, f"{other}/issue", {}, seen=approved)
    await mail_with(world, zoe, "75,00\u00a0€")

    # Elena comes back to the shop; the shop asks twice, since its first request seemed lost.
    for _ in range(2):
        used = await world.command(shop, f"{GOODWILL}/redemptions", {"code": code, "order_reference": f"A-{run}"})
    assert (used.json()["status"], used.json()["left"]["amount"]) == ("redeemed", 0)

    # Ninety days later it shows what it was good for; of Zoe nobody can say, and nobody does.
    move_clock(stack, max(read_clock(stack).values(), default=timedelta()) + timedelta(days=90, minutes=5))

    async def effects() -> list[dict[str, str]]:
        found = [(await sara.get(place)).json()["effect"] for place in (path, other)]
        return found if all(found) else []

    (elenas, zoes) = await until(effects, "effects")
    assert (elenas["kept"], elenas["bought_again"]) == ("yes", "yes")
    assert (zoes["kept"], zoes["bought_again"]) == ("unknown", "unknown")

    async def told() -> list[str]:
        page = await sara.get(f"/journey/v1/journeys/{first['journey_id']}/timeline", params={"limit": 200})
        kinds = [one["type"] for one in page.json()["items"] if one["type"].startswith("complaints.goodwill_")]
        return kinds if len(kinds) >= 4 else []

    wanted = ("decided", "issued", "redeemed", "effect_measured")
    assert await until(told, "timeline") == [f"complaints.goodwill_{fact}.v1" for fact in wanted]
