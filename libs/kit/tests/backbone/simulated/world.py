"""Three services on real databases with a simulated log between them: everything that can happen to them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import structlog

from anliegen.kit import backoff, failpoints, relay, retry, ticker
from anliegen.kit.clock import FixedClock
from anliegen.kit.consumer import store
from anliegen.kit.consumer.batch import Batch, PositionLost, take
from anliegen.kit.consumer.records import Place, Record
from anliegen.kit.database import connect, is_passing
from anliegen.kit.errors import Refusal
from anliegen.kit.operations import actions
from anliegen.kit.operations.journal import Operator
from anliegen.kit.service import Context, open_context
from anliegen.kit.settings import Settings
from anliegen.kit.testing.databases import TestDatabase, TestServer
from anliegen.kit.transaction import Transaction, begin

from . import rows, toys
from .leader import Leader
from .log import PARTITIONS, Log, Network
from .stage import Act, Killed, RolledBack, Stage
from .toys import DESK, FRONT, HEARD, VIEW

CLUSTER = "simulated"
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
WORKERS = 2
RELAY_BATCH = 4
KEYS = tuple(UUID(int=number << 96 | 0x7000 << 64 | 0x8 << 60) for number in (1, 2, 3))


class Silent:
    """Nobody needs waking: the play says when the relay looks."""

    wake_locally: Callable[[], bool] | None = None

    def hint(self) -> None:
        """Not heard."""

    async def close(self) -> None:
        """Nothing was open."""


@dataclass
class Home:
    """One service with its database."""

    name: str
    context: Context
    owner: asyncpg.Connection
    tables: list[str]
    life: int = 0
    backup: rows.Backup | None = None
    leader: Leader | None = None


@dataclass
class Worker:
    """One consumer of a group. `following` is where it believes to go on; None before its first assignment."""

    group: str
    following: dict[Place, int] | None = None
    act: Act | None = None


@dataclass
class Told:
    """What is known from outside of the databases."""

    accepted: set[UUID] = field(default_factory=set)
    """Events of commands that were answered."""
    ever: dict[str, set[UUID]] = field(default_factory=lambda: {FRONT: set(), DESK: set()})
    """What each service announced in any life of its database."""
    follows: dict[UUID, UUID] = field(default_factory=dict)
    """What `desk` announced because of each event."""
    refused: dict[str, set[UUID]] = field(default_factory=lambda: {DESK: set(), VIEW: set()})
    """What each group refused and has forgotten since."""
    redriven: dict[str, set[UUID]] = field(default_factory=lambda: {DESK: set(), VIEW: set()})


class World:
    """Opened once for many plays; `begin_play` makes everything as at the beginning."""

    leader_kind: ClassVar[type[relay.Relay]] = relay.Relay

    def __init__(self, server: TestServer) -> None:
        self._server = server
        self._runner = asyncio.Runner()
        self._open = AsyncExitStack()
        self.clock = FixedClock(MONDAY)
        self.homes: dict[str, Home] = {}
        self._databases: list[str] = []
        self.stage: Stage
        self._before = failpoints.reach, retry.is_passing, relay.BATCH, backoff.BREATH_MOST
        self._logging = structlog.get_config()

    def run(self, work: Any) -> Any:
        """Do something asynchronous."""
        return self._runner.run(work)

    def __enter__(self) -> "World":
        self.run(self._start())
        failpoints.reach, retry.is_passing = self._reach_on_stage, self._is_passing
        relay.BATCH, backoff.BREATH_MOST = RELAY_BATCH, 0.0
        # Thousands of failures are meant to happen; to tell of each takes longer than all the rest.
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        return self

    def __exit__(self, *_: object) -> None:
        failpoints.reach, retry.is_passing, relay.BATCH, backoff.BREATH_MOST = self._before
        structlog.configure(**self._logging)
        self.run(self.end_play())
        self.run(self._open.aclose())
        self._runner.close()

    async def _start(self) -> None:
        self._monitor = await self._open.enter_async_context(
            connect(self._server.server.address, application="machine monitor")
        )
        self.fates = toys.Fates()
        self.stage = Stage(self._monitor, [])
        for service in toys.make_services(self._pause, self.fates).values():
            database = self._server.prepare(service)
            self._databases.append(database.name)
            await database.migrate()
            owner = await self._open.enter_async_context(connect(database.owner_address, application="machine owner"))
            await owner.execute(toys.TABLES)
            await owner.execute(f"GRANT ALL ON ledger TO {service.package}")
            context = await self._open.enter_async_context(
                open_context(service, _settings(database), part="machine", clock=self.clock)
            )
            context.notifier = Silent()  # type: ignore[assignment]
            self.homes[service.name] = Home(service.name, context, owner, await rows.list_tables(owner))

    # The stage is another one in each play.
    async def _pause(self, name: str) -> None:
        await self.stage.pause(name)

    def _reach_on_stage(self, name: str) -> None:
        self.stage.reach(name)

    def _is_passing(self, problem: BaseException) -> bool:
        if isinstance(problem, asyncpg.DeadlockDetectedError):
            self.stage.troubles.append(("retry", problem))  # the retry worker would only try again
        return is_passing(problem)

    # A play -----------------------------------------------------------------------------------------------------------
    async def begin_play(self) -> None:
        """Everything empty, nobody at work."""
        self.clock.time = MONDAY
        self.fates.named.clear()
        self.fates.tries.clear()
        self.stage = Stage(self._monitor, self._databases)
        self.log = Log()
        self.network = Network(self.log)
        self.told = Told()
        self.workers = {group: [Worker(group) for _ in range(WORKERS)] for group in HEARD}
        for home in self.homes.values():
            await rows.empty(home.owner, home.tables)
            home.life, home.backup, home.leader = 0, None, None

    async def end_play(self) -> None:
        """Whatever is still at work ends now."""
        await self.stage.clear()

    async def act(
        self,
        name: str,
        service: str,
        work: Any,
        *,
        hold: str = "",
        dies_at: str = "",
        times: int = 1,
        then: Callable[[BaseException | None], Awaitable[None]] | None = None,
    ) -> Act:
        """Have a process begin, and see how far it comes."""
        act = self.stage.start(Act(name, service, hold, dies_at, times), work, then=then)
        await self.stage.settle()
        return act

    async def go_on(self, nth: int, how: str) -> None:
        """Let one that was held go on, change its mind, say more before it commits, or die."""
        held = [act for act in self.stage.held if not act.is_relay]
        if held:
            ways = {"die": Killed(), "change its mind": RolledBack()}
            held[nth % len(held)].let_on(ways.get(how, how))
            await self.stage.settle()

    # Commands ---------------------------------------------------------------------------------------------------------
    async def write(
        self, keys: tuple[int, ...], each: int, *, desk: str = toys.FINE, view: str = toys.FINE, **plan: Any
    ) -> None:
        """A command of `front` announces so many contacts under each of these keys."""

        async def say(tx: Transaction) -> set[UUID]:
            said = set()
            for _ in range(each):
                for key in keys:
                    event = toys.contact(KEYS[key])
                    event_id = tx.publish(event)
                    said.add(event_id)
                    self.fates.set(event_id, desk=desk, view=view)
                    await toys.enter(
                        tx, self._pause, key=event.key, topic=toys.WORDS, event_id=event_id, fates=None,
                        over_person=False,
                    )  # fmt: skip
            return said

        await self._command("write", [KEYS[key] for key in keys], say, **plan)

    async def write_at_once(self, key: int, each: int, *, view: str = toys.FINE, **plan: Any) -> None:
        """A command of `front` that only adds and announces: a single statement, which PostgreSQL commits by itself."""

        async def work() -> None:
            async with begin(self.homes[FRONT].context, late=True) as tx:
                await tx.lock(KEYS[key])
                said = [tx.publish(toys.contact(KEYS[key])) for _ in range(each)]
                tx.write(
                    "INSERT INTO ledger (key, topic, event_id) SELECT $1, $2, unnest($3::uuid[])",
                    str(KEYS[key]), toys.WORDS, said,
                )  # fmt: skip
            for event_id in said:
                self.fates.set(event_id, desk=toys.FINE, view=view)
            self.told.accepted |= set(said)

        await self.act("write at once", FRONT, work(), **plan)

    async def merge(self, one: int, other: int, *, desk: str = toys.FINE, **plan: Any) -> None:
        """A command of `front` announces that two journeys are one person's."""
        event = toys.merge(KEYS[one], KEYS[other])

        async def say(tx: Transaction) -> set[UUID]:
            event_id = tx.publish(event)
            self.fates.set(event_id, desk=desk, view=toys.FINE)
            await toys.enter(
                tx, self._pause, key=event.key, topic=toys.FACTS, event_id=event_id, fates=None, over_person=False
            )
            return {event_id}

        await self._command("merge", [event.journey_a], say, **plan)

    async def _command(
        self, name: str, keys: list[UUID], say: Callable[[Transaction], Awaitable[set[UUID]]], **plan: Any
    ) -> None:
        async def work() -> None:
            async with begin(self.homes[FRONT].context) as tx:
                await tx.lock(*keys)
                said = await say(tx)
                if plan.get("hold") == "written":
                    # Its numbers are drawn now, and it may say more before it commits.
                    await tx.flush()
                    tx.outgoing.clear()
                    if await self.stage.pause("written") == "say more":
                        said |= await say(tx)
                if plan.get("rolls_back"):
                    raise RolledBack
            self.told.accepted |= said

        given = {key: value for key, value in plan.items() if key != "rolls_back"}
        await self.act(name, FRONT, work(), **given)

    async def decide(self, key: int, **plan: Any) -> None:
        """A command of `desk` decides by what it sees under a key, and announces nothing."""

        async def work() -> None:
            async with begin(self.homes[DESK].context) as tx:
                await tx.lock(KEYS[key])
                await toys.enter(
                    tx, self._pause, key=str(KEYS[key]), topic="", event_id=toys.uuid4(), fates=None, over_person=False
                )

        await self.act("decide", DESK, work(), **plan)

    # Relays -----------------------------------------------------------------------------------------------------------
    async def lead(self, service: str) -> Leader:
        """The relay of a service; a new one takes over where none is at work."""
        home = self.homes[service]
        if home.leader is None or home.leader.act.task.done():
            home.leader = Leader(self.stage, self.network, home.context, life=home.life, kind=self.leader_kind)
            await home.leader.start()
            await self.stage.settle()
        return home.leader

    # Consumers --------------------------------------------------------------------------------------------------------
    async def consume(
        self, group: str, nth: int, *, limit: int = 10, only: int | None = None, insist: bool = False, **plan: Any
    ) -> None:
        """A worker takes what follows, from all partitions or from one. It may be a zombie and not know it."""
        worker = self.workers[group][nth % WORKERS]
        if worker.act is not None and not worker.act.task.done():
            return
        if worker.following is None:
            await self.assign(worker)
        batch = self._poll(worker, limit, only)
        if batch is None:
            return

        async def ended(problem: BaseException | None) -> None:
            if problem is None and worker.following is not None:
                worker.following.update({place: end for place, (_, end) in batch.steps.items()})
            else:
                worker.following = None  # lost to another, or trouble, or death: the truth stands in the database

        context = self.homes[group].context
        work = _unless_lost(take(context, batch, insist=insist))
        worker.act = await self.act(f"consumer {nth} of {group}", group, work, then=ended, **plan)

    async def assign(self, worker: Worker) -> None:
        """A rebalance gives this worker all partitions; others may go on believing they had them."""
        places = self.places(worker.group)
        async with self.homes[worker.group].context.pool.acquire() as connection:
            known = await store.load_positions(connection, group=worker.group, places=places)
            for place in set(places) - set(known):
                start = self.log.partition(place).start
                await store.insert_position(
                    connection, group=worker.group, place=place, cluster_id=CLUSTER, offset=start
                )
            known = await store.load_positions(connection, group=worker.group, places=places)
        worker.following = {place: row["next_offset"] for place, row in known.items()}

    def places(self, group: str) -> list[Place]:
        """The partitions that a group reads."""
        return [Place(topic, part) for topic in sorted(HEARD[group]) for part in range(PARTITIONS)]

    def _poll(self, worker: Worker, limit: int, only: int | None) -> Batch | None:
        places = self.places(worker.group)
        found: list[Record] = []
        steps = {}
        assert worker.following is not None
        for place in places if only is None else [places[only % len(places)]]:
            following = worker.following[place]
            records = self.log.read(place, following, limit)
            if records:
                found += [
                    Record(
                        place=place, offset=one.offset, key=one.key, headers=one.headers, value=one.value,
                        timestamp=self.clock.wall(),
                    )
                    for one in records
                ]  # fmt: skip
                steps[place] = (following, records[-1].offset + 1)
        return Batch(tuple(found), steps) if steps else None

    async def retry(self, group: str, *, wait: bool = True, **plan: Any) -> None:
        """The retry worker looks at what is due; `wait` lets so much time pass that everything is."""
        if wait:
            self.clock.advance(timedelta(hours=1))
        await self.act(f"retry of {group}", group, retry.retry_due_keys(self.homes[group].context), **plan)

    # People -----------------------------------------------------------------------------------------------------------
    async def settle_letter(self, group: str, nth: int, how: str) -> None:
        """Somebody redrives a dead letter, perhaps after its cause was mended, or discards it."""
        home = self.homes[group]
        letters = await home.owner.fetch("SELECT id, event_id FROM dead_letters WHERE settled_at IS NULL ORDER BY id")
        if not letters:
            return
        letter_id, event_id = letters[nth % len(letters)]
        settle = actions.discard if how == "discard" else actions.redrive
        if event_id is not None and how != "discard":
            self.told.redriven[group].add(event_id)
            if how == "mend":
                self.fates.heal(group, event_id)

        async def work() -> None:
            async with begin(home.context) as tx:
                await settle(tx, letter_id=letter_id, operator=Operator("machine"))

        await self.act(how, group, _unless_refused(work()))

    async def set_aside(self, group: str, key: int) -> None:
        """Somebody makes the oldest event behind a key a dead letter."""
        home, name = self.homes[group], str(KEYS[key])
        event_id = await home.owner.fetchval("SELECT event_id FROM parked_events WHERE key = $1 ORDER BY ord", name)
        if event_id is None:
            return

        async def work() -> None:
            async with begin(home.context) as tx:
                await actions.set_aside(tx, key=name, event_id=event_id, operator=Operator("machine"))

        await self.act("set aside", group, _unless_refused(work()))

    # Fate -------------------------------------------------------------------------------------------------------------
    async def back_up(self, group: str) -> None:
        """Keep the group's database as it is now."""
        home = self.homes[group]
        home.backup = await rows.back_up(home.owner, home.tables)

    async def restore(self, group: str) -> None:
        """The group's database is what it was, while the log is ahead. Whoever worked on it is gone."""
        home = self.homes[group]
        if home.backup is None:
            return
        if home.leader is not None and not home.leader.act.task.done():
            await home.leader.kill(lost=False)
        await self.stage.clear(group)
        await rows.restore(home.owner, home.tables, home.backup)
        home.life += 1
        for worker in self.workers[group]:
            worker.following = None

    async def forget(self) -> None:
        """Weeks pass: retention takes what all have read, and the inbox what has become old."""
        kept: dict[Place, list[int]] = {}
        for group in HEARD:
            await self.assign(worker := Worker(group))
            assert worker.following is not None
            for place, offset in worker.following.items():
                kept.setdefault(place, []).append(offset)
        gone: set[UUID] = set()
        for place, offsets in kept.items():
            gone |= self.log.forget(place, min(offsets))
        for home in self.homes.values():
            waiting = await home.owner.fetch("SELECT event_id FROM outbox")
            gone -= {row["event_id"] for row in waiting}
        gone -= {self._id_of(headers) for one in self.network.under_way for _, _, headers in one.batch.records}
        for group in HEARD:
            home = self.homes[group]
            home.backup = None  # what it would go on from is not in the log any more
            old = await home.owner.fetch(
                """
                UPDATE inbox SET received_at = received_at - make_interval(days => $2)
                WHERE event_id = ANY ($1) RETURNING event_id, outcome
                """,
                list(gone), ticker.INBOX_DAYS + 1,
            )  # fmt: skip
            self.told.refused[group] |= {row["event_id"] for row in old if row["outcome"] is not None}
            await self.act(f"purge of {group}", group, ticker.purge(home.context))

    def is_hopeless(self, group: str, event: UUID) -> bool:
        """Whether an event fails whatever is done, in a group that keeps such events waiting."""
        return group == VIEW and self.fates.of(group, event) == "fails for ever"

    @staticmethod
    def _id_of(headers: list[tuple[str, bytes]]) -> UUID:
        return UUID(dict(headers)["ce_id"].decode())

    def litter(self, group: str, nth: int) -> None:
        """Something that nobody can read lies in a topic."""
        places = self.places(group)
        self.log.append(places[nth % len(places)], key=b"k", value=b"?", headers=[("name", b"\xff")], life=-1)


async def _unless_refused(work: Any) -> None:
    try:
        await work
    except Refusal as refused:
        raise RolledBack from refused


async def _unless_lost(work: Any) -> None:
    try:
        await work
    except PositionLost as lost:
        raise RolledBack from lost


def _settings(database: TestDatabase) -> Settings:
    return Settings(environment="test", database_url=database.address, database_pool_size=20, identity_secret="5a" * 32)  # type: ignore[arg-type]
