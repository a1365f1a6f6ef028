"""Merges make links, splits remove them; they commute, and nothing moves."""

import asyncio
from itertools import permutations
from uuid import UUID, uuid4

import pytest

from anliegen.events import CustomerLearnt, JourneysMerged, JourneysSplit
from anliegen.events.builders import build
from anliegen.kit.testing import announced


def merged(a: UUID, b: UUID, link: UUID | None = None) -> JourneysMerged:
    a, b = sorted((a, b))
    return build(JourneysMerged, link_id=link or uuid4(), journey_a=a, journey_b=b)


def split(link: JourneysMerged) -> JourneysSplit:
    return build(JourneysSplit, link_id=link.link_id, journey_a=link.journey_a, journey_b=link.journey_b)


async def test_a_merge_makes_members_and_a_split_unmakes_them(deliver, begin) -> None:
    a, b, c = sorted(uuid4() for _ in range(3))
    first, second = merged(a, b), merged(b, c)
    await deliver(first, second)
    async with begin() as tx:
        assert await tx.members(c) == [a, b, c]
    await deliver(split(second))
    async with begin() as tx:
        assert await tx.members(c) == [c]
        assert await tx.members(a) == [a, b]


async def test_merges_and_splits_commute(context, deliver, begin, database) -> None:
    a, b, c = (uuid4() for _ in range(3))
    first, second = merged(a, b), merged(b, c)
    mail = [announced(event) for event in (first, second, split(first))]
    seen = set()
    for order in permutations(mail):
        await deliver(*order, one_by_one=True)
        async with begin() as tx:
            seen.add((tuple(await tx.members(a)), tuple(await tx.members(c))))
        await database.empty()
        async with context.pool.acquire() as connection:
            await connection.execute("DELETE FROM consumer_position")
    assert seen == {((a,), tuple(sorted((b, c))))}


async def test_two_links_between_the_same_journeys_are_undone_one_by_one(deliver, begin) -> None:
    a, b = uuid4(), uuid4()
    first, second = merged(a, b), merged(a, b)
    await deliver(first, second, split(first))
    async with begin() as tx:
        assert len(await tx.members(a)) == 2


async def test_rules_over_a_person_lock_the_root(deliver, begin, context) -> None:
    a, b = sorted((uuid4(), uuid4()))
    await deliver(merged(a, b))
    async with begin() as tx:
        await tx.lock_person(b)
        # Whoever works for the same person from the other side waits for the root.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), begin() as other:
                await other.lock_person(a)


async def test_a_merge_during_the_wait_makes_the_transaction_start_again(deliver, begin, context) -> None:
    a, b = sorted((uuid4(), uuid4()))
    async with begin() as tx:
        await tx.lock(b)
        late = asyncio.create_task(deliver(build(CustomerLearnt, journey_id=b)))
        await asyncio.sleep(0.1)
        await tx.execute("INSERT INTO journey_links (link_id, a, b, made_at) VALUES ($1, $2, $3, now())", uuid4(), a, b)
    with pytest.raises(Exception, match="merged or split"):
        await late
