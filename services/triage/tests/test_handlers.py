"""What events bring about in triage: decisions, reviews, follow-ups, and the repeat-failure guard."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import (
    AnswerOverdue,
    ContactReceived,
    ContactTriaged,
    Event,
    Failure,
    FailureKind,
    InquiryReopened,
    JourneysMerged,
    JourneysSplit,
    QuestionReopened,
    ReviewRequested,
    Task,
    Thread,
)
from anliegen.events.builders import build
from anliegen.kit import ids
from anliegen.kit.testing.deliveries import Announced, announced, interleavings

Deliver = Callable[..., Awaitable[list[Announced]]]
Published = Callable[..., Awaitable[list[Any]]]
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
INVOICE = "Guten Tag, meine Rechnung vom Februar ist zu hoch. Bitte prüfen Sie das."
TWO_MATTERS = (
    "Auf der Rechnung vom Februar stimmt der Betrag nicht. Ausserdem sind wir umgezogen, die neue Adresse ist Seeweg 4."
)
UNCLEAR = "Hallo zusammen, könnten Sie sich das bitte einmal ansehen? Gruss, Reto"


def contact(
    text: str = INVOICE, *, journey_id: UUID | None = None, at: datetime = NOW, **fields: Any
) -> ContactReceived:
    return build(ContactReceived, text=text, journey_id=journey_id or uuid4(), at=at, **fields)


def failure(journey_id: UUID, *, at: datetime, cls: Any = AnswerOverdue, **fields: Any) -> Event:
    what = Failure(failure_id=uuid4(), kind=FailureKind.BROKEN_PROMISE, occurred_at=at, code="answer_overdue")
    event: Event = build(cls, journey_id=journey_id, failure=what, promise=None, **fields)
    return event


async def only(published: Published, cls: Any = ContactTriaged) -> Any:
    events = await published(cls)
    assert len(events) == 1
    return events[0]


async def test_clear_message_goes_to_its_task(deliver: Deliver, published: Published) -> None:
    event = contact()
    await deliver(event)
    triaged = await only(published)
    (concern,) = triaged.concerns
    assert (concern.task, concern.intent, triaged.decided_by) == (Task.BILLING_INQUIRY, "invoice_question", "model")
    assert concern.concern_id == ids.derived("concern", str(event.contact_id), 0)
    assert concern.case_id is None
    assert triaged.pack.startswith("routing/")
    spans = [event.text[reason.start : reason.end] for reason in concern.reasons if reason.start is not None]
    assert any("Rechnung" in span for span in spans)


async def test_unclear_message_waits_for_a_person_instead_of_a_guess(deliver: Deliver, published: Published) -> None:
    await deliver(contact(UNCLEAR))
    review = await only(published, ReviewRequested)
    assert review.confidence < 0.8
    assert await published(ContactTriaged) == []


async def test_two_separate_matters_are_two_concerns(deliver: Deliver, published: Published) -> None:
    await deliver(contact(TWO_MATTERS))
    triaged = await only(published)
    assert [concern.task for concern in triaged.concerns] == [Task.BILLING_INQUIRY, Task.ADMINISTRATION]
    assert [concern.ordinal for concern in triaged.concerns] == [0, 1]


async def test_stated_task_is_taken_as_said(deliver: Deliver, published: Published) -> None:
    await deliver(contact(UNCLEAR, stated_task=Task.CLAIMS))
    (concern,) = (await only(published)).concerns
    assert (concern.task, concern.intent, concern.confidence) == (Task.CLAIMS, "unspecified", 1.0)


async def test_automatic_mail_is_kept_and_leads_to_nothing(deliver: Deliver, published: Published) -> None:
    await deliver(contact(INVOICE, automatic=True))
    assert (await only(published)).concerns == ()
    assert await published(ReviewRequested) == []


async def test_language_falls_back_to_german(deliver: Deliver, published: Published) -> None:
    await deliver(contact(INVOICE, language=None))
    assert (await only(published)).language == "de"


async def test_language_that_was_not_learned_goes_to_a_person(deliver: Deliver, published: Published) -> None:
    await deliver(contact("Faturam yanlış.", language="tr"))
    assert (await only(published, ReviewRequested)).language == "tr"


async def test_language_that_nobody_knows_goes_to_a_person_who_reads_german(
    deliver: Deliver, published: Published
) -> None:
    await deliver(contact("Моя посылка не пришла, где она?", language=None))
    assert (await only(published, ReviewRequested)).language == "de"


async def test_reply_to_a_case_continues_it(deliver: Deliver, published: Published) -> None:
    case_id = uuid4()
    thread = Thread(case_id=case_id, task=Task.HELPDESK, found_by="reply_token")
    await deliver(contact("Danke, aber das hilft mir nicht weiter.", thread=thread))
    (concern,) = (await only(published)).concerns
    assert (concern.task, concern.case_id, concern.intent) == (Task.HELPDESK, case_id, "follow_up")


async def test_reply_to_a_contact_continues_all_its_cases(deliver: Deliver, published: Published) -> None:
    first = contact(TWO_MATTERS)
    thread = Thread(contact_id=first.contact_id, found_by="references")
    reply = contact("Haben Sie das schon gesehen?", journey_id=first.journey_id, thread=thread)
    await deliver(first, reply)
    opened, continued = await published(ContactTriaged)
    expected = [ids.derived("case", str(one.concern_id), one.task.value) for one in opened.concerns]
    assert [one.case_id for one in continued.concerns] == expected
    assert [one.intent for one in continued.concerns] == ["invoice_question", "address_change"]


async def test_reply_waits_for_the_review_of_what_it_answers(
    deliver: Deliver, published: Published, run_timers: Any, clock: Any
) -> None:
    first = contact(UNCLEAR)
    thread = Thread(contact_id=first.contact_id, found_by="references")
    await deliver(first, contact("Und?", journey_id=first.journey_id, thread=thread))
    assert len(await published(ReviewRequested)) == 1
    clock.advance(timedelta(minutes=16))
    await run_timers()
    # Nobody decided in time, so it stands alone, and is unclear itself.
    assert len(await published(ReviewRequested)) == 2


async def test_reply_that_overtakes_is_settled_when_the_first_arrives(
    deliver: Deliver, published: Published, run_timers: Any
) -> None:
    first = contact()
    thread = Thread(contact_id=first.contact_id, found_by="references")
    await deliver(contact("Und?", thread=thread))
    assert await published(ContactTriaged) == []
    await deliver(first)
    await run_timers()
    opened, continued = await published(ContactTriaged)
    assert continued.concerns[0].case_id == ids.derived(
        "case", str(opened.concerns[0].concern_id), opened.concerns[0].task.value
    )


@pytest.mark.parametrize(("failures", "tier"), [(0, 1), (1, 2), (2, 3), (3, 3)])
async def test_failures_before_a_contact_raise_its_tier(
    deliver: Deliver, published: Published, failures: int, tier: int
) -> None:
    journey_id = uuid4()
    for number in range(failures):
        cls = [AnswerOverdue, QuestionReopened, InquiryReopened][number]
        await deliver(failure(journey_id, at=NOW - timedelta(days=number + 1), cls=cls))
    await deliver(contact(journey_id=journey_id))
    (concern,) = (await only(published)).concerns
    assert concern.tier == tier


@pytest.mark.parametrize("days", [-1, 91])
async def test_failures_outside_the_window_do_not_count(deliver: Deliver, published: Published, days: int) -> None:
    journey_id = uuid4()
    await deliver(failure(journey_id, at=NOW - timedelta(days=days)), contact(journey_id=journey_id))
    assert (await only(published)).concerns[0].tier == 1


async def test_failure_that_arrives_late_raises_the_tier_afterwards(deliver: Deliver, published: Published) -> None:
    event = contact()
    await deliver(event)
    await deliver(failure(event.journey_id, at=NOW - timedelta(hours=1)))
    first, second = await published(ContactTriaged)
    assert (first.concerns[0].tier, second.concerns[0].tier) == (1, 2)
    assert first.concerns[0].concern_id == second.concerns[0].concern_id
    assert first.decided_at == second.decided_at


async def test_failure_in_the_case_that_a_contact_opened_is_not_one_before_it(
    deliver: Deliver, published: Published
) -> None:
    event = contact()
    await deliver(event)
    concern = (await only(published)).concerns[0]
    case_id = ids.derived("case", str(concern.concern_id), concern.task.value)
    await deliver(failure(event.journey_id, at=NOW - timedelta(days=3), cls=InquiryReopened, case_id=case_id))
    assert len(await published(ContactTriaged)) == 1


async def test_failures_count_over_the_person_until_it_is_split(
    deliver: Deliver, published: Published, run_timers: Any
) -> None:
    a, b = sorted([uuid4(), uuid4()])
    link = {"link_id": uuid4(), "journey_a": a, "journey_b": b}
    await deliver(failure(a, at=NOW - timedelta(days=1)), contact(journey_id=b))
    assert [event.concerns[0].tier for event in await published(ContactTriaged)] == [1]
    await deliver(build(JourneysMerged, **link))
    await run_timers()
    assert [event.concerns[0].tier for event in await published(ContactTriaged)] == [1, 2]
    await deliver(build(JourneysSplit, **link))
    await run_timers()
    assert [event.concerns[0].tier for event in await published(ContactTriaged)] == [1, 2, 1]


async def dump(context: Any) -> dict[str, list[str]]:
    """Every table of triage, row by row, without what says when or how often it was written."""
    tables = {
        "contacts": "to_jsonb(t) - 'version'",
        "concerns": "to_jsonb(t)",
        "reviews": "to_jsonb(t)",
        "failures": "to_jsonb(t)",
        "corrections": "to_jsonb(t)",
    }
    async with context.pool.acquire() as connection:
        return {
            table: [row[0] for row in await connection.fetch(f"SELECT ({what})::text FROM {table} t ORDER BY 1")]
            for table, what in tables.items()
        }


def story() -> list[Announced]:
    """One person under two journeys: contacts, follow-ups, failures of two services, a merge and another's split."""
    a, b, c = sorted([uuid4(), uuid4(), uuid4()])
    first, unclear = contact(journey_id=a), contact(UNCLEAR, journey_id=b)
    reply = contact("Und?", journey_id=b, thread=Thread(contact_id=first.contact_id, found_by="references"))
    gone = {"link_id": uuid4(), "journey_a": a, "journey_b": c}
    return [
        announced(event, at=NOW)
        for event in (
            first,
            failure(a, at=NOW - timedelta(days=2), cls=QuestionReopened),
            build(JourneysMerged, link_id=uuid4(), journey_a=a, journey_b=b),
            unclear,
            failure(b, at=NOW - timedelta(days=5), cls=InquiryReopened),
            reply,
            build(JourneysMerged, **gone),
            build(JourneysSplit, **gone),
            failure(c, at=NOW - timedelta(days=1)),
            contact("Hiermit kündige ich meinen Vertrag.", journey_id=c),
        )
    ]


async def test_topics_in_any_order(database: Any, context: Any, postman: Any, run_timers: Any) -> None:
    events = story()
    expected = None
    for number, order in enumerate(interleavings(events, count=12)):
        await database.empty()
        postman._offsets.clear()
        await postman.deliver(*order, one_by_one=number % 2 == 0)
        while await run_timers():
            pass
        found = await dump(context)
        assert len(found["contacts"]) == 4
        expected = expected or found
        assert found == expected


async def test_second_delivery_changes_nothing(
    context: Any, deliver: Deliver, published: Published, run_timers: Any
) -> None:
    mail = await deliver(*story())
    await run_timers()
    before, announcements = await dump(context), await published()
    await deliver(*mail, despite_inbox=True)
    await run_timers()
    assert await dump(context) == before
    assert await published() == announcements


async def test_many_at_once_are_decided_as_one_by_one(deliver: Deliver, database: Any, context: Any) -> None:
    journeys = [uuid4() for _ in range(4)]
    first = contact(journey_id=journeys[0])
    things = [
        failure(journeys[1], at=NOW - timedelta(days=1)),
        first,
        contact(UNCLEAR, journey_id=journeys[1]),
        contact(journey_id=journeys[1]),
        contact(journey_id=journeys[2], thread=Thread(contact_id=first.contact_id, found_by="reference_in_text")),
        contact(journey_id=journeys[2]),
        contact(journey_id=journeys[3], automatic=True),
        contact(journey_id=journeys[3]),
        contact(journey_id=journeys[0]),
        failure(journeys[0], at=NOW - timedelta(hours=2)),
    ]
    mail = [announced(thing, at=NOW) for thing in things]

    async def outcome(*, one_by_one: bool) -> Any:
        await deliver(*mail, one_by_one=one_by_one)
        tables = await database.snapshot(without=("version",))
        async with context.pool.acquire() as connection:
            rows = await connection.fetch("SELECT event_id, key, type, payload FROM outbox ORDER BY event_id")
        await database.empty()
        return tables, [dict(row) for row in rows]

    together, apart = await outcome(one_by_one=False), await outcome(one_by_one=True)
    assert together == apart
    assert len(together[1]) > len(things) // 2


async def test_the_same_contact_twice_in_one_batch_is_decided_once(deliver: Deliver, published: Published) -> None:
    event = contact()
    await deliver(event, event)
    await only(published)
