"""Follow the cases that contacts raised."""

from anliegen.events import CaseEvent
from anliegen.kit import Transaction

from ..store import contacts as store


async def follow_case(tx: Transaction, event: CaseEvent) -> None:
    """Keep what a task says about its case: of two events the one with the higher sequence holds."""
    assert tx.cause is not None
    await store.upsert_case(
        tx,
        case_id=event.case_id,
        contact_id=event.contact_id,
        journey_id=event.journey_id,
        task=event.task,
        status=event.status,
        sequence=tx.cause.sequence,
        changed_at=tx.cause.time,
    )
