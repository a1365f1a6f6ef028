"""Two journeys turn out to be one person's: one timeline, and two again where that was wrong. Nothing moves."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from anliegen.stack.world import World, until

pytestmark = pytest.mark.stack


async def contacts_of(reader: httpx.AsyncClient, journey_id: str) -> set[str]:
    """The contacts that the briefing of a journey knows."""
    briefing = await reader.get(f"/journey/v1/journeys/{journey_id}")
    return {contact["contact_id"] for contact in briefing.json()["contacts"]} if briefing.is_success else set()


async def bring(world: World, matter: dict[str, Any], *, reader: httpx.AsyncClient) -> tuple[str, str]:
    """Somebody brings a matter; its contact and journey, once the journey knows it."""
    accepted = await reader.post("/intake/v1/contacts", json=matter)
    accepted.raise_for_status()
    contact_id = accepted.json()["contact_id"]
    journey_id = (await reader.get(f"/intake/v1/contacts/{contact_id}")).json()["journey_id"]

    async def known() -> bool:
        return contact_id in await contacts_of(reader, journey_id)

    await until(known, "contact in its journey")
    return contact_id, journey_id


async def test_an_agent_joins_two_journeys_and_takes_it_back(world: World) -> None:
    agent = await world.person("supervisor", name="sara")
    run = uuid4().hex[:8]
    number = f"K{int(run, 16) % 10**8:08}"
    form = {
        "channel": "phone",
        "text": "Wie sind Ihre Öffnungszeiten am Samstag?",
        "sender": {"kind": "email", "value": f"aylin+{run}@post.example"},
    }
    call = {"channel": "phone", "text": "Die Rechnung vom Mai ist zu hoch.", "customer_number": number}
    first, by_address = await bring(world, form, reader=agent)
    second, by_number = await bring(world, call, reader=agent)
    assert by_address != by_number
    assert await contacts_of(agent, by_address) == {first}

    seen = await agent.get(f"/intake/v1/contacts/{first}")
    joined = await agent.post(
        f"/intake/v1/contacts/{first}/identification",
        json={"customer_number": number, "evidence": "customer_card"},
        headers={"If-Match": seen.headers["etag"]},
    )
    assert joined.is_success, joined.text
    link_id = joined.json()["link"]["link_id"]

    async def one_timeline() -> bool:
        both = {first, second}
        return await contacts_of(agent, by_address) == both and await contacts_of(agent, by_number) == both

    await until(one_timeline, "one timeline")

    link = await agent.get(f"/intake/v1/links/{link_id}")
    removed = await agent.post(
        f"/intake/v1/links/{link_id}/removal",
        json={"reason": "wrong_person"},
        headers={"If-Match": link.headers["etag"]},
    )
    assert removed.is_success, removed.text

    async def two_again() -> bool:
        return await contacts_of(agent, by_address) == {first} and await contacts_of(agent, by_number) == {second}

    await until(two_again, "two timelines")
