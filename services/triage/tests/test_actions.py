"""Who locks what where two journeys are one person's, and what two at the same moment bring about."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from anliegen.events import ContactReceived, ContactTriaged, Failure, FailureKind, JourneysMerged, QuestionReopened
from anliegen.events.builders import build
from anliegen.kit.versions import ANY_VERSION
from anliegen.triage import actions
from anliegen.triage.domain import Draft, ReviewDecided, review_id_of

INVOICE = "Guten Tag, meine Rechnung vom Februar ist zu hoch. Bitte prüfen Sie das."


async def link(deliver: Any, one: UUID, other: UUID) -> None:
    a, b = sorted([one, other])
    await deliver(build(JourneysMerged, link_id=uuid4(), journey_a=a, journey_b=b))


async def test_timer_moves_to_the_smaller_root_of_a_merge(
    context: Any, deliver: Any, published: Any, run_timers: Any, clock: Any
) -> None:
    smaller, a, b = sorted([uuid4(), uuid4(), uuid4()])
    await link(deliver, a, b)
    await deliver(build(ContactReceived, text=INVOICE, journey_id=b, received_at=clock.now()))
    failure = Failure(
        failure_id=uuid4(), kind=FailureKind.REOPENED_CASE, occurred_at=clock.now() - timedelta(days=1), code="x"
    )
    await deliver(build(QuestionReopened, journey_id=a, failure=failure))
    # The count is due under a's lock, but the person's root is another one by now.
    async with context.pool.acquire() as connection:
        assert await connection.fetchval("SELECT key FROM timers") == str(a)
        await connection.execute(
            "INSERT INTO journey_links (link_id, a, b, made_at) VALUES ($1, $2, $3, now())", uuid4(), smaller, a
        )
    assert await run_timers() == 1
    async with context.pool.acquire() as connection:
        assert await connection.fetchval("SELECT key FROM timers") == str(smaller)
    assert await run_timers() == 1
    assert [event.concerns[0].tier for event in await published(ContactTriaged)] == [1, 2]


async def test_two_reviewers_at_the_same_moment_decide_once(begin: Any, deliver: Any, published: Any) -> None:
    event = build(ContactReceived, text="Könnten Sie sich das bitte einmal ansehen?", journey_id=uuid4())
    await deliver(event)

    async def decide(task: str) -> object:
        try:
            async with begin() as tx:
                return await actions.decide_review(
                    tx,
                    review_id=review_id_of(event.contact_id),
                    version=ANY_VERSION,
                    drafts=[Draft(task=actions.Task(task))],
                    decided_by=task,
                )
        except ReviewDecided as refusal:
            return refusal

    outcomes = await asyncio.gather(decide("claims"), decide("feedback"))
    assert sum(isinstance(one, ReviewDecided) for one in outcomes) == 1
    assert len(await published(ContactTriaged)) == 1


async def test_contact_and_failure_at_the_same_moment_are_counted_together(
    context: Any, deliver: Any, published: Any, run_timers: Any, clock: Any, postman: Any
) -> None:
    from anliegen.kit.testing.deliveries import Postman

    a, b = sorted([uuid4(), uuid4()])
    await link(deliver, a, b)
    postman._offsets.clear()
    contact = build(ContactReceived, text=INVOICE, journey_id=b, received_at=clock.now())
    failure = Failure(
        failure_id=uuid4(), kind=FailureKind.REOPENED_CASE, occurred_at=clock.now() - timedelta(days=1), code="x"
    )
    reopened = build(QuestionReopened, journey_id=a, failure=failure)
    await asyncio.gather(Postman(context).deliver(contact), Postman(context).deliver(reopened))
    while await run_timers():
        pass
    assert (await published(ContactTriaged))[-1].concerns[0].tier == 2
