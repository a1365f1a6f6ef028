"""Contacts that wait for a person, and what people made of the suggestions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter

from anliegen.events import Concern
from anliegen.kit import Transaction

from ..domain import Contact, Decided, Review, ReviewNotFound
from ..packs import Mode

_concerns = TypeAdapter(tuple[Concern, ...])
Edge = tuple[datetime, UUID]
_REVIEW = """
    SELECT review_id, contact_id, journey_id, language, channel, priority, confidence, suggestions, other, status,
           requested_at, decided_at, decided_by, version, mode, market
    FROM reviews
"""


async def insert_reviews(tx: Transaction, reviews: Sequence[Review]) -> None:
    """Keep reviews."""
    await tx.executemany(
        """
        INSERT INTO reviews (review_id, contact_id, journey_id, language, channel, priority, confidence, suggestions,
                             other, requested_at, mode, market)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        [
            (
                one.review_id, one.contact_id, one.journey_id, one.language, one.channel, one.priority, one.confidence,
                _concerns.dump_python(one.suggestions, mode="json"), one.other, one.requested_at,
                one.mode, one.market,
            )
            for one in reviews
        ],
    )  # fmt: skip


async def upsert_review(tx: Transaction, review: Review) -> None:
    """Ask a person once more about a contact; what is still to be decided about it stays."""
    await tx.execute(
        """
        INSERT INTO reviews AS known (review_id, contact_id, journey_id, language, channel, priority, confidence,
                                      suggestions, other, requested_at, mode, market)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (contact_id) DO UPDATE SET
            suggestions = CASE known.status WHEN 'open' THEN known.suggestions || excluded.suggestions
                                            ELSE excluded.suggestions END,
            requested_at = CASE known.status WHEN 'open' THEN known.requested_at ELSE excluded.requested_at END,
            mode = excluded.mode, status = 'open', decided_at = NULL, decided_by = NULL, version = known.version + 1
        """,
        review.review_id, review.contact_id, review.journey_id, review.language, review.channel, review.priority,
        review.confidence, _concerns.dump_python(review.suggestions, mode="json"), review.other, review.requested_at,
        review.mode, review.market,
    )  # fmt: skip


async def get_review(tx: Transaction, *, review_id: UUID) -> Review:
    """The review of this id. Raises ReviewNotFound."""
    row = await tx.fetchrow(_REVIEW + "WHERE review_id = $1", review_id)
    if row is None:
        raise ReviewNotFound
    return _review(row)


async def list_reviews(
    tx: Transaction,
    *,
    statuses: Sequence[str],
    languages: Sequence[str],
    channels: Sequence[str],
    priorities: Sequence[str],
    markets: Sequence[str] = (),
    after: Edge | None,
    backwards: bool,
    limit: int,
) -> list[Review]:
    """Reviews, the oldest first; an empty filter lets everything through."""
    at, review_id = after or (None, None)
    wanted = """
        WHERE status = ANY($1::text[])
          AND (cardinality($2::text[]) = 0 OR language = ANY($2))
          AND (cardinality($3::text[]) = 0 OR channel = ANY($3))
          AND (cardinality($4::text[]) = 0 OR priority = ANY($4))
          AND (cardinality($8::text[]) = 0 OR market = ANY($8))
    """
    by = "AND ($5::timestamptz IS NULL OR (requested_at, review_id) > ($5, $6::uuid)) ORDER BY requested_at, review_id"
    if backwards:
        by = "AND (requested_at, review_id) < ($5, $6) ORDER BY requested_at DESC, review_id DESC"
    query = _REVIEW + wanted + by + " LIMIT $7"
    rows = await tx.fetch(query, statuses, languages, channels, priorities, at, review_id, limit, markets)
    return [_review(row) for row in rows]


async def count_open_reviews(tx: Transaction) -> tuple[int, datetime | None]:
    """How many wait for a person, and since when the first."""
    row = await tx.fetchrow("SELECT count(*), min(requested_at) FROM reviews WHERE status = 'open'")
    return tuple(row or (0, None))


async def update_review(tx: Transaction, *, review_id: UUID, decided_by: str, decided_at: datetime) -> Review:
    """Write that a review is decided."""
    await tx.execute(
        """
        UPDATE reviews SET status = 'decided', decided_by = $2, decided_at = $3, version = version + 1
        WHERE review_id = $1
        """,
        review_id, decided_by, decided_at,
    )  # fmt: skip
    return await get_review(tx, review_id=review_id)


async def update_review_version(tx: Transaction, *, review_id: UUID) -> Review:
    """What a reader of this review sees has changed."""
    await tx.execute("UPDATE reviews SET version = version + 1 WHERE review_id = $1", review_id)
    return await get_review(tx, review_id=review_id)


def _review(row: asyncpg.Record) -> Review:
    mode = Mode(row["mode"]) if row["mode"] else None
    return Review(**{**dict(row), "suggestions": _concerns.validate_python(row["suggestions"]), "mode": mode})


async def insert_correction(
    tx: Transaction, *, contact: Contact, suggested: Sequence[Concern], decided: Sequence[Decided], at: datetime
) -> None:
    """Keep what a person made of a suggestion, as training data: labels and offsets. What was decided first counts."""
    await tx.execute(
        """
        INSERT INTO corrections (contact_id, language, channel, pack, suggested, decided, decided_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (contact_id) DO NOTHING
        """,
        contact.contact_id, contact.language, contact.channel, contact.pack,
        [_labels(one) for one in suggested], [_labels(one.concern) for one in decided], at,
    )  # fmt: skip


def _labels(concern: Concern) -> dict[str, Any]:
    wanted = {"task", "intent", "origin", "stage", "priority", "sentiment", "hardness", "flags", "confidence"}
    offsets = [[r.start, r.end] for r in concern.reasons if r.start is not None and r.end is not None]
    return concern.model_dump(mode="json", include=wanted) | {"offsets": offsets}
