"""Read what is there after a run: from every service's database, from Kafka itself, from the mailbox."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from anliegen.events.topics import manifest
from anliegen.kit.service import load_service
from anliegen.stack.databases import package_name
from anliegen.stack.postgres import PostgresServer

from .reconcile import INTAKE, JOURNEY, TRIAGE, Evidence, Kept, Record, Reply

TASKS = {"helpdesk": "question", "billing-inquiry": "inquiry"}
"""The services that settle a task, with the word their tables begin with."""
POLL_MILLISECONDS = 500
HEADER_BYTES = 8192
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.M | re.I)


async def connect(server: PostgresServer, service: str) -> asyncpg.Connection:
    """A direct connection to a service's database."""
    package = package_name(service)
    password = server.owner_password
    return await asyncpg.connect(
        server.url_for(role=f"{package}_owner", database=package, password=password), timeout=20
    )


async def collect(server: PostgresServer, bootstrap: str, services: Sequence[str], mailbox: Path) -> Evidence:
    """Everything. PostgreSQL and Kafka are asked directly, not through the proxy."""
    evidence = Evidence(records=await read_topics(bootstrap), mails=read_mailbox(mailbox))
    for service in services:
        connection = await connect(server, service)
        try:
            await _collect_from(connection, service, evidence)
        finally:
            await connection.close()
    for service in services:
        handlers = load_service(service).handlers
        heard = {one.event_id for one in evidence.records if handlers.wants(one.type, one.topic)}
        evidence.heard[service] = sorted(heard)
    return evidence


async def _collect_from(connection: asyncpg.Connection, service: str, evidence: Evidence) -> None:
    rows = await connection.fetch("SELECT event_id::text FROM inbox WHERE grp = $1", service)
    evidence.inboxes[service] = [row["event_id"] for row in rows]
    evidence.leftovers |= await leftovers(connection, service)
    if service == INTAKE:
        await _collect_intake(connection, evidence)
    elif service == TRIAGE:
        await _collect_triage(connection, evidence)
    elif service == JOURNEY:
        await _collect_journey(connection, evidence)
    elif service in TASKS:
        rows = await connection.fetch(f"SELECT case_id::text, contact_id::text FROM {TASKS[service]}_contacts")
        evidence.cases[service] = [tuple(row) for row in rows]


async def _collect_intake(connection: asyncpg.Connection, evidence: Evidence) -> None:
    rows = await connection.fetch(
        r"""
        SELECT substring(text FROM '\(Nr\. (\d+)\)')::int, contact_id::text, journey_id::text, channel FROM contacts
        """
    )
    evidence.contacts = [Kept(*row) for row in rows]
    rows = await connection.fetch(
        """
        SELECT ord, reply_id::text, contact_id::text, channel, state, message_id, recipient FROM outgoing_messages
        WHERE template = 'acknowledgement'
        """
    )
    evidence.replies = [Reply(*row) for row in rows]
    evidence.standing[INTAKE] = await _standing(connection, "contact_cases")


async def _collect_triage(connection: asyncpg.Connection, evidence: Evidence) -> None:
    rows = await connection.fetch("SELECT contact_id::text FROM contacts WHERE status <> 'waiting'")
    evidence.decided = [row["contact_id"] for row in rows]
    # Those that wait for a person have no concerns yet, and one case may settle several of a contact's concerns.
    rows = await connection.fetch("SELECT DISTINCT task, case_id::text, contact_id::text FROM concerns")
    evidence.sent_where = [(row["task"].replace("_", "-"), row["case_id"], row["contact_id"]) for row in rows]


async def _collect_journey(connection: asyncpg.Connection, evidence: Evidence) -> None:
    rows = await connection.fetch("SELECT event_id::text FROM events")
    evidence.timeline = [row["event_id"] for row in rows]
    rows = await connection.fetch(
        """
        SELECT contact_id::text FROM contacts
        WHERE received_at IS NOT NULL AND (decided_by IS NOT NULL OR review_asked_at IS NOT NULL)
        """
    )
    evidence.told = [row["contact_id"] for row in rows]
    evidence.standing[JOURNEY] = await _standing(connection, "cases")


async def _standing(connection: asyncpg.Connection, table: str) -> dict[str, int]:
    return {
        row["case_id"]: row["sequence"]
        for row in await connection.fetch(f"SELECT case_id::text, sequence FROM {table}")
    }


# What should be settled ----------------------------------------------------------------------------------------------
async def leftovers(connection: asyncpg.Connection, service: str) -> dict[str, int]:
    """What of a service is not settled, by name; only what is more than nothing."""
    wanted = {
        "outbox": "SELECT count(*) FROM outbox",
        "parked keys": "SELECT count(*) FROM parked_keys",
        "parked events": "SELECT count(*) FROM parked_events",
        "dead letters": "SELECT count(*) FROM dead_letters WHERE settled_at IS NULL",
    }
    if service == INTAKE:
        wanted |= {
            "replies on their way": "SELECT count(*) FROM outgoing_messages WHERE state = 'pending'",
            "vault entries not understood": "SELECT count(*) FROM vault WHERE state <> 'processed'",
        }
    if service == TRIAGE:
        wanted["contacts that wait for another"] = "SELECT count(*) FROM contacts WHERE status = 'waiting'"
    counts = {f"{service}: {what}": await connection.fetchval(query) for what, query in wanted.items()}
    return {what: count for what, count in counts.items() if count}


async def behind(connection: asyncpg.Connection, service: str, ends: dict[TopicPartition, int]) -> int:
    """How many records a service has not taken yet."""
    topics = set(load_service(service).handlers.topics)
    rows = await connection.fetch("SELECT topic, part, next_offset FROM consumer_position WHERE grp = $1", service)
    known = {TopicPartition(row["topic"], row["part"]): row["next_offset"] for row in rows}
    return sum(max(0, end - known.get(place, 0)) for place, end in ends.items() if place.topic in topics)


async def unsettled(server: PostgresServer, bootstrap: str, services: Sequence[str]) -> dict[str, int]:
    """Everything that is still on its way, by name."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(_partitions())
    finally:
        await consumer.stop()
    found: dict[str, int] = {}
    for service in services:
        connection = await connect(server, service)
        try:
            found |= await leftovers(connection, service)
            if count := await behind(connection, service, ends):
                found[f"{service}: records not taken yet"] = count
        finally:
            await connection.close()
    return found


# Kafka and the mailbox -----------------------------------------------------------------------------------------------
def _partitions() -> list[TopicPartition]:
    return [TopicPartition(topic.name, part) for topic in manifest("development") for part in range(topic.partitions)]


async def read_topics(bootstrap: str) -> list[Record]:
    """Every record of every topic, in the order of its partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
        isolation_level="read_committed", max_partition_fetch_bytes=4 * 1024 * 1024,
    )  # fmt: skip
    await consumer.start()
    try:
        partitions = _partitions()
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[Record] = []
        while any([await consumer.position(place) < ends[place] for place in partitions]):
            polled = await consumer.getmany(timeout_ms=POLL_MILLISECONDS)
            records.extend(_record(one) for found in polled.values() for one in found)
        return records
    finally:
        await consumer.stop()


def _record(found: object) -> Record:
    headers = {name: value.decode(errors="replace") for name, value in found.headers}  # type: ignore[attr-defined]
    data = json.loads(found.value)  # type: ignore[attr-defined]
    return Record(
        topic=found.topic,  # type: ignore[attr-defined]
        key=found.key.decode(),  # type: ignore[attr-defined]
        event_id=headers["ce_id"],
        service=headers["ce_source"].rpartition("/")[2],
        type=headers["ce_type"],
        sequence=int(headers["ce_sequence"]),
        contact_id=data.get("contact_id"),
        # Only facts about a case carry its status; the words of a reply merely name it.
        case_id=data["case_id"] if "case_status" in data or ("status" in data and "case_id" in data) else None,
    )


def read_mailbox(folder: Path) -> list[str]:
    """The Message-IDs of all mails that were delivered."""
    found = []
    for file in folder.glob("*.eml"):
        with file.open("rb") as opened:
            match = _MESSAGE_ID.search(opened.read(HEADER_BYTES))
        found.append(match[1].decode() if match else "")
    return found


# How long it took ----------------------------------------------------------------------------------------------------
async def arrivals(server: PostgresServer) -> list[tuple[int, float]]:
    """When journey had heard of each contact: the contact's number, and seconds since 1970."""
    journey, intake = await connect(server, JOURNEY), await connect(server, INTAKE)
    try:
        heard = await journey.fetch(
            """
            SELECT e.contact_id, extract(epoch FROM i.received_at)::float8 AS at
            FROM events AS e JOIN inbox AS i ON i.event_id = e.event_id WHERE e.type = 'intake.contact_received.v1'
            """
        )
        kept = await intake.fetch(
            r"SELECT contact_id, substring(text FROM '\(Nr\. (\d+)\)')::int AS number FROM contacts"
        )
    finally:
        await journey.close()
        await intake.close()
    numbers = {row["contact_id"]: row["number"] for row in kept}
    return [(numbers[row["contact_id"]], row["at"]) for row in heard if row["contact_id"] in numbers]
