"""What a contact is here, and what can become of it. Pure: time and ids come in as arguments."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from anliegen.kit.errors import Conflict, NotFound


class ContactNotFound(NotFound):
    """There is no contact with this id."""


class AlreadyStarred(Conflict):
    """The contact has its star already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One contact. What has not been heard yet is None; `version` rises with every change that a reader can see."""

    contact_id: UUID
    journey_id: UUID
    channel: str | None = None
    language: str | None = None
    starred_at: datetime | None = None
    version: int = 1

    def starred(self, *, at: datetime) -> Self:
        """The contact with its star. Raises AlreadyStarred."""
        if self.starred_at is not None:
            raise AlreadyStarred
        return replace(self, starred_at=at, version=self.version + 1)
