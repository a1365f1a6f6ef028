"""The one transaction in which a service decides: locks first, then state, then what it announces, all or nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from pydantic_core import to_json

from anliegen.events import Envelope, Event, codec, registry
from anliegen.events.registry import dataschema_of

from . import failpoints, ids, links, streams
from .clock import SystemClock
from .database import Connection
from .mistakes import CauseMissing, EventLost, KeyNotLocked, LockOrderBroken, NotBegun, ProjectionPublishes
from .principal import Principal
from .service import Context
from .telemetry import metrics, traces

ROLLBACK_SECONDS = 5.0


class Transaction:
    """An open transaction of one service. Only doors begin and end it (`begin`, below).

    One that a door opens `late` begins with its first statement. A command that locks one key, only adds rows
    (`write`) and announces events then needs no more than a single statement, which PostgreSQL commits by itself.
    """

    def __init__(
        self,
        connection: Connection,
        context: Context,
        *,
        principal: Principal | None,
        cause: Envelope | None,
        late: bool = False,
    ) -> None:
        self._connection = connection
        self._begun: asyncpg.transaction.Transaction | None = None
        self._late = late
        self.context = context
        self.principal = principal
        self.cause = cause
        """The event that is being handled; None in a command."""
        self.now: datetime = context.clock.now()
        """Business time, one for the whole transaction."""
        self.wall: datetime = context.clock.wall()
        self.correlation: str | None = None
        self.may_publish = True
        self.needs_cause = False
        self.outgoing: list[tuple[Event, streams.OutgoingRow]] = []
        self.afterwards: list[Callable[[], None]] = []
        self._held: set[str] = set()
        self._wanted: list[str] = []
        self._writes: list[streams.Write] = []
        self._ordinals: dict[tuple[UUID, str, str], int] = {}

    @property
    def connection(self) -> Connection:
        """The connection of a transaction that has begun. Raises NotBegun."""
        if self._late or self._writes:
            raise NotBegun(NotBegun.__doc__)
        return self._connection

    async def start(self) -> Connection:
        """Begin where that was put off, write what was put off, and hand over the connection."""
        if self._late:
            self._late = False
            self._begun = self._connection.transaction()
            await self._begun.start()
            if self._wanted:
                await self._lock_now(self._wanted)
        while self._writes:
            query, values = self._writes.pop(0)
            await self._connection.execute(query, *values)
        return self._connection

    # SQL, for store.py ------------------------------------------------------------------------------------------------
    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """All rows."""
        return await (await self.start()).fetch(query, *values)

    async def fetchrow(self, query: str, *values: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        return await (await self.start()).fetchrow(query, *values)

    async def fetchval(self, query: str, *values: Any) -> Any:
        """The first value of the first row, or None."""
        return await (await self.start()).fetchval(query, *values)

    async def execute(self, query: str, *values: Any) -> int:
        """Run a statement; tells how many rows it touched (0 where that has no meaning)."""
        last = (await (await self.start()).execute(query, *values)).rpartition(" ")[2]
        return int(last) if last.isdigit() else 0

    async def executemany(self, query: str, values: Sequence[Sequence[Any]]) -> None:
        """Run a statement for each of these values."""
        await (await self.start()).executemany(query, values)

    async def peek(self, query: str, *values: Any) -> asyncpg.Record | None:
        """The first row of a plain SELECT, before anything is locked: it may be out of date once something is.

        It begins no transaction, so the statement must neither write nor lock.
        """
        return await self._connection.fetchrow(query, *values)

    def write(self, query: str, *values: Any) -> None:
        """Have a statement run whose result nobody needs: with the announcements, or before the next statement.

        Together they may be one statement, whose parts neither see each other nor keep an order: use it to add rows.
        """
        self._writes.append((query, values))

    # Locks ------------------------------------------------------------------------------------------------------------
    async def lock(self, *keys: str | UUID) -> None:
        """Lock these streams before reading what you decide on; several keys in one call. Again is harmless."""
        wanted = sorted({str(key) for key in keys} - self._held)
        if not wanted:
            return
        if self._held and wanted[0] < max(self._held):
            raise LockOrderBroken(LockOrderBroken.__doc__)
        self._held.update(wanted)
        if self._late:
            self._wanted = sorted({*self._wanted, *wanted})
        else:
            await self._lock_now(wanted)

    async def _lock_now(self, keys: Sequence[str]) -> None:
        await streams.lock_streams(self._connection, keys=keys)
        failpoints.reach("write.locked")

    async def lock_person(self, *journey_ids: UUID, also: Sequence[str] = ()) -> None:
        """Lock these journeys and the roots of the persons behind them, for rules that count over a person."""
        before = await links.roots_of(await self.start(), journey_ids)
        await self.lock(*journey_ids, *before.values(), *also)
        # A merge may have happened while we waited; then the whole transaction is done again.
        if await links.roots_of(await self.start(), journey_ids) != before:
            raise asyncpg.SerializationError("journeys were merged or split meanwhile")

    async def members(self, journey_id: UUID) -> list[UUID]:
        """Every journey of the person behind this one, itself among them; the first is the root."""
        return await links.members_of(await self.start(), journey_id)

    async def persons(self, journey_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
        """The members of each of these journeys at once."""
        return await links.persons_of(await self.start(), journey_ids)

    # Announcements ----------------------------------------------------------------------------------------------------
    def publish(self, event: Event, *, beside: Event | None = None, cause: Envelope | None = None) -> UUID:
        """Announce a fact; it is written with the state when the transaction ends. Tells the event's id.

        `beside` is the same fact in the version before, for those who read only that: it follows under the same id, so
        whoever reads both takes the first. Raises KeyNotLocked, PayloadTooLarge, ProjectionPublishes, and CauseMissing
        in a handler of lists.
        """
        if not self.may_publish:
            raise ProjectionPublishes(ProjectionPublishes.__doc__)
        key, subject = event.key, event.subject
        if key not in self._held:
            raise KeyNotLocked(f"{KeyNotLocked.__doc__} {event.event_type}, key {key}.")
        service = self.context.service
        cause = cause or self.cause
        if cause is None and self.needs_cause:
            raise CauseMissing(CauseMissing.__doc__)
        event_id = self._id_of(event, subject, cause)
        causation = str(cause.id) if cause else None
        correlation = (cause.correlationid or causation) if cause else (self.correlation or str(event_id))
        if cause is None and self.correlation is None:
            self.correlation = correlation
        traceparent, tracestate = traces.inject(cause)
        for version in (event, beside) if beside else (event,):
            envelope = Envelope(
                id=event_id,
                source=service.source,
                type=version.event_type,
                time=self.now,
                key=key,
                subject=subject if version is event else version.subject,
                dataschema=dataschema_of(version.event_type),
                correlationid=correlation,
                causationid=causation,
                traceparent=traceparent,
                tracestate=tracestate,
            )
            headers = envelope.attributes()
            del headers["ce_sequence"]  # the locked row gives it
            row = streams.OutgoingRow(
                event_id=event_id,
                topic=registry.topic_of(type(version)),
                key=key,
                type=version.event_type,
                headers=to_json(headers).decode(),
                payload=codec.encode(version),
            )
            self.outgoing.append((version, row))
        return event_id

    def _id_of(self, event: Event, subject: str, cause: Envelope | None) -> UUID:
        if cause is None:
            return ids.uuid7(self.wall)
        # Without the version: what is announced again after an upgrade, in a newer one, is still the same fact.
        fact = registry.fact_of(event.event_type)
        place = (cause.id, fact, subject)
        ordinal = self._ordinals[place] = self._ordinals.get(place, -1) + 1
        return ids.derived_event_id(cause.id, cause.time, self.context.service.name, fact, subject, ordinal)

    # Timers -----------------------------------------------------------------------------------------------------------
    async def set_timer(
        self, kind: str, *, key: UUID | str, subject: UUID, due_at: datetime, payload: dict[str, Any] | None = None
    ) -> None:
        """Have the handler of this kind run once the business clock has come to `due_at`; set again, it moves."""
        if self.context.service.timers.find(kind) is None:
            raise LookupError(f"no handler is entered for timers of the kind {kind!r}")
        await self.execute(
            """
            INSERT INTO timers (timer_id, kind, key, subject, due_at, payload) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (kind, subject) DO UPDATE SET timer_id = excluded.timer_id, key = excluded.key,
                due_at = excluded.due_at, payload = excluded.payload, attempts = 0, retry_at = NULL
            """,
            ids.derived(kind, subject, due_at.astimezone(UTC).isoformat()),
            kind, str(key), subject, due_at, payload or {},
        )  # fmt: skip

    async def cancel_timer(self, kind: str, *, subject: UUID) -> None:
        """Take the timer back; none there is fine."""
        await self.execute("DELETE FROM timers WHERE kind = $1 AND subject = $2", kind, subject)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have this called once the transaction is committed: for hints alone, since a crash in between loses it."""
        self.afterwards.append(call)

    # Ends -------------------------------------------------------------------------------------------------------------
    async def flush(self) -> None:
        """Write what was announced and what was put off. Called by the door, before it commits."""
        rows = [row for _, row in self.outgoing]
        if self._late and len(self._wanted) == 1 and len(self._writes) <= streams.WRITES_AT_ONCE and rows:
            # Locked, written, announced and committed by one statement.
            written = await streams.write_at_once(self._connection, key=self._wanted[0], writes=self._writes, rows=rows)
            self._writes.clear()
        elif rows or self._writes:
            connection = await self.start()
            written = await streams.insert_outbox(connection, rows=rows) if rows else 0
            failpoints.reach("write.flushed")
        else:
            return
        if written != len(rows):
            raise EventLost(f"{EventLost.__doc__} {written} of {len(rows)}.")

    async def commit(self) -> None:
        """End well. Called by the door."""
        if self._begun is not None:
            await self._begun.commit()

    async def roll_back(self) -> None:
        """End without effect. Called by the door."""
        if self._begun is not None:
            await self._begun.rollback()

    def handling(self, cause: Envelope | None, *, many: bool = False) -> None:
        """From here on, what is announced follows from this event, or from the one of `many` that is named."""
        self.cause = cause
        self.needs_cause = many


@contextlib.asynccontextmanager
async def begin(
    context: Context, *, principal: Principal | None = None, cause: Envelope | None = None, late: bool = False
) -> AsyncIterator[Transaction]:
    """Open a transaction; leaving it commits and wakes the relay, an exception rolls all of it back.

    `late`: it begins with its first statement, and perhaps never needs to (see `Transaction`).
    """
    async with context.turns.connection() as connection:
        tx = Transaction(connection, context, principal=principal, cause=cause, late=True)
        try:
            if context.settings.is_development and isinstance(context.clock, SystemClock):
                await context.clock.keep_up(connection)
                tx.now = context.clock.now()
            if not late:
                await tx.start()
            failpoints.reach("write.begun")
            yield tx
            await tx.flush()
        except BaseException:
            # What went wrong is what counts; a connection that cannot roll back is cleared or closed by the pool.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(tx.roll_back(), timeout=ROLLBACK_SECONDS)
            raise
        await tx.commit()
        failpoints.reach("write.committed")
    if tx.outgoing:
        context.notifier.hint()
        metrics.announced(context.service.name, [event for event, _ in tx.outgoing])
    for call in tx.afterwards:
        call()
