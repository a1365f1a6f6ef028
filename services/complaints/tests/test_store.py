"""What is stored comes back as it was, and the database refuses what may not be."""

from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from anliegen.complaints import store
from anliegen.complaints.domain import Decision
from anliegen.complaints.states import Outcome, State
from anliegen.events import Money


async def test_a_complaint_comes_back_as_it_was(open_complaint: Any, assess: Any, do: Any, load: Any) -> None:
    case_id = (await open_complaint()).case_id
    await assess(case_id, country="GB", line="banking")
    decision = Decision(outcome=Outcome.PARTLY, reasons=("our_mistake", "late_delivery"), other_ways=("second_look",))
    await do("decide_complaint", case_id, decision=decision)
    told = await do("remedy_complaint", case_id, remedy="refund", amount=Money(amount=4250, currency="GBP"))
    assert await load(case_id) == told


async def test_a_rejection_without_another_way_is_not_even_stored(open_complaint: Any, begin: Any) -> None:
    complaint = await open_complaint()
    bare = Decision(outcome=Outcome.REJECTED, reasons=("as_agreed",))
    with pytest.raises(asyncpg.CheckViolationError):
        async with begin() as tx:
            await store.update_complaint(tx, complaint=replace(complaint, state=State.DECIDED, decision=bare))


async def test_a_customer_is_waited_for_once_at_a_time(open_complaint: Any, begin: Any, clock: Any) -> None:
    case_id = (await open_complaint()).case_id
    async with begin() as tx:
        await store.insert_pause(tx, case_id=case_id, began_at=tx.now)
        await store.insert_pause(tx, case_id=case_id, began_at=tx.now)
        await store.update_pause_ended(tx, case_id=case_id, ended_at=tx.now)
        assert await store.list_pauses(tx, case_id=case_id) == [(clock.now(), clock.now())]
