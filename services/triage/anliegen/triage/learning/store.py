"""SQL of what is learned from: words that may be kept, and what people decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from anliegen.kit import Transaction

Edge = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class Words:
    """The masked words of a contact whose sender agreed."""

    contact_id: UUID
    journey_id: UUID
    subject: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a person made of a contact; `text` where the words may be kept."""

    contact_id: UUID
    language: str
    channel: str
    pack: str
    suggested: list[dict[str, Any]]
    decided: list[dict[str, Any]]
    decided_at: datetime
    subject: str | None
    text: str | None


async def insert_words(tx: Transaction, words: Sequence[Words]) -> None:
    """Keep words, once."""
    await tx.executemany(
        """
        INSERT INTO words (contact_id, journey_id, subject, text) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
        """,
        [(one.contact_id, one.journey_id, one.subject, one.text) for one in words],
    )


async def delete_words(tx: Transaction, *, contact_id: UUID) -> bool:
    """Forget the words of a contact; tells whether there were any."""
    return bool(await tx.execute("DELETE FROM words WHERE contact_id = $1", contact_id))


async def list_lessons(tx: Transaction, *, after: Edge | None, backwards: bool, limit: int) -> list[Lesson]:
    """What people decided, the oldest first."""
    at, contact_id = after or (None, None)
    edge = "($1::timestamptz IS NULL OR (decided_at, contact_id) > ($1, $2::uuid)) ORDER BY decided_at, contact_id"
    if backwards:
        edge = "(decided_at, contact_id) < ($1, $2::uuid) ORDER BY decided_at DESC, contact_id DESC"
    rows = await tx.fetch(
        f"""
        SELECT contact_id, language, channel, pack, suggested, decided, decided_at, subject, text
        FROM corrections LEFT JOIN words USING (contact_id) WHERE {edge} LIMIT $3
        """,
        at, contact_id, limit,
    )  # fmt: skip
    return [Lesson(**row) for row in rows]
