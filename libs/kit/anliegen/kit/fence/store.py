"""SQL of the fence: what stops a service, which database was looked at last, and how far it announced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import asyncpg

from ..database import Connection

if TYPE_CHECKING:
    from ..transaction import Transaction

Door: TypeAlias = "Connection | Transaction"
"""Whatever SQL can be sent through: a worker has a connection, a command its transaction."""
FENCE_LOCK = 0x0A11E6E6

# A restore and a copy make another database (oid), a recovery to a point in time and a promotion another timeline,
# another server has another identifier. Whatever is the same in all three has not gone back in time, but for files
# that were put back by hand.
INCARNATION = """
    concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
              CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END,
              (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


class Place(NamedTuple):
    """A partition of one of our own topics."""

    topic: str
    part: int


@dataclass(frozen=True, slots=True)
class Fence:
    """What stops a service, or stopped it. While `listed_at` is None its list of events is not complete."""

    fence_id: int
    fenced_at: datetime
    fenced_by: str
    reason: str
    listed_at: datetime | None
    released_at: datetime | None
    released_by: str | None
    release_reason: str | None

    @property
    def is_open(self) -> bool:
        """Whether it stops the service now."""
        return self.released_at is None

    @property
    def about(self) -> str:
        """How the record of what people did names it."""
        return f"fence/{self.fence_id}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a process has to know before it acts."""

    fence: Fence | None
    """The open one."""
    incarnation: str
    looked_at: str | None
    """The incarnation that was compared with the log last; None where none ever was."""

    @property
    def is_looked_at(self) -> bool:
        """Whether this very database was compared with the log. A new one has nothing that could be compared."""
        return self.looked_at in {None, self.incarnation}


_FENCE = "fence_id, fenced_at, fenced_by, reason, listed_at, released_at, released_by, release_reason"


async def get_standing(door: Door) -> Standing:
    """The open fence, if there is one, and which database this is."""
    row = await door.fetchrow(
        f"""
        SELECT {INCARNATION} AS incarnation, d.incarnation AS looked_at, {_FENCE}
        FROM (VALUES (1)) AS one LEFT JOIN database_looked_at AS d ON true LEFT JOIN fences ON released_at IS NULL
        """
    )
    assert row is not None
    fence = None if row["fence_id"] is None else _fence_of(row)
    return Standing(fence, row["incarnation"], row["looked_at"])


async def upsert_looked_at(door: Door, *, incarnation: str) -> None:
    """This very database was compared with the log, and may act."""
    await door.execute(
        """
        INSERT INTO database_looked_at (incarnation) VALUES ($1)
        ON CONFLICT (only_row) DO UPDATE SET incarnation = excluded.incarnation, looked_at = clock_timestamp()
        """,
        incarnation,
    )


async def lock_fences(door: Door) -> None:
    """Only one at a time sets, fills or releases a fence; until the transaction ends."""
    await door.execute("SELECT pg_advisory_xact_lock($1)", FENCE_LOCK)


async def find_open_fence(door: Door) -> Fence | None:
    """The fence that stops this service."""
    row = await door.fetchrow(f"SELECT {_FENCE} FROM fences WHERE released_at IS NULL")
    return None if row is None else _fence_of(row)


async def find_last_fence(door: Door) -> Fence | None:
    """The open fence, else the one released last."""
    row = await door.fetchrow(f"SELECT {_FENCE} FROM fences ORDER BY fence_id DESC LIMIT 1")
    return None if row is None else _fence_of(row)


async def insert_fence(door: Door, *, by: str, reason: str) -> Fence:
    """Stop this service; where it is stopped already, the fence that is there stays. Needs `lock_fences`."""
    await door.execute(
        """
        INSERT INTO fences (fenced_by, reason) VALUES ($1, $2)
        ON CONFLICT ((released_at IS NULL)) WHERE released_at IS NULL DO NOTHING
        """,
        by, reason,
    )  # fmt: skip
    fence = await find_open_fence(door)
    assert fence is not None
    return fence


async def update_listed(door: Door) -> None:
    """The open fence's list is complete now."""
    await door.execute("UPDATE fences SET listed_at = clock_timestamp() WHERE released_at IS NULL")


async def update_released(door: Door, *, fence_id: int, by: str, reason: str) -> None:
    """Let the service go on."""
    await door.execute(
        "UPDATE fences SET released_at = clock_timestamp(), released_by = $2, release_reason = $3 WHERE fence_id = $1",
        fence_id, by, reason,
    )  # fmt: skip


# How far it announced ---------------------------------------------------------------------------------------------
async def load_positions(door: Door) -> dict[Place, tuple[str, int]]:
    """Cluster and next offset by place."""
    rows = await door.fetch("SELECT topic, part, cluster_id, next_offset FROM relay_position")
    return {Place(row["topic"], row["part"]): (row["cluster_id"], row["next_offset"]) for row in rows}


async def upsert_positions(door: Door, *, cluster_id: str, positions: Mapping[Place, int]) -> None:
    """Everything of ours before these offsets was looked at. Lower than before is fine: it is looked at again."""
    places = sorted(positions)
    await door.execute(
        """
        INSERT INTO relay_position AS p (topic, part, cluster_id, next_offset)
        SELECT topic, part, $1, next_offset
        FROM unnest($2::text[], $3::int[], $4::bigint[]) AS g (topic, part, next_offset)
        ON CONFLICT (topic, part) DO UPDATE
        SET cluster_id = excluded.cluster_id, next_offset = excluded.next_offset, updated_at = clock_timestamp()
        """,
        cluster_id,
        [place.topic for place in places],
        [place.part for place in places],
        [positions[place] for place in places],
    )


async def announce_again(door: Door, *, topics: Sequence[str]) -> int:
    """Put what was announced on these topics lately back into the outbox, before all that waits there; tells how much.

    It goes out under the same numbers and ids, in its old order, so whoever has heard it drops it.
    """
    events: int = await door.fetchval(
        """
        WITH again AS (
            DELETE FROM announced WHERE topic = ANY($1::text[])
            RETURNING seq, event_id, topic, key, type, sequence, headers, payload, created_at
        ), waiting AS (
            INSERT INTO outbox (seq, event_id, topic, key, type, sequence, headers, payload, created_at)
            OVERRIDING SYSTEM VALUE SELECT * FROM again RETURNING 1
        )
        SELECT count(*) FROM waiting
        """,
        topics,
    )
    return events


async def delete_announced(door: Door, *, hours: int, limit: int) -> bool:
    """Forget some of what was announced before so many hours; tells whether there may be more."""
    deleted: int = await door.fetchval(
        """
        WITH old AS (
            SELECT ctid FROM announced WHERE announced_at < clock_timestamp() - make_interval(hours => $1) LIMIT $2
        ), gone AS (
            DELETE FROM announced WHERE ctid = ANY (ARRAY(SELECT ctid FROM old)) RETURNING 1
        )
        SELECT count(*) FROM gone
        """,
        hours, limit,
    )  # fmt: skip
    return deleted == limit


def _fence_of(row: asyncpg.Record | Mapping[str, Any]) -> Fence:
    return Fence(
        row["fence_id"], row["fenced_at"], row["fenced_by"], row["reason"], row["listed_at"], row["released_at"],
        row["released_by"], row["release_reason"],
    )  # fmt: skip
