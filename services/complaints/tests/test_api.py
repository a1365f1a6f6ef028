"""Complaints over HTTP: previews change nothing, stale versions are refused, customers see their own alone."""

from typing import Any
from uuid import uuid4

import pytest

URL = "/complaints/v1/complaints"
ASSESSMENT = {"severity": 4, "complexity": 2, "impact": 3}
UPHELD = {"outcome": "upheld", "reasons": ["our_mistake"]}
REJECTED = {"outcome": "rejected", "reasons": ["as_agreed"], "other_ways": ["ombudsman"]}


def command(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"', "Idempotency-Key": f'"{uuid4()}"'}


@pytest.fixture
def post(client: Any) -> Any:
    """`await post(case_id, "assessment", body)`: a command of an agent on the newest version; tells the answer."""

    async def send(case_id: Any, name: str, body: dict[str, Any] | None = None) -> Any:
        agent = client.as_agent()
        version = (await agent.get(f"{URL}/{case_id}")).json()["version"]
        return await agent.post(f"{URL}/{case_id}/{name}", json=body or {}, headers=command(version))

    return send


async def test_agent_works_through_a_complaint(client: Any, open_complaint: Any, post: Any) -> None:
    complaint = await open_complaint()
    case_id = complaint.case_id
    assert (await post(case_id, "taking")).status_code == 200
    assessed = await post(case_id, "assessment", ASSESSMENT)
    assert (assessed.json()["priority"], assessed.json()["status"]) == ("urgent", "assessed")
    owner = {"kind": "check_records", "owner": "bea", "due_at": "2026-03-04T09:00:00Z"}
    assert (await post(case_id, "investigations", owner)).status_code == 201
    refused = await post(case_id, "decision", UPHELD)
    assert (refused.status_code, refused.json()["code"]) == (409, "investigations_open")
    (investigation,) = (await client.as_agent().get(f"{URL}/{case_id}")).json()["investigations"]
    done = await post(case_id, f"investigations/{investigation['investigation_id']}/completion")
    assert done.status_code == 200
    assert (await post(case_id, "decision", UPHELD)).json()["decision"]["outcome"] == "upheld"
    remedy = {"remedy": "refund", "amount": {"amount": 4250, "currency": "CHF"}}
    assert (await post(case_id, "remedy", remedy)).json()["status"] == "remedied"
    answered = await post(case_id, "final-response", {"response": "accept", "answer": "Es tut uns leid."})
    assert answered.json()["status"] == "communicated"
    plan = {"cause": "training", "measure": "train_staff", "owner": "carl", "due_at": "2026-06-01T09:00:00Z"}
    assert (await post(case_id, "preventions", plan)).status_code == 201
    detail = (await client.as_agent().get(f"{URL}/{case_id}")).json()
    assert [step["step"] for step in detail["steps"]][-2:] == ["communicated", "prevention_planned"]
    assert len(detail["responses"]) == len(detail["preventions"]) == 1
    assert (await post(case_id, "resolution", {"resolution": "accepted"})).json()["status"] == "followed_up"
    assert (await post(case_id, "reopening", {"reason": "decision_was_wrong"})).json()["status"] == "reopened"


async def test_previews_show_what_would_be_and_change_nothing(
    client: Any, open_complaint: Any, post: Any, database: Any, published: Any
) -> None:
    case_id = (await open_complaint(tier=1)).case_id
    agent = client.as_agent()
    before, said = await database.snapshot("complaints", "steps", "clocks"), len(await published())
    seen = await agent.post(f"{URL}/{case_id}/assessment/preview", json=ASSESSMENT)
    assert (seen.json()["priority"], seen.json()["tier"]) == ("urgent", 2)
    assert await database.snapshot("complaints", "steps", "clocks") == before
    await post(case_id, "assessment", ASSESSMENT)
    seen = await agent.post(f"{URL}/{case_id}/decision/preview", json=REJECTED)
    assert seen.json()["status"] == "decided"
    bare = await agent.post(f"{URL}/{case_id}/decision/preview", json=REJECTED | {"other_ways": []})
    assert (bare.status_code, bare.json()["code"]) == (422, "other_way_missing")
    await post(case_id, "decision", REJECTED)
    before, said = await database.snapshot("complaints", "steps", "clocks"), len(await published())
    response = {"response": "reject", "answer": "Leider nein."}
    seen = await agent.post(f"{URL}/{case_id}/final-response/preview", json=response)
    assert seen.json()["status"] == "communicated"
    assert await database.snapshot("complaints", "steps", "clocks") == before
    assert len(await published()) == said


async def test_stale_version_is_refused(client: Any, open_complaint: Any, post: Any) -> None:
    case_id = (await open_complaint()).case_id
    await post(case_id, "taking")
    stale = await client.as_agent().post(f"{URL}/{case_id}/assessment", json=ASSESSMENT, headers=command(1))
    assert stale.status_code == 412


async def test_customers_see_their_own_complaint_and_work_on_none(client: Any, open_complaint: Any) -> None:
    complaint = await open_complaint()
    customer = client.as_customer(complaint.journey_id)
    stranger = client.as_customer(uuid4())
    assert (await stranger.get(f"{URL}/{complaint.case_id}")).status_code in {403, 404}
    assert (await customer.get(f"{URL}/{complaint.case_id}/clocks")).status_code == 403


async def test_agent_notes_a_complaint_from_a_contact(client: Any, open_complaint: Any) -> None:
    complaint = await open_complaint()
    body = {"contact_id": str(complaint.contact_id), "intent": "staff", "country": "GB", "line": "banking"}
    noted = await client.as_agent().post(URL, json=body, headers={"Idempotency-Key": '"a"'})
    assert noted.status_code == 201
    clocks = (await client.as_agent().get(noted.headers["Location"] + "/clocks")).json()["clocks"]
    assert {one["pack"] for one in clocks} == {"fca_disp/1"}
    unknown = await client.as_agent().post(URL, json=body | {"line": "yachts"}, headers={"Idempotency-Key": '"b"'})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "market_unknown")


async def test_list_shows_what_is_due_first_and_filters(client: Any, open_complaint: Any, post: Any) -> None:
    later, sooner = await open_complaint(priority="low"), await open_complaint(priority="urgent")
    await post(later.case_id, "taking")
    items = (await client.as_agent().get(URL)).json()["items"]
    assert [item["complaint_id"] for item in items] == [str(sooner.case_id), str(later.case_id)]
    mine = (await client.as_agent().get(f"{URL}?assignee=me&status=received")).json()["items"]
    assert [item["complaint_id"] for item in mine] == [str(later.case_id)]
