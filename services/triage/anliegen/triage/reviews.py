"""What a person is asked to look at."""

from collections.abc import Sequence
from datetime import datetime

from anliegen.events import ReviewRequested
from anliegen.kit import Transaction

from .domain import Contact, Decided, Review, confidence_of, review_id_of
from .packs import Mode


def review_of(contact: Contact, suggestions: Sequence[Decided], *, mode: Mode | None, at: datetime) -> Review:
    """The review that a contact needs, with what triage says where it says anything."""
    return Review(
        review_id=review_id_of(contact.contact_id),
        contact_id=contact.contact_id,
        journey_id=contact.journey_id,
        language=contact.language,
        channel=contact.channel,
        priority=contact.reading.priority,
        confidence=confidence_of(contact.reading),
        suggestions=() if mode is None else tuple(one.concern for one in suggestions),
        other=contact.reading.other,
        status="open",
        requested_at=at,
        decided_at=None,
        decided_by=None,
        version=1,
        mode=mode,
        market=contact.market,
    )


def announce_review(tx: Transaction, review: Review) -> None:
    """Tell that a person has to look."""
    tx.publish(
        ReviewRequested(
            journey_id=review.journey_id,
            contact_id=review.contact_id,
            review_id=review.review_id,
            language=review.language,
            confidence=review.confidence,
            suggestions=review.suggestions,
            requested_at=review.requested_at,
            market=review.market,
        )
    )
