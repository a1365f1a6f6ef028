"""The consumer: inbox, stream lock, effect and outbox in one transaction, for batches of different sizes."""

from collections.abc import AsyncIterator

from . import toy
from .children import run_json
from .filling import fill_outbox
from .kafka_tools import consumer_rate
from .parts import Progress
from .pgbench import run_pgbench
from .plan import Plan
from .relay import TOPIC, drain
from .results import Result
from .servers import Servers

# The rows of a batch and nothing else: position, inbox, locks and sequences, effects, outgoing events, in one
# transaction over one connection. What a consumer adds to it is reading, decoding, handlers and encoding.
BATCH = r"""
\set r random(1, 9000000000000000000)
BEGIN;
UPDATE consumer_position SET next_offset = next_offset + SIZE, updated_at = clock_timestamp()
WHERE grp = 'bound' AND topic = 'bound' AND part = 0;
INSERT INTO inbox (grp, event_id) SELECT 'bound', md5(:r::bigint || 'event' || n)::uuid
FROM generate_series(1, SIZE) AS n ON CONFLICT DO NOTHING RETURNING event_id;
INSERT INTO streams (key) SELECT md5('bound' || (:r::bigint + n) % 20000)::uuid::text
FROM generate_series(1, SIZE) AS n ORDER BY 1 ON CONFLICT DO NOTHING;
SELECT 1 FROM streams WHERE key = ANY (SELECT md5('bound' || (:r::bigint + n) % 20000)::uuid::text
                                       FROM generate_series(1, SIZE) AS n) ORDER BY key COLLATE "C" FOR UPDATE;
INSERT INTO effects (contact_id, journey_id, text, case_id)
SELECT md5(:r::bigint || 'contact' || n)::uuid, md5('bound' || (:r::bigint + n) % 20000)::uuid, 'TEXT',
       gen_random_uuid()
FROM generate_series(1, SIZE) AS n ON CONFLICT DO NOTHING;
WITH raised AS (
    UPDATE streams SET last_sequence = last_sequence + 1 FROM generate_series(1, SIZE) AS n
    WHERE key = md5('bound' || (:r::bigint + n) % 20000)::uuid::text RETURNING key, last_sequence
)
INSERT INTO outbox (event_id, topic, key, type, sequence, headers, payload)
SELECT gen_random_uuid(), 'anliegen.helpdesk', key, 'helpdesk.question_opened.v1', last_sequence,
       jsonb_build_object('ce_specversion', '1.0', 'ce_id', gen_random_uuid(), 'ce_subject', key, 'ce_partitionkey',
                          key, 'ce_source', '/anliegen/bench-toy', 'ce_type', 'helpdesk.question_opened.v1',
                          'ce_sequence', last_sequence, 'ce_correlationid', gen_random_uuid(),
                          'ce_causationid', gen_random_uuid()),
       decode(repeat('61', 330), 'hex')
FROM raised;
COMMIT;
"""
TEXT = "Guten Morgen. Ich habe Ihnen vor zwei Wochen geschrieben und noch keine Antwort. " * 6
EMPTY = "TRUNCATE outbox, inbox, effects, streams, consumer_position"


async def measure(servers: Servers, plan: Plan) -> AsyncIterator[Result]:
    """Events a second by size of batch, for handlers of lists and of single events, beside PostgreSQL's and Kafka's."""
    await servers.prepare(toy.toy_service(), more=toy.TABLES)
    await servers.execute(EMPTY, service=toy.NAME)
    most = max(events for _, events in plan.consumer_events)
    await fill_outbox(servers, service=toy.NAME, events=most + 1_000, first=1_000_000)
    await drain(servers, most + 1_000)
    if plan.peers:
        reading = await consumer_rate(servers.kafka.bootstrap, topic=TOPIC, records=most)
        yield Result("Kafka's own consumer test, which does nothing with the records", reading, "events/s")
    for batch, events in plan.consumer_events:
        bound = await _bound(servers, batch, plan.seconds)
        for many, how in ((True, "lists"), (False, "single events")):
            found = await consume(servers, events, batch=batch, many=many)
            name = f"consumer, {how}, batch {batch}"
            cpu = found.cpu["ours"] + found.cpu["postgres"]
            yield Result(name, found.events / found.seconds, "events/s", bound, "pgbench, the rows of the batch in SQL")
            yield Result(f"{name}: CPU with PostgreSQL's", cpu / found.events * 1e6, "µs/event")
            yield Result(f"{name}: of that our own", found.cpu["ours"] / found.events * 1e6, "µs/event")
            yield Result(f"{name}: memory", found.memory / 1e6, "MB")


async def consume(servers: Servers, events: int, *, batch: int, many: bool) -> Progress:
    """Have the toy consume so many events from the beginning of the topic, in a process of its own."""
    await servers.execute(EMPTY, service=toy.NAME)
    words = ["--many"] if many else []
    found = await run_json(
        "benchmarks.parts", "consumer", f"--total={events}", f"--batch={batch}", *words,
        f"--beside=postgres={servers.postgres_pid}", environment=servers.environment(with_kafka=True),
    )  # fmt: skip
    async with servers.connected(toy.NAME) as connection:
        effects = await connection.fetchval("SELECT count(*) FROM effects")
        announced = await connection.fetchval("SELECT count(*) FROM outbox")
    if effects < events or announced < events:
        raise RuntimeError(f"{events} events were consumed, but there are {effects} effects, {announced} announced")
    return Progress(**found)


async def _bound(servers: Servers, batch: int, seconds: float) -> float:
    """Events a second in pgbench, over one connection as a consumer has it."""
    await servers.execute(EMPTY, service=toy.NAME)
    await servers.execute(
        "INSERT INTO consumer_position (grp, topic, part, cluster_id, next_offset) VALUES ('bound', 'bound', 0, '', 0)",
        service=toy.NAME,
    )
    script = BATCH.replace("SIZE", str(batch)).replace("TEXT", TEXT)
    return batch * await run_pgbench(servers, toy.NAME, script, connections=1, seconds=seconds)
