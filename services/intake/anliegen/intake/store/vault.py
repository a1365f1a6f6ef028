"""SQL of the vault: bytes as they came, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from anliegen.events import Channel
from anliegen.kit import Transaction
from anliegen.kit.errors import NotFound

_COLUMNS = "vault_id, channel, account, received_at, sha256, size, headers, state, reason, error, attempts, version"


class VaultEntryNotFound(NotFound):
    """Nothing is kept under this id."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that came in. `state` is `received`, `processed` or `quarantined`; `size` is in bytes."""

    vault_id: UUID
    channel: Channel
    account: str
    received_at: datetime
    sha256: str
    size: int
    headers: Mapping[str, str]
    state: str
    reason: str | None
    error: str | None
    attempts: int
    version: int


async def insert_entry(
    tx: Transaction,
    *,
    vault_id: UUID,
    channel: Channel,
    account: str,
    received_at: datetime,
    sha256: str,
    size: int,
    headers: Mapping[str, str],
    raw: bytes | None,
) -> None:
    """Keep bytes; `raw` is None where they lie in the object store. The same bytes again change nothing."""
    await tx.execute(
        """
        INSERT INTO vault (vault_id, channel, account, received_at, sha256, size, headers, raw)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
        """,
        vault_id, channel.value, account, received_at, sha256, size, dict(headers), raw,
    )  # fmt: skip


async def get_entry(tx: Transaction, *, vault_id: UUID, lock: bool = False) -> Entry:
    """What is kept under this id. Raises VaultEntryNotFound."""
    query = f"SELECT {_COLUMNS} FROM vault WHERE vault_id = $1"
    row = await tx.fetchrow(query + " FOR UPDATE" if lock else query, vault_id)
    if row is None:
        raise VaultEntryNotFound
    return _entry(row)


async def find_raw(tx: Transaction, *, vault_id: UUID) -> bytes | None:
    """The bytes, or None where they lie in the object store."""
    raw: bytes | None = await tx.fetchval("SELECT raw FROM vault WHERE vault_id = $1", vault_id)
    return raw


async def update_processed(tx: Transaction, *, vault_id: UUID) -> None:
    """Note that everything in it became contacts."""
    await tx.execute(
        """
        UPDATE vault SET state = 'processed', reason = NULL, error = NULL, version = version + 1
        WHERE vault_id = $1 AND state <> 'processed'
        """,
        vault_id,
    )


async def update_quarantined(tx: Transaction, *, vault_id: UUID, reason: str, error: str) -> None:
    """Note that it could not be understood. `error` names the trouble, never a person's words."""
    await tx.execute(
        """
        UPDATE vault SET state = 'quarantined', reason = $2, error = $3, attempts = attempts + 1, version = version + 1
        WHERE vault_id = $1
        """,
        vault_id, reason, error[:500],
    )  # fmt: skip


async def list_left_behind(tx: Transaction, *, before: datetime, limit: int) -> list[UUID]:
    """What was taken in before this time and never processed, because the process ended in between."""
    rows = await tx.fetch(
        """
        SELECT vault_id FROM vault WHERE state = 'received' AND received_at < $1
        ORDER BY received_at, vault_id LIMIT $2
        """,
        before, limit,
    )  # fmt: skip
    return [row["vault_id"] for row in rows]


async def list_quarantined(
    tx: Transaction, *, after: tuple[datetime, UUID] | None, backwards: bool, limit: int
) -> list[Entry]:
    """What is in quarantine, the oldest first, from an edge on; `backwards` reads the other way."""
    edge_at, edge_id = after or (None, None)
    if backwards:
        rows = await tx.fetch(
            f"""
            SELECT {_COLUMNS} FROM vault WHERE state = 'quarantined' AND (received_at, vault_id) < ($1, $2)
            ORDER BY received_at DESC, vault_id DESC LIMIT $3
            """,
            edge_at, edge_id, limit,
        )  # fmt: skip
    else:
        rows = await tx.fetch(
            f"""
            SELECT {_COLUMNS} FROM vault
            WHERE state = 'quarantined' AND ($1::timestamptz IS NULL OR (received_at, vault_id) > ($1, $2))
            ORDER BY received_at, vault_id LIMIT $3
            """,
            edge_at, edge_id, limit,
        )  # fmt: skip
    return [_entry(row) for row in rows]


def _entry(row: asyncpg.Record) -> Entry:
    return Entry(**{**row, "channel": Channel(row["channel"])})
