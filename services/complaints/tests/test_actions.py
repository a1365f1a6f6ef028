"""What the service does, and when it does not."""

from uuid import uuid4

import pytest

from anliegen.complaints import actions
from anliegen.kit import Transaction
from anliegen.kit.errors import PreconditionFailed
from anliegen.kit.versions import ExpectedVersion


async def test_star_is_given_at_the_business_time(tx: Transaction) -> None:
    contact_id = uuid4()
    await actions.note_channel(tx, contact_id=contact_id, journey_id=uuid4(), channel="email")
    starred = await actions.star_contact(tx, contact_id=contact_id, expected=ExpectedVersion(frozenset({1})))
    assert starred.starred_at == tx.now


async def test_star_on_a_stale_version_is_refused(tx: Transaction) -> None:
    contact_id = uuid4()
    await actions.note_channel(tx, contact_id=contact_id, journey_id=uuid4(), channel="email")
    with pytest.raises(PreconditionFailed):
        await actions.star_contact(tx, contact_id=contact_id, expected=ExpectedVersion(frozenset({7})))
