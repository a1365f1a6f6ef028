"""What can become of a contact."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from anliegen.complaints.domain import AlreadyStarred, Contact

AT = datetime(2026, 3, 2, tzinfo=UTC)


def test_star_raises_the_version() -> None:
    contact = Contact(contact_id=uuid4(), journey_id=uuid4())
    starred = contact.starred(at=AT)
    assert (starred.starred_at, starred.version) == (AT, contact.version + 1)


def test_second_star_is_refused() -> None:
    starred = Contact(contact_id=uuid4(), journey_id=uuid4()).starred(at=AT)
    with pytest.raises(AlreadyStarred):
        starred.starred(at=AT)
