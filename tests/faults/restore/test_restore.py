"""A database that was put back to an earlier time, while Kafka and all other services are ahead of it."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

WHOLE = ("intake", "triage", "helpdesk", "journey")
QUESTIONS = "/helpdesk/v1/questions"


async def bring(town, count: int) -> None:
    """So many people ask something that becomes a question."""
    for _ in range(count):
        accepted = await town["intake"].client.anonymous.post(
            "/intake/v1/contacts",
            json={
                "channel": "web_form",
                "text": "Guten Tag, wie sind Ihre Öffnungszeiten am Samstag?",
                "sender": {"kind": "email", "value": f"{uuid4().hex}@post.example"},
            },
        )
        assert accepted.status_code == 202, accepted.text


async def questions(town) -> list[dict[str, Any]]:
    page = await town["helpdesk"].agent.get(QUESTIONS, params={"limit": 200})
    assert page.status_code == 200, page.text
    return page.json()["items"]


async def answer(town, case_id: str) -> Any:
    agent = town["helpdesk"].agent
    seen = await agent.get(f"{QUESTIONS}/{case_id}")
    return await agent.post(
        f"{QUESTIONS}/{case_id}/answer",
        json={"answer": "Samstags von neun bis vier."},
        headers={"If-Match": seen.headers["etag"], "Idempotency-Key": uuid4().hex},
    )


async def settled(town, until, count: int) -> None:
    """There are so many questions, everything announced has been sent, and the journey has heard all of it."""

    async def look() -> bool:
        if len(await questions(town)) < count:
            return False
        for house in town.houses.values():
            if await house.rows("SELECT 1 FROM outbox LIMIT 1"):
                return False
        sent = {envelope.id for name in WHOLE for envelope in await town.records(name)}
        heard = {row[0] for row in await town["journey"].rows("SELECT event_id FROM events")}
        return heard == sent

    await until(look, f"{count} questions, heard by everybody")


def gauge(service: str) -> float | None:
    return REGISTRY.get_sample_value("fenced", {"service": service})


@pytest.mark.parametrize("town", [WHOLE], indirect=True)
async def test_a_restored_service_waits_for_a_person_and_then_takes_up_its_events(town, until, wrong_numbers) -> None:
    helpdesk = town["helpdesk"]
    for house in town.houses.values():
        await house.start()
    await bring(town, 5)
    await settled(town, until, 5)
    known = {envelope.id for envelope in await town.records("helpdesk")}

    copy = await helpdesk.back_up()  # at work: the sessions end, the service goes on
    before = await questions(town)
    for question in before[:3]:
        assert (await answer(town, question["question_id"])).status_code == 200
    await bring(town, 4)
    await settled(town, until, 9)
    since = {e.id: e for e in await town.records("helpdesk") if e.id not in known}
    assert len(since) >= 3 * 2 + 4

    # The restore.
    await helpdesk.stop()
    await helpdesk.restore(copy)
    await helpdesk.serve()
    refused = await answer(town, before[0]["question_id"])
    assert (refused.status_code, refused.json()["code"]) == (503, "not_looked_at"), "the worker has not looked yet"
    first = await helpdesk.work()

    # Fenced: what it announced and does not know is listed, and nothing else happens here.
    fence = await helpdesk.is_fenced()
    listed = await helpdesk.listed()
    assert {entry["event_id"] for entry in listed} == {str(event_id) for event_id in since}
    assert [entry["time"] for entry in listed] == sorted(entry["time"] for entry in listed)
    by_hand = {entry["event_id"] for entry in listed if entry["by_hand"]}
    assert by_hand == {str(e.id) for e in since.values() if e.causationid is None} and len(by_hand) >= 6
    assert await helpdesk.listed(by_hand="true") == [entry for entry in listed if entry["by_hand"]]
    assert (fence["events"], fence["by_hand"]) == (len(since), len(by_hand))
    assert gauge("helpdesk") == 1
    ready = await helpdesk.client.anonymous.get("/readyz")
    assert (ready.status_code, ready.json()["fenced"]) == (200, ["helpdesk"])
    assert {q["question_id"] for q in await questions(town)} == {q["question_id"] for q in before}, "it can be read"
    refused = await answer(town, before[0]["question_id"])
    assert (refused.status_code, refused.json()["code"]) == (503, "fenced")
    assert int(refused.headers["retry-after"]) > 0

    # The others work on; the fenced one hears nothing and says nothing, with two workers and after a new start, too.
    positions = await helpdesk.rows("SELECT * FROM consumer_position ORDER BY topic, part")
    said = len(await town.records("helpdesk"))
    await bring(town, 2)
    await until(lambda: heard(town, "triage.contact_triaged.v1", 11), "the journey's timeline")
    await first.stop()
    _, second = await asyncio.gather(helpdesk.work("0"), helpdesk.work("1"))
    await asyncio.sleep(1.5)
    assert (await helpdesk.fence())["fenced"] and await helpdesk.listed() == listed
    assert await helpdesk.rows("SELECT * FROM consumer_position ORDER BY topic, part") == positions
    assert await helpdesk.rows("SELECT count(*) FROM fences") == [(1,)]
    assert len(await town.records("helpdesk")) == said

    # The release.
    await second.stop()  # it never joined its group, so nobody waits for its return
    denied = await helpdesk.agent.post("/helpdesk/v1/fence/release", json={"reason": "me"})
    assert denied.status_code == 403
    released = await helpdesk.release()
    assert released.status_code == 200, released.text
    assert (await helpdesk.release()).json()["code"] == "not_fenced"
    await settled(town, until, 11)
    assert gauge("helpdesk") == 0
    assert await helpdesk.listed() == listed, "the list stays"

    # What commands had done is done again by hand.
    for question in before[:3]:
        assert (await until(lambda q=question: answered(town, q["question_id"]), "an answer")).status_code == 200
    await settled(town, until, 11)
    await reconcile(town, wrong_numbers)

    # Restored once more, from the same copy.
    await helpdesk.stop()
    await helpdesk.restore(copy)
    await helpdesk.start_without_waiting()
    await helpdesk.is_fenced()
    again = {entry["event_id"] for entry in await helpdesk.listed()}
    assert again == {str(e.id) for e in await town.records("helpdesk") if e.id not in known}
    assert (await helpdesk.release()).status_code == 200
    await settled(town, until, 11)
    await reconcile(town, wrong_numbers)


async def heard(town, event_type: str, count: int) -> bool:
    rows = await town["journey"].rows("SELECT 1 FROM events WHERE type = $1", event_type)
    return len(rows) >= count


async def answered(town, case_id: str) -> Any:
    """The answer to a command, once commands are taken again."""
    response = await answer(town, case_id)
    return response if response.status_code != 503 else None


async def reconcile(town, wrong_numbers) -> None:
    """Every event has one effect in every service, and no number was given twice."""
    logs = {name: await town.log(name) for name in WHOLE}
    assert [wrong for log in logs.values() for wrong in wrong_numbers(log)] == []
    records = {name: [envelope for envelope, _ in log] for name, log in logs.items()}
    opened = [e for e in records["helpdesk"] if e.type == "helpdesk.question_opened.v1"]
    cases = await town["helpdesk"].rows("SELECT case_id FROM questions")
    assert len(cases) == 11 and {str(case) for (case,) in cases} == {e.subject for e in opened}
    assert len({e.id for e in opened}) == 11, "the same questions are opened under the same ids"
    every = {e.id for announced in records.values() for e in announced}
    in_journey = await town["journey"].rows("SELECT event_id FROM events")
    assert len(in_journey) == len({row[0] for row in in_journey}) and {row[0] for row in in_journey} == every
    replies = {e.id for e in records["helpdesk"] if e.type == "helpdesk.reply_requested.v1"}
    contacts = {e.id for e in records["intake"] if e.type == "intake.contact_received.v1"}
    going_out = await town["intake"].rows("SELECT count(*) FROM outgoing_messages")
    assert going_out == [(len(replies) + len(contacts),)], "each contact is acknowledged and each answer sent once"
    assert await town["triage"].rows("SELECT count(*) FROM contacts") == [(len(contacts),)]


@pytest.mark.parametrize("town", [("intake", "triage", "helpdesk", "journey")], indirect=True)
async def test_a_restored_projection_reads_again_what_it_had_read(town, until) -> None:
    journey = town["journey"]
    for house in town.houses.values():
        await house.start()
    await bring(town, 2)
    await settled(town, until, 2)
    copy = await journey.back_up()
    await bring(town, 3)
    await settled(town, until, 5)
    whole = await journey.rows("SELECT event_id FROM events ORDER BY event_id")

    await journey.stop()
    await journey.restore(copy)
    assert len(await journey.rows("SELECT event_id FROM events")) < len(whole)
    await journey.start()
    await settled(town, until, 5)
    assert await journey.rows("SELECT event_id FROM events ORDER BY event_id") == whole
    assert not (await journey.fence())["fenced"]
