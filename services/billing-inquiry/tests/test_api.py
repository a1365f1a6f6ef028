"""Billing inquiry over HTTP: who may do what, what a repetition does, and what callers see."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from anliegen.billing_inquiry.domain import Inquiry
from anliegen.events import (
    BillingReplyRequested,
    ContactTriaged,
    InquiryAnswered,
    InquiryOpened,
    JourneysMerged,
    Task,
)
from anliegen.events.builders import build
from anliegen.kit.clock import FixedClock
from anliegen.kit.testing.clients import TestClient

Open = Callable[..., Awaitable[Inquiry]]
Deliver = Callable[..., Awaitable[Any]]
Triaged = Callable[..., ContactTriaged]
Read = Callable[..., Awaitable[list[Any]]]
INQUIRIES = "/billing-inquiry/v1/inquiries"
COMMANDS = {
    "taking": None,
    "invoice": {"invoice_number": "R-2026-004711"},
    "answer": {"answer": "Die Rechnung stimmt: Der Betrag enthält die Einrichtung."},
    "resolution": {"resolution": "accepted"},
    "reopening": {"reason": "customer_rejected"},
}
CUSTOMERS_OWN = "cases:read cases:write"


async def command(
    caller: httpx.AsyncClient, inquiry_id: UUID, verb: str, *, tag: str | None, key: str | None = None, **body: Any
) -> httpx.Response:
    headers = {"Idempotency-Key": f'"{key or uuid4()}"'} | ({"If-Match": tag} if tag else {})
    return await caller.post(f"{INQUIRIES}/{inquiry_id}/{verb}", headers=headers, json=body or COMMANDS[verb])


async def tag_of(caller: httpx.AsyncClient, inquiry_id: UUID) -> str:
    response = await caller.get(f"{INQUIRIES}/{inquiry_id}")
    assert response.status_code == 200, response.text
    return response.headers["etag"]


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["code"]


async def test_inquiry_is_taken_answered_rejected_and_settled(
    client: TestClient, open_inquiry: Open, published: Read
) -> None:
    inquiry, agent = await open_inquiry(), client.as_agent(sub="agent-17")
    path = f"{INQUIRIES}/{inquiry.case_id}"
    response = await agent.get(path)
    assert response.headers["etag"] == '"1"'
    assert response.json()["status"] == "open"
    assert response.json()["promise"]["pack"] == "billing_inquiry_service_levels/1"
    for verb, status in {
        "taking": "in_progress",
        "invoice": "in_progress",
        "answer": "answered",
        "reopening": "reopened",
        "resolution": "resolved",
    }.items():
        response = await command(agent, inquiry.case_id, verb, tag=response.headers["etag"])
        assert (response.status_code, response.json()["status"]) == (200, status), response.text
    detail = (await agent.get(path)).json()
    assert (detail["case_status"], detail["resolution"], detail["reopened"]) == ("resolved", "accepted", 1)
    assert (detail["tier"], detail["version"], detail["invoice_number"]) == (2, 6, "R-2026-004711")
    assert detail["contact_ids"] == [str(inquiry.contact_id)]
    (answer,) = detail["answers"]
    assert answer["answered_by"] == "agent-17"
    (reply,) = await published(BillingReplyRequested)
    assert str(reply.reply_id) == answer["reply_id"]
    assert "Einrichtung" not in str(detail), "words are not kept here"


@pytest.mark.parametrize("verb", COMMANDS)
async def test_command_that_is_sent_again_gets_the_same_answer(
    client: TestClient, open_inquiry: Open, published: Read, verb: str
) -> None:
    inquiry, agent = await open_inquiry(), client.as_agent()
    if verb == "reopening":
        await command(agent, inquiry.case_id, "answer", tag='"1"')
    tag, key = await tag_of(agent, inquiry.case_id), str(uuid4())
    first = await command(agent, inquiry.case_id, verb, tag=tag, key=key)
    announced = await published()
    again = await command(agent, inquiry.case_id, verb, tag=tag, key=key)
    assert first.status_code == again.status_code == 200
    assert (first.json(), first.headers["etag"]) == (again.json(), again.headers["etag"])
    assert again.headers["idempotency-replayed"] == "true"
    assert await published() == announced


@pytest.mark.parametrize("verb", COMMANDS)
async def test_command_needs_key_and_version_and_refuses_a_stale_one(
    client: TestClient, open_inquiry: Open, verb: str
) -> None:
    inquiry, agent = await open_inquiry(), client.as_agent()
    path = f"{INQUIRIES}/{inquiry.case_id}/{verb}"
    keyless = await agent.post(path, headers={"If-Match": '"1"'}, json=COMMANDS[verb])
    assert problem(keyless) == (400, "idempotency_key_missing")
    assert problem(await command(agent, inquiry.case_id, verb, tag=None)) == (428, "precondition_required")
    assert problem(await command(agent, inquiry.case_id, verb, tag='"7"')) == (412, "precondition_failed")


async def test_command_that_does_not_fit_the_state_is_a_conflict(client: TestClient, open_inquiry: Open) -> None:
    inquiry, agent = await open_inquiry(), client.as_agent()
    assert problem(await command(agent, inquiry.case_id, "reopening", tag='"1"')) == (409, "inquiry_still_open")
    await command(agent, inquiry.case_id, "resolution", tag='"1"', resolution="withdrawn")
    for verb in ("taking", "invoice", "answer", "resolution"):
        assert problem(await command(agent, inquiry.case_id, verb, tag='"2"')) == (409, "inquiry_settled")


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("invoice", {"invoice_number": " "}),
        ("answer", {"answer": " \n "}),
        ("answer", {"answer": "Ja", "language": "Deutsch"}),
        ("answer", {"answer": "Ja", "more": 1}),
        ("answer", {"answer": "Ja\u0000"}),
        ("resolution", {"resolution": "no_objection"}),
        ("reopening", {"reason": "messages_crossed"}),
    ],
)
async def test_body_that_is_not_right_is_refused(
    client: TestClient, open_inquiry: Open, verb: str, body: dict[str, Any]
) -> None:
    inquiry = await open_inquiry()
    response = await command(client.as_agent(), inquiry.case_id, verb, tag='"1"', **body)
    assert problem(response)[0] == 422


async def test_unchanged_inquiry_is_not_sent_again(client: TestClient, open_inquiry: Open) -> None:
    inquiry, agent = await open_inquiry(), client.as_agent()
    path = f"{INQUIRIES}/{inquiry.case_id}"
    tag = await tag_of(agent, inquiry.case_id)
    same = await agent.get(path, headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    await command(agent, inquiry.case_id, "taking", tag=tag)
    assert (await agent.get(path, headers={"If-None-Match": tag})).status_code == 200


async def test_agent_notes_an_inquiry(client: TestClient, deliver: Deliver, triaged: Triaged, published: Read) -> None:
    contact, agent = triaged(task=Task.CLAIMS), client.as_agent()
    await deliver(contact)
    body = {"contact_id": str(contact.contact_id), "intent": "invoice_question", "priority": "high", "tier": 2}
    body["invoice_number"] = "R-1"
    first, again = [await agent.post(INQUIRIES, json=body, headers={"Idempotency-Key": '"one"'}) for _ in range(2)]
    assert first.status_code == again.status_code == 201, first.text
    assert (await agent.get(first.headers["location"])).json()["journey_id"] == str(contact.journey_id)
    assert again.headers["location"] == first.headers["location"]
    (opened,) = await published(InquiryOpened)
    assert opened.invoice_number == "R-1"
    unknown = await agent.post(INQUIRIES, json=body | {"contact_id": str(uuid4())}, headers={"Idempotency-Key": "two"})
    assert problem(unknown) == (422, "contact_unknown")


async def test_list_is_filtered_sorted_and_paged(client: TestClient, open_inquiry: Open, clock: FixedClock) -> None:
    agent = client.as_agent(sub="agent-17")
    normal = await open_inquiry()
    clock.advance(timedelta(hours=1))
    urgent = await open_inquiry(priority="urgent", tier=3)
    clock.advance(timedelta(hours=1))
    low = await open_inquiry(priority="low")
    await command(agent, low.case_id, "taking", tag='"1"')

    async def ids(**query: Any) -> list[str]:
        response = await agent.get(INQUIRIES, params=query)
        assert response.status_code == 200, response.text
        return [item["inquiry_id"] for item in response.json()["items"]]

    n, u, w = (str(inquiry.case_id) for inquiry in (normal, urgent, low))
    assert await ids() == [u, n, w]
    assert await ids(sort="-opened_at") == [w, u, n]
    assert await ids(status=["open"]) == [u, n]
    assert await ids(status=["open", "in_progress"], priority=["low", "urgent"]) == [u, w]
    assert await ids(tier=3) == [u]
    await command(agent, normal.case_id, "invoice", tag='"1"')
    assert await ids(invoice_number="R-2026-004711") == [n]
    assert await ids(assignee="me") == await ids(assignee="agent-17") == [w]
    first = await agent.get(INQUIRIES, params={"limit": 2})
    assert 'rel="next"' in first.headers["link"]
    assert await ids(limit=2, cursor=first.json()["next"]) == [w]
    for wrong in ({"color": "red"}, {"status": "purple"}, {"cursor": "none"}, {"tier": 4}):
        assert problem(await agent.get(INQUIRIES, params=wrong))[0] in {400, 422}


async def test_reads_by_journey_follow_the_person(client: TestClient, open_inquiry: Open, deliver: Deliver) -> None:
    a, b = sorted([uuid4(), uuid4()])
    inquiries = [await open_inquiry(a), await open_inquiry(b)]
    await open_inquiry()

    async def count() -> list[int]:
        pages = [await client.as_agent().get(INQUIRIES, params={"journey_id": str(journey)}) for journey in (a, b)]
        own = await client.as_customer(a, scopes=CUSTOMERS_OWN).get(INQUIRIES)
        return [len(page.json()["items"]) for page in [*pages, own]]

    assert await count() == [1, 1, 1]
    await deliver(build(JourneysMerged, journey_a=a, journey_b=b))
    assert await count() == [2, 2, 2]
    other = await client.as_customer(a, scopes=CUSTOMERS_OWN).get(f"{INQUIRIES}/{inquiries[1].case_id}")
    assert other.status_code == 200


async def test_overdue_inquiry_shows_that_it_is(
    client: TestClient, open_inquiry: Open, clock: FixedClock, run_timers: Any
) -> None:
    inquiry = await open_inquiry()
    clock.advance(timedelta(hours=24))
    await run_timers()
    shown = (await client.as_agent().get(f"{INQUIRIES}/{inquiry.case_id}")).json()
    assert (shown["overdue"], shown["promise"]["state"], shown["status"]) == (True, "broken", "open")


async def test_nobody_reads_or_writes_without_the_scope(client: TestClient, open_inquiry: Open) -> None:
    inquiry = await open_inquiry()
    path = f"{INQUIRIES}/{inquiry.case_id}"
    assert problem(await client.anonymous.get(path)) == (401, "unauthenticated")
    reader, writer = client.as_("agent", scopes="cases:read"), client.as_("agent", scopes="cases:write")
    assert (await reader.get(path)).status_code == 200
    assert problem(await writer.get(path)) == (403, "scope_missing")
    assert problem(await writer.get(INQUIRIES)) == (403, "scope_missing")
    for verb in COMMANDS:
        assert problem(await command(reader, inquiry.case_id, verb, tag='"1"')) == (403, "scope_missing")
    note = await reader.post(INQUIRIES, json={}, headers={"Idempotency-Key": "one"})
    assert problem(note) == (403, "scope_missing")


@pytest.mark.parametrize("who", ["another customer", "an agent of another task", "a partner"])
async def test_inquiry_of_others_looks_like_none(client: TestClient, open_inquiry: Open, who: str) -> None:
    inquiry = await open_inquiry()
    caller = {
        "another customer": client.as_customer(uuid4(), scopes=CUSTOMERS_OWN),
        "an agent of another task": client.as_agent(tasks=["claims"]),
        "a partner": client.as_("partner", scopes=CUSTOMERS_OWN),
    }[who]
    assert problem(await caller.get(f"{INQUIRIES}/{inquiry.case_id}")) == (404, "inquiry_not_found")
    assert (await caller.get(INQUIRIES)).json()["items"] == []
    by_journey = await caller.get(INQUIRIES, params={"journey_id": str(inquiry.journey_id)})
    assert by_journey.json()["items"] == []
    for verb in COMMANDS:
        assert problem(await command(caller, inquiry.case_id, verb, tag='"1"')) == (404, "inquiry_not_found")


@pytest.mark.parametrize("who", ["agent of the task", "supervisor", "administrator"])
async def test_whoever_works_on_the_task_sees_its_inquiries(client: TestClient, open_inquiry: Open, who: str) -> None:
    inquiry = await open_inquiry()
    caller = {
        "agent of the task": client.as_agent(tasks=["billing_inquiry"]),
        "supervisor": client.as_supervisor(),
        "administrator": client.as_administrator(),
    }[who]
    assert len((await caller.get(INQUIRIES)).json()["items"]) == 1
    assert (await command(caller, inquiry.case_id, "answer", tag='"1"')).status_code == 200


async def test_customer_accepts_or_rejects_an_answer_but_does_not_give_one(
    client: TestClient, open_inquiry: Open, published: Read
) -> None:
    inquiry = await open_inquiry()
    customer = client.as_customer(inquiry.journey_id, scopes=CUSTOMERS_OWN)
    for verb in ("taking", "invoice", "answer"):
        assert problem(await command(customer, inquiry.case_id, verb, tag='"1"')) == (403, "staff_only")
    note = {"contact_id": str(inquiry.contact_id), "intent": "invoice_question"}
    assert problem(await customer.post(INQUIRIES, json=note, headers={"Idempotency-Key": "one"})) == (403, "staff_only")
    assert await published(InquiryAnswered) == []
    await command(client.as_agent(), inquiry.case_id, "answer", tag='"1"')
    assert (await command(customer, inquiry.case_id, "reopening", tag='"2"')).json()["status"] == "reopened"
    await command(client.as_agent(), inquiry.case_id, "answer", tag='"3"')
    assert (await command(customer, inquiry.case_id, "resolution", tag='"4"')).json()["status"] == "resolved"


async def test_unknown_inquiry_is_not_found(client: TestClient) -> None:
    assert problem(await client.as_agent().get(f"{INQUIRIES}/{uuid4()}")) == (404, "inquiry_not_found")
    assert problem(await command(client.as_agent(), uuid4(), "taking", tag='"1"')) == (404, "inquiry_not_found")
    assert problem(await client.as_agent().get(f"{INQUIRIES}/none"))[0] == 422
