"""Identification, links and threads, on the real database."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import Assurance, Channel, ContactReceived, CustomerLearnt, JourneysMerged, JourneysSplit
from anliegen.intake.actions import accept
from anliegen.intake.domain.contacts import Message
from anliegen.intake.domain.identity import Evidence
from anliegen.intake.domain.replies import acknowledgement_id_of
from anliegen.kit import Transaction
from anliegen.kit.testing.clients import TestClient

CONTACTS = "/intake/v1/contacts"
Published = Callable[..., Awaitable[list[Any]]]
MAILED = {
    "channel": "web_form",
    "text": "Guten Tag, wo bleibt meine Gutschrift?",
    "sender": {"kind": "email", "value": "anna@post.example"},
}


def message(clock: Any, **fields: Any) -> Message:
    given = Message(
        contact_id=uuid4(), channel=Channel.WEB_FORM, account="form", text="Guten Tag", received_at=clock.now()
    )
    return replace(given, **fields)


async def test_accepting_again_changes_nothing(tx: Transaction, clock: Any) -> None:
    brought = message(clock, vault_id=uuid4())
    first = await accept.accept_contact(tx, brought, Evidence())
    announced = len(tx.outgoing)
    again = await accept.accept_contact(tx, brought, Evidence())
    assert (first.is_new, again.is_new) == (True, False)
    assert first.contact == again.contact
    assert len(tx.outgoing) == announced == 2


async def test_everything_of_a_contact_is_kept(tx: Transaction, clock: Any) -> None:
    brought = message(
        clock, subject_line="Eine\r\nBcc: x@evil.example\x00 Zeile", display_name="A\u202e" + "x" * 300, text="a\x00b"
    )
    contact = (await accept.accept_contact(tx, brought, Evidence())).contact
    assert contact.subject_line == "Eine Bcc: x@evil.example Zeile"
    assert contact.display_name is not None
    assert len(contact.display_name) == 200
    assert contact.text == "ab"
    stored = await tx.fetchrow("SELECT * FROM outgoing_messages WHERE contact_id = $1", contact.contact_id)
    assert stored is not None
    assert stored["reply_id"] == acknowledgement_id_of(contact.contact_id)


@pytest.fixture
async def known(client: TestClient, published: Published) -> tuple[UUID, UUID]:
    """A contact from a mail address, as its id and its journey."""
    await client.anonymous.post(CONTACTS, json={**MAILED, "display_name": "Anna"})
    [received] = await published(ContactReceived)
    return received.contact_id, received.journey_id


async def test_identification_links_two_journeys_and_can_be_undone(
    client: TestClient, published: Published, known: tuple[UUID, UUID], begin: Any
) -> None:
    contact_id, journey_id = known
    agent = client.as_agent()
    place = f"{CONTACTS}/{contact_id}"
    body = {"customer_number": "CH-4711 02", "evidence": "called_back"}
    assert (await agent.post(f"{place}/identification", json=body)).status_code == 428
    tag = (await agent.get(place)).headers["etag"]
    answer = await agent.post(f"{place}/identification", json=body, headers={"If-Match": tag})
    assert answer.status_code == 200
    assert answer.json()["contact"]["assurance"] == "verified"
    assert (await agent.post(f"{place}/identification", json=body, headers={"If-Match": tag})).status_code == 412

    [merged] = await published(JourneysMerged)
    assert merged.journey_a < merged.journey_b
    assert journey_id in {merged.journey_a, merged.journey_b}
    assert merged.evidence == "called_back"
    async with begin() as tx:
        assert await tx.members(journey_id) == [merged.journey_a, merged.journey_b]
    learnt = (await published(CustomerLearnt))[-1]
    assert (learnt.assurance, learnt.name, learnt.handle.value) == (Assurance.VERIFIED, "Anna", "anna@post.example")

    link = f"/intake/v1/links/{merged.link_id}"
    tag = (await agent.get(link)).headers["etag"]
    removed = await agent.post(f"{link}/removal", json={}, headers={"If-Match": tag})
    assert removed.json()["removed_at"]
    assert (await agent.post(f"{link}/removal", json={}, headers={"If-Match": tag})).status_code == 412
    [split] = await published(JourneysSplit)
    assert (split.link_id, split.reason) == (merged.link_id, "agent_separated")
    async with begin() as tx:
        assert await tx.members(journey_id) == [journey_id]


async def test_what_is_linked_already_is_not_linked_again(
    client: TestClient, published: Published, known: tuple[UUID, UUID]
) -> None:
    agent = client.as_agent()
    for version in (1, 2):
        answer = await agent.post(
            f"{CONTACTS}/{known[0]}/identification",
            json={"customer_number": "CH471102"},
            headers={"If-Match": f'"{version}"'},
        )
        assert answer.status_code == 200
    assert answer.json()["link"] is None
    assert len(await published(JourneysMerged)) == 1


async def test_after_a_removal_a_new_identification_makes_a_new_link(
    client: TestClient, published: Published, known: tuple[UUID, UUID]
) -> None:
    agent = client.as_agent()
    body = {"customer_number": "CH471102"}
    place = f"{CONTACTS}/{known[0]}/identification"
    first = (await agent.post(place, json=body, headers={"If-Match": '"1"'})).json()["link"]
    await agent.post(f"/intake/v1/links/{first['link_id']}/removal", json={}, headers={"If-Match": '"1"'})
    second = (await agent.post(place, json=body, headers={"If-Match": '"2"'})).json()["link"]
    assert second["link_id"] != first["link_id"]


async def test_a_customer_sees_contacts_of_their_own_journeys_only(
    client: TestClient, known: tuple[UUID, UUID]
) -> None:
    place = f"{CONTACTS}/{known[0]}"
    own = client.as_customer(known[1], scope="contacts:read")
    other = client.as_customer(uuid4(), scope="contacts:read")
    assert (await own.get(place)).status_code == 200
    assert (await other.get(place)).status_code == 404


@pytest.mark.parametrize("body", [{}, {"customer_number": "?!"}, {"customer_number": "1", "evidence": "Words here"}])
async def test_wrong_identifications_are_refused(client: TestClient, known: tuple[UUID, UUID], body: Any) -> None:
    place = f"{CONTACTS}/{known[0]}/identification"
    assert (await client.as_agent().post(place, json=body, headers={"If-Match": '"1"'})).status_code == 422
    missing = f"{CONTACTS}/{uuid4()}/identification"
    good = {"customer_number": "CH1"}
    assert (await client.as_agent().post(missing, json=good, headers={"If-Match": '"1"'})).status_code == 404
    links = f"/intake/v1/links/{uuid4()}/removal"
    assert (await client.as_agent().post(links, json={}, headers={"If-Match": '"1"'})).status_code == 404


async def test_a_token_with_number_and_address_links_their_journeys_once(
    client: TestClient, published: Published, begin: Any
) -> None:
    await client.anonymous.post(CONTACTS, json=MAILED)
    claims = {"customer_number": "CH-4711 02", "email": "Anna@post.example", "email_verified": True}
    app = {"channel": "app", "text": "Und noch eine Frage aus der App"}
    for _ in range(2):
        assert (await client.as_("customer", **claims).post(CONTACTS, json=app)).status_code == 202
    mailed, first, second = await published(ContactReceived)
    assert (first.assurance, first.customer_number, first.journey_id) == (
        Assurance.VERIFIED, "CH471102", second.journey_id,
    )  # fmt: skip
    [merged] = await published(JourneysMerged)
    assert {merged.journey_a, merged.journey_b} == {mailed.journey_id, first.journey_id}


async def test_what_a_person_separated_is_not_linked_by_a_token(client: TestClient, published: Published) -> None:
    claims = {"customer_number": "CH471102", "email": "anna@post.example", "email_verified": True}
    customer, app = client.as_("customer", **claims), {"channel": "app", "text": "Eine Frage aus der App"}
    await customer.post(CONTACTS, json=app)
    [merged] = await published(JourneysMerged)
    place = f"/intake/v1/links/{merged.link_id}/removal"
    assert (await client.as_agent().post(place, json={}, headers={"If-Match": '"1"'})).status_code == 200
    await customer.post(CONTACTS, json=app)
    assert len(await published(JourneysMerged)) == 1


async def test_an_address_that_nobody_verified_links_nothing(client: TestClient, published: Published) -> None:
    await client.anonymous.post(CONTACTS, json=MAILED)
    app = {"channel": "app", "text": "Ich gebe mich als Anna aus", "sender": MAILED["sender"]}
    claims = {"customer_number": "CH9", "email": "anna@post.example", "email_verified": False}
    assert (await client.as_("customer", **claims).post(CONTACTS, json=app)).status_code == 202
    assert await published(JourneysMerged) == []
