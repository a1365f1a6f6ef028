"""SQL of links between journeys; the kit keeps them, and follows them in every service."""

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
