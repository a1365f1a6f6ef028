"""Dashboards see how many contacts wait for a person, and for how long."""

from datetime import timedelta
from typing import Any

from prometheus_client import REGISTRY

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit.operations.gauges import measure_own
from anliegen.kit.versions import ANY_VERSION
from anliegen.triage import actions
from anliegen.triage.domain import review_id_of


async def test_reviews_are_counted_until_they_are_decided(context: Any, begin: Any, deliver: Any, clock: Any) -> None:
    async def seen() -> tuple[float | None, ...]:
        await measure_own(context)
        names = ("reviews_open", "reviews_oldest_seconds")
        return tuple(REGISTRY.get_sample_value(name, {"service": "triage"}) for name in names)

    assert await seen() == (0, 0)
    unclear = [build(ContactReceived, text="Hm.", received_at=clock.now()) for _ in range(2)]
    await deliver(unclear[0])
    clock.advance(timedelta(hours=3))
    await deliver(unclear[1])
    assert await seen() == (2, 3 * 3600)
    async with begin() as tx:
        await actions.decide_review(
            tx, review_id=review_id_of(unclear[0].contact_id), version=ANY_VERSION, drafts=[], decided_by="anna"
        )
    assert await seen() == (1, 0)
