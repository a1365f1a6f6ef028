"""Look at what the vault keeps."""

from datetime import datetime
from uuid import UUID

from anliegen.kit import Transaction

from ..resources import resources_of
from ..store import vault
from ..store.vault import Entry

__all__ = ["Entry", "get_entry", "list_quarantine", "read_bytes"]


async def list_quarantine(
    tx: Transaction, *, after: tuple[datetime, UUID] | None, backwards: bool, limit: int
) -> list[Entry]:
    """A page of what waits for a person."""
    return await vault.list_quarantined(tx, after=after, backwards=backwards, limit=limit)


async def get_entry(tx: Transaction, *, vault_id: UUID) -> Entry:
    """What is kept under this id. Raises VaultEntryNotFound."""
    return await vault.get_entry(tx, vault_id=vault_id)


async def read_bytes(tx: Transaction, *, vault_id: UUID) -> bytes:
    """The bytes as they came. Raises VaultEntryNotFound, FileNotKept."""
    entry = await vault.get_entry(tx, vault_id=vault_id)
    raw = await vault.find_raw(tx, vault_id=vault_id)
    return raw if raw is not None else await resources_of(tx).files.get(entry.sha256)
