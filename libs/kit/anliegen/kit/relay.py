"""The relay: publishes the outbox, oldest first, one leader per database; moves by id to `announced` what Kafka has."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from anliegen.events.envelope import to_headers

from . import backoff, database, failpoints, kafka
from .fence.look import pass_gate
from .fence.reached import Reached
from .horizon import Horizon
from .notifier import CHANNEL
from .partitions import partition_of
from .service import Context
from .settings import address_for
from .telemetry import metrics

log = structlog.get_logger(__name__)

BATCH = 500
HINT_SECONDS = 2.0  # what a lost hint costs at most: whoever committed was killed, or cut off, before it was given
ACKNOWLEDGE_SECONDS = 6.0
STOP_SECONDS = 4.0
"""How long a relay that is told to end waits for Kafka; what is not acknowledged by then is sent again by the next."""
LEADER_LOCK = 0x0A11E6E4


class Row(NamedTuple):
    """One row of the outbox."""

    seq: int
    event_id: object
    topic: str
    key: str
    headers: dict[str, str]
    payload: bytes


class LeadershipLost(ConnectionError):
    """The connection that holds the relay's lock is gone, so another relay may lead: start again from nothing."""


class RowTooLarge(RuntimeError):
    """Kafka takes no record of this size."""

    def __init__(self, row: Row) -> None:
        super().__init__(f"outbox row {row.seq}, {len(row.payload)} bytes")
        self.row = row


class Relay:
    """Leads where it holds the lock, else stands by."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.leads = False
        self._woken = asyncio.Event()
        self._reached = Reached()
        self._service = context.service.name
        self._producer: Any = None
        self._connection: asyncpg.Connection
        context.notifier.wake_locally = self.wake

    def wake(self) -> bool:
        """There is something to publish; False where this relay does not lead."""
        if self.leads:
            self._woken.set()
        return self.leads

    async def run(self) -> None:
        """Wait for the lock, then publish until cancelled. Any error is raised: the supervisor builds a new relay."""
        service, settings = self.context.service, self.context.settings
        metrics.relay_leads.labels(service.name).set(0)
        address = address_for(settings.database_url, service.package, service.package)
        async with database.connect(address, application=f"anliegen {service.name} relay", seconds=30) as connection:
            self._connection = connection
            await pass_gate(self.context, connection)
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK):
                await asyncio.sleep(1.0)
            await connection.add_listener(CHANNEL, lambda *_: self._woken.set())
            connection.add_termination_listener(lambda *_: self._woken.set())
            try:
                # A service that announces nothing has no right to write anywhere, so it would be refused a producer.
                if service.topics:
                    await self._start_producer()
                self.leads = True
                metrics.relay_leads.labels(service.name).set(1)
                failpoints.reach("relay.leads")
                await self._lead()
            finally:
                self.leads = False
                metrics.relay_leads.labels(service.name).set(0)
                if self._producer is not None:
                    await self._stop_producer()

    async def _start_producer(self) -> None:
        self._producer = AIOKafkaProducer(
            **kafka.client_options(self.context.settings),
            client_id=f"anliegen-{self._service}-relay",
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            max_batch_size=1024 * 1024,
            max_request_size=2 * 1024 * 1024,
            linger_ms=0,
        )
        await kafka.start(self._producer)

    async def _renew_producer(self) -> None:
        await self._stop_producer()
        await self._start_producer()

    async def _stop_producer(self) -> None:
        """Before the lock is let go: nothing of this relay's may be on its way once another leads."""
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._producer.stop(), timeout=STOP_SECONDS)
            return
        # It waits for a broker that is away. Its sender would go on for ever, and send when the broker is back.
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._producer._sender.close(), timeout=1.0)
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._producer.client.close(), timeout=1.0)

    async def _lead(self) -> None:
        """Publish in a pipeline: the next batch is fetched while the last one is being acknowledged, and the last one
        is deleted while the next is being acknowledged. A batch is sent only once the one before it is acknowledged,
        so a failure never lets a later event overtake an earlier one.
        """
        horizon = Horizon()
        rows: list[Row] = []
        flying: tuple[list[Row], list[asyncio.Future[object]]] | None = None
        try:
            while True:
                if len(rows) < BATCH:
                    await backoff.breathe(len(rows))
                self._woken.clear()
                rows = await self._fetch(horizon, flying[0] if flying else ())
                if flying is not None:
                    await self._acknowledged(*flying)
                sends = await self._send(rows)
                done, flying = flying, (rows, sends) if rows else None
                if done is not None:
                    await self._delete(done[0])
                elif not rows:
                    await self._rest()
                    horizon = Horizon()
        except asyncio.CancelledError:
            # The round under way is finished: what Kafka has is deleted, so the next leader does not send it again.
            if flying is not None:
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                        await self._acknowledged(*flying)
                        await self._delete(flying[0])
            raise
        except RowTooLarge as problem:
            await self._bury(problem)
            raise

    async def _rest(self) -> None:
        # Not `wait_for`: in Python 3.11 it forgets that it was cancelled where the hint comes at that moment.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HINT_SECONDS):
                await self._woken.wait()
        if self._connection.is_closed():
            raise LeadershipLost(LeadershipLost.__doc__)

    async def _fetch(self, horizon: Horizon, flying: Sequence[Row]) -> list[Row]:
        """The oldest rows that are not under way. Both come from one snapshot, which the horizon is told of."""
        # NOT IN (SELECT …) is hashed whatever the plan; <> ALL ($2) compares each row with each of the 500.
        found = await self._connection.fetch(
            """
            SELECT seq, event_id, topic, key, headers, payload,
                   (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint) AS oldest_xid,
                   (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint) AS next_xid
            FROM outbox WHERE seq > $1 AND seq NOT IN (SELECT unnest($2::bigint[])) ORDER BY seq LIMIT $3
            """,
            horizon.low, [row.seq for row in flying], BATCH,
        )  # fmt: skip
        if found:
            horizon.look(last=found[-1]["seq"], oldest_xid=found[0]["oldest_xid"], next_xid=found[0]["next_xid"])
        failpoints.reach("relay.fetched")
        return [Row._make(tuple(row)[:6]) for row in found]

    async def _send(self, rows: Sequence[Row]) -> "list[asyncio.Future[object]]":
        """Hand the rows to the producer, in their order within each partition."""
        if rows and self._producer is None:
            await self._start_producer()
        partitions = {topic: len(await self._producer.partitions_for(topic)) for topic in {row.topic for row in rows}}
        groups: dict[tuple[str, int], list[Row]] = {}
        for row in rows:
            part = partition_of(row.key, partitions[row.topic])
            groups.setdefault((row.topic, part), []).append(row)
        sends = []
        for (topic, part), members in groups.items():
            batch = self._producer.create_batch()
            for row in members:
                if not _append(batch, row):
                    sends.append(await self._hand_over(batch, topic, part))
                    batch = self._producer.create_batch()
                    if not _append(batch, row):
                        raise RowTooLarge(row)
            sends.append(await self._hand_over(batch, topic, part))
        failpoints.reach("relay.sent")
        return sends

    async def _hand_over(self, batch: Any, topic: str, part: int) -> "asyncio.Future[object]":
        count = batch.record_count()
        send: asyncio.Future[object] = await self._producer.send_batch(batch, topic, partition=part)
        self._reached.watch(send, count=count)
        return send

    async def _acknowledged(self, rows: Sequence[Row], sends: "Sequence[asyncio.Future[object]]") -> None:
        """Wait until Kafka has every one of these. No time-out of our own: what was given up may still be delivered."""
        if sends:
            await asyncio.wait(sends)  # unlike gather, it gives up none of them when this relay is told to end
        for result in [send.exception() for send in sends]:
            if isinstance(result, MessageSizeTooLargeError | RecordListTooLargeError):
                if len(rows) == 1:
                    raise RowTooLarge(rows[0]) from result
                # Together they are too large for this topic: one by one, what is too large alone is found, too. The
                # client has counted the refused batch, so Kafka would refuse all that this producer sends after it.
                await self._renew_producer()
                for row in rows:
                    await self._acknowledged([row], await self._send([row]))
                return
            if result is not None:
                raise result
        metrics.outbox_published.labels(self._service).inc(len(rows))
        failpoints.reach("relay.acknowledged")

    async def _delete(self, rows: Sequence[Row]) -> None:
        # By id and over the connection that holds the lock: whoever lost the lock deletes nothing.
        await self._connection.execute(
            """
            WITH reached AS (
                UPDATE relay_position AS p SET next_offset = r.next_offset, updated_at = clock_timestamp()
                FROM unnest($2::text[], $3::int[], $4::bigint[]) AS r (topic, part, next_offset)
                WHERE p.topic = r.topic AND p.part = r.part AND p.next_offset < r.next_offset
            ), gone AS (
                DELETE FROM outbox WHERE seq = ANY($1::bigint[])
                RETURNING seq, event_id, topic, key, type, sequence, headers, payload, created_at
            )
            INSERT INTO announced (seq, event_id, topic, key, type, sequence, headers, payload, created_at)
            SELECT * FROM gone
            """,
            [row.seq for row in rows], *self._reached.take(),
        )  # fmt: skip
        failpoints.reach("relay.deleted")

    async def _bury(self, problem: RowTooLarge) -> None:
        row = problem.row
        async with self._connection.transaction():
            await self._connection.execute(
                """
                INSERT INTO dead_letters (grp, key, event_id, type, topic, headers, payload, error_type, error,
                                          attempts, first_failed_at, service_version)
                SELECT 'relay', convert_to(key, 'UTF8'), event_id, type, topic,
                       (SELECT jsonb_agg(jsonb_build_array(h.key, encode(convert_to(h.value, 'UTF8'), 'base64')))
                        FROM jsonb_each_text(headers) AS h),
                       payload, $2, $3, 1, clock_timestamp(), $4
                FROM outbox WHERE seq = $1
                """,
                row.seq, type(problem).__name__, str(problem), self.context.service.version,
            )  # fmt: skip
            await self._connection.execute("DELETE FROM outbox WHERE seq = $1", row.seq)
        metrics.events_dead_lettered.labels(self._service).inc()
        log.error("dead_letter", service=self._service, seq=row.seq, event_id=str(row.event_id), error=str(problem))


def _append(batch: Any, row: Row) -> bool:
    """Put a row into a batch; False where it has no room left."""
    headers = to_headers(row.headers)
    return batch.append(key=row.key.encode(), value=row.payload, timestamp=None, headers=headers) is not None
