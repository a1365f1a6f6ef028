"""Rows are folded in SQL as they are folded in Python, whatever is there already."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from anliegen.events import CaseEvent, Concern, ContactTriaged, Task
from anliegen.events.builders import build
from anliegen.journey import store
from anliegen.journey.domain import StoredEvent
from anliegen.journey.projection import Models, project


def stored_event(one: Any) -> StoredEvent:
    event, envelope = one.event, one.envelope
    return StoredEvent(
        event_id=envelope.id,
        journey_id=getattr(event, "journey_id", None),
        other_journey_id=None,
        key=envelope.key,
        source=envelope.source,
        type=envelope.type,
        sequence=envelope.sequence,
        time=envelope.time,
        subject=envelope.subject,
        correlation_id=None,
        causation_id=None,
        case_id=None,
        contact_id=None,
        words=False,
        topic=one.topic,
        partition=0,
        offset=0,
        payload=b"{}",
        event=event,
    )


async def rows_of(tx: Any, journey_ids: list[UUID]) -> dict[str, list[dict[str, Any]]]:
    rows = await store.models.list_models(tx, journey_ids=journey_ids)
    return {table: sorted(found, key=str) for table, found in rows.items()}


def as_stored(models: Models) -> dict[str, list[dict[str, Any]]]:
    """Folded rows as they would come back from the database, without what they leave out."""

    def value(name: str, given: Any) -> Any:
        return datetime.fromisoformat(given) if given is not None and name.endswith("_at") else given

    return {
        table: sorted(({name: value(name, v) for name, v in row.items()} for row in models.rows(table)), key=str)
        for table in models.tables
    }


async def test_rows_fold_alike_in_sql_and_in_python(tx: Any, teller: Any) -> None:
    journey_ids = [uuid4(), uuid4()]
    for journey_id in journey_ids:
        teller.answered_question(journey_id)
        teller.open_inquiry(journey_id)
    events = [stored_event(one) for one in teller.told]
    expected = as_stored(project(events))
    random.Random(4).shuffle(events)
    # Case events may overtake each other between topics; the others of one row come on one topic, in order.
    events.sort(key=lambda one: 0 if isinstance(one.event, CaseEvent) else one.sequence)
    for one in events:
        await store.models.upsert_models(tx, models=project([one]))
    found = await rows_of(tx, journey_ids)
    for table, rows in expected.items():
        assert len(found[table]) == len(rows) > 0
        for mine, theirs in zip(
            sorted(rows, key=lambda r: str(sorted(map(str, r.items())))),
            sorted(
                ({k: v for k, v in f.items() if k in rows[0]} for f in found[table]),
                key=lambda r: str(sorted(map(str, r.items()))),
            ),
            strict=True,
        ):
            assert {k: v for k, v in theirs.items() if v is not None} == {
                k: v for k, v in mine.items() if v is not None
            }


async def test_a_contact_is_about_all_that_was_said_of_it_the_latest_of_each(tx: Any, teller: Any) -> None:
    about: dict[str, Any] = {"journey_id": uuid4(), "contact_id": uuid4()}
    first = build(Concern, concern_id=uuid4(), task=Task.HELPDESK, tier=1)
    raised = first.model_copy(update={"tier": 2})
    handed_over = build(Concern, concern_id=uuid4(), ordinal=1, task=Task.BILLING_INQUIRY, case_id=uuid4(), tier=1)
    for concern in (first, raised, handed_over):
        teller.tell(build(ContactTriaged, **about, concerns=(concern,)))
    events = [stored_event(one) for one in teller.told]
    for one in events:
        await store.models.upsert_models(tx, models=project([one]))
    [contact] = (await rows_of(tx, [about["journey_id"]]))["contacts"]
    for concerns in (contact["concerns"], as_stored(project(events))["contacts"][0]["concerns"]):
        told = [(one["ordinal"], one["task"], one["tier"]) for one in concerns]
        assert told == [(0, "helpdesk", 2), (1, "billing_inquiry", 1)]


async def test_handle_is_found_by_kind_and_value(tx: Any, teller: Any) -> None:
    journey_id = uuid4()
    teller.answered_question(journey_id, mail="Anna@Post.example")
    await store.models.upsert_models(tx, models=project(stored_event(one) for one in teller.told))
    for kinds in ([], ["email"], ["phone", "email"]):
        (row,) = await store.models.list_journeys_of_handle(tx, kinds=kinds, value="anna@post.example")
        assert row["journey_id"] == journey_id
    assert await store.models.list_journeys_of_handle(tx, kinds=["phone"], value="anna@post.example") == []


async def test_emptied_models_have_no_rows(tx: Any, teller: Any) -> None:
    journey_id = uuid4()
    teller.answered_question(journey_id)
    await store.models.upsert_models(tx, models=project(stored_event(one) for one in teller.told))
    await store.models.delete_models(tx)
    assert not any((await rows_of(tx, [journey_id])).values())


async def test_links_are_followed_as_they_were(tx: Any) -> None:
    a, b, c = sorted([uuid4(), uuid4(), uuid4()])
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for one, other, made, removed in ((a, b, noon, None), (b, c, noon, noon + timedelta(hours=1))):
        await tx.execute(
            "INSERT INTO journey_links (link_id, a, b, made_at, removed_at) VALUES ($1, $2, $3, $4, $5)",
            uuid4(), one, other, made, removed,
        )  # fmt: skip

    async def members(hours: float) -> list[UUID]:
        at = noon + timedelta(hours=hours)
        return await store.events.list_members_as_of(tx, journey_id=c, as_of=at)

    assert await members(-1) == [c]
    assert await members(0.5) == [a, b, c]
    assert await members(1) == [c]
