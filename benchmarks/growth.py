"""Growth: the same work with ten thousand, a hundred thousand and a million events in the tables."""

import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

from anliegen.events import ContactReceived, codec
from anliegen.events.builders import build, envelope_for
from anliegen.events.envelope import to_headers
from anliegen.journey import actions as journey_actions
from anliegen.journey.domain import Filter
from anliegen.kit import Context, Principal, begin
from anliegen.kit.consumer.batch import Batch, take
from anliegen.kit.consumer.records import Place, Record
from anliegen.kit.consumer.store import insert_position
from anliegen.kit.principal import AGENT
from anliegen.kit.service import load_service, open_context

from . import toy
from .filling import fill_outbox
from .plan import Plan
from .relay import TOPIC, drain
from .results import Result, percentile
from .servers import Servers

BATCH = 500
JOURNEY = "journey"
PLACE = Place(TOPIC, 0)
AGENT_READS = Principal(subject="bench", roles=frozenset({AGENT}), scopes=frozenset())
Piece = Callable[[Context, int, int], Awaitable[None]]
# Rows as relay and consumer leave them: inbox and streams grow; the outbox is empty but for what is on its way.
FILL = """
INSERT INTO streams (key, last_sequence) SELECT md5('journey' || n)::uuid::text, 5
FROM generate_series($1::bigint / 5, $2::bigint / 5) AS n ON CONFLICT DO NOTHING;
INSERT INTO inbox (grp, event_id) SELECT 'GROUP', md5('event' || n)::uuid
FROM generate_series($1::bigint, $2::bigint - 1) AS n ON CONFLICT DO NOTHING;
"""
FILL_EFFECTS = """
INSERT INTO effects (contact_id, journey_id, text, case_id)
SELECT md5('contact' || n)::uuid, md5('journey' || n / 5)::uuid, 'Guten Tag, wann haben Sie geöffnet?',
       md5('case' || n)::uuid FROM generate_series($1::bigint, $2::bigint - 1) AS n ON CONFLICT DO NOTHING;
"""
# What has passed through the outbox leaves dead rows behind, which autovacuum takes away at its own pace.
CHURN = """
INSERT INTO outbox (event_id, topic, key, type, sequence, headers, payload)
SELECT gen_random_uuid(), 'anliegen.intake.words', 'churn', 'churn', n, '{}', 'churn'
FROM generate_series($1::bigint, $2::bigint - 1) AS n;
DELETE FROM outbox;
"""
FILL_EVENTS = """
INSERT INTO events (event_id, journey_id, key, source, type, sequence, time, subject, correlation_id, words, topic,
                    partition, "offset", payload)
SELECT md5('event' || n)::uuid, md5('journey' || n / 5)::uuid, md5('journey' || n / 5)::uuid::text, '/anliegen/intake',
       'intake.contact_received.v1', n % 5 + 1, now() - n * interval '1 s', md5('contact' || n)::uuid::text,
       md5('event' || n / 5 * 5)::uuid::text, true, 'anliegen.intake.words', n % 6, n / 6, $3::bytea
FROM generate_series($1::bigint, $2::bigint - 1) AS n ON CONFLICT DO NOTHING;
"""


async def measure(servers: Servers, plan: Plan) -> AsyncIterator[Result]:
    """The median of each piece of work at each size, and its ratio to the smallest."""
    journey = load_service(JOURNEY)
    await servers.prepare(toy.toy_service(), more=toy.TABLES)
    await servers.prepare(journey)
    await servers.execute("TRUNCATE outbox, inbox, effects, streams, notes, consumer_position", service=toy.NAME)
    await servers.execute("TRUNCATE events, inbox, streams, consumer_position", service=JOURNEY)
    smallest: dict[str, float] = {}
    before = 0
    for size in plan.growth:
        await _fill(servers, toy.NAME, FILL + FILL_EFFECTS + CHURN, before, size)
        await _fill(servers, JOURNEY, FILL + FILL_EVENTS, before, size)
        before = size
        found = {}
        for service, pieces in ((toy.toy_service(many=True), TOYS), (journey, JOURNEYS)):
            async with open_context(service, servers.settings(service), part="bench") as context:
                for name, (piece, rounds) in pieces.items():
                    found[name] = await _median(context, piece, size, rounds)
        await servers.execute("TRUNCATE outbox", service=toy.NAME)
        events = min(plan.relay_events // 10, size)
        await fill_outbox(servers, service=toy.NAME, events=events, first=9_000_000)
        drained = await drain(servers, events)
        found["relay, for 500"] = drained.seconds / events * BATCH * 1000
        for name, milliseconds in found.items():
            bound = smallest.setdefault(name, milliseconds)
            yield Result(f"growth: {name}, with {size:,} events", milliseconds, "ms", bound,
                         f"the same with {plan.growth[0]:,}")  # fmt: skip


async def _fill(servers: Servers, service: str, statements: str, first: int, last: int) -> None:
    payload = codec.encode(build(ContactReceived))
    async with servers.connected(service) as connection:
        for statement in filter(str.strip, statements.replace("GROUP", service).split(";")):
            given = [first, last, payload][: max((n for n in (1, 2, 3) if f"${n}" in statement), default=0)]
            await connection.execute(statement, *given, timeout=600)
        await connection.execute("VACUUM ANALYZE", timeout=600)


async def _median(context: Context, piece: Piece, size: int, rounds: int) -> float:
    times = []
    for nth in range(rounds):
        began = time.perf_counter()
        await piece(context, size, nth)
        times.append((time.perf_counter() - began) * 1000)
    return percentile(times[rounds // 5 :], 0.5)  # the first ones fill caches


def _journey(size: int, nth: int) -> UUID:
    """A journey that is there, another one each time, spread over all of them."""
    return UUID(hashlib.md5(f"journey{nth * 7919 % (size // 5)}".encode(), usedforsecurity=False).hexdigest())


async def write(context: Context, size: int, nth: int) -> None:
    """State and event under a journey that is there already."""
    journey_id = _journey(size, nth)
    async with begin(context, late=True) as tx:
        await tx.lock(journey_id)
        tx.write(
            "INSERT INTO notes (note_id, journey_id, text, made_at) VALUES ($1, $2, $3, $4)",
            uuid4(), journey_id, "Bitte um Rückruf", tx.now,
        )  # fmt: skip
        tx.publish(build(ContactReceived, journey_id=journey_id))


async def consume(context: Context, size: int, nth: int) -> None:
    """A batch of new events of journeys that are there already: inbox, lock, effect, outbox."""
    now = datetime.now(UTC)
    sample = build(ContactReceived)
    records = []
    for offset in range(nth * BATCH, (nth + 1) * BATCH):
        event = sample.model_copy(update={"journey_id": _journey(size, offset), "contact_id": uuid4()})
        headers = tuple(to_headers(envelope_for(event, id=uuid4(), time=now).attributes()))
        records.append(Record(PLACE, offset, event.key.encode(), headers, codec.encode(event), now))
    async with context.pool.acquire() as connection:
        if nth == 0:
            await connection.execute("DELETE FROM consumer_position")
        await insert_position(connection, group=toy.NAME, place=PLACE, cluster_id="", offset=0)
    await take(context, Batch(tuple(records), {PLACE: (nth * BATCH, (nth + 1) * BATCH)}))


async def read(context: Context, size: int, nth: int) -> None:
    """A journey's timeline with all that its events say."""
    async with begin(context) as tx:
        sight = await journey_actions.look_at(tx, journey_id=_journey(size, nth), principal=AGENT_READS)
        placed = await journey_actions.tell_timeline(tx, members=sight.members, wanted=Filter())
        if len(await journey_actions.read_entries(tx, timeline=placed)) != 5:
            raise RuntimeError("a timeline is not whole")


TOYS: dict[str, tuple[Piece, int]] = {"write": (write, 200), "consume 500": (consume, 10)}
JOURNEYS: dict[str, tuple[Piece, int]] = {"read a timeline": (read, 200)}
