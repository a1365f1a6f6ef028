"""What agents and customers read of a person: the briefing, the timeline, as it is and as it was."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import JourneysMerged, JourneysSplit, ReplyRequested
from anliegen.events.builders import build
from anliegen.events.registry import classes_of
from anliegen.journey.visibility import CUSTOMER_SEES

PREFIX = "/journey/v1/journeys"


async def timeline(caller: Any, journey_id: UUID, **query: Any) -> list[dict[str, Any]]:
    response = await caller.get(f"{PREFIX}/{journey_id}/timeline", params={"limit": 200, **query})
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["type"].split(".")[1] for entry in entries]


STORY = [
    "contact_received", "customer_learnt", "contact_triaged", "question_opened", "answer_overdue", "question_answered",
    "reply_requested", "reply_sent", "question_resolved",
]  # fmt: skip


@pytest.fixture
async def told(teller: Any, deliver: Any) -> dict[str, UUID]:
    """One person's story, delivered in reverse."""
    journey_id = uuid4()
    ids: dict[str, UUID] = teller.answered_question(journey_id)
    await deliver(*reversed(teller.told))
    return {"journey_id": journey_id, **ids}


async def test_agent_reads_the_whole_story_in_order(client: Any, told: Any) -> None:
    entries = await timeline(client.as_agent(), told["journey_id"])
    assert names(entries) == STORY
    assert entries[0]["data"]["text"].startswith("Wann haben Sie geöffnet?")
    assert entries[2]["causation_id"] == entries[0]["event_id"]


async def test_pages_follow_each_other_both_ways(client: Any, told: Any) -> None:
    agent, path = client.as_agent(), f"{PREFIX}/{told['journey_id']}/timeline"
    first = await agent.get(path, params={"limit": 4})
    second = await agent.get(path, params={"limit": 4, "cursor": first.json()["next"]})
    third = await agent.get(path, params={"limit": 4, "cursor": second.json()["next"]})
    assert names(first.json()["items"] + second.json()["items"] + third.json()["items"]) == STORY
    assert third.json()["next"] is None
    assert 'rel="next"' in first.headers["link"]
    back = await agent.get(path, params={"limit": 4, "cursor": second.json()["prev"]})
    assert names(back.json()["items"]) == STORY[:4]
    latest = await agent.get(path, params={"limit": 3, "sort": "-at"})
    assert names(latest.json()["items"]) == STORY[:-4:-1]
    earlier = await agent.get(path, params={"limit": 3, "sort": "-at", "cursor": latest.json()["next"]})
    assert names(earlier.json()["items"]) == STORY[-4:-7:-1]


async def test_filters_by_type_service_and_case(client: Any, teller: Any, deliver: Any) -> None:
    journey_id = uuid4()
    case_id = teller.answered_question(journey_id)["case_id"]
    inquiry = teller.open_inquiry(journey_id)
    await deliver(*teller.told)
    agent = client.as_agent()
    assert names(await timeline(agent, journey_id, service="billing-inquiry")) == ["inquiry_opened"]
    assert names(await timeline(agent, journey_id, type="triage.contact_triaged.v1")) == ["contact_triaged"]
    assert {e["case_id"] for e in await timeline(agent, journey_id, case_id=str(inquiry))} == {str(inquiry)}
    both = await timeline(agent, journey_id, case_id=[str(inquiry), str(case_id)])
    assert {entry["case_id"] for entry in both} == {str(inquiry), str(case_id)}
    assert (await agent.get(f"{PREFIX}/{journey_id}/timeline", params={"kind": "x"})).status_code == 400


async def test_briefing_tells_the_story_so_far(client: Any, told: Any) -> None:
    response = await client.as_agent().get(f"{PREFIX}/{told['journey_id']}")
    story = response.json()
    assert story["names"] == ["Reto Amstutz"]
    assert [(h["kind"], h["value"], h["assurance"]) for h in story["handles"]] == [
        ("customer_number", "ch-4711", "claimed"),
        ("email", "reto@post.example", "verified"),
    ]
    assert [(case["task"], case["status"]) for case in story["cases"]] == [("helpdesk", "resolved")]
    assert story["promises"] == {"open": [], "kept": 0, "broken": 1}
    assert [failure["code"] for failure in story["failures"]] == ["answer_overdue"]
    assert [answer["answer"] for answer in story["answers"]] == ["Von zehn bis sechzehn Uhr."]
    assert story["answers"][0]["sent_at"] == "2026-03-02T08:41:00Z"
    assert story["mood"] == {"latest": "negative", "history": ["negative"], "flags": ["legal"]}
    assert story["contacts"][0]["text"].startswith("Wann haben Sie geöffnet?")


async def test_story_as_it_was(client: Any, told: Any, teller: Any) -> None:
    agent, then = client.as_agent(), (teller.morning + timedelta(minutes=20)).isoformat()
    assert names(await timeline(agent, told["journey_id"], as_of=then)) == STORY[:4]
    story = (await agent.get(f"{PREFIX}/{told['journey_id']}", params={"as_of": then})).json()
    assert [case["status"] for case in story["cases"]] == ["opened"]
    assert [promise["state"] for promise in story["promises"]["open"]] == ["open"]
    assert (story["failures"], story["answers"]) == ([], [])
    before = (teller.morning - timedelta(minutes=1)).isoformat()
    assert (await agent.get(f"{PREFIX}/{told['journey_id']}", params={"as_of": before})).status_code == 404


async def test_looking_back_to_now_is_the_same_as_looking_at_now(
    client: Any, teller: Any, deliver: Any, told: Any
) -> None:
    teller.open_inquiry(told["journey_id"], minute=70)
    teller.answered_question(told["journey_id"], mail="r.amstutz@work.example")
    await deliver(*teller.told)
    agent = client.as_agent()
    now = (await agent.get(f"{PREFIX}/{told['journey_id']}")).json()
    later = (teller.morning + timedelta(days=1)).isoformat()
    then = (await agent.get(f"{PREFIX}/{told['journey_id']}", params={"as_of": later})).json()
    assert now.pop("as_of") != then.pop("as_of")
    assert now == then
    assert now["contact_count"] == 2


async def test_found_by_customer_number_and_by_handle(client: Any, told: Any) -> None:
    agent = client.as_agent()
    for query in (
        {"customer_number": "CH-4711"},
        {"handle": "Reto@post.example"},
        {"handle": "reto@post.example", "kind": "email"},
    ):
        (found,) = (await agent.get(PREFIX, params=query)).json()["items"]
        assert found["journey_id"] == str(told["journey_id"])
    for query in ({"customer_number": "CH-1"}, {"handle": "reto@post.example", "kind": "phone"}):
        assert (await agent.get(PREFIX, params=query)).json()["items"] == []
    for wrong in ({}, {"kind": "email"}, {"customer_number": "1", "handle": "2"}):
        assert (await agent.get(PREFIX, params=wrong)).status_code == 422


@pytest.fixture
async def merged(teller: Any, deliver: Any) -> dict[str, Any]:
    """Two journeys that are one person's from minute 50 to minute 70."""
    a, b = sorted([uuid4(), uuid4()])
    teller.answered_question(a)
    teller.open_inquiry(b)
    link = {"link_id": uuid4(), "journey_a": a, "journey_b": b}
    made = teller.morning + timedelta(minutes=50)
    teller.tell(build(JourneysMerged, **link, made_at=made), minute=50)
    await deliver(*teller.told)
    split = build(JourneysSplit, **link, removed_at=teller.morning + timedelta(minutes=70))
    return {"a": a, "b": b, "split": teller.tell(split, minute=70)}


async def test_linked_journeys_are_told_as_one(client: Any, merged: Any) -> None:
    agent = client.as_agent()
    of_a, of_b = await timeline(agent, merged["a"]), await timeline(agent, merged["b"])
    assert of_a == of_b
    assert {"question_opened", "inquiry_opened", "journeys_merged"} <= set(names(of_a))
    story = (await agent.get(f"{PREFIX}/{merged['b']}")).json()
    assert story["members"] == [str(merged["a"]), str(merged["b"])]
    assert {case["task"] for case in story["cases"]} == {"helpdesk", "billing_inquiry"}
    (found,) = (await agent.get(PREFIX, params={"customer_number": "CH-4711"})).json()["items"]
    assert found["root"] == str(merged["a"])
    assert len(found["members"]) == 2


async def test_split_reads_as_before_and_the_past_stays_what_it_was(
    client: Any, merged: Any, deliver: Any, teller: Any
) -> None:
    await deliver(merged["split"])
    agent = client.as_agent()
    assert names(await timeline(agent, merged["b"])) == ["inquiry_opened", "journeys_merged", "journeys_split"]
    assert "inquiry_opened" not in names(await timeline(agent, merged["a"]))
    story = (await agent.get(f"{PREFIX}/{merged['b']}")).json()
    assert [case["task"] for case in story["cases"]] == ["billing_inquiry"]
    while_linked = (teller.morning + timedelta(minutes=60)).isoformat()
    assert "question_opened" in names(await timeline(agent, merged["b"], as_of=while_linked))
    before = (teller.morning + timedelta(minutes=49)).isoformat()
    assert names(await timeline(agent, merged["b"], as_of=before)) == ["inquiry_opened"]


async def test_customer_sees_the_own_story_without_our_thoughts(client: Any, told: Any) -> None:
    customer = client.as_customer(told["journey_id"])
    entries = await timeline(customer, told["journey_id"])
    assert names(entries) == [
        "contact_received", "question_opened", "question_answered", "reply_requested", "reply_sent",
        "question_resolved",
    ]  # fmt: skip
    assert "tier" not in entries[1]["data"]
    assert "answered_by" not in entries[2]["data"]
    assert all(entry["causation_id"] is None for entry in entries)
    story = (await customer.get(f"{PREFIX}/{told['journey_id']}")).json()
    assert (story["mood"], story["failures"], story["handles"]) == (None, [], [])
    assert story["contacts"][0]["concerns"] is None
    assert [answer["answer"] for answer in story["answers"]] == ["Von zehn bis sechzehn Uhr."]


@pytest.mark.parametrize("path", ["", "/timeline", "/stream"])
async def test_foreign_journey_does_not_exist_for_a_customer(client: Any, told: Any, path: str) -> None:
    for caller in (client.as_customer(uuid4()), client.as_("customer"), client.as_("partner", scopes="journeys:read")):
        response = await caller.get(f"{PREFIX}/{told['journey_id']}{path}")
        assert (response.status_code, response.json()["code"]) == (404, "journey_not_found")
    assert (await client.as_agent().get(f"{PREFIX}/{uuid4()}{path}")).status_code == 404
    assert (await client.as_agent(scope="cases:read").get(f"{PREFIX}/{told['journey_id']}{path}")).status_code == 403
    assert (await client.anonymous.get(f"{PREFIX}/{told['journey_id']}{path}")).status_code == 401


async def test_customer_finds_only_the_own_journey(client: Any, told: Any) -> None:
    query = {"customer_number": "CH-4711"}
    assert (await client.as_customer(uuid4()).get(PREFIX, params=query)).json()["items"] == []
    assert len((await client.as_customer(told["journey_id"]).get(PREFIX, params=query)).json()["items"]) == 1


async def test_removed_link_shows_a_customer_nothing_even_in_the_past(
    client: Any, merged: Any, deliver: Any, teller: Any
) -> None:
    await deliver(merged["split"])
    then = (teller.morning + timedelta(minutes=60)).isoformat()
    customer = client.as_customer(merged["b"])
    assert names(await timeline(customer, merged["b"], as_of=then)) == ["inquiry_opened"]
    assert (await customer.get(f"{PREFIX}/{merged['a']}/timeline", params={"as_of": then})).status_code == 404


def test_every_reply_of_a_task_is_among_what_its_customer_sees() -> None:
    assert {cls.event_type for cls in classes_of(ReplyRequested)} <= CUSTOMER_SEES.keys()
