"""Follow the cases that contacts raised."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from anliegen.events import CaseEvent
from anliegen.kit import Delivery, Transaction

from ..domain.contacts import CaseMove
from ..store import contacts as store


async def follow_cases(tx: Transaction, deliveries: Sequence[Delivery[CaseEvent]]) -> None:
    """Keep what tasks say about their cases: of two events the one with the higher sequence holds."""
    moves: dict[UUID, CaseMove] = {}
    for delivery in sorted(deliveries, key=lambda delivery: delivery.envelope.sequence):
        event, envelope = delivery.event, delivery.envelope
        move = CaseMove(
            case_id=event.case_id,
            contact_id=event.contact_id,
            journey_id=event.journey_id,
            task=event.task,
            status=event.status,
            sequence=envelope.sequence,
            changed_at=envelope.time,
        )
        earlier = moves.get(event.case_id)
        # The contact that raised the case is the one of its first event.
        moves[event.case_id] = replace(move, contact_id=earlier.contact_id or move.contact_id) if earlier else move
    await store.upsert_cases(tx, moves=list(moves.values()))
