"""SQL of links between journeys; the kit keeps them, and follows them in every service."""

from collections.abc import Collection
from uuid import UUID

import asyncpg

from anliegen.kit import Transaction, links


async def insert_link(tx: Transaction, *, link_id: UUID, a: UUID, b: UUID) -> None:
    """Keep that two journeys are one person's."""
    await links.record_merge(await tx.start(), link_id=link_id, a=a, b=b, made_at=tx.now)


async def update_removed(tx: Transaction, *, link_id: UUID, a: UUID, b: UUID) -> None:
    """Keep that this link was wrong."""
    await links.record_split(await tx.start(), link_id=link_id, a=a, b=b, removed_at=tx.now)


async def find_link(tx: Transaction, *, link_id: UUID) -> asyncpg.Record | None:
    """A link between journeys: `a`, `b`, `made_at`, `removed_at`."""
    return await tx.fetchrow("SELECT a, b, made_at, removed_at FROM journey_links WHERE link_id = $1", link_id)


async def has_removed_link(tx: Transaction, *, a: UUID, b: UUID) -> bool:
    """Whether somebody separated these two journeys before; `a` is the smaller id."""
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT 1 FROM journey_links WHERE a = $1 AND b = $2 AND removed_at IS NOT NULL)", a, b
    )
    return found


async def list_removed_pairs(tx: Transaction, *, pairs: Collection[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """Those of these pairs of journeys, the smaller id first, that somebody separated before."""
    rows = await tx.fetch(
        """
        SELECT a, b FROM journey_links
        WHERE removed_at IS NOT NULL AND (a, b) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
        """,
        [a for a, _ in pairs], [b for _, b in pairs],
    )  # fmt: skip
    return {(row["a"], row["b"]) for row in rows}


async def list_persons(tx: Transaction, *, journeys: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """For each of these journeys, every journey of the person behind it."""
    return await links.persons_of(tx.connection, journeys)
