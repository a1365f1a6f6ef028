"""What the journey does, at its edges: rebuilding while events come in, and following over a gap."""

import asyncio
from typing import Any
from uuid import uuid4

from anliegen.journey import actions, store
from anliegen.journey.live import Position


async def test_events_wait_while_models_are_computed_again(teller: Any, deliver: Any, begin: Any, dump: Any) -> None:
    teller.answered_question(uuid4())
    await deliver(*teller.told[:4])
    async with begin() as tx:
        assert await actions.rebuild(tx) == 4
        late = asyncio.create_task(deliver(*teller.told[4:]))
        await asyncio.sleep(0.2)
        assert not late.done()
    await late
    after = await dump(models_only=True)
    async with begin() as tx:
        assert await actions.rebuild(tx) == len(teller.told)
    assert await dump(models_only=True) == after


async def test_news_are_told_once_and_in_order(teller: Any, deliver: Any, begin: Any) -> None:
    journey_id, position, heard = uuid4(), Position(), []
    teller.answered_question(journey_id)
    told = list(teller.told)
    # Of intake's events the fourth comes before the second: neither is lost and neither is told twice.
    for part in (told[:1], told[7:8] + told[2:4], told[1:2], told[4:7], [], told[8:]):
        await deliver(*part)
        async with begin() as tx:
            news = await actions.tell_news(tx, members=[journey_id], position=position)
        for one in news:
            position.take(one.key, one.source, [one.sequence])
        heard += [one.event_id for one in news]
        position = Position.decode(position.encode())
    assert len(heard) == len(told)
    assert set(heard) == {one.envelope.id for one in told}


async def test_reader_who_has_everything_gets_no_news(teller: Any, deliver: Any, begin: Any) -> None:
    journey_id = uuid4()
    teller.answered_question(journey_id)
    await deliver(*teller.told)
    async with begin() as tx:
        position = await actions.stand_now(tx, members=[journey_id])
        assert await actions.tell_news(tx, members=[journey_id], position=position) == []
        assert len(await actions.tell_news(tx, members=[journey_id], position=Position())) == len(teller.told)


async def test_rebuild_reads_more_than_one_chunk(
    teller: Any, deliver: Any, begin: Any, dump: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(store.events, "CHUNK", 2)
    for _ in range(3):
        teller.answered_question(uuid4())
    await deliver(*teller.told)
    before = await dump(models_only=True)
    async with begin() as tx:
        assert await actions.rebuild(tx) == len(teller.told)
    assert await dump(models_only=True) == before
