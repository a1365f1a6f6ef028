"""How a fence and its list are shown, over HTTP and on the command line."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from ..transaction import Transaction
from . import lists, store
from .lists import Announced, Counts
from .store import Fence


class FenceDetail(BaseModel):
    """What stops a service, or stopped it last."""

    fence_id: int
    fenced_at: datetime
    fenced_by: str = Field(description="Who set it; `anliegen` where the service found by itself that it was restored.")
    reason: str
    listed_at: datetime | None = Field(description="When the list was complete; null while the log is being read.")
    events: int = Field(description="How many events were announced that the database does not know.")
    by_hand: int = Field(description="How many of them came from commands: a person has to do these again.")
    released_at: datetime | None
    released_by: str | None
    release_reason: str | None

    @classmethod
    def of(cls, fence: Fence, counts: Counts) -> "FenceDetail":
        """The fence and how long its list is."""
        return cls(
            fence_id=fence.fence_id, fenced_at=fence.fenced_at, fenced_by=fence.fenced_by, reason=fence.reason,
            listed_at=fence.listed_at, events=counts.events, by_hand=counts.by_hand, released_at=fence.released_at,
            released_by=fence.released_by, release_reason=fence.release_reason,
        )  # fmt: skip


class FenceStatus(BaseModel):
    """Whether a service is fenced."""

    fenced: bool
    looked_at: bool = Field(description="False where this very database was not yet compared with the log of events.")
    fence: FenceDetail | None = Field(description="The one that is open, else the one released last.")

    @classmethod
    async def look(cls, tx: Transaction) -> "FenceStatus":
        """How it stands with this service."""
        standing, last = await store.get_standing(tx), await store.find_last_fence(tx)
        detail = None
        if last is not None:
            detail = FenceDetail.of(last, await lists.count_unknown(tx, fence_id=last.fence_id))
        return cls(fenced=standing.fence is not None, looked_at=standing.is_looked_at, fence=detail)


class AnnouncedView(BaseModel):
    """An event that this service announced and its database does not know. Its content lies in Kafka."""

    event_id: UUID
    type: str
    key: str = Field(description="The journey, or whatever else the event is about.")
    subject: str | None = Field(description="The case or the customer.")
    sequence: int
    time: datetime
    by_hand: bool = Field(description="A command announced it: do it again. Else it comes again by itself.")
    causation_id: str | None
    correlation_id: str | None
    topic: str
    partition: int
    offset: int

    @classmethod
    def of(cls, event: Announced) -> "AnnouncedView":
        """The event as it stands in a list."""
        return cls(
            event_id=event.event_id, type=event.type, key=event.key, subject=event.subject, sequence=event.sequence,
            time=event.time, by_hand=event.by_hand, causation_id=event.causation_id,
            correlation_id=event.correlation_id, topic=event.topic, partition=event.part, offset=event.offset,
        )  # fmt: skip
