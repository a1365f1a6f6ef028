"""What is kept to learn from: labels of what people decided, and words only with consent, masked, for a time."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit import ids
from anliegen.triage.learning.masking import masked

UNCLEAR = "Hallo zusammen, könnten Sie sich das bitte einmal ansehen? Ich heisse Reto Frei, Tel. 079 123 45 67."
CORRECTIONS = "/triage/v1/corrections"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Meine IBAN ist CH93 0076 2011 6238 5295 7, danke.", "Meine IBAN ist <iban>, danke."),
        ("Schreiben Sie an anna.kurz@post.example oder rufen Sie +41 79 123 45 67 an",
         "Schreiben Sie an <mail> oder rufen Sie <number> an"),
        ("Herr Karl Weber wohnt an der Bahnhofstrasse 12a in Wil.", "Herr <name> wohnt an der <street> in Wil."),
        ("Je m'appelle Luc Morel, 12 euros de trop", "Je m'appelle <name>, 12 euros de trop"),
        ("Siehe https://shop.example/k/77 zu KD-88312X", "Siehe <url> zu <code>"),
        ("ich bin die Müller, Rechnung 2024", "ich bin die <name>, Rechnung 2024"),
        ("Es geht nicht.\nMit freundlichen Grüssen\nBeat Amstutz", "Es geht nicht."),
    ],
)  # fmt: skip
def test_what_names_a_person_is_masked(text: str, left: str) -> None:
    assert masked(text, names=["Eva Müller", None]) == left


async def bring(deliver: Any, **fields: Any) -> ContactReceived:
    event = build(ContactReceived, text=UNCLEAR, journey_id=fields.pop("journey_id", uuid4()), **fields)
    await deliver(event)
    return event


async def decide(client: Any, contact: ContactReceived) -> None:
    review_id = ids.derived("review", str(contact.contact_id))
    response = await client.as_agent().post(
        f"/triage/v1/reviews/{review_id}/decision",
        json={"concerns": [{"task": "claims", "intent": "defect"}]},
        headers={"If-Match": '"1"', "Idempotency-Key": f'"{uuid4()}"'},
    )
    assert response.status_code == 200, response.text


async def lessons(client: Any, **query: Any) -> list[dict[str, Any]]:
    response = await client.as_supervisor().get(CORRECTIONS, params=query)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["items"]
    return found


async def everything_kept(context: Any) -> str:
    async with context.pool.acquire() as connection:
        tables = ("contacts", "concerns", "reviews", "corrections", "judgements", "words")
        return str([dict(row) for table in tables for row in await connection.fetch(f"SELECT * FROM {table}")])


async def test_words_are_kept_masked_where_the_sender_agreed(client: Any, deliver: Any) -> None:
    contact = await bring(deliver, may_learn=True, subject_line="Reto Frei bittet", display_name="Reto Frei")
    await decide(client, contact)
    [lesson] = await lessons(client)
    assert lesson["text"] == (
        "Hallo zusammen, könnten Sie sich das bitte einmal ansehen? Ich heisse <name>, Tel. <number>."
    )
    assert lesson["subject"] == "<name> <name> bittet"
    assert (lesson["contact_id"], lesson["decided"][0]["intent"]) == (str(contact.contact_id), "defect")


@pytest.mark.parametrize("fields", [{"may_learn": False}, {"may_learn": True, "automatic": True}])
async def test_without_consent_no_word_is_kept(client: Any, deliver: Any, context: Any, fields: Any) -> None:
    contact = await bring(deliver, **fields)
    if not contact.automatic:
        await decide(client, contact)
        assert [lesson["text"] for lesson in await lessons(client)] == [None]
    assert "ansehen" not in await everything_kept(context)


async def test_words_are_forgotten_in_time(
    client: Any, deliver: Any, context: Any, clock: Any, run_timers: Any
) -> None:
    contact = await bring(deliver, may_learn=True, received_at=clock.now())
    await decide(client, contact)
    clock.advance(timedelta(days=364))
    await run_timers()
    assert "ansehen" in await everything_kept(context)
    clock.advance(timedelta(days=2))
    await run_timers()
    assert [lesson["text"] for lesson in await lessons(client)] == [None]
    assert "ansehen" not in await everything_kept(context)


async def withdraw(caller: Any, contact_id: UUID) -> int:
    path = f"/triage/v1/contacts/{contact_id}/words"
    status: int = (await caller.delete(path)).status_code
    return status


async def test_consent_is_withdrawn_by_the_person_or_by_staff(client: Any, deliver: Any, context: Any) -> None:
    mine, other = await bring(deliver, may_learn=True), await bring(deliver, may_learn=True)
    customer = client.as_customer(mine.journey_id)
    assert await withdraw(customer, other.contact_id) == 404
    assert await withdraw(client.anonymous, mine.contact_id) == 401
    assert (await everything_kept(context)).count("ansehen") == 2
    assert [await withdraw(customer, mine.contact_id) for _ in range(2)] == [204, 204]
    assert await withdraw(client.as_agent(), other.contact_id) == 204
    assert "ansehen" not in await everything_kept(context)
    assert await withdraw(client.as_agent(), uuid4()) == 404


async def test_corrections_are_for_supervisors_and_paged(client: Any, deliver: Any, clock: Any) -> None:
    decided = []
    for _ in range(3):
        contact = await bring(deliver)
        await decide(client, contact)
        decided.append(str(contact.contact_id))
        clock.advance(timedelta(minutes=1))
    first = (await client.as_supervisor().get(CORRECTIONS, params={"limit": 2})).json()
    second = (await client.as_supervisor().get(CORRECTIONS, params={"limit": 2, "cursor": first["next"]})).json()
    assert [one["contact_id"] for one in first["items"] + second["items"]] == decided
    back = (await client.as_supervisor().get(CORRECTIONS, params={"limit": 2, "cursor": second["prev"]})).json()
    assert back["items"] == first["items"]
    assert (await client.as_agent().get(CORRECTIONS)).status_code == 403
    assert (await client.as_agent(scope="reviews:export").get(CORRECTIONS)).status_code == 404
