"""SQL of files that a provider keeps for us until we fetch them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from anliegen.events import ContentReference
from anliegen.kit import Transaction


@dataclass(frozen=True, slots=True)
class WaitingMedia:
    """A file that waits at the provider."""

    contact_id: UUID
    media_id: str
    media_type: str
    name: str
    attempts: int


async def claim_due(tx: Transaction, *, limit: int, hold: timedelta) -> list[WaitingMedia]:
    """Take files that are due; after `hold` somebody else may take them."""
    rows = await tx.fetch(
        """
        UPDATE media SET attempts = attempts + 1, due = $3
        WHERE (contact_id, media_id) IN (SELECT contact_id, media_id FROM media WHERE state = 'pending' AND due <= $1
            ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING contact_id, media_id, media_type, name, attempts
        """,
        tx.wall, limit, tx.wall + hold,
    )  # fmt: skip
    return [WaitingMedia(**row) for row in rows]


async def update_stored(tx: Transaction, *, contact_id: UUID, media_id: str, content: ContentReference) -> None:
    """Note where the file is now; whoever reads the contact sees it from now on."""
    await tx.execute("UPDATE contacts SET version = version + 1 WHERE contact_id = $1", contact_id)
    await tx.execute(
        "UPDATE media SET state = 'stored', content = $3, code = NULL WHERE contact_id = $1 AND media_id = $2",
        contact_id, media_id, content.model_dump(mode="json"),
    )  # fmt: skip


async def update_trouble(tx: Transaction, *, contact_id: UUID, media_id: str, code: str, due: datetime | None) -> None:
    """Note why it could not be fetched; without a next time it is given up."""
    await tx.execute(
        """
        UPDATE media SET code = $3, due = coalesce($4, due), state = CASE WHEN $4 IS NULL THEN 'failed' ELSE state END
        WHERE contact_id = $1 AND media_id = $2
        """,
        contact_id, media_id, code, due,
    )  # fmt: skip


async def list_stored(tx: Transaction, *, contact_id: UUID) -> list[ContentReference]:
    """The fetched files of a contact, in their order."""
    rows = await tx.fetch(
        "SELECT content FROM media WHERE contact_id = $1 AND state = 'stored' ORDER BY ordinal", contact_id
    )
    return [ContentReference(**row["content"]) for row in rows]
