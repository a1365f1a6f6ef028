"""Connections to PostgreSQL, and which of its errors are nobody's fault but the infrastructure's."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from .errors import Unavailable
from .settings import Settings

Connection = asyncpg.Connection | PoolConnectionProxy

ACQUIRE_SECONDS = 5.0
COMMAND_SECONDS = 30.0

# Trouble that passes: the same work, done again later, is expected to succeed.
PASSING_TROUBLE: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    Unavailable,
    asyncpg.PostgresConnectionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InsufficientResourcesError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that is being changed: not refused by any rule of ours
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
)


def is_passing(problem: BaseException) -> bool:
    """Whether this is the infrastructure's trouble, so that nothing needs to be parked for it."""
    if isinstance(problem, asyncpg.InternalClientError):
        return True  # "cannot switch to state …": the server went away in the middle of a conversation
    if isinstance(problem, asyncpg.InterfaceError):
        # "connection is closed", "pool is closing", "cannot perform operation: another operation is in progress" …
        return "clos" in str(problem) or "released" in str(problem)
    return isinstance(problem, PASSING_TROUBLE)


class Turns:
    """Who comes first gets a connection first.

    The pool's own queue lets a newcomer take the connection that was just put back before the one who is woken for it,
    who then waits behind all others: under load one request in a hundred waited twenty times as long as the rest.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", size: int) -> None:
        self._pool = pool
        self._turns = asyncio.Semaphore(size)
        self.waiting = 0
        """How many wait for a connection at this moment."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[PoolConnectionProxy]:
        """A connection of the pool. Raises TimeoutError after five seconds of waiting."""
        if self._turns.locked():
            self.waiting += 1
            try:
                async with asyncio.timeout(ACQUIRE_SECONDS):
                    await self._turns.acquire()
            finally:
                self.waiting -= 1
        else:
            await self._turns.acquire()
        try:
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                yield connection
        finally:
            self._turns.release()


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def _keep_as_it_is(_connection: Any) -> None:
    """Nothing here sets session state, so a connection goes back without the round trip that would reset it."""


def create_pool(address: str, settings: Settings, *, application: str) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool that opens connections when they are needed and closes them after a minute of rest."""
    return asyncpg.create_pool(
        address,
        min_size=0,
        max_size=settings.database_pool_size,
        max_inactive_connection_lifetime=60.0,
        command_timeout=COMMAND_SECONDS,
        timeout=ACQUIRE_SECONDS,
        statement_cache_size=settings.database_statement_cache,
        init=_prepare,
        reset=_keep_as_it_is,
        server_settings={
            "application_name": application[:63],
            "idle_in_transaction_session_timeout": "60000",
            "lock_timeout": "10000",
            "jit": "off",
        },
    )


@asynccontextmanager
async def connect(address: str, *, application: str, seconds: float | None = None) -> AsyncIterator[asyncpg.Connection]:
    """A direct connection of its own, for work that a pool or a pooler would disturb (locks, LISTEN).

    `seconds` limits every statement. The server gives up a client whose machine is gone within half a minute; by
    default it would keep that client's locks for two hours.
    """
    connection = await asyncpg.connect(
        address,
        timeout=ACQUIRE_SECONDS,
        command_timeout=seconds,
        server_settings={
            "application_name": application[:63],
            "jit": "off",
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
            "tcp_user_timeout": "25000",
        },
    )
    try:
        await _prepare(connection)
        yield connection
    finally:
        # A broken connection must not hold up the one who leaves it.
        try:
            await asyncio.wait_for(connection.close(), timeout=2.0)
        except (Exception, asyncio.CancelledError):
            connection.terminate()
