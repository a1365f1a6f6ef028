"""The reconciliation: what the door accepted against every effect, every announcement and every record in Kafka."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from anliegen.events import ContactReceived, QuestionOpened, QuestionResolved, codec, topics
from anliegen.events.envelope import from_headers

WORDS, FACTS = "anliegen.intake.words", "anliegen.helpdesk"
GROUPS = {"fault-desk": ("anliegen.intake", WORDS), "fault-shelf": ("anliegen.intake", FACTS)}
DRAIN_SECONDS = 40.0

Offsets = dict[TopicPartition, int]


@dataclass
class Accepted:
    """What the door said yes to: by journey, the contacts of each lane in the order in which they were accepted."""

    lanes: dict[UUID, list[list[UUID]]] = field(default_factory=lambda: defaultdict(list))
    rings: set[UUID] = field(default_factory=set)
    """Those that asked for a follow-up."""
    lost_on_purpose: set[UUID] = field(default_factory=set)
    """Those whose record the test made too large for Kafka."""

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(len(lane) for lanes in self.lanes.values() for lane in lanes)


@dataclass(frozen=True)
class Entry:
    """One record of the log."""

    event_id: UUID
    type: str
    contact_id: UUID
    sequence: int


class Ledger:
    """Reads the three databases and the log."""

    def __init__(self, databases: Mapping[str, asyncpg.Connection], log: AIOKafkaConsumer) -> None:
        self.door, self.desk, self.shelf = (databases[name] for name in ("fault-door", "fault-desk", "fault-shelf"))
        self._log = log
        heard = {topic for group in GROUPS.values() for topic in group}
        self._partitions = [
            TopicPartition(spec.name, part)
            for spec in topics.manifest("development")
            if spec.name in heard
            for part in range(spec.partitions)
        ]

    async def ends(self) -> Offsets:
        """Where the log ends now."""
        return dict(await self._log.end_offsets(self._partitions))

    async def drained(self) -> str:
        """What is still on its way, in words; empty when nothing is."""
        for name, connection in (("door", self.door), ("desk", self.desk)):
            if waiting := await connection.fetchval("SELECT count(*) FROM outbox"):
                return f"{waiting} events wait in the outbox of the {name}"
        ends = await self.ends()
        for connection, (group, heard) in zip((self.desk, self.shelf), GROUPS.items(), strict=True):
            rows = await connection.fetch(
                "SELECT topic, part, next_offset FROM consumer_position WHERE grp = $1", group
            )
            at = {TopicPartition(row["topic"], row["part"]): row["next_offset"] for row in rows}
            behind = {p: (at.get(p), end) for p, end in ends.items() if p.topic in heard and at.get(p) != end}
            if behind:
                return f"{group} has not read to the end: {behind}"
            if parked := await connection.fetchval("SELECT count(*) FROM parked_events"):
                return f"{parked} events of {group} are parked"
        if timers := await self.desk.fetchval("SELECT count(*) FROM timers"):
            return f"{timers} timers have not been fired"
        return ""

    async def drain(self, *, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until nothing is on its way any more. Twice in a row: a handler may just have announced something."""
        deadline, still = asyncio.get_running_loop().time() + seconds, 2
        while still:
            reason = await self.drained()
            still = still - 1 if not reason else 2
            assert asyncio.get_running_loop().time() < deadline, f"after {seconds} s: {reason}"
            await asyncio.sleep(0.03)

    async def forget(self) -> None:
        """Drop whatever is on its way, after a test that went wrong, so that the next begins with nothing."""
        ends = await self.ends()
        for connection in (self.door, self.desk, self.shelf):
            for table in ("outbox", "parked_events", "parked_keys", "dead_letters", "timers"):
                await connection.execute(f"DELETE FROM {table}")
            await connection.executemany(
                "UPDATE consumer_position SET next_offset = $3 WHERE topic = $1 AND part = $2",
                [(*partition, end) for partition, end in ends.items()],
            )
        await self.desk.execute("DELETE FROM thorns")

    async def reconcile(self, accepted: Accepted, *, since: Offsets, repeats: int = 1) -> None:
        """Every accepted contact took effect exactly once in every service, in the order of its journey.

        `repeats` says how often a record may stand in the log from `since` on: once, unless a relay has failed between
        Kafka's acknowledgement and its own deletion. Raises AssertionError with all that is wrong.
        """
        wrong: list[str] = []
        log = await self._read(since)
        for journey_id, lanes in accepted.lanes.items():
            wrong += await self._compare(journey_id, lanes, accepted, log)
        often = Counter(entry.event_id for entries in log.values() for entry in entries)
        if (most := max(often.values(), default=0)) > repeats:
            wrong.append(f"the log holds an event {most} times where {repeats} are allowed")
        for name, connection, dead in (
            ("door", self.door, len(accepted.lost_on_purpose)), ("desk", self.desk, 0), ("shelf", self.shelf, 0)
        ):  # fmt: skip
            for table, expected in (("parked_keys", 0), ("parked_events", 0), ("outbox", 0), ("dead_letters", dead)):
                found = await connection.fetchval(f"SELECT count(*) FROM {table}")
                if found != expected:
                    wrong.append(f"{table} of the {name} has {found} rows, not {expected}")
        assert not wrong, "\n".join(wrong)

    async def _compare(
        self, journey_id: UUID, lanes: Sequence[Sequence[UUID]], accepted: Accepted, log: Mapping[str, list[Entry]]
    ) -> Iterable[str]:
        wrong = _Wrong(journey_id)
        rows = await self.door.fetch(
            "SELECT contact_id, number FROM contacts WHERE journey_id = $1 ORDER BY nth", journey_id
        )
        taken = [row["contact_id"] for row in rows]
        if None not in {row["number"] for row in rows}:
            wrong.unless([row["number"] for row in rows] == _count_to(len(rows)), "the door counted", rows)
        wrong.unless(sorted(taken) == sorted(c for lane in lanes for c in lane), "the door's own rows differ", taken)
        for lane in lanes:
            wrong.unless([c for c in taken if c in set(lane)] == list(lane), "the door turned the order", taken)
        expected = [contact for contact in taken if contact not in accepted.lost_on_purpose]

        records = _first_ones(log[str(journey_id)])
        received = [entry for entry in records if entry.type == ContactReceived.event_type]
        wrong.unless([entry.contact_id for entry in received] == expected, "the log's contacts differ", received)
        if len(expected) == len(taken):
            wrong.unless([e.sequence for e in received] == _count_to(len(taken)), "a gap in the log", received)

        effects = await self.desk.fetch(
            "SELECT contact_id, number, sequence FROM effects WHERE journey_id = $1 ORDER BY nth", journey_id
        )
        wrong.unless([row["contact_id"] for row in effects] == expected, "the desk's effects differ", effects)
        wrong.unless([row["number"] for row in effects] == _count_to(len(effects)), "the desk counted", effects)
        rings = await self.desk.fetch("SELECT contact_id FROM rings WHERE journey_id = $1", journey_id)
        rung = sorted(row["contact_id"] for row in rings)
        wrong.unless(rung == sorted(set(expected) & accepted.rings), "the desk's timers rang otherwise", rung)

        entries = await self.shelf.fetch(
            "SELECT contact_id, type, sequence FROM entries WHERE journey_id = $1 ORDER BY nth", journey_id
        )
        opened = [row["contact_id"] for row in entries if row["type"] == QuestionOpened.event_type]
        resolved = sorted(row["contact_id"] for row in entries if row["type"] == QuestionResolved.event_type)
        wrong.unless(opened == expected, "the shelf's entries differ", opened)
        wrong.unless(resolved == rung, "the shelf's follow-ups differ", resolved)
        wrong.unless([row["sequence"] for row in entries] == _count_to(len(entries)), "a gap on the shelf", entries)
        return wrong.found

    async def _read(self, since: Offsets) -> dict[str, list[Entry]]:
        """What the log holds from there on, by key, in its order within each topic."""
        found: dict[str, list[Entry]] = defaultdict(list)
        ends = {partition: end for partition, end in (await self.ends()).items() if end > since.get(partition, 0)}
        if not ends:
            return found
        self._log.assign(list(ends))
        for partition in ends:
            self._log.seek(partition, since.get(partition, 0))
        left = set(ends)
        async with asyncio.timeout(20):
            while left:
                for partition, records in (await self._log.getmany(timeout_ms=500)).items():
                    for record in records:
                        found[record.key.decode()].append(_entry(record))
                    if records[-1].offset + 1 >= ends[partition]:
                        left.discard(partition)
        self._log.unsubscribe()
        return found


class _Wrong:
    """Collects what is wrong with one journey."""

    def __init__(self, journey_id: UUID) -> None:
        self.found: list[str] = []
        self._journey_id = journey_id

    def unless(self, right: bool, what: str, shown: Sequence[Any]) -> None:
        if not right:
            self.found.append(f"{self._journey_id}: {what}: {[tuple(r) if not _plain(r) else str(r) for r in shown]}")


def _plain(thing: Any) -> bool:
    return isinstance(thing, UUID | Entry | int | str)


def _count_to(number: int) -> list[int]:
    return list(range(1, number + 1))


def _first_ones(entries: Iterable[Entry]) -> list[Entry]:
    found: dict[UUID, Entry] = {}
    for entry in entries:
        found.setdefault(entry.event_id, entry)
    return list(found.values())


def _entry(record: Any) -> Entry:
    envelope = from_headers(tuple(record.headers), record.key)
    event = codec.decode(envelope.type, record.value)
    return Entry(envelope.id, envelope.type, event.contact_id, envelope.sequence)  # type: ignore[union-attr]
