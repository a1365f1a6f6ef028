"""Goodwill over HTTP: who may do what, what a preview shows, and what a repetition does."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from anliegen.events import Channel, ComplaintsReplyRequested, ContactReceived, GoodwillDecided, GoodwillIssued
from anliegen.events.builders import build
from anliegen.kit.clock import FixedClock
from anliegen.kit.testing.clients import TestClient

GOODWILL = "/complaints/v1/goodwill"


def wanted(**fields: Any) -> dict[str, Any]:
    usual = {
        "journey_id": str(uuid4()), "case_id": str(uuid4()), "contact_id": str(uuid4()), "severity": 3, "failures": 1,
        "product_value": {"amount": 12_500, "currency": "EUR"}, "reason": "late_delivery",
    }  # fmt: skip
    return usual | fields


async def command(
    caller: httpx.AsyncClient, path: str, body: dict[str, Any], *, seen: httpx.Response | None = None, key: str = ""
) -> httpx.Response:
    headers = {"Idempotency-Key": f'"{key or uuid4()}"'} | ({"If-Match": seen.headers["etag"]} if seen else {})
    return await caller.post(f"{GOODWILL}{path}", json=body, headers=headers)


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["code"]


async def test_an_agent_previews_proposes_issues_and_a_shop_redeems(
    client: TestClient, deliver: Any, published: Any
) -> None:
    agent, shop = client.as_agent(sub="anna", tasks=["helpdesk"]), client.as_("partner", sub="shop")
    wrote = build(ContactReceived, channel=Channel.EMAIL, customer_number=None, automatic=False)
    await deliver(wrote)
    body = wanted(journey_id=str(wrote.journey_id), contact_id=str(wrote.contact_id))
    preview = (await agent.post(f"{GOODWILL}/preview", json=body)).json()
    assert (preview["outcome"], preview["amount"]) == ("approved", {"amount": 2500, "currency": "EUR"})
    assert preview["explanation"][0]["says"] == "20.00 % of 125.00 EUR, for severity 3: it was serious"
    assert await published() == []
    given = await command(agent, "", body)
    assert given.status_code == 201, given.text
    path = f"/{given.json()['goodwill_id']}"
    assert given.headers["location"] == f"{GOODWILL}{path}"
    assert (given.json()["status"], given.json()["decision"]) == ("approved", preview)
    issued = await command(agent, f"{path}/issue", {"kind": "gift"}, seen=given)
    assert (issued.json()["status"], issued.json()["kind"]) == ("issued", "gift")
    used = await command(shop, "/redemptions", {"code": issued.json()["code"], "order_reference": "A-1"})
    assert (used.json()["status"], used.json()["left"]["amount"]) == ("redeemed", 0)
    # A shop sees neither who decided nor by which figures, and not whose it is.
    assert not {"decision", "journey_id", "case_id", "proposed_by", "reason"} & used.json().keys()
    detail = (await agent.get(f"{GOODWILL}{path}")).json()
    assert [one["order_reference"] for one in detail["redemptions"]] == ["A-1"]
    assert (await agent.get(f"{GOODWILL}{path}/explanation")).json() == preview
    assert len(await published(GoodwillIssued)) == len(await published(ComplaintsReplyRequested)) == 1


async def test_what_is_beyond_an_agent_is_decided_by_somebody_else(client: TestClient) -> None:
    anna, beat = client.as_agent(sub="anna"), client.as_agent(sub="beat")
    top, sara = client.as_agent(sub="tim", roles=["agent", "tier_3"]), client.as_supervisor(sub="sara")
    waits = await command(anna, "", wanted(failures=2))
    path = f"/{waits.json()['goodwill_id']}"
    assert (waits.json()["status"], waits.json()["decision"]["waits_for"]) == ("waiting_for_approval", "agent_tier_3")
    listed = (await sara.get(GOODWILL, params={"status": "waiting_for_approval", "waits_for": "agent_tier_3"})).json()
    assert [one["goodwill_id"] for one in listed["items"]] == [waits.json()["goodwill_id"]]
    assert problem(await command(anna, f"{path}/approval", {}, seen=waits)) == (403, "own_proposal")
    assert problem(await command(beat, f"{path}/approval", {}, seen=waits)) == (403, "not_competent")
    assert problem(await command(top, f"{path}/approval", {"amount": 5000}, seen=waits)) == (422, "more_than_proposed")
    approved = await command(top, f"{path}/approval", {"amount": 3000}, seen=waits)
    assert (approved.json()["status"], approved.json()["amount"]["amount"]) == ("approved", 3000)
    assert (await command(sara, f"{path}/refusal", {"reason": "abuse"}, seen=waits)).status_code == 412
    assert problem(await command(sara, f"{path}/refusal", {"reason": "abuse"}, seen=approved)) == (409, "not_waiting")
    back = await command(sara, f"{path}/withdrawal", {"reason": "given_by_mistake"}, seen=approved)
    assert back.json()["status"] == "withdrawn"


async def test_a_refused_customer_is_offered_another_way(client: TestClient, published: Any) -> None:
    anna, sara = client.as_agent(sub="anna"), client.as_supervisor(sub="sara")
    waits = await command(anna, "", wanted(failures=2))
    path = f"/{waits.json()['goodwill_id']}/refusal"
    assert problem(await command(sara, path, {"reason": "because"}, seen=waits)) == (422, "reason_unknown")
    declined = await command(sara, path, {"reason": "not_our_failure"}, seen=waits)
    assert (declined.json()["status"], declined.json()["decline_reason"]) == ("declined", "not_our_failure")
    assert "callback_by_the_top_tier" in (await published(GoodwillDecided))[-1].other_ways


async def test_a_command_that_is_sent_again_does_it_once(client: TestClient, published: Any) -> None:
    anna, body = client.as_agent(sub="anna"), wanted()
    first, second = [await command(anna, "", body, key="once") for _ in range(2)]
    assert first.json() == second.json()
    assert len(await published(GoodwillDecided)) == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"severity": 5}, 422), ({"severity": 0}, 422), ({"reason": "because"}, 422), ({"segment": "royal"}, 422),
        ({"amount": 0}, 422), ({"product_value": {"amount": -1, "currency": "EUR"}}, 422), ({"failures": -1}, 422),
        ({"product_value": {"amount": 1, "currency": "euro"}}, 422), ({"code": "MINE"}, 422),
        ({"product_value": {"amount": 100, "currency": "SEK"}}, 201),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(client: TestClient, fields: dict[str, Any], status: int) -> None:
    assert (await command(client.as_agent(), "", wanted(**fields))).status_code == status


async def test_customers_and_strangers_have_no_say(client: TestClient) -> None:
    given = await command(client.as_agent(), "", wanted())
    path = f"{GOODWILL}/{given.json()['goodwill_id']}"
    scopes = "cases:read cases:write goodwill:redeem"
    customer = client.as_("customer", scopes=scopes, journey_id=uuid4())
    for response in (
        await customer.get(path), await customer.get(GOODWILL), await customer.get(f"{path}/explanation"),
        await customer.post(f"{GOODWILL}/preview", json=wanted()), await command(customer, "", wanted()),
        await command(customer, f"/{given.json()['goodwill_id']}/issue", {}, seen=given),
        await customer.get(f"{GOODWILL}/budget", params={"month": "2026-03", "currency": "EUR"}),
    ):  # fmt: skip
        assert problem(response) == (403, "staff_only")
    assert (await client.anonymous.get(path)).status_code == 401
    assert (await client.as_agent().get(f"{GOODWILL}/{uuid4()}")).status_code == 404
    body = {"code": "ABCDEFGHJKLMNPQR", "order_reference": "A-1"}
    assert problem(await command(client.as_("partner"), "/redemptions", body)) == (404, "code_unknown")
    assert (await command(client.as_("service"), "/redemptions", body)).status_code == 403


async def test_the_budget_report_says_what_was_given_for_what_and_what_is_left(client: TestClient) -> None:
    agent = client.as_agent()
    for fields in ({}, {"reason": "missed_callback"}, {"failures": 2}):
        await command(agent, "", wanted(**fields))
    report = (await agent.get(f"{GOODWILL}/budget", params={"month": "2026-03", "currency": "EUR"})).json()
    assert (report["given"]["amount"], report["left"]["amount"]) == (5000, 495_000)
    lines = {line["reason"]: (line["decided"], line["waiting"], line["amount"]) for line in report["lines"]}
    assert lines == {"late_delivery": (1, 1, 2500), "missed_callback": (1, 0, 2500)}
    other = (await agent.get(f"{GOODWILL}/budget", params={"month": "2026-04", "currency": "EUR"})).json()
    assert (other["given"]["amount"], other["lines"]) == (0, [])


async def test_a_list_has_pages_and_shows_the_whole_person(client: TestClient, clock: FixedClock) -> None:
    agent, journey_id, made = client.as_agent(), str(uuid4()), []
    for _ in range(3):
        clock.advance(timedelta(hours=1))
        made.append((await command(agent, "", wanted(journey_id=journey_id))).json()["goodwill_id"])
    await command(agent, "", wanted())
    first = (await agent.get(GOODWILL, params={"journey_id": journey_id, "limit": 2})).json()
    second = (await agent.get(GOODWILL, params={"journey_id": journey_id, "limit": 2, "cursor": first["next"]})).json()
    assert [one["goodwill_id"] for one in first["items"] + second["items"]] == made
    assert second["next"] is None


async def test_codes_are_shown_where_one_is_looked_at_and_not_in_lists(client: TestClient) -> None:
    agent, journey_id = client.as_agent(), str(uuid4())
    given = await command(agent, "", wanted(journey_id=journey_id))
    issued = (await command(agent, f"/{given.json()['goodwill_id']}/issue", {}, seen=given)).json()
    (listed,) = (await agent.get(GOODWILL, params={"journey_id": journey_id})).json()["items"]
    assert (len(issued["code"]), listed["code"]) == (16, f"…{issued['code'][-4:]}")
    assert (await agent.get(f"{GOODWILL}/{issued['goodwill_id']}")).json()["code"] == issued["code"]
