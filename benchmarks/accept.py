"""Accepting over HTTP: state and outbox in one transaction, durable before the answer."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

from anliegen.kit.service import load_service

from . import toy
from .children import running, serving
from .cpu import Meter
from .load import Answers, Load, run_load
from .peer import CONNECTIONS as PEER_CONNECTIONS
from .peer import PeerMissing, measure_peer
from .pgbench import run_pgbench
from .plan import Plan
from .replay import intake_script
from .results import Result
from .servers import Servers
from .texts import contact_bodies

# One statement that does what the toy's write does: the stream's row is locked and raised, the state written, the
# event selected from the locked row.
ONE_STATEMENT = r"""
\set r random(1, 9000000000000000000)
WITH stream AS (
    INSERT INTO streams (key, last_sequence) VALUES (lpad(to_hex(:r::bigint), 32, '0')::uuid::text, 1)
    ON CONFLICT (key) DO UPDATE SET last_sequence = streams.last_sequence + 1 RETURNING key, last_sequence
), state AS (
    INSERT INTO notes (note_id, journey_id, text, made_at)
    VALUES (gen_random_uuid(), lpad(to_hex(:r::bigint), 32, '0')::uuid, 'TEXT', clock_timestamp())
)
INSERT INTO outbox (event_id, topic, key, type, sequence, headers, payload)
SELECT gen_random_uuid(), 'anliegen.intake.words', key, 'intake.customer_learnt.v1', last_sequence, 'HEADERS'::jsonb,
       '\xPAYLOAD'::bytea
FROM stream;
"""
NOTE = "Frau Aebischer bittet um einen Rückruf am Nachmittag; sie ist bis 17 Uhr unter der bekannten Nummer erreichbar."
NOTE_BODY = '{"journey_id": "018f0000-0000-7000-8000-00@@@@@@@@@@", "name": "Katrin Aebischer", "text": "' + NOTE + '"}'
HEADERS = (
    '{"ce_id": "0195567b-2a0e-7c11-9a55-4f6a2c1f0e77", "ce_time": "2026-03-02T08:14:07.000000Z", "ce_type": '
    '"intake.customer_learnt.v1", "ce_source": "/anliegen/bench-toy", "ce_subject": '
    '"0195567b-2a0e-7c11-9a55-4f6a2c1f0e78", "content-type": "application/json", "ce_dataschema": '
    '"/schemas/intake.customer_learnt.v1.json", "ce_specversion": "1.0", "ce_partitionkey": '
    '"0195567b-2a0e-7c11-9a55-4f6a2c1f0e78", "ce_correlationid": "0195567b-2a0e-7c11-9a55-4f6a2c1f0e77", '
    '"ce_sequence": "1"}'
)
PAYLOAD = (
    '{"journey_id":"0195567b-2a0e-7c11-9a55-4f6a2c1f0e78","handle":{"kind":"email","value":"katrin@post.example"},'
    '"name":"Katrin Aebischer","language":null,"assurance":"claimed"}'
)
JSON = {"Content-Type": "application/json", "X-Forwarded-For": "@@"}
CONTACTS = "/intake/v1/contacts"
BESIDE_PEER = "accept, intake, new senders, 2 processes"
START_SECONDS = 5.0
"""Until the second process of two at one port listens, too."""


def one_statement() -> str:
    """The script for pgbench."""
    # pgbench takes a colon before a word or a number for one of its variables, in quotes too.
    headers = HEADERS.replace("08:14:07", r"08\u003a14\u003a07")
    return ONE_STATEMENT.replace("TEXT", NOTE).replace("HEADERS", headers).replace("PAYLOAD", PAYLOAD.encode().hex())


async def measure(servers: Servers, plan: Plan) -> AsyncIterator[Result]:
    """The toy's write and intake's, each at several numbers of connections, and the peer's."""
    async for result in _toy_writes(servers, plan):
        yield result
    rates = {}
    async for result in _intake(servers, plan):
        rates[result.name] = result.value
        yield result
    if plan.peers:
        try:
            peer, others = await measure_peer(servers, plan)
        except PeerMissing as missing:
            print(f"\nLEFT OUT: {missing}\n", flush=True)
            return
        yield peer
        for result in others:
            yield result
        ours = rates[f"{BESIDE_PEER}, {PEER_CONNECTIONS} connections"]
        yield Result("accept, intake against django-helpdesk", ours, "requests/s", peer.value, peer.name)


async def _toy_writes(servers: Servers, plan: Plan) -> AsyncIterator[Result]:
    await servers.prepare(toy.toy_service(), more=toy.TABLES)
    first = 0
    async with serving("-m", "benchmarks.toy", "serve", environment=servers.environment()) as (pid, port):
        for connections in plan.connections:
            bound = await run_pgbench(
                servers, toy.NAME, one_statement(), connections=connections, seconds=plan.seconds / 2
            )
            load = Load(port, toy.PATH, [NOTE_BODY], JSON, connections, plan.seconds, plan.warm_up, first=first)
            for result in await _one(f"accept, typed write, {connections} connections", load, servers, [pid], bound,
                                     "pgbench, the same in one statement"):  # fmt: skip
                yield result
            first += 1_000_000
    await servers.execute("TRUNCATE notes, outbox, streams", service=toy.NAME)


async def _intake(servers: Servers, plan: Plan) -> AsyncIterator[Result]:
    service = load_service("intake")
    await servers.prepare(service)
    script, statements = await intake_script(servers)
    bound_name = f"pgbench, the {statements} statements that intake sends"
    first = 0
    environment = servers.environment()
    async with serving("-m", "anliegen.kit.cli", "serve", "intake", environment=environment) as (pid, port):
        for connections in plan.connections:
            bound = await run_pgbench(servers, "intake", script, connections=connections, seconds=plan.seconds / 2)
            load = Load(port, CONTACTS, contact_bodies(uuid4().hex[:6]), JSON, connections, plan.seconds, plan.warm_up,
                        first=first)  # fmt: skip
            name = f"{connections} connections"
            for result in await _one(f"accept, intake, new senders, {name}", load, servers, [pid], bound, bound_name):
                yield result
            first += 1_000_000
            if connections in {PEER_CONNECTIONS, *plan.connections[:1]}:
                load = replace(load, first=first, repeat=1_000)
                for result in await _one(f"accept, intake, known senders, {name}", load, servers, [pid]):
                    yield result
                first += 1_000_000
    # The peer has two processes at one port, too.
    serve = ("-m", "anliegen.kit.cli", "serve", "intake", "--share-port")
    async with (
        serving(*serve, environment=environment) as (pid, port),
        running([sys.executable, *serve, f"--port={port}"], environment=environment) as second,
    ):
        await asyncio.sleep(START_SECONDS)
        load = Load(port, CONTACTS, contact_bodies(uuid4().hex[:6]), JSON, PEER_CONNECTIONS, plan.seconds, plan.warm_up,
                    first=first)  # fmt: skip
        for result in await _one(f"{BESIDE_PEER}, {PEER_CONNECTIONS} connections", load, servers, [pid, second]):
            yield result


async def _one(
    name: str, load: Load, servers: Servers, pids: list[int], bound: float | None = None, bound_name: str | None = None
) -> list[Result]:
    services = {f"service {number}": pid for number, pid in enumerate(pids)}
    meter = Meter({**services, "postgres": servers.postgres_pid})
    answers = await run_load(load)
    used = meter.read()
    _check(name, answers)
    total = answers.sent  # CPU was counted over the warm-up, too
    return [
        Result(name, answers.rate, "requests/s", bound, bound_name if bound else None),
        Result(f"{name}: p50", answers.p50 * 1000, "ms"),
        Result(f"{name}: p99", answers.p99 * 1000, "ms"),
        Result(f"{name}: service's CPU", sum(used[each] for each in services) / total * 1000, "ms/request"),
        Result(f"{name}: PostgreSQL's CPU", used["postgres"] / total * 1000, "ms/request"),
        Result(f"{name}: load generator's CPU, left out", answers.cpu / total * 1000, "ms/request"),
    ]


def _check(name: str, answers: Answers) -> None:
    if answers.refused or not answers.answered:
        raise RuntimeError(f"{name}: {answers.refused} requests were refused, {answers.answered} answered")
