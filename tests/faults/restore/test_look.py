"""The look at what was announced: what it takes for a restore, what it does not, and what a release sees to."""

import asyncio
import json
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from anliegen.events import QuestionOpened
from anliegen.events.builders import build
from anliegen.kit import begin, failpoints
from anliegen.kit.cli import main
from anliegen.kit.fence import actions, look, store
from anliegen.kit.operations.journal import Operator
from anliegen.kit.service import open_context

SERVICE = "helpdesk"
pytestmark = pytest.mark.parametrize("town", [(SERVICE,)], indirect=True)
OPERATOR = Operator("olga", "a drill")


@pytest.fixture
def house(town):
    return town[SERVICE]


@pytest.fixture
async def door(house):
    """The service in a process part of its own, which works on nothing."""
    async with open_context(house.service, house.settings, part="test") as context:
        yield context


async def say(door, journey: UUID, count: int = 1) -> None:
    for _ in range(count):
        async with begin(door) as tx:
            await tx.lock(journey)
            tx.publish(build(QuestionOpened, journey_id=journey))


async def all_sent(house) -> bool:
    return not await house.rows("SELECT 1 FROM outbox LIMIT 1")


async def sequences(town, journey: UUID) -> list[int]:
    found = [envelope for envelope in await town.records(SERVICE) if envelope.key == str(journey)]
    return [e.sequence for e in {e.id: e for e in found}.values()]


async def know_what_others_said(house, town) -> None:
    """Let the database know what earlier tests left in the log, for a look that begins at the log's beginning."""
    highest: dict[str, int] = {}
    for envelope in town.left:
        highest[envelope.key] = max(envelope.sequence, highest.get(envelope.key, 0))
    async with house.sql() as connection:
        await connection.executemany("INSERT INTO streams (key, last_sequence) VALUES ($1, $2)", list(highest.items()))


async def positions(house) -> dict[tuple[str, int], int]:
    rows = await house.rows("SELECT topic, part, next_offset FROM relay_position")
    return {(topic, part): offset for topic, part, offset in rows}


async def test_commands_before_the_look_get_numbers_that_nobody_has_heard(town, house, door, until) -> None:
    journey, other = uuid4(), uuid4()
    await house.start()
    await say(door, journey)
    await until(lambda: all_sent(house), "an empty outbox")
    copy = await house.back_up()
    await say(door, journey, 2)
    await say(door, other, 1)
    await until(lambda: all_sent(house), "an empty outbox")
    assert await sequences(town, journey) == [1, 2, 3]
    await house.stop()

    await house.restore(copy)
    await say(door, journey, 4)  # as if the doors had been open: 2, 3, 4, 5, and two of these numbers were heard
    await say(door, uuid4(), 1)
    await house.start_without_waiting()
    fence = await house.is_fenced()
    assert fence["events"] == 3, "those whose numbers were drawn again are found, too"
    await asyncio.sleep(0.5)
    assert await sequences(town, journey) == [1, 2, 3] and await sequences(town, other) == [1]
    assert (await house.release()).json()["streams"] == 2
    await until(lambda: all_sent(house), "an empty outbox")
    assert await sequences(town, journey) == [1, 2, 3, 4, 5, 6, 7]
    await say(door, journey)
    await say(door, other)
    await until(lambda: all_sent(house), "an empty outbox")
    assert (await sequences(town, journey), await sequences(town, other)) == ([*range(1, 9)], [1, 2])
    numbered = await house.rows(
        "SELECT key, last_sequence FROM streams WHERE key = ANY($1)", [str(journey), str(other)]
    )
    assert dict(numbered) == {str(journey): 8, str(other): 2}


async def test_a_relay_that_died_before_it_deleted_is_no_restore(town, house, door, until) -> None:
    failpoints.arm("relay.acknowledged=raise", "relay.deleted=raise@2")
    try:
        await house.start()
        for _ in range(4):
            await say(door, uuid4(), 2)
            await until(lambda: all_sent(house), "an empty outbox")
        assert not failpoints.armed()
    finally:
        failpoints.disarm()
    # And nothing was remembered at all: the whole log is looked at again.
    await house.stop()
    await know_what_others_said(house, town)
    async with house.sql() as connection:
        await connection.execute("DELETE FROM relay_position")
    await house.start()
    assert not (await house.fence())["fenced"]


async def test_the_relay_remembers_how_far_it_announced(town, house, door, until) -> None:
    await house.start()
    before = await positions(house)
    await say(door, uuid4(), 5)
    await until(lambda: all_sent(house), "an empty outbox")
    after = await positions(house)
    assert sum(after.values()) - sum(before.values()) == 5
    await house.stop()
    read = []
    plain = look._compare

    async def compare(context, connection, records, *rest) -> None:
        read.extend(records)
        await plain(context, connection, records, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(look, "_compare", compare)
        await house.start()
    assert read == [], "there is nothing to look at where everything was written down"


async def test_a_look_that_breaks_off_goes_on_and_lists_everything(town, house, door, until, monkeypatch) -> None:
    monkeypatch.setattr(look, "RECORDS", 4)
    await house.start()
    copy = await house.back_up()
    for _ in range(6):
        await say(door, uuid4(), 5)
    await until(lambda: all_sent(house), "an empty outbox")
    await house.stop()
    await house.restore(copy)

    failpoints.arm("fence.compared=raise@2")
    try:
        await house.start_without_waiting()
        fence = await house.is_fenced()
        assert not failpoints.armed()
    finally:
        failpoints.disarm()
    assert fence["events"] == len(await house.listed()) == 30


async def test_nothing_is_released_before_everything_is_listed(town, house, door) -> None:
    await house.serve()
    async with begin(door) as tx:
        await actions.set_fence(tx, operator=OPERATOR)
    refused = await house.release()
    assert (refused.status_code, refused.json()["code"]) == (409, "not_listed_yet")
    await house.work()
    await house.is_fenced()
    assert (await house.release()).status_code == 200


async def test_a_person_stops_a_service_at_work_and_lets_it_go_on(town, house, door, until) -> None:
    await house.start()
    (worker,) = house.workers
    command = {"contact_id": str(uuid4()), "intent": "opening_hours"}

    async def refused() -> bool:
        answer = await house.agent.post(
            "/helpdesk/v1/questions", json=command, headers={"Idempotency-Key": uuid4().hex}
        )
        return answer.status_code == 503

    assert not await refused()
    async with begin(door) as tx:
        first = await actions.set_fence(tx, operator=OPERATOR)
        assert (await actions.set_fence(tx, operator=Operator("otto", "me too"))) == first
    await until(refused, "a refused command")
    await until(lambda: _stands(worker), "a worker that stands still")
    fence = await house.is_fenced()
    assert (fence["fenced_by"], fence["reason"], fence["events"]) == ("olga", "a drill", 0)
    await say(door, uuid4())
    await asyncio.sleep(0.7)
    assert not await all_sent(house)

    assert (await house.release()).status_code == 200
    await until(lambda: all_sent(house), "an empty outbox")
    assert not await refused()
    done = await house.rows("SELECT who, did FROM operator_actions ORDER BY id")
    assert done == [("olga", "fenced"), ("otto", "fenced"), ("administrator-1", "released")]


async def _stands(worker) -> bool:
    return not worker.context.gate.passed.is_set() and not worker.context.health.part("consumer").running


async def test_a_database_put_back_under_a_running_worker_is_found(town, house, door, until) -> None:
    await house.start()
    copy = await house.back_up()
    await say(door, uuid4(), 3)
    await until(lambda: all_sent(house), "an empty outbox")
    await house.restore(copy)  # every session ends; nothing is started anew
    assert (await house.is_fenced())["events"] == 3


async def test_a_kafka_that_lost_what_was_announced_fences_nobody_and_hears_it_again(town, house, door, until) -> None:
    journey = uuid4()
    await house.start()
    await say(door, journey, 3)
    await until(lambda: all_sent(house), "an empty outbox")
    await house.stop()
    before = [e.id for e in await town.records(SERVICE)]
    await say(door, journey)  # waits in the outbox: what was announced before goes out before it
    ends = await positions(house)
    await know_what_others_said(house, town)
    async with house.sql() as connection:
        await connection.execute("UPDATE relay_position SET next_offset = next_offset + 1000 WHERE part = 0")
        await connection.execute("UPDATE relay_position SET cluster_id = 'burnt' WHERE part = 1")
    with capture_logs() as logs:
        await house.start()
    told = {(line["topic"], line["part"]) for line in logs if line["event"] == "kafka_is_behind"}
    assert told == {(topic, part) for topic, part in ends if part < 2}
    assert not (await house.fence())["fenced"]
    await until(lambda: all_sent(house), "an empty outbox")
    log = [envelope for envelope in await town.records(SERVICE) if envelope.key == str(journey)]
    assert [e.id for e in log[: len(before)]] == [e.id for e in log[len(before) : -1]] == before
    assert [e.sequence for e in log] == [1, 2, 3, 1, 2, 3, 4]
    assert (await positions(house)).keys() == ends.keys()
    assert sum((await positions(house)).values()) == sum(ends.values()) + len(before) + 1
    clusters = await house.rows("SELECT DISTINCT cluster_id FROM relay_position")
    assert len(clusters) == 1 and clusters != [("burnt",)]


async def test_a_database_that_is_gone_altogether_is_fenced_with_all_it_ever_said(town, house, door, until) -> None:
    await house.start()
    copy = await house.back_up()
    await say(door, uuid4(), 2)
    await until(lambda: all_sent(house), "an empty outbox")
    await house.stop()
    await house.restore(copy)
    async with house.sql() as connection:
        # As in a database that was made anew.
        for table in ("relay_position", "database_looked_at", "streams"):
            await connection.execute(f"DELETE FROM {table}")
    await house.start_without_waiting()
    fence = await house.is_fenced()
    said = {str(e.id) for e in await town.records(SERVICE)}
    assert said <= {entry["event_id"] for entry in await house.listed()}
    assert fence["events"] >= len(said) == 2


async def test_an_outbox_with_the_same_event_under_the_same_number_is_no_restore(town, house, door, until) -> None:
    journey = uuid4()
    await house.start()
    await house.workers[0].stop()
    await say(door, journey, 2)
    copy = await house.back_up()  # with two events that are still to be sent
    await house.work()
    await until(lambda: all_sent(house), "an empty outbox")
    await house.stop()
    await house.restore(copy)
    await house.start()
    await until(lambda: all_sent(house), "an empty outbox")
    assert await sequences(town, journey) == [1, 2]


async def test_two_looks_at_once_make_one_fence(town, house, door, until) -> None:
    await house.start()
    copy = await house.back_up()
    await say(door, uuid4(), 4)
    await until(lambda: all_sent(house), "an empty outbox")
    await house.stop()
    await house.restore(copy)
    await house.serve()
    await asyncio.gather(house.work("0"), house.work("1"))
    await until(lambda: _both_wait(house), "two workers that wait")
    assert await house.rows("SELECT count(*) FROM fences") == [(1,)]
    assert (await house.is_fenced())["events"] == 4
    await asyncio.sleep(0.5)
    assert [set(worker.context.health.parts) for worker in house.workers] == [{"relay"}] * 2, "nothing else was begun"
    assert (await house.release()).status_code == 200
    for worker in house.workers:
        await asyncio.wait_for(worker.context.gate.passed.wait(), 20)
    async with house.sql() as connection:
        assert await store.find_open_fence(connection) is None


async def _both_wait(house) -> bool:
    return all(worker.context.health.fenced for worker in house.workers)


@pytest.fixture
def anliegen(house):
    """Type a command; tells what it printed."""
    environment = {"ANLIEGEN_DATABASE_URL": house.database.address, "ANLIEGEN_ENVIRONMENT": "test"}

    async def run(*words: str, status: int = 0) -> str:
        result = await asyncio.to_thread(CliRunner(env=environment).invoke, main, ["fence", *words])
        assert result.exit_code == status, (result.output, result.exception)
        # The worker in this process writes its log to the same place.
        return "".join(line for line in result.output.splitlines(keepends=True) if not line.startswith('{"time"'))

    return run


async def test_whoever_is_on_call_does_the_same_on_the_command_line(town, house, door, until, anliegen) -> None:
    said = ("--as", "olga", "--reason", "a drill")
    assert "free" in await anliegen("status", SERVICE)
    assert "is not fenced" in await anliegen("release", SERVICE, *said, status=1)
    await anliegen("set", SERVICE, *said)
    assert "not yet compared" in await anliegen("release", SERVICE, *said, status=1)
    await house.start_without_waiting()
    await house.is_fenced()
    assert "a drill" in await anliegen("status", SERVICE)
    assert "Nothing is listed." in await anliegen("list", SERVICE)
    await anliegen("release", SERVICE, *said)
    await asyncio.wait_for(house.workers[0].context.gate.passed.wait(), 20)

    copy = await house.back_up()
    journey = uuid4()
    await say(door, journey, 3)
    await until(lambda: all_sent(house), "an empty outbox")
    await house.stop()
    await house.restore(copy)
    await house.start_without_waiting()
    await house.is_fenced()
    listed = await anliegen("list", SERVICE)
    assert listed.count(str(journey)) == 3 and listed.count("by hand") == 3 and "question_opened" in listed
    assert len(json.loads(await anliegen("list", SERVICE, "--json", "--by-hand"))) == 3
    assert "more than these 2" in await anliegen("list", SERVICE, "--limit", "2")
    assert "numbers only others knew: 1." in " ".join((await anliegen("release", SERVICE, *said)).split())
    assert (await anliegen("list", SERVICE)) == listed, "it stays"
