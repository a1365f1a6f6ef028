"""The SQL: handles agree, claims exclude each other and end, statuses are kept once."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import Channel, Handle, HandleKind
from anliegen.intake.domain.contacts import ContactNotFound
from anliegen.intake.domain.identity import journey_id_of
from anliegen.intake.domain.replies import Reply, Sent, Way
from anliegen.intake.store import claims, contacts, outgoing, vault
from anliegen.intake.store.vault import VaultEntryNotFound
from anliegen.intake.sweeper import sweep
from anliegen.kit import Context, Transaction

SECRET = b"s" * 32
DAY = timedelta(days=1)
MAILS = {Channel.EMAIL: 10}
ANNA = Handle(kind=HandleKind.EMAIL, value="anna@post.example")


async def test_two_doors_agree_on_a_new_handle(begin: Any) -> None:
    ready = asyncio.Barrier(2)

    async def enter() -> tuple[UUID, bool]:
        async with begin() as tx:
            await ready.wait()
            found = await contacts.upsert_handle(tx, secret=SECRET, handle=ANNA)
            await asyncio.sleep(0.05)
            return found

    answers = await asyncio.gather(enter(), enter())
    assert {journey for journey, _ in answers} == {journey_id_of(SECRET, ANNA, generation=0)}
    assert sorted(is_new for _, is_new in answers) == [False, True]


async def test_a_raised_generation_decides(tx: Transaction) -> None:
    journey = journey_id_of(SECRET, ANNA, generation=3)
    await tx.execute("INSERT INTO handles VALUES ('email', $1, 3, $2, now(), NULL)", ANNA.value, journey)
    assert await contacts.upsert_handle(tx, secret=SECRET, handle=ANNA) == (journey, False)


def reply(**fields: Any) -> Reply:
    given: dict[str, Any] = {
        "reply_id": uuid4(), "contact_id": uuid4(), "journey_id": uuid4(), "template": "acknowledgement",
        "language": "de", "way": Way(Channel.EMAIL, "service@anliegen.example", "anna@post.example"),
    }  # fmt: skip
    return Reply(**{**given, **fields})


async def test_a_recipient_gets_words_in_their_order(tx: Transaction) -> None:
    first, second = reply(), reply()
    other = reply(way=Way(Channel.EMAIL, "service@anliegen.example", "bert@post.example"))
    for one in (first, second, other):
        assert await outgoing.insert_reply(tx, one, due=tx.wall)
    assert not await outgoing.insert_reply(tx, first, due=tx.wall)
    claimed = await claims.claim_due(tx, by="0", places=MAILS, hold=timedelta(minutes=1), automatic_every=DAY)
    assert {one.reply_id for one in claimed} == {first.reply_id, other.reply_id}
    assert await claims.claim_due(tx, by="0", places=MAILS, hold=timedelta(minutes=1), automatic_every=DAY) == []
    assert await outgoing.update_sent(tx, Sent(first, provider_id="p"))
    assert not await outgoing.update_sent(tx, Sent(first, provider_id="q"))
    [next_one] = await claims.claim_due(tx, by="0", places=MAILS, hold=timedelta(minutes=1), automatic_every=DAY)
    assert next_one.reply_id == second.reply_id


async def test_a_claim_ends_by_itself(begin: Any, clock: Any) -> None:
    one = reply()
    async with begin() as tx:
        await outgoing.insert_reply(tx, one, due=tx.wall)
    async with begin() as tx:
        assert (
            len(await claims.claim_due(tx, by="0", places=MAILS, hold=timedelta(minutes=1), automatic_every=DAY)) == 1
        )
    clock.advance(timedelta(minutes=1))
    async with begin() as tx:
        [again] = await claims.claim_due(tx, by="0", places=MAILS, hold=timedelta(minutes=1), automatic_every=DAY)
    assert again.attempts == 2


async def test_what_is_missing_is_told(tx: Transaction) -> None:
    with pytest.raises(ContactNotFound):
        await contacts.get_contact(tx, contact_id=uuid4())
    with pytest.raises(VaultEntryNotFound):
        await vault.get_entry(tx, vault_id=uuid4())


async def test_what_a_process_left_behind_is_finished(begin: Any, context: Context, clock: Any, database: Any) -> None:
    raw = b"From: anna@post.example\r\n\r\nGuten Tag, bitte um einen Termin."
    async with begin() as tx:
        await vault.insert_entry(
            tx, vault_id=uuid4(), channel=Channel.EMAIL, account="service@anliegen.example", received_at=tx.now,
            sha256="0" * 64, size=len(raw), headers={}, raw=raw,
        )  # fmt: skip
    assert await sweep(context) == 0
    clock.advance(timedelta(minutes=2))
    assert await sweep(context) == 1
    assert await sweep(context) == 0
    rows = await database.snapshot("contacts", "vault")
    assert [row["text"] for row in rows["contacts"]] == ["Guten Tag, bitte um einen Termin."]
    assert [row["state"] for row in rows["vault"]] == ["processed"]


async def test_bytes_that_are_gone_hold_up_nobody(begin: Any, context: Context, clock: Any, database: Any) -> None:
    for number, raw in enumerate((None, b"From: anna@post.example\r\n\r\nGuten Tag.")):
        async with begin() as tx:
            await vault.insert_entry(
                tx, vault_id=uuid4(), channel=Channel.EMAIL, account="service@anliegen.example", received_at=tx.now,
                sha256=str(number) * 64, size=2_000_000, headers={}, raw=raw,
            )  # fmt: skip
    clock.advance(timedelta(minutes=2))
    assert await sweep(context) == 2
    states = {(row["state"], row["reason"]) for row in (await database.snapshot("vault"))["vault"]}
    assert states == {("quarantined", "email_not_readable"), ("processed", None)}
