"""What is stored comes back, part by part."""

from uuid import uuid4

import pytest

from anliegen.complaints import store
from anliegen.complaints.domain import ContactNotFound
from anliegen.kit import Transaction


async def test_parts_of_a_contact_come_back(tx: Transaction) -> None:
    ids = {"contact_id": uuid4(), "journey_id": uuid4()}
    await store.upsert_language(tx, **ids, language="de")
    await store.upsert_channel(tx, **ids, channel="email")
    contact = await store.get_contact(tx, contact_id=ids["contact_id"])
    assert (contact.channel, contact.language, contact.version) == ("email", "de", 2)
    await store.update_contact(tx, contact.starred(at=tx.now))
    assert (await store.get_contact(tx, contact_id=ids["contact_id"])).starred_at == tx.now


async def test_unknown_contact_is_not_found(tx: Transaction) -> None:
    assert await store.find_contact(tx, contact_id=uuid4()) is None
    with pytest.raises(ContactNotFound):
        await store.get_contact(tx, contact_id=uuid4())
