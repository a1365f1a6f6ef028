"""What the tests of complaints share: contacts as triage tells of them, and complaints that are open already."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.complaints import actions, store
from anliegen.complaints.domain import Assessment, Complaint, Decision
from anliegen.complaints.states import Outcome, Response
from anliegen.events import Concern, ContactTriaged, Task
from anliegen.events.builders import build
from anliegen.kit import ids
from anliegen.kit.clock import FixedClock
from anliegen.kit.versions import ANY_VERSION

GRAVE = Assessment(severity=3, complexity=2, impact=2, immediate_action=False)
UPHELD = Decision(outcome=Outcome.UPHELD, reasons=("our_mistake",))
REJECTED = Decision(outcome=Outcome.REJECTED, reasons=("as_agreed",), other_ways=("ombudsman",))


@pytest.fixture
def triaged(clock: FixedClock) -> Callable[..., ContactTriaged]:
    """A contact with one concern, understood just now: `triaged(journey_id=…, case_id=…, intent=…)`."""

    def make(journey_id: UUID | None = None, *, task: Task = Task.COMPLAINTS, **fields: Any) -> ContactTriaged:
        contact_id = uuid4()
        concern_id = ids.derived("concern", str(contact_id), 0)
        concern = build(Concern, concern_id=concern_id, task=task, **{"intent": "service", "flags": (), **fields})
        return build(
            ContactTriaged,
            journey_id=journey_id or uuid4(),
            contact_id=contact_id,
            language="de",
            concerns=(concern,),
            decided_at=clock.now(),
        )

    return make


@pytest.fixture
def case_of() -> Callable[[ContactTriaged], UUID]:
    """The id of the case that a contact's concern opens."""
    return lambda event: ids.derived("case", str(event.concerns[0].concern_id), "complaints")


@pytest.fixture
def open_complaint(
    deliver: Callable[..., Awaitable[Any]], triaged: Callable[..., ContactTriaged], load: Callable[..., Any]
) -> Callable[..., Awaitable[Complaint]]:
    """`await open_complaint(journey_id=…, priority=…)`: a complaint that came in and is stored."""

    async def make(journey_id: UUID | None = None, **fields: Any) -> Complaint:
        event = triaged(journey_id, **fields)
        await deliver(event)
        complaint: Complaint = await load(ids.derived("case", str(event.concerns[0].concern_id), "complaints"))
        return complaint

    return make


@pytest.fixture
def load(begin: Callable[..., Any]) -> Callable[[UUID], Awaitable[Complaint]]:
    """`await load(case_id)`: the complaint as it is stored now."""

    async def read(case_id: UUID) -> Complaint:
        async with begin() as tx:
            return await store.get_complaint(tx, case_id=case_id)

    return read


@pytest.fixture
def do(begin: Callable[..., Any]) -> Callable[..., Awaitable[Complaint]]:
    """`await do("take_complaint", case_id)`: an action of agent anna's, whatever the version."""

    async def run(name: str, case_id: UUID, **fields: Any) -> Complaint:
        async with begin() as tx:
            action = getattr(actions, name)
            complaint: Complaint = await action(tx, case_id=case_id, agent="anna", expected=ANY_VERSION, **fields)
            return complaint

    return run


@pytest.fixture
def assess(do: Callable[..., Awaitable[Complaint]]) -> Callable[..., Awaitable[Complaint]]:
    """`await assess(case_id, country="GB", line="banking")`: the complaint is assessed."""

    async def run(case_id: UUID, *, country: str = "CH", line: str = "general", **grid: Any) -> Complaint:
        assessment = Assessment(**{"severity": 3, "complexity": 2, "impact": 2, "immediate_action": False} | grid)
        return await do("assess_complaint", case_id, assessment=assessment, country=country, line=line)

    return run


@pytest.fixture
def answer(do: Callable[..., Awaitable[Complaint]]) -> Callable[..., Awaitable[Complaint]]:
    """`await answer(case_id)`: assessed, upheld, and answered."""

    async def run(case_id: UUID, decision: Decision = UPHELD, response: Response = Response.ACCEPT) -> Complaint:
        await do("assess_complaint", case_id, assessment=GRAVE, country="CH", line="general")
        await do("decide_complaint", case_id, decision=decision)
        return await do("answer_complaint", case_id, response=response, answer="Das tut uns leid.", language=None)

    return run
