"""What is stored comes back, and lists come in pages in either direction."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.billing_inquiry import store
from anliegen.billing_inquiry.domain import Answer, Contact, Inquiry, InquiryNotFound, Matter
from anliegen.billing_inquiry.rules import SERVICE_LEVELS
from anliegen.billing_inquiry.states import Reason, Resolution, State
from anliegen.billing_inquiry.store import Filters, Sort
from anliegen.events import Priority
from anliegen.kit import Transaction

MOMENT = datetime(2026, 3, 2, 9, tzinfo=UTC)


async def insert(tx: Transaction, *, at: datetime | None = None, **fields: Any) -> Inquiry:
    contact = Contact(contact_id=uuid4(), journey_id=fields.pop("journey_id", uuid4()), language="fr")
    await store.insert_contacts(tx, contacts=[contact], understood_at=[MOMENT])
    given = {"intent": "invoice_question", "priority": Priority.NORMAL, "tier": 1, **fields}
    matter = Matter(contact=contact, came_at=at or tx.now, **given)
    inquiry = Inquiry.asked(concern_id=uuid4(), matter=matter, levels=SERVICE_LEVELS)
    await store.insert_inquiry(tx, inquiry=inquiry)
    await store.insert_inquiry_contact(
        tx, case_id=inquiry.case_id, contact_id=contact.contact_id, came_at=matter.came_at
    )
    return inquiry


async def test_inquiry_comes_back_as_it_was_stored(tx: Transaction) -> None:
    inquiry = await insert(tx, priority=Priority.URGENT, tier=3)
    assert await store.get_inquiry(tx, case_id=inquiry.case_id) == inquiry


async def test_every_change_of_its_life_comes_back(tx: Transaction) -> None:
    inquiry = await insert(tx)
    later = tx.now + timedelta(hours=1)
    life: list[Callable[[Inquiry], Inquiry]] = [
        lambda q: q.taken_by("agent-1"),
        lambda q: q.about_invoice("R-1"),
        lambda q: q.broken()[0],
        lambda q: q.answered(answer_id=uuid4(), agent="agent-1", at=later),
        lambda q: q.resolved(Resolution.NO_OBJECTION, at=later),
        lambda q: q.closed(),
        lambda q: q.reopened_for(Reason.CUSTOMER_REJECTED, at=later, levels=SERVICE_LEVELS)[0],
        lambda q: q.resolved(Resolution.WITHDRAWN, at=later),
    ]
    for change in life:
        inquiry = change(inquiry)
        await store.update_inquiry(tx, inquiry=inquiry)
        assert await store.get_inquiry(tx, case_id=inquiry.case_id) == inquiry


async def test_unknown_inquiry_is_not_found(tx: Transaction) -> None:
    assert await store.find_inquiry(tx, case_id=uuid4()) is None
    with pytest.raises(InquiryNotFound):
        await store.get_inquiry(tx, case_id=uuid4())


async def test_contact_is_remembered_as_it_was_first_told(tx: Transaction) -> None:
    contact = Contact(contact_id=uuid4(), journey_id=uuid4(), language="it")
    await store.insert_contacts(tx, contacts=[contact], understood_at=[MOMENT])
    await store.insert_contacts(tx, contacts=[replace(contact, language="de")], understood_at=[MOMENT])
    assert await store.find_contact(tx, contact_id=contact.contact_id) == contact
    assert await store.find_contact(tx, contact_id=uuid4()) is None


async def test_contact_belongs_to_an_inquiry_once(tx: Transaction) -> None:
    inquiry = await insert(tx)
    again = {"case_id": inquiry.case_id, "contact_id": inquiry.contact_id, "came_at": tx.now}
    assert not await store.insert_inquiry_contact(tx, **again)  # type: ignore[arg-type]
    assert await store.list_contact_ids(tx, case_id=inquiry.case_id) == [inquiry.contact_id]


async def test_newest_contact_is_one_of_these_journeys(tx: Transaction) -> None:
    inquiry = await insert(tx)
    stranger = Contact(contact_id=uuid4(), journey_id=uuid4(), language="de")
    await store.insert_contacts(tx, contacts=[stranger], understood_at=[MOMENT])
    later = tx.now + timedelta(hours=1)
    case_id = inquiry.case_id
    assert await store.insert_inquiry_contact(tx, case_id=case_id, contact_id=stranger.contact_id, came_at=later)
    own, both = [inquiry.journey_id], [inquiry.journey_id, stranger.journey_id]
    newest = store.get_newest_contact_id
    assert await newest(tx, case_id=case_id, journey_ids=own) == inquiry.contact_id
    assert await newest(tx, case_id=case_id, journey_ids=both) == stranger.contact_id
    assert await store.list_contact_ids(tx, case_id=case_id) == [inquiry.contact_id, stranger.contact_id]


async def test_answers_are_listed_the_oldest_first(tx: Transaction) -> None:
    inquiry = await insert(tx)
    answers = [
        Answer(
            answer_id=uuid4(),
            reply_id=uuid4(),
            contact_id=inquiry.contact_id,
            answered_by="agent-1",
            answered_at=tx.now + timedelta(hours=hours),
        )
        for hours in (2, 1)
    ]
    for answer in answers:
        await store.insert_answer(tx, case_id=inquiry.case_id, answer=answer)
    assert await store.list_answers(tx, case_id=inquiry.case_id) == answers[::-1]


@pytest.mark.parametrize("sort", Sort)
async def test_pages_follow_one_another_in_both_directions(tx: Transaction, sort: Sort) -> None:
    # Two of each moment, so that the id decides between them.
    for hours in (3, 1, 2, 1, 3, 2):
        await insert(tx, at=tx.now + timedelta(hours=hours), priority=Priority.HIGH if hours == 2 else Priority.NORMAL)
    whole = await listed(tx, sort=sort, limit=10)
    assert len(whole) == 6
    keys = [sort.edge_of(inquiry) for inquiry in whole]
    assert keys == sorted(keys, reverse=sort.startswith("-"))
    edge = keys[2]
    assert await listed(tx, sort=sort, after=edge, limit=2) == whole[3:5]
    assert await listed(tx, sort=sort, after=edge, limit=10, backwards=True) == whole[1::-1]


async def listed(
    tx: Transaction,
    *,
    filters: Filters | None = None,
    sort: Sort = Sort.DUE_AT,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 100,
    backwards: bool = False,
) -> list[Inquiry]:
    filters = filters or Filters()
    return await store.list_inquiries(tx, filters=filters, sort=sort, backwards=backwards, after=after, limit=limit)


async def test_filters_restrict_each_on_its_own_and_together(tx: Transaction) -> None:
    journey_id = uuid4()
    urgent = await insert(tx, priority=Priority.URGENT, tier=2)
    own = await insert(tx, journey_id=journey_id, invoice_number="R-1")
    taken = (await insert(tx)).taken_by("agent-1")
    await store.update_inquiry(tx, inquiry=taken)
    expected: list[tuple[Filters, list[Inquiry]]] = [
        (Filters(), [urgent, own, taken]),
        (Filters(states=[State.OPEN]), [urgent, own]),
        (Filters(states=[State.OPEN, State.IN_PROGRESS]), [urgent, own, taken]),
        (Filters(priorities=["urgent"]), [urgent]),
        (Filters(tiers=[2, 3]), [urgent]),
        (Filters(assignees=["agent-1"]), [taken]),
        (Filters(journey_ids=[journey_id]), [own]),
        (Filters(invoice_numbers=["R-1", "R-2"]), [own]),
        (Filters(journey_ids=[]), []),
        (Filters(states=[State.IN_PROGRESS], priorities=["urgent"]), []),
    ]
    for filters, wanted in expected:
        found = await listed(tx, filters=filters)
        assert sorted(found, key=repr) == sorted(wanted, key=repr), filters
