"""The relay on the stage: its own code, halted before each statement, with a simulated Kafka behind it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg

from anliegen.kit import database
from anliegen.kit.relay import LEADER_LOCK, Relay
from anliegen.kit.service import Context
from anliegen.kit.settings import address_for

from .log import Network, Producer, fail
from .stage import Act, Killed, Stage, Violation

REST = "relay rests"
SQL = "relay asks"
STEPS = 500


class Wire:
    """The relay's connection; each statement waits at a gate first."""

    def __init__(self, connection: asyncpg.Connection, stage: Stage, act: Act) -> None:
        self._connection = connection
        self._stage = stage
        self._act = act

    async def _after_gate(self, method: Callable[..., Awaitable[Any]], *values: Any) -> Any:
        await self._stage.halt(self._act, SQL)
        self._act.in_sql = True
        try:
            return await method(*values)
        finally:
            self._act.in_sql = False

    async def fetch(self, query: str, *values: Any) -> Any:
        return await self._after_gate(self._connection.fetch, query, *values)

    async def fetchval(self, query: str, *values: Any) -> Any:
        return await self._after_gate(self._connection.fetchval, query, *values)

    async def execute(self, query: str, *values: Any) -> Any:
        return await self._after_gate(self._connection.execute, query, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Leader:
    """One relay at work, from its taking the lock to its death."""

    def __init__(
        self, stage: Stage, network: Network, context: Context, *, life: int, kind: type[Relay] = Relay
    ) -> None:
        self.act = Act(f"relay of {context.service.name}", context.service.name, is_relay=True)
        self.producer = Producer(network, life, asyncio.get_running_loop().create_future)
        self.act.waits_elsewhere = lambda: self.producer.waits
        self._stage = stage
        self._network = network
        self._context = context
        self._relay = kind(context)
        self._closing = AsyncExitStack()

    async def start(self) -> None:
        """Take the lock and lead. The one before must be gone."""
        settings, package = self._context.settings, self._context.service.package
        address = address_for(settings.database_url, package, package)
        connection = await self._closing.enter_async_context(database.connect(address, application="machine relay"))
        async with asyncio.timeout(10):
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK):
                await asyncio.sleep(0.01)
        relay = self._relay
        relay._connection = Wire(connection, self._stage, self.act)  # type: ignore[assignment]
        relay._producer = self.producer
        relay._rest = self._rest  # type: ignore[method-assign]
        relay.leads = True
        self._stage.start(self.act, relay._lead(), then=self._ended)

    async def _rest(self) -> None:
        await self._stage.halt(self.act, REST)

    async def _ended(self, _problem: BaseException | None) -> None:
        self._relay.leads = False
        await self._closing.aclose()

    @property
    def rests(self) -> bool:
        """Whether it has found nothing to do."""
        return self.act.gate is not None and self.act.gate_name == REST

    async def step(self) -> None:
        """One statement, where that is what it waits for."""
        self.act.let_on()
        await self._stage.settle()

    async def flow(self) -> None:
        """Go on until it rests or ends, with all it sends arriving."""
        if self.rests:
            await self.step()
        for _ in range(STEPS):
            if self.act.task.done() or self.rests:
                return
            if self.act.gate is None:
                self._arrive()
            await self.step()
        raise Violation("the relay comes to an end", self.act.name)

    def _arrive(self) -> None:
        mine = [sending for sending in self._network.under_way if sending.producer is self.producer]
        for sending in mine:
            self._network.deliver(sending)

    async def kill(self, *, lost: bool) -> None:
        """Die here, as by SIGKILL. What is under way arrives later, or is `lost`."""
        if lost:
            self._network.lose(self.producer, Killed())
        else:
            for sending in self._network.under_way:
                if sending.producer is self.producer:
                    fail(sending.told, Killed())
        self.act.let_on(Killed())
        await self._stage.settle()

    async def stop(self) -> None:
        """End as on SIGTERM: the round under way is finished."""
        self.act.gate = None
        self.act.task.cancel()
        await self._stage.settle()
        while not self.act.task.done():
            if self.act.gate is None:
                self._arrive()
            await self.step()
