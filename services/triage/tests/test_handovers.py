"""Cases that one task hands to another: taken up once, with the thread unbroken, and never by nobody."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import ComplaintTransferred, ContactReceived, ContactTriaged, Flag, ReviewRequested, Task, Thread
from anliegen.events.builders import build
from anliegen.kit import ids
from anliegen.kit.testing.clients import TestClient

Deliver = Callable[..., Awaitable[Any]]
Published = Callable[..., Awaitable[list[Any]]]
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ANGRY = "Ich bin empört: Ihr Service ist eine Frechheit, ich beschwere mich! Und die Rechnung ist auch noch falsch."
IGNORED = "Beschwerde: Ihr Service ist eine Frechheit! Seit Wochen antwortet niemand, so geht man nicht mit Kunden um."
ITEMS = "/triage/v1/reviews"


async def complained(deliver: Deliver, published: Published, text: str = ANGRY) -> tuple[ContactReceived, UUID]:
    """A complaint that came in; its contact, and its case."""
    contact = build(ContactReceived, text=text, journey_id=uuid4(), at=NOW)
    await deliver(contact)
    (triaged,) = await published(ContactTriaged)
    (concern,) = triaged.concerns_for(Task.COMPLAINTS)
    return contact, ids.derived("case", str(concern.concern_id), "complaints")


def handed_over(contact: ContactReceived, case_id: UUID, to: Task, **fields: Any) -> ComplaintTransferred:
    return build(
        ComplaintTransferred, journey_id=contact.journey_id, case_id=case_id, contact_id=contact.contact_id,
        task=fields.pop("task", Task.COMPLAINTS), to_task=to, **fields,
    )  # fmt: skip


async def test_handed_over_case_becomes_a_matter_of_the_other_task(deliver: Deliver, published: Published) -> None:
    contact, case_id = await complained(deliver, published)
    await deliver(handed_over(contact, case_id, Task.BILLING_INQUIRY))
    first, second = await published(ContactTriaged)
    (new,) = second.concerns
    assert (new.task, new.case_id, second.decided_by) == (Task.BILLING_INQUIRY, case_id, "person")
    assert new.ordinal == len(first.concerns)
    assert new.reasons[0].rule == "handed over by complaints"


async def test_a_cancellation_is_told_once_however_often_its_contact_is_handed_over(
    deliver: Deliver, published: Published
) -> None:
    words = "Ich beschwere mich über Ihren unverschämten Service und kündige hiermit meinen Vertrag fristlos!"
    contact, case_id = await complained(deliver, published, words)
    await deliver(handed_over(contact, case_id, Task.HELPDESK))
    first, second = await published(ContactTriaged)
    assert any(Flag.CANCELLATION in one.flags for one in first.concerns)
    assert not any(Flag.CANCELLATION in one.flags for one in second.concerns)


async def test_handing_over_twice_makes_one_matter(deliver: Deliver, published: Published) -> None:
    contact, case_id = await complained(deliver, published)
    await deliver(handed_over(contact, case_id, Task.HELPDESK), handed_over(contact, case_id, Task.HELPDESK))
    assert len(await published(ContactTriaged)) == 2


async def test_handing_over_before_the_contact_is_read_waits_for_it(deliver: Deliver, published: Published) -> None:
    contact = build(ContactReceived, text=ANGRY, journey_id=uuid4(), at=NOW)
    case_id = uuid4()
    await deliver(handed_over(contact, case_id, Task.HELPDESK))
    assert await published(ContactTriaged) == []
    await deliver(contact)
    first, second = await published(ContactTriaged)
    assert [(one.ordinal, one.case_id) for one in second.concerns] == [(len(first.concerns), case_id)]


@pytest.mark.parametrize("found_by", ["reply_token", "references"])
async def test_customer_who_answers_the_handed_over_case_reaches_the_task_that_has_it_now(
    deliver: Deliver, published: Published, found_by: str
) -> None:
    contact, case_id = await complained(deliver, published, IGNORED)
    await deliver(handed_over(contact, case_id, Task.BILLING_INQUIRY))
    inquiry = (await published(ContactTriaged))[-1].concerns[-1]
    now_at = ids.derived("case", str(inquiry.concern_id), "billing_inquiry")
    await deliver(handed_over(contact, now_at, Task.HELPDESK, task=Task.BILLING_INQUIRY))
    question = (await published(ContactTriaged))[-1].concerns[-1]
    at_last = ids.derived("case", str(question.concern_id), "helpdesk")
    thread = (
        Thread(contact_id=contact.contact_id, case_id=case_id, task=Task.COMPLAINTS, found_by=found_by)
        if found_by == "reply_token"
        else Thread(contact_id=contact.contact_id, found_by=found_by)
    )
    reply = build(
        ContactReceived, text="Und?", journey_id=contact.journey_id, at=NOW + timedelta(days=1), thread=thread
    )
    await deliver(reply)
    followed = (await published(ContactTriaged))[-1]
    assert followed.contact_id == reply.contact_id
    # One matter, though the contact it answers began three cases: all of them are that one by now.
    assert [(one.task, one.case_id) for one in followed.concerns] == [(Task.HELPDESK, at_last)]


class TestWhereNobodySettlesIt:
    @pytest.fixture
    def settings_overrides(self) -> dict[str, Any]:
        return {"tasks": [Task.COMPLAINTS, Task.HELPDESK]}

    async def test_person_looks_and_gives_it_to_somebody(
        self, deliver: Deliver, published: Published, client: TestClient
    ) -> None:
        contact, case_id = await complained(deliver, published, IGNORED)
        await deliver(handed_over(contact, case_id, Task.CLAIMS))
        (asked,) = await published(ReviewRequested)
        assert [(one.task, one.case_id) for one in asked.suggestions] == [(Task.CLAIMS, case_id)]
        assert len(await published(ContactTriaged)) == 1
        agent = client.as_agent()
        review = await agent.get(f"{ITEMS}/{asked.review_id}")
        assert review.json()["status"] == "open"
        decided = await agent.post(
            f"{ITEMS}/{asked.review_id}/decision", json={"concerns": [{"task": "helpdesk"}]},
            headers={"Idempotency-Key": f'"{uuid4()}"', "If-Match": review.headers["ETag"]},
        )  # fmt: skip
        assert decided.is_success, decided.text
        triaged = (await published(ContactTriaged))[-1]
        [question] = triaged.concerns
        assert (question.ordinal, question.task, question.case_id) == (1, Task.HELPDESK, case_id)
        # Whoever answers the complaint that was handed over reaches the question.
        thread = Thread(contact_id=contact.contact_id, case_id=case_id, task=Task.COMPLAINTS, found_by="reply_token")
        await deliver(
            build(
                ContactReceived, text="Und?", journey_id=contact.journey_id, at=NOW + timedelta(days=1), thread=thread
            )
        )
        [followed] = (await published(ContactTriaged))[-1].concerns
        at_last = ids.derived("case", str(question.concern_id), "helpdesk")
        assert (followed.task, followed.case_id) == (Task.HELPDESK, at_last)

    async def test_two_that_wait_for_a_person_are_asked_together(self, deliver: Deliver, published: Published) -> None:
        contact, case_id = await complained(deliver, published, IGNORED)
        other = uuid4()
        await deliver(handed_over(contact, case_id, Task.CLAIMS), handed_over(contact, other, Task.SALES_SUPPORT))
        first, second = await published(ReviewRequested)
        assert first.review_id == second.review_id
