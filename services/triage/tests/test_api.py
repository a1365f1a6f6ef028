"""The review queue, and what agents see of a decision."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import (
    ContactReceived,
    ContactTriaged,
    Failure,
    FailureKind,
    QuestionReopened,
    ReviewRequested,
    Task,
)
from anliegen.events.builders import build
from anliegen.kit import ids

REVIEWS = "/triage/v1/reviews"
UNCLEAR = "Hallo zusammen, könnten Sie sich das bitte einmal ansehen? Gruss, Reto"
Ask = Callable[..., Awaitable[ContactReceived]]


@pytest.fixture
def ask(deliver: Any) -> Ask:
    """`await ask()`: an unclear contact comes in."""

    async def bring(text: str = UNCLEAR, **fields: Any) -> ContactReceived:
        event = build(ContactReceived, text=text, journey_id=fields.pop("journey_id", uuid4()), **fields)
        await deliver(event)
        return event

    return bring


def review_of(contact: ContactReceived) -> UUID:
    return ids.derived("review", str(contact.contact_id))


async def decide(caller: Any, review_id: UUID, body: Any, *, version: str = '"1"', key: str | None = None) -> Any:
    headers = {"If-Match": version, "Idempotency-Key": key or f'"{uuid4()}"'}
    return await caller.post(f"{REVIEWS}/{review_id}/decision", json=body, headers=headers)


async def test_oldest_review_stands_first_and_pages_follow(client: Any, ask: Ask, clock: Any) -> None:
    contacts = []
    for _ in range(5):
        contacts.append(await ask())
        clock.advance(timedelta(minutes=1))
    agent = client.as_agent()
    first = (await agent.get(REVIEWS, params={"limit": 3})).json()
    second = (await agent.get(REVIEWS, params={"limit": 3, "cursor": first["next"]})).json()
    shown = [item["contact_id"] for item in first["items"] + second["items"]]
    assert shown == [str(contact.contact_id) for contact in contacts]
    assert second["next"] is None
    back = (await agent.get(REVIEWS, params={"limit": 3, "cursor": second["prev"]})).json()
    assert back["items"] == first["items"]


async def test_queue_is_filtered(client: Any, ask: Ask) -> None:
    german = await ask(channel="whatsapp")
    french = await ask("Auriez-vous un moment pour moi à ce sujet, là ?", language="fr")
    urgent = await ask("Bitte dringend ansehen!", language="de")
    agent = client.as_agent()

    async def found(**query: Any) -> set[str]:
        response = await agent.get(REVIEWS, params=query)
        assert response.status_code == 200, response.text
        return {item["contact_id"] for item in response.json()["items"]}

    assert await found(language="fr") == {str(french.contact_id)}
    assert await found(channel=["whatsapp"]) == {str(german.contact_id)}
    assert await found(priority="high") == {str(urgent.contact_id)}
    assert len(await found(language=["de", "fr"])) == 3
    assert await found(status="decided") == set()
    assert (await agent.get(REVIEWS, params={"status": "maybe"})).status_code == 422


async def test_persons_decision_goes_to_the_tasks(client: Any, ask: Ask, published: Any, context: Any) -> None:
    contact = await ask()
    agent = client.as_agent(sub="agent-7")
    response = await agent.get(f"{REVIEWS}/{review_of(contact)}")
    assert (response.status_code, response.headers["etag"]) == (200, '"1"')
    body = {
        "concerns": [
            {"task": "claims", "intent": "defect", "start": 0, "end": 5, "flags": ["legal"], "priority": "high"},
            {"task": "feedback"},
        ]
    }
    response = await decide(agent, review_of(contact), body)
    assert response.status_code == 200, response.text
    assert (response.json()["status"], response.json()["decided_by"]) == ("decided", "agent-7")
    assert response.headers["etag"] == '"2"'
    (triaged,) = await published(ContactTriaged)
    first, second = triaged.concerns
    assert (triaged.decided_by, triaged.language) == ("person", "de")
    assert (first.task, first.intent, first.confidence) == (Task.CLAIMS, "defect", 1.0)
    assert first.skills == ("technical", "legal")
    assert (first.reasons[0].start, first.reasons[0].end) == (0, 5)
    assert (second.task, second.intent) == (Task.FEEDBACK, "unspecified")
    assert second.concern_id == ids.derived("concern", str(contact.contact_id), 1)
    assert (await agent.get(REVIEWS)).json()["items"] == []
    async with context.pool.acquire() as connection:
        kept = await connection.fetchrow("SELECT * FROM corrections")
    assert kept["decided"][0]["offsets"] == [[0, 5]]
    assert UNCLEAR.split()[1] not in str(dict(kept))
    assert "agent-7" not in str(dict(kept))


async def test_nothing_to_do_is_a_decision_too(client: Any, ask: Ask, published: Any) -> None:
    contact = await ask()
    assert (await decide(client.as_agent(), review_of(contact), {"concerns": []})).status_code == 200
    (triaged,) = await published(ContactTriaged)
    assert triaged.concerns == ()


async def test_reviewers_case_is_continued(client: Any, ask: Ask, published: Any) -> None:
    contact, case_id = await ask(), uuid4()
    body = {"concerns": [{"task": "helpdesk", "case_id": str(case_id)}]}
    await decide(client.as_agent(), review_of(contact), body)
    assert (await published(ContactTriaged))[0].concerns[0].case_id == case_id


async def test_decision_counts_failures(client: Any, ask: Ask, deliver: Any, published: Any, clock: Any) -> None:
    contact = await ask(received_at=clock.now())
    for days in (1, 2):
        failure = Failure(
            failure_id=uuid4(), kind=FailureKind.REOPENED_CASE, occurred_at=clock.now() - timedelta(days=days), code="x"
        )
        await deliver(build(QuestionReopened, journey_id=contact.journey_id, failure=failure))
    await decide(client.as_agent(), review_of(contact), {"concerns": [{"task": "helpdesk"}]})
    assert (await published(ContactTriaged))[0].concerns[0].tier == 3


async def test_repeated_and_rival_decisions(client: Any, ask: Ask, published: Any) -> None:
    contact, agent = await ask(), client.as_agent()
    review, body = review_of(contact), {"concerns": [{"task": "claims"}]}
    first = await decide(agent, review, body, key='"one"')
    again = await decide(agent, review, body, key='"one"')
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    rival = await decide(client.as_agent(sub="agent-8"), review, {"concerns": [{"task": "feedback"}]})
    assert (rival.status_code, rival.json()["code"]) == (412, "precondition_failed")
    late = await decide(agent, review, body, version='"2"')
    assert (late.status_code, late.json()["code"]) == (409, "review_decided")
    assert len(await published(ContactTriaged)) == 1
    assert len(await published(ReviewRequested)) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"concerns": [{"task": "helpdesk", "intent": "defect"}]}, "intent_unknown"),
        ({"concerns": [{"task": "helpdesk", "intent": "nonsense"}]}, "intent_unknown"),
        ({"concerns": [{"task": "unknown"}]}, None),
        ({"concerns": [{"task": "claims", "start": 9, "end": 3}]}, None),
        ({"concerns": [{"task": "claims"}] * 11}, None),
        ({"concerns": [{"task": "claims", "text": "words"}]}, None),
        ({}, None),
    ],
)
async def test_decision_that_cannot_be_is_refused(client: Any, ask: Ask, published: Any, body: Any, code: Any) -> None:
    response = await decide(client.as_agent(), review_of(await ask()), body)
    assert response.status_code == 422
    assert code is None or response.json()["code"] == code
    assert await published(ContactTriaged) == []


async def test_decision_needs_version_and_key(client: Any, ask: Ask) -> None:
    path, agent = f"{REVIEWS}/{review_of(await ask())}/decision", client.as_agent()
    body = {"concerns": []}
    assert (await agent.post(path, json=body, headers={"Idempotency-Key": '"a"'})).status_code == 428
    assert (await agent.post(path, json=body, headers={"If-Match": '"1"'})).status_code == 400
    assert (await decide(agent, uuid4(), body)).status_code == 404


async def test_agent_sees_why_it_was_decided_so(client: Any, ask: Ask) -> None:
    contact = await ask("Auf der Rechnung vom Februar stimmt der Betrag nicht.")
    path = f"/triage/v1/contacts/{contact.contact_id}"
    view = (await client.as_agent().get(path)).json()
    (concern,) = view["concerns"]
    assert (view["status"], view["decided_by"], view["channel"]) == ("decided", "model", contact.channel)
    assert concern["concern"]["task"] == "billing_inquiry"
    assert concern["case_id"] == str(ids.derived("case", concern["concern"]["concern_id"], "billing_inquiry"))
    assert any(reason["rule"] == "invoice_question" for reason in concern["concern"]["reasons"])
    assert (await client.as_agent(tasks=["billing_inquiry"]).get(path)).status_code == 200
    assert (await client.as_agent(tasks=["claims"]).get(path)).status_code == 404
    assert (await client.as_agent().get(f"/triage/v1/contacts/{uuid4()}")).status_code == 404


async def test_what_triage_thinks_does_not_exist_for_customers(client: Any, ask: Ask) -> None:
    contact = await ask()
    scopes = "reviews:read reviews:write cases:read"
    customer = client.as_customer(contact.journey_id, scope=scopes)
    for path in (REVIEWS, f"{REVIEWS}/{review_of(contact)}", f"/triage/v1/contacts/{contact.contact_id}"):
        assert (await customer.get(path)).status_code == 404
        assert (await client.as_customer(contact.journey_id).get(path)).status_code == 403
        assert (await client.anonymous.get(path)).status_code == 401
    assert (await decide(customer, review_of(contact), {"concerns": []})).status_code == 404
