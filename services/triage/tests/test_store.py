"""What triage keeps comes back as it was, and never holds words."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from anliegen.events import Failure, FailureKind, Task
from anliegen.triage import store
from anliegen.triage.classifier import Reading
from anliegen.triage.deciding import decide_reading
from anliegen.triage.domain import Contact, ContactNotFound, ReviewNotFound, Status

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEXT = "Meine Rechnung vom Februar ist zu hoch, bitte prüfen Sie den Betrag, Quittenmus. Ich gehe zum Anwalt!"


def contact(context: Any, **fields: Any) -> Contact:
    reading: Reading = context.resources["classifier"].classify(
        text=TEXT, subject=None, language="de", channel="email", stated_task=None
    )
    given = {"status": Status.WAITING, "received_at": NOW} | fields
    return Contact(
        contact_id=uuid4(),
        journey_id=uuid4(),
        channel="email",
        language="de",
        reading=reading,
        pack="x/2026.1",
        **given,
    )


async def test_contact_comes_back_as_it_was(tx: Any, context: Any) -> None:
    kept = contact(context, earlier_contact_id=uuid4(), found_by="references")
    assert await store.insert_contacts(tx, [kept])
    assert not await store.insert_contacts(tx, [kept])
    assert await store.get_contact(tx, contact_id=kept.contact_id) == kept
    waiting = await store.list_waiting(tx, earlier_contact_ids=[uuid4(), kept.earlier_contact_id])
    assert waiting == {kept.earlier_contact_id: [(kept.contact_id, kept.journey_id)]}


async def test_concerns_come_back_as_they_were_and_without_words(tx: Any, context: Any) -> None:
    kept = contact(context)
    await store.insert_contacts(tx, [kept])
    concerns = decide_reading(kept, context.resources["packs"])
    await store.insert_concerns(tx, {kept.contact_id: concerns})
    assert await store.list_concerns(tx, contact_id=kept.contact_id) == concerns
    raised = [one.at_tier(3) for one in concerns]
    await store.update_tiers(tx, concerns=raised)
    assert await store.list_concerns(tx, contact_id=kept.contact_id) == raised
    assert await store.find_intent_of_case(tx, case_id=concerns[0].case_id) == "invoice_question"
    for table in ("contacts", "concerns"):
        assert "Quittenmus" not in str([dict(row) for row in await tx.fetch(f"SELECT * FROM {table}")])


async def test_what_is_not_there_is_named(tx: Any) -> None:
    with pytest.raises(ContactNotFound):
        await store.get_contact(tx, contact_id=uuid4())
    with pytest.raises(ReviewNotFound):
        await store.get_review(tx, review_id=uuid4())


async def test_failure_is_kept_once_and_listed_within_its_window(tx: Any) -> None:
    journey_id, case_id = uuid4(), uuid4()
    failure = Failure(failure_id=uuid4(), kind=FailureKind.WRONG_INVOICE, occurred_at=NOW, code="x")
    about = {"journey_id": journey_id, "case_id": case_id, "task": Task.HELPDESK, "failure": failure}
    assert await store.insert_failure(tx, **about)
    assert not await store.insert_failure(tx, **about)

    async def count(since: timedelta, until: timedelta) -> int:
        found = await store.list_failures(tx, journey_ids=[journey_id], since=NOW + since, until=NOW + until)
        return len(found)

    minute = timedelta(minutes=1)
    assert await count(-minute, timedelta()) == 1
    assert await count(timedelta(), minute) == 0
    assert await count(-2 * minute, -minute) == 0
