"""What billing inquiry's tests share: contacts as triage tells of them, and inquiries that are open already."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.billing_inquiry import store
from anliegen.billing_inquiry.domain import Inquiry
from anliegen.events import Concern, ContactTriaged, Task
from anliegen.events.builders import build
from anliegen.kit import ids
from anliegen.kit.clock import FixedClock


@pytest.fixture
def triaged(clock: FixedClock) -> Callable[..., ContactTriaged]:
    """A contact with one concern, understood just now: `triaged(journey_id=…, case_id=…, intent=…)`."""

    def make(journey_id: UUID | None = None, *, task: Task = Task.BILLING_INQUIRY, **fields: Any) -> ContactTriaged:
        contact_id = uuid4()
        concern_id = ids.derived("concern", str(contact_id), 0)
        concern = build(Concern, concern_id=concern_id, task=task, **{"intent": "invoice_question", **fields})
        return build(
            ContactTriaged,
            journey_id=journey_id or uuid4(),
            contact_id=contact_id,
            concerns=(concern,),
            decided_at=clock.now(),
        )

    return make


@pytest.fixture
def case_of() -> Callable[[ContactTriaged], UUID]:
    """The id of the case that a contact's concern opens."""
    return lambda event: ids.derived("case", str(event.concerns[0].concern_id), "billing_inquiry")


@pytest.fixture
def open_inquiry(
    deliver: Callable[..., Awaitable[Any]], triaged: Callable[..., ContactTriaged], load: Callable[..., Any]
) -> Callable[..., Awaitable[Inquiry]]:
    """`await open_inquiry(journey_id=…, priority=…)`: an inquiry that came in and is stored."""

    async def make(journey_id: UUID | None = None, **fields: Any) -> Inquiry:
        event = triaged(journey_id, **fields)
        await deliver(event)
        inquiry: Inquiry = await load(ids.derived("case", str(event.concerns[0].concern_id), "billing_inquiry"))
        return inquiry

    return make


@pytest.fixture
def load(begin: Callable[..., Any]) -> Callable[[UUID], Awaitable[Inquiry]]:
    """`await load(case_id)`: the inquiry as it is stored now."""

    async def read(case_id: UUID) -> Inquiry:
        async with begin() as tx:
            return await store.get_inquiry(tx, case_id=case_id)

    return read
