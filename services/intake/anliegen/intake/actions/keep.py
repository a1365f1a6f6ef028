"""Keep what comes in, byte for byte, before anybody tries to understand it; and what could not be understood."""

from collections.abc import Mapping
from uuid import UUID

from anliegen.events import Channel, ContactQuarantined
from anliegen.kit import Transaction, ids

from ..resources import resources_of
from ..store import vault

LARGEST_ROW = 1_000_000
"""Bytes; what is larger lies in the object store."""


def vault_id_of(secret: bytes, *, channel: Channel, account: str, sha256: str) -> UUID:
    """The id under which bytes are kept: the same bytes at the same door are the same entry."""
    return ids.keyed(secret, "vault", channel.value, account, sha256)


async def keep_bytes(
    tx: Transaction, *, channel: Channel, account: str, raw: bytes, sha256: str, headers: Mapping[str, str]
) -> UUID:
    """Keep bytes and tell under which id. Kept again, nothing changes."""
    resources = resources_of(tx)
    vault_id = vault_id_of(resources.settings.identity_key, channel=channel, account=account, sha256=sha256)
    large = len(raw) > LARGEST_ROW
    if large:
        await resources.files.put(raw)
    await vault.insert_entry(
        tx,
        vault_id=vault_id,
        channel=channel,
        account=account,
        received_at=tx.now,
        sha256=sha256,
        size=len(raw),
        headers=headers,
        raw=None if large else raw,
    )
    return vault_id


async def quarantine(tx: Transaction, *, vault_id: UUID, reason: str, error: str) -> None:
    """Set aside what could not be understood, and say so, so that a person looks at it."""
    await tx.lock(vault_id)
    entry = await vault.get_entry(tx, vault_id=vault_id, lock=True)
    await vault.update_quarantined(tx, vault_id=vault_id, reason=reason, error=error)
    if entry.state != "quarantined":
        tx.publish(ContactQuarantined(vault_id=vault_id, channel=entry.channel, reason=reason))


async def settle(tx: Transaction, *, vault_id: UUID) -> None:
    """Note that everything in it was understood."""
    await vault.update_processed(tx, vault_id=vault_id)
