"""The service over HTTP: who may do what, and what callers see."""

from uuid import uuid4

from anliegen.events import ContactReceived
from anliegen.events.builders import build

CONTACTS = "/complaints/v1/contacts"


async def test_starred_contact_is_seen(client, deliver) -> None:
    event = build(ContactReceived)
    await deliver(event)
    agent = client.as_agent()
    seen = await agent.get(f"{CONTACTS}/{event.contact_id}")
    assert (seen.status_code, seen.headers["etag"], seen.json()["starred_at"]) == (200, '"1"', None)
    headers = {"If-Match": seen.headers["etag"], "Idempotency-Key": f'"{uuid4()}"'}
    starred = await agent.post(f"{CONTACTS}/{event.contact_id}/star", headers=headers)
    assert (starred.status_code, starred.headers["etag"]) == (200, '"2"')
    again = await agent.post(f"{CONTACTS}/{event.contact_id}/star", headers=headers)
    assert again.json() == starred.json()


async def test_star_on_a_stale_version_is_refused(client, deliver) -> None:
    event = build(ContactReceived)
    await deliver(event)
    headers = {"If-Match": '"7"', "Idempotency-Key": f'"{uuid4()}"'}
    response = await client.as_agent().post(f"{CONTACTS}/{event.contact_id}/star", headers=headers)
    assert (response.status_code, response.json()["code"]) == (412, "precondition_failed")


async def test_unknown_contact_is_not_found(client) -> None:
    response = await client.as_agent().get(f"{CONTACTS}/{uuid4()}")
    assert (response.status_code, response.json()["code"]) == (404, "contact_not_found")


async def test_nobody_without_a_token_gets_in(client) -> None:
    assert (await client.anonymous.get(f"{CONTACTS}/{uuid4()}")).status_code == 401
