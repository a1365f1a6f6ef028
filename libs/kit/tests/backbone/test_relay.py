"""The relay with a stand-in for Kafka: no event overtakes an earlier one of its key, and a round is finished."""

import asyncio
from uuid import uuid4

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from anliegen.events import ContactReceived
from anliegen.events.builders import build
from anliegen.kit.database import connect
from anliegen.kit.horizon import Horizon
from anliegen.kit.relay import Relay, RowTooLarge
from anliegen.kit.settings import address_for


class Sent:
    """A relay whose sends are noted; `hold` decides when they are acknowledged."""

    def __init__(self, context, connection) -> None:
        self.relay = Relay(context)
        self.relay._connection = connection
        self.relay._send = self._send
        self.rounds: list[list[tuple[str, int]]] = []
        self.between: dict[int, object] = {}
        self.hold: asyncio.Future | None = None

    async def _send(self, rows):
        if not rows:
            return []
        self.rounds.append([(row.key, int(row.headers["ce_sequence"])) for row in rows])
        act = self.between.get(len(self.rounds))
        if act is not None:
            await act()
        if self.hold is not None:
            return [asyncio.shield(self.hold)]
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return [done]

    @property
    def all(self) -> list[tuple[str, int]]:
        return [row for batch in self.rounds for row in batch]


@pytest.fixture
async def sent(context, database):
    address = address_for(database.address, "kit_toy", "kit_toy")
    async with connect(address, application="relay test") as connection:
        yield Sent(context, connection)


async def until(condition, *, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


async def say(begin, journey) -> None:
    async with begin() as tx:
        await tx.lock(journey)
        tx.publish(build(ContactReceived, journey_id=journey))


async def test_a_late_committer_is_not_overtaken_by_the_next_event_of_its_key(sent, begin, count) -> None:
    slow, quick = uuid4(), uuid4()
    number_drawn, may_commit = asyncio.Event(), asyncio.Event()

    async def commit_late() -> None:
        async with begin() as tx:
            await tx.lock(slow)
            tx.publish(build(ContactReceived, journey_id=slow))
            await tx.flush()
            tx.outgoing.clear()
            number_drawn.set()
            await may_commit.wait()

    late = asyncio.create_task(commit_late())
    await number_drawn.wait()
    await say(begin, quick)  # a higher number, committed earlier

    async def commit_now_and_say_more() -> None:
        may_commit.set()
        await late
        await say(begin, slow)

    sent.between[1] = commit_now_and_say_more
    leading = asyncio.create_task(sent.relay._lead())

    async def all_sent() -> bool:
        return await count("outbox") == 0

    await until(all_sent)
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    assert sent.all == [(str(quick), 1), (str(slow), 1), (str(slow), 2)]


def test_the_horizon_waits_for_the_transactions_that_were_open() -> None:
    horizon = Horizon()
    horizon.look(last=500, oldest_xid=90, next_xid=100)
    horizon.look(last=900, oldest_xid=95, next_xid=120)
    assert horizon.low == 0
    horizon.look(last=400, oldest_xid=100, next_xid=130)
    assert horizon.low == 400, "there may be more rows below 500 than one batch holds"
    horizon.look(last=1400, oldest_xid=130, next_xid=140)
    assert horizon.low == 400
    horizon.look(last=1900, oldest_xid=140, next_xid=150)
    assert horizon.low == 1400


async def test_a_relay_that_is_told_to_end_finishes_its_round(sent, begin, count) -> None:
    sent.hold = asyncio.get_running_loop().create_future()
    await say(begin, uuid4())
    leading = asyncio.create_task(sent.relay._lead())

    async def under_way() -> bool:
        return bool(sent.rounds)

    await until(under_way)
    await asyncio.sleep(0.1)  # it waits for the acknowledgement now
    leading.cancel()
    await asyncio.sleep(0.05)
    sent.hold.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await leading
    assert await count("outbox") == 0, "the next leader would send it again"


async def test_nothing_is_deleted_before_it_is_acknowledged(sent, begin, count) -> None:
    sent.hold = asyncio.get_running_loop().create_future()
    await say(begin, uuid4())
    leading = asyncio.create_task(sent.relay._lead())
    await asyncio.sleep(0.3)
    assert sent.rounds and await count("outbox") == 1
    sent.hold.set_exception(ConnectionError("Kafka said no"))
    with pytest.raises(ConnectionError):
        await leading
    assert await count("outbox") == 1


async def test_a_row_that_kafka_takes_in_no_size_is_set_aside_and_the_others_go_on(sent, begin, count) -> None:
    journey = uuid4()
    for _ in range(3):
        await say(begin, journey)
    plain = sent.relay._send

    async def refuse_the_second(rows):
        sends = await plain(rows)
        if any(row.headers["ce_sequence"] == "2" for row in rows):
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(MessageSizeTooLargeError())
            return [refused]
        return sends

    async def renew():
        renewed.append(True)

    renewed: list[bool] = []
    sent.relay._send = refuse_the_second
    sent.relay._renew_producer = renew
    with pytest.raises(RowTooLarge):
        await asyncio.wait_for(sent.relay._lead(), timeout=10)
    assert await count("dead_letters") == 1
    leading = asyncio.create_task(sent.relay._lead())

    async def all_sent() -> bool:
        return await count("outbox") == 0

    await until(all_sent)
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    assert sent.all[-1] == (str(journey), 3)
    assert renewed == [True], "whoever was refused once is refused everything that comes after"


@pytest.mark.parametrize("steps", range(4))
async def test_who_is_told_to_end_while_a_hint_comes_ends(sent, steps) -> None:
    async def rest_for_ever() -> None:
        while True:
            sent.relay._woken.clear()
            await sent.relay._rest()

    resting = asyncio.create_task(rest_for_ever())
    await asyncio.sleep(0.02)
    sent.relay._woken.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    resting.cancel()
    await asyncio.wait({resting}, timeout=2)
    ended = resting.done()
    resting.cancel()
    await asyncio.wait({resting})
    assert ended
