"""The consumer of one service: asks Kafka for records and has them taken, batch by batch."""

import asyncio
import contextlib
import time
from collections.abc import Iterable

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError
from aiokafka.structs import ConsumerRecord

from .. import backoff, failpoints, kafka
from ..database import is_passing
from ..service import Context
from ..telemetry import metrics
from . import store
from .batch import Batch, PositionLost, take
from .lag import Lag
from .pace import Pace
from .records import Place, Record, record_of

log = structlog.get_logger(__name__)
Polled = dict[TopicPartition, list[ConsumerRecord]]

BATCH = 500
REST_MILLISECONDS = 2_000  # so long a question to Kafka waits where there is nothing
REBALANCE_MILLISECONDS = 60_000
COMMIT_SECONDS = 1.0
ANSWER_SECONDS = 5.0
INSIST_AFTER = 4
"""After so many failures in a row it is looked whether one event alone causes the trouble."""


class PositionOutOfRange(RuntimeError):
    """The stored position is not in Kafka's log any more, or belongs to another cluster.

    Going on from the earliest or latest record would skip events in silence, so the consumer stops and a person
    decides: see docs/runbooks/lost-positions.md.
    """


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """Reads what its service hears. The truth about progress lies in PostgreSQL; Kafka's own commit only follows."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.group = context.service.name
        self._next: dict[Place, int] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._settled = asyncio.Event()
        self._draining = False
        self._failure: Exception | None = None
        self._cluster_id = ""
        self._lag = Lag(self.group)
        self._behind_in: list[Place] = []
        self._uncommitted: dict[TopicPartition, int] = {}
        self._committing: asyncio.Task[None] | None = None
        self._pace = Pace(most=BATCH)
        self._kafka: AIOKafkaConsumer

    async def run(self) -> None:
        """Consume until cancelled. What is under way is finished first; an unexpected error is raised."""
        settings = self.context.settings
        metrics.consumer_last_poll.labels(self.group)  # its age grows from here, also where it never comes to ask
        self.context.health.consumes_anew()
        self._cluster_id = await kafka.get_cluster_id(settings)
        self._kafka = AIOKafkaConsumer(
            **kafka.client_options(settings),
            client_id=f"anliegen-{self.group}-{settings.worker_slot}",
            group_id=self.group,
            # A stable place: a worker that was killed and comes back goes on at once, without a rebalance.
            group_instance_id=f"{self.group}-{settings.worker_slot}",
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            rebalance_timeout_ms=REBALANCE_MILLISECONDS,
            max_poll_interval_ms=300_000,
            fetch_max_wait_ms=REST_MILLISECONDS,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        self._kafka.subscribe(self.context.service.handlers.topics_under(settings), listener=self)
        try:
            await kafka.start_reading(self._kafka, rest_seconds=REST_MILLISECONDS / 1000)
            await self._loop()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        if self._committing is not None:
            self._committing.cancel()
        # Each with a limit of its own: a client that is not stopped would go on with its heartbeats for ever.
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._commit(), timeout=2)
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._kafka.stop(), timeout=5)

    async def _loop(self) -> None:
        attempt, taken = 0, 0
        while True:
            if self._lag.records < BATCH // 5:
                await backoff.breathe(taken)
            polled = await self._poll()
            taken = sum(map(len, polled.values()))
            if self._draining:
                continue
            self._idle.clear()
            taking = asyncio.create_task(self._finish(polled, insist=attempt >= INSIST_AFTER))
            try:
                done = await asyncio.shield(taking)
            except asyncio.CancelledError:
                # The batch under way is finished, so that the next start has nothing to repeat.
                await self._let_end(taking)
                raise
            except PositionLost:
                log.warning("position_lost", group=self.group)
                await self._reload(self._next)
                done = True
            finally:
                self._idle.set()
            # Trouble that passes counts as progress, too: starting this process anew would not bring a database back.
            self._measure(progress=bool(polled) or not await self._has_to_come())
            if not done:
                await asyncio.sleep(backoff.delay(attempt))
            attempt = 0 if done else attempt + 1

    async def _poll(self) -> Polled:
        try:
            polled: Polled = await self._kafka.getmany(timeout_ms=REST_MILLISECONDS, max_records=self._pace.size)
        except NoOffsetForPartitionError:
            # The client looks for an offset while our positions are still being read; `_reload` will tell it.
            await self._settled.wait()
            await asyncio.sleep(0.05)  # the client raises this without waiting for anything
            polled = {}
        if self._failure is not None:
            raise self._failure
        return polled

    async def _has_to_come(self) -> bool:
        """Whether more should have come by now: it waits, and Kafka, which is asked only then, is there."""
        partitions = [TopicPartition(*place) for place in self._behind_in]
        if not partitions:
            return False
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._kafka.end_offsets(partitions)
                for partition in partitions:
                    self._lag.passed(Place(*partition), await self._kafka.position(partition))
        except IllegalStateError:
            return False  # lost in a rebalance meanwhile
        except (KafkaError, OSError, TimeoutError) as problem:
            log.warning("kafka_does_not_answer", group=self.group, error=type(problem).__name__)
            return False
        return True

    async def _finish(self, polled: Polled, *, insist: bool) -> bool:
        try:
            return await self._take(polled, insist=insist)
        finally:
            # Only now: whoever waits for us to be idle forgets our positions next.
            self._idle.set()

    async def _take(self, polled: Polled, *, insist: bool) -> bool:
        """Take what was polled; False where trouble that passes stopped it, with everything sought back."""
        try:
            if polled:
                failpoints.reach("consume.polled")
            batch = self._batch_of(polled)
            if batch is None:
                return True
            self._lag.polled(batch.records)
            with self._pace.taking(len(batch.records)):
                await take(self.context, batch, insist=insist)
        except PositionLost:
            raise
        except Exception as problem:
            if not is_passing(problem):
                raise
            log.warning("batch_postponed", group=self.group, error=type(problem).__name__, detail=str(problem)[:200])
            with contextlib.suppress(Exception):
                await self._reload(self._next)
            self._seek(self._next)
            return False
        # Without those that were lost in a rebalance which could not wait for us any longer.
        self._next.update({place: end for place, (_, end) in batch.steps.items() if place in self._next})
        self._lag.taken(batch.records)
        self._commit_soon(batch)
        return True

    def _batch_of(self, polled: Polled) -> Batch | None:
        records: list[Record] = []
        steps: dict[Place, tuple[int, int]] = {}
        for partition, found in polled.items():
            place = Place(partition.topic, partition.partition)
            if place not in self._next:
                continue  # lost in a rebalance since it was fetched
            fresh = [r for r in found if r.offset >= self._next[place]]
            if fresh:
                records.extend(record_of(place, record) for record in fresh)
                steps[place] = (self._next[place], fresh[-1].offset + 1)
        return Batch(tuple(records), steps) if steps else None

    def _commit_soon(self, batch: Batch) -> None:
        # Only for those who look at Kafka's lag tools; what counts is the position that was committed with the effects.
        # So nobody waits for it, and a second's batches are told in one go.
        self._uncommitted.update({TopicPartition(*place): end for place, (_, end) in batch.steps.items()})
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_later())

    async def _commit_later(self) -> None:
        await asyncio.sleep(COMMIT_SECONDS)
        await self._commit()

    async def _commit(self) -> None:
        ends, self._uncommitted = self._uncommitted, {}
        ours = {partition: end for partition, end in ends.items() if partition in self._kafka.assignment()}
        try:
            if ours:
                failpoints.reach("commit.begun")
                await self._kafka.commit(ours)
                failpoints.reach("commit.told")
        except Exception as problem:
            # Of any kind: a client whose connection was replaced meanwhile ends in a KeyError. Nothing of ours is lost.
            log.info("kafka_commit_failed", group=self.group, error=type(problem).__name__)

    def _measure(self, *, progress: bool) -> None:
        self._behind_in = self._lag.measure(self._next, lambda place: self._kafka.highwater(TopicPartition(*place)))
        self.context.health.polled(lag=self._lag.records, progress=progress)
        metrics.consumer_last_poll.labels(self.group).set(time.time())

    # Rebalances -------------------------------------------------------------------------------------------------------
    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Finish what is under way, as long as the group waits for us; then forget these partitions."""
        del revoked
        self._draining = True
        self._settled.clear()
        failpoints.reach("revoke.begun")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.6 * REBALANCE_MILLISECONDS / 1000):
                await self._idle.wait()
        failpoints.reach("revoke.drained")
        self._uncommitted.clear()
        self._lag.forget(self._next)
        self._next.clear()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Go on where PostgreSQL says. Raising here would only be logged by the client, so the loop raises it."""
        try:
            await self._reload([Place(partition.topic, partition.partition) for partition in assigned])
            failpoints.reach("assign.loaded")
            self._failure = None
        except Exception as problem:
            self._failure = problem
        self._draining = False
        self._settled.set()

    async def _reload(self, places: Iterable[Place]) -> None:
        places = list(places)
        if not places:
            return
        partitions = [TopicPartition(*place) for place in places]
        async with self.context.pool.acquire() as connection:
            known = await store.load_positions(connection, group=self.group, places=places)
            if len(known) < len(places):
                beginnings = await self._kafka.beginning_offsets(partitions)
                for place in set(places) - set(known):
                    await store.insert_position(
                        connection, group=self.group, place=place, cluster_id=self._cluster_id,
                        offset=beginnings[TopicPartition(*place)],
                    )  # fmt: skip
                known = await store.load_positions(connection, group=self.group, places=places)
        ends = await self._kafka.end_offsets(partitions)
        beginnings = await self._kafka.beginning_offsets(partitions)
        for place, row in known.items():
            partition = TopicPartition(*place)
            in_range = beginnings[partition] <= row["next_offset"] <= ends[partition]
            if row["cluster_id"] != self._cluster_id or not in_range:
                raise PositionOutOfRange(
                    f"{PositionOutOfRange.__doc__} {place.topic}[{place.part}]: stored {row['next_offset']} of cluster "
                    f"{row['cluster_id']}, found {beginnings[partition]}–{ends[partition]} of {self._cluster_id}."
                )
        self._next.update({place: row["next_offset"] for place, row in known.items()})
        self._seek({place: self._next[place] for place in places})

    def _seek(self, places: dict[Place, int]) -> None:
        for place, offset in places.items():
            if TopicPartition(*place) in self._kafka.assignment():
                self._kafka.seek(TopicPartition(*place), offset)

    async def _let_end(self, taking: asyncio.Task[bool]) -> None:
        """Wait for the batch under way; one that takes too long is given up, and all of it is rolled back."""
        await asyncio.wait({taking}, timeout=0.4 * self.context.settings.shutdown_seconds)
        if taking.cancel():
            log.warning("batch_given_up", group=self.group)
            await asyncio.wait({taking}, timeout=3)
        elif not taking.cancelled():
            taking.exception()  # it is known to whoever stops us anyway that this batch is not done
