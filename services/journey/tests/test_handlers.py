"""Everything is kept, in whatever order it comes, and the read models follow from it alone."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from anliegen.events import JourneysMerged, JourneysSplit
from anliegen.events.builders import build
from anliegen.journey import actions
from anliegen.kit.testing import interleavings


def whole_story(teller: Any) -> tuple[UUID, UUID]:
    """Two journeys of one person, linked, and one that was linked by mistake."""
    a, b, c = sorted([uuid4(), uuid4(), uuid4()])
    teller.answered_question(a)
    teller.open_inquiry(b)
    teller.tell(build(JourneysMerged, link_id=uuid4(), journey_a=a, journey_b=b, made_at=teller.morning), minute=50)
    wrong = {"link_id": uuid4(), "journey_a": a, "journey_b": c}
    teller.open_inquiry(c)
    teller.tell(build(JourneysMerged, **wrong, made_at=teller.morning), minute=51)
    teller.tell(build(JourneysSplit, **wrong, removed_at=teller.morning), minute=52)
    return a, b


async def test_topics_in_any_order(teller: Any, database: Any, postman: Any, dump: Any) -> None:
    whole_story(teller)
    expected = None
    for number, order in enumerate(interleavings(teller.told, count=25)):
        await database.empty()
        postman._offsets.clear()
        await postman.deliver(*order, one_by_one=number % 3 == 0)
        found = await dump()
        expected = expected or found
        assert found == expected
    assert expected is not None
    assert expected.count(b"\nevents ") >= len(teller.told) - 1


async def test_second_delivery_changes_nothing(teller: Any, deliver: Any, dump: Any) -> None:
    whole_story(teller)
    await deliver(*teller.told)
    before = await dump()
    await deliver(*teller.told, despite_inbox=True)
    assert await dump() == before


async def test_rebuilt_read_models_are_the_same_to_the_byte(
    teller: Any, deliver: Any, dump: Any, begin: Any, context: Any
) -> None:
    whole_story(teller)
    await deliver(*reversed(teller.told))
    before = await dump(models_only=True)
    assert before.count(b"\n") >= 8
    async with context.pool.acquire() as connection:
        await connection.execute("UPDATE cases SET status = 'withdrawn', sequence = 999")
        await connection.execute("DELETE FROM answers")
    assert await dump(models_only=True) != before
    async with begin() as tx:
        assert await actions.rebuild(tx) == len(teller.told)
    assert await dump(models_only=True) == before


async def test_exact_bytes_are_kept(teller: Any, deliver: Any, context: Any) -> None:
    teller.answered_question(uuid4())
    await deliver(*teller.told)
    async with context.pool.acquire() as connection:
        rows = await connection.fetch("SELECT event_id, payload, words FROM events")
    kept = {row["event_id"]: row for row in rows}
    for one in teller.told:
        assert kept[one.envelope.id]["payload"] == one.event.model_dump_json(exclude_none=True).encode()
        assert kept[one.envelope.id]["words"] == one.topic.endswith(".words")


async def deliver_unknown(postman: Any, journey_id: UUID, data: bytes, event_type: str) -> None:
    known = build(JourneysMerged, journey_a=journey_id, journey_b=UUID(int=2**128 - 1))
    from anliegen.events.builders import envelope_for

    envelope = replace(envelope_for(known), type=event_type, source="/anliegen/claims", key=str(journey_id))
    await postman.deliver_raw(
        "anliegen.helpdesk", key=str(journey_id).encode(), headers=envelope.to_headers(), value=data
    )


async def test_type_of_a_newer_service_is_kept(postman: Any, context: Any) -> None:
    journey_id = uuid4()
    await deliver_unknown(postman, journey_id, b"\x00not json", "claims.claim_valued.v1")
    async with context.pool.acquire() as connection:
        row = await connection.fetchrow("SELECT type, payload, journey_id FROM events")
    assert (row["type"], row["payload"], row["journey_id"]) == ("claims.claim_valued.v1", b"\x00not json", journey_id)


async def test_case_of_a_newer_service_is_understood_as_a_case(postman: Any, context: Any) -> None:
    journey_id, case_id = uuid4(), uuid4()
    data = {"journey_id": str(journey_id), "case_id": str(case_id), "task": "claims", "status": "opened", "new": 1}
    await deliver_unknown(postman, journey_id, json.dumps(data).encode(), "claims.claim_opened.v1")
    async with context.pool.acquire() as connection:
        row = await connection.fetchrow("SELECT case_id, task, status, service FROM cases")
    assert tuple(row) == (case_id, "claims", "opened", "claims")


async def test_many_events_at_once_take_few_statements(teller: Any, deliver: Any, context: Any) -> None:
    for _ in range(40):
        teller.answered_question(uuid4())
    statements = []

    def note(query: Any) -> None:
        statements.append(query.query)

    async with context.pool.acquire() as connection:
        connection.add_query_logger(note)
    await deliver(*teller.told)
    own = [query for query in statements if "INSERT INTO" in query and "inbox" not in query and "position" not in query]
    assert len(teller.told) == 360
    # One for the events and one for each read model.
    assert len(own) == 8
