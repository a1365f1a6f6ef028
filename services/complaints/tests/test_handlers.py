"""What the service hears: once or twice, in whatever order the topics come."""

from uuid import uuid4

from anliegen.events import ContactReceived, ContactTriaged
from anliegen.events.builders import build
from anliegen.kit.testing import announced, interleavings


def contact() -> list[ContactReceived | ContactTriaged]:
    """The two facts about one contact."""
    ids = {"contact_id": uuid4(), "journey_id": uuid4()}
    return [build(ContactReceived, **ids), build(ContactTriaged, **ids, language="de")]


async def test_channel_and_language_are_remembered(deliver, database) -> None:
    received, triaged = contact()
    await deliver(received, triaged)
    (row,) = (await database.snapshot("contacts"))["contacts"]
    assert (row["channel"], row["language"]) == (received.channel.value, "de")


async def test_second_delivery_changes_nothing(deliver, database) -> None:
    mail = await deliver(*contact())
    before = await database.snapshot()
    await deliver(*mail)
    await deliver(*mail, one_by_one=True, despite_inbox=True)
    assert await database.snapshot() == before


async def test_topics_in_any_order(deliver, database) -> None:
    mail = [announced(event) for event in contact()]
    results = []
    for order in interleavings(mail):
        await database.empty()
        await deliver(*order, despite_inbox=True)
        results.append(await database.snapshot())
    assert all(result == results[0] for result in results)
