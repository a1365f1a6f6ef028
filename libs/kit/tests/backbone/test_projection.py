"""A projection may run again from anywhere: it publishes nothing, locks no stream, and still parks what fails."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit import Handlers
from anliegen.kit.mistakes import ProjectionPublishes


@pytest.fixture
def service(toy, make_toy_service):
    return make_toy_service(toy, projection=True)


async def test_a_projection_takes_events_without_locking_streams(deliver, ledger, count) -> None:
    await deliver(build(ContactReceived, text="one"))
    assert await ledger() == ["one"]
    assert await count("streams") == 0


async def test_a_projection_cannot_publish(tx) -> None:
    tx.may_publish = False
    journey = uuid4()
    await tx.lock(journey)
    with pytest.raises(ProjectionPublishes):
        tx.publish(build(ContactReceived, journey_id=journey))


async def test_a_handler_of_a_projection_that_publishes_fails(deliver, context, published) -> None:
    handlers = Handlers("kit-toy", projection=True)

    @handlers.on(ContactReceived)
    async def announce(event: ContactReceived, tx) -> None:
        await tx.lock(event.journey_id)
        tx.publish(event)

    context.service = replace(context.service, handlers=handlers)
    await deliver(build(ContactReceived))
    async with context.pool.acquire() as connection:
        assert await connection.fetchval("SELECT reason FROM parked_keys") == "ProjectionPublishes"
    assert await published() == []


async def test_a_projection_parks_and_goes_on_in_order(deliver, toy, ledger, count, clock, retry_parked) -> None:
    toy.broken.add("bad")
    journey = uuid4()
    await deliver(*(build(ContactReceived, journey_id=journey, text=text) for text in ("bad", "second")))
    toy.broken.clear()
    clock.advance(timedelta(seconds=2))
    await retry_parked()
    assert await ledger() == ["bad", "second"]
    assert await count("parked_keys") == 0
