"""Journey links: which journeys are one person's. Edges that commute; nothing ever moves."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from anliegen.events import JourneysMerged, JourneysSplit

from .database import Connection

_MEMBERS = """
    WITH RECURSIVE person (start, id) AS (
        SELECT id, id FROM unnest($1::uuid[]) AS id
        UNION
        SELECT person.start, CASE WHEN link.a = person.id THEN link.b ELSE link.a END
        FROM person JOIN journey_links AS link
          ON (link.a = person.id OR link.b = person.id) AND link.made_at IS NOT NULL AND link.removed_at IS NULL
    )
"""


async def members_of(connection: Connection, journey_id: UUID) -> list[UUID]:
    """Every journey of the person behind this one, itself among them, sorted; the first is the root."""
    rows = await connection.fetch(_MEMBERS + "SELECT DISTINCT id FROM person ORDER BY id", [journey_id])
    return [row["id"] for row in rows]


async def persons_of(connection: Connection, journey_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """For each of these journeys, every journey of the person behind it, sorted."""
    persons: dict[UUID, list[UUID]] = {}
    for row in await connection.fetch(_MEMBERS + "SELECT start, id FROM person ORDER BY start, id", list(journey_ids)):
        persons.setdefault(row["start"], []).append(row["id"])
    return persons


async def roots_of(connection: Connection, journey_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """The root (the smallest id of the connected journeys) of each of these journeys."""
    rows = await connection.fetch(
        _MEMBERS + "SELECT DISTINCT ON (start) start, id FROM person ORDER BY start, id", list(journey_ids)
    )
    return {row["start"]: row["id"] for row in rows}


async def record_merge(connection: Connection, *, link_id: UUID, a: UUID, b: UUID, made_at: datetime) -> None:
    """Fill the part of the edge that says it was made, whether or not its removal is known already."""
    await connection.execute(
        """
        INSERT INTO journey_links (link_id, a, b, made_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (link_id) DO UPDATE SET made_at = excluded.made_at
        """,
        link_id, a, b, made_at,
    )  # fmt: skip


async def record_split(connection: Connection, *, link_id: UUID, a: UUID, b: UUID, removed_at: datetime) -> None:
    """Fill the part of the edge that says it was removed; a removed edge never comes back."""
    await connection.execute(
        """
        INSERT INTO journey_links (link_id, a, b, removed_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (link_id) DO UPDATE SET removed_at = excluded.removed_at
        """,
        link_id, a, b, removed_at,
    )  # fmt: skip


async def follow(connection: Connection, event: JourneysMerged | JourneysSplit) -> None:
    """Take over what a merge or a split says."""
    if isinstance(event, JourneysMerged):
        await record_merge(
            connection, link_id=event.link_id, a=event.journey_a, b=event.journey_b, made_at=event.made_at
        )
    else:
        await record_split(
            connection, link_id=event.link_id, a=event.journey_a, b=event.journey_b, removed_at=event.removed_at
        )
