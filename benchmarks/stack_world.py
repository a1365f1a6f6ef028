"""The whole stack under measurement: each service in processes of its own, what each of them uses, when all is done."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from anliegen.stack.errors import StackError
from anliegen.stack.lifecycle import reset, up
from anliegen.stack.processes import Processes
from anliegen.stack.stack import Stack

from .accept import CONTACTS, JSON
from .load import Answers, Load, run_load
from .texts import contact_bodies

OUTSIDE = frozenset({"outside", "http"})
"""What belongs to others in production: mail server and providers, and the gateway, which is not used here."""


class NotSettled(RuntimeError):
    """What was accepted did not have all its effects in time."""


@dataclass
class World:
    """A running stack. `numbers` counts contacts that were sent, so that none is sent twice; `accepted` those taken."""

    stack: Stack
    _databases: dict[str, asyncpg.Connection]
    _kafka: AIOKafkaConsumer
    numbers: int = 0
    accepted: int = 0
    run: str = field(default_factory=lambda: uuid4().hex[:6])

    def pids(self) -> dict[str, int]:
        """The numbers of all processes by name: `http-intake`, `worker-triage`, `postgres`, `kafka`, …"""
        records = Processes(self.stack.home.run, self.stack.home.logs).records()
        return {name: record.pid for name, record in records.items() if record.process() is not None}

    def port(self, name: str) -> int:
        """The port of a process."""
        port = Processes(self.stack.home.run, self.stack.home.logs).records()[name].port
        assert port is not None
        return port

    async def send(self, count: int, *, connections: int = 32, rate: float = 0.0) -> Answers:
        """Bring so many contacts of new senders to intake itself, as fast as it takes them or at this rate."""
        load = Load(
            self.port("http-intake"), CONTACTS, contact_bodies(self.run), JSON, connections, count=count, rate=rate,
            first=self.numbers,
        )  # fmt: skip
        answers = await run_load(load)
        self.numbers += answers.sent
        self.accepted += answers.answered
        if answers.answered != count:
            raise RuntimeError(f"of {count} contacts {answers.answered} were accepted, {answers.refused} refused")
        return answers

    async def ask(self, service: str, question: str, *values: object) -> int:
        """One number from a service's database."""
        return int(await self._databases[service].fetchval(question, *values) or 0)

    async def all_told(self) -> bool:
        """Whether every outbox is empty, every message sent and every event handled by everybody who hears it."""
        if await self.ask("intake", "SELECT count(*) FROM outgoing_messages WHERE state = 'pending'"):
            return False
        for service in self._databases:
            if await self.ask(service, "SELECT count(*) FROM outbox"):
                return False
        return sum((await self.lags()).values()) == 0

    async def lags(self) -> dict[str, int]:
        """How many records each service has still to take, by its own positions in PostgreSQL."""
        positions = {
            name: await connection.fetch("SELECT topic, part, next_offset FROM consumer_position WHERE grp = $1", name)
            for name, connection in self._databases.items()
        }
        places = {TopicPartition(row["topic"], row["part"]) for rows in positions.values() for row in rows}
        ends = await self._kafka.end_offsets(list(places))
        return {
            name: sum(ends[TopicPartition(row["topic"], row["part"])] - row["next_offset"] for row in rows)
            for name, rows in positions.items()
        }

    async def settle(self, *, seconds: float = 300.0) -> float:
        """Wait until all is told, twice in a row; tells when it was so first (monotonic). Raises NotSettled."""
        deadline = time.monotonic() + seconds
        while True:
            seen = time.monotonic()
            if await self.all_told():
                # What one service was still saying while we asked another shows a moment later.
                await asyncio.sleep(0.3)
                if await self.all_told():
                    return seen
            if seen > deadline:
                raise NotSettled(f"{NotSettled.__doc__} Behind: {await self.lags()}")
            await asyncio.sleep(0.2)

    async def trouble(self) -> Mapping[str, int]:
        """Dead letters and parked keys by service, where there are any."""
        found = {
            service: await self.ask(service, "SELECT (SELECT count(*) FROM dead_letters) + count(*) FROM parked_keys")
            for service in self._databases
        }
        return {service: count for service, count in found.items() if count}


@contextlib.asynccontextmanager
async def running_world(folder: Path) -> AsyncIterator[World]:
    """A fresh stack for as long as the block lasts; `folder` is emptied before and afterwards."""
    await asyncio.to_thread(reset, folder)
    try:
        stack = await _up(folder)
        async with contextlib.AsyncExitStack() as opened:
            databases = {}
            for service in stack.services:
                databases[service] = await asyncpg.connect(stack.database_url(service))
                opened.push_async_callback(databases[service].close)
            kafka = AIOKafkaConsumer(bootstrap_servers=stack.bootstrap, enable_auto_commit=False)
            await kafka.start()
            opened.push_async_callback(kafka.stop)
            yield World(stack, databases, kafka)
    finally:
        await asyncio.to_thread(reset, folder)


async def _up(folder: Path) -> Stack:
    for again in (True, True, False):
        try:
            return await asyncio.to_thread(up, folder, processes=True)
        except StackError:
            # Somebody else on this machine may take a port between our look and our use of it.
            if not again:
                raise
    raise AssertionError
