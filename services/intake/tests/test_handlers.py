"""What intake hears: repeated, and in any order, it comes to the same."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from anliegen.events import (
    BillingReplyRequested,
    ContactReceived,
    HelpdeskReplyRequested,
    InquiryOpened,
    QuestionAnswered,
    QuestionOpened,
    QuestionResolved,
)
from anliegen.events.builders import build
from anliegen.kit.testing import announced, interleavings
from anliegen.kit.testing.clients import TestClient

Published = Callable[..., Awaitable[list[Any]]]
Deliver = Callable[..., Awaitable[Any]]
TABLES = ("contact_cases", "outgoing_messages")
FORM = {"channel": "web_form", "text": "Guten Tag, zwei Fragen: wo ist mein Paket, und stimmt die Rechnung?"}


def story(contact_id: UUID, journey_id: UUID) -> list[Any]:
    """One contact, two cases at two tasks, answers of both."""
    about = {"contact_id": contact_id, "journey_id": journey_id}
    events = [
        build(QuestionOpened, seed="q", **about),
        build(HelpdeskReplyRequested, seed="q", template="helpdesk_answer", values={"answer": "Morgen."}, **about),
        build(QuestionAnswered, seed="q", journey_id=journey_id),
        build(QuestionResolved, seed="q", **about),
        build(InquiryOpened, seed="i", **about),
        build(BillingReplyRequested, seed="i", template="billing_inquiry_answer", values={"answer": "Ja."}, **about),
    ]
    return [announced(event) for event in events]


async def bring(client: TestClient, published: Published) -> tuple[dict[str, Any], list[Any]]:
    taken = (await client.anonymous.post("/intake/v1/contacts", json=FORM)).json()
    received = (await published(ContactReceived))[-1]
    return taken, story(received.contact_id, received.journey_id)


async def test_second_delivery_changes_nothing(
    client: TestClient, published: Published, deliver: Deliver, database: Any
) -> None:
    _, events = await bring(client, published)
    await deliver(*events)
    once, said = await database.snapshot(*TABLES), await published()
    await deliver(*events, despite_inbox=True)
    await deliver(*events)
    assert await database.snapshot(*TABLES) == once
    assert await published() == said


async def test_topics_in_any_order(client: TestClient, published: Published, deliver: Deliver, database: Any) -> None:
    _, events = await bring(client, published)
    seen = set()
    for order in interleavings(events, count=10):
        await deliver(*order, one_by_one=True, despite_inbox=True)
        snapshot = await database.snapshot(*TABLES, without=("ord", "traceparent"))
        seen.add(repr(snapshot))
        async with deliver.__self__.context.pool.acquire() as connection:  # type: ignore[attr-defined]
            await connection.execute("DELETE FROM contact_cases")
            await connection.execute("DELETE FROM outgoing_messages WHERE case_id IS NOT NULL")
    assert len(seen) == 1


async def test_the_status_page_follows_the_cases(
    client: TestClient, published: Published, deliver: Deliver, database: Any
) -> None:
    taken, events = await bring(client, published)
    await deliver(*events)
    status = (await client.anonymous.get(taken["status_url"])).json()
    assert sorted(status["cases"]) == ["opened", "resolved"]
    assert len(status["answers"]) == 2
    page = await client.anonymous.get(taken["status_url"], headers={"accept": "text/html"})
    assert "Gelöst" in page.text


async def test_an_older_state_does_not_overwrite_a_newer_one(
    client: TestClient, published: Published, deliver: Deliver
) -> None:
    taken, events = await bring(client, published)
    opened, resolved = events[0], events[3]
    await deliver(resolved)
    await deliver(opened)
    assert (await client.anonymous.get(taken["status_url"])).json()["cases"] == ["resolved"]
