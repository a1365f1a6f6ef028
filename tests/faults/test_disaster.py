"""A stack at work is backed up, everything is gone, and it comes back from the backup beside an empty Kafka."""

import asyncio
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from chaos import evidence
from chaos.contacts import draw_contacts
from chaos.evidence import connect
from chaos.load import Ledger, Load
from chaos.reconcile import ACKNOWLEDGED, reconcile
from chaos.run import drain

from anliegen.kit.files import Files
from anliegen.stack import lifecycle
from anliegen.stack.backup import back_up, read_backup, restore
from anliegen.stack.errors import StackError
from anliegen.stack.processes import Processes
from anliegen.stack.stack import Stack

RATE = 12
BEFORE, AFTER = 600, 40
"""Contacts that are prepared for the time before everything is gone, and brought once it is back."""
DEAF = ("triage", "journey")
"""They hear nothing for some seconds before the backup."""
STOPPING = 20.0  # seconds


@pytest.fixture
def folder() -> Iterator[Path]:
    """Room for two stacks and a backup; nothing is left running in it."""
    folder = Path(tempfile.mkdtemp(prefix="anliegen-disaster-"))
    folder.chmod(0o711)
    yield folder
    for home in ("first", "second"):
        lifecycle.down(folder / home)
    shutil.rmtree(folder)


async def unheard(stack: Stack) -> set[str]:
    """The contacts that intake announced, and has deleted from its outbox, and that nobody has heard of."""
    told = {
        record.event_id
        for record in await evidence.read_topics(stack.bootstrap)
        if record.type == "intake.contact_received.v1"
    }
    for service, table in (("intake", "outbox"), *((service, "inbox") for service in DEAF)):
        connection = await connect(stack.postgres, service)
        try:
            told -= {row["event_id"] for row in await connection.fetch(f"SELECT event_id::text FROM {table}")}
        finally:
            await connection.close()
    return told


async def until_unheard(stack: Stack, count: int) -> None:
    async with asyncio.timeout(30):
        while len(await unheard(stack)) < count:
            await asyncio.sleep(0.3)


def contents(folder: Path) -> set[tuple[str, bytes]]:
    """Every file below the folder, by name and content."""
    return {(str(file.relative_to(folder)), file.read_bytes()) for file in folder.rglob("*") if file.is_file()}


async def sent_after(stack: Stack, moment: datetime) -> set[str]:
    """The Message-IDs of the mails that the restored intake handed over itself."""
    connection = await connect(stack.postgres, "intake")
    try:
        rows = await connection.fetch(
            "SELECT message_id FROM outgoing_messages WHERE channel = 'email' AND sent_at >= $1", moment
        )
    finally:
        await connection.close()
    return {row["message_id"] for row in rows}


@pytest.mark.stack
@pytest.mark.timeout(400)
async def test_a_stack_that_is_gone_comes_back_from_its_backup(folder: Path) -> None:
    contacts = draw_contacts(seed=11, planned=BEFORE + AFTER, rate=RATE)
    stack = await asyncio.to_thread(lifecycle.up, folder / "first", processes=True)
    load = Load(stack, contacts[:BEFORE], rate=RATE)
    loading = asyncio.create_task(load.run())
    await asyncio.sleep(3)
    processes = Processes(stack.home.run, stack.home.logs)
    for service in DEAF:
        await asyncio.to_thread(processes.stop, f"worker-{service}", patience=STOPPING)
    await until_unheard(stack, 10)

    # The backup, while contacts go on coming in.
    kept_file = await Files(stack.home.files.as_uri()).put(b"an attachment, kept as services keep them")
    files = contents(stack.home.files)
    begun_at = time.time()
    made = await asyncio.to_thread(back_up, folder / "backup", folder / "first")
    backup_seconds, taken_at = time.time() - begun_at, time.time()
    assert len(await unheard(stack)) >= 10
    await asyncio.sleep(1.5)
    load.end()
    await loading
    await load.look_at_messages()
    mails_before = evidence.read_mailbox(stack.home.mailbox)
    gone = [one for one in load.ledger.accepted if one.at > taken_at]
    assert gone and not load.ledger.unsettled

    # Everything is gone but what customers have: their mails.
    shutil.copytree(stack.home.mailbox, folder / "second" / "mailbox")
    await asyncio.to_thread(lifecycle.reset, folder / "first")
    gone_at = datetime.now(UTC)
    began = time.monotonic()
    stack = await asyncio.to_thread(restore, folder / "backup", folder / "second")
    restore_seconds = time.monotonic() - began

    # New contacts, and providers that repeat what they had handed over before the backup.
    later = Load(stack, contacts[BEFORE:], rate=RATE)
    later.rate = 1e6  # all at once
    repeated = {one.number for one in load.ledger.accepted if one.at <= begun_at}
    again = Load(stack, [one for one in contacts if one.number in repeated][:20], rate=RATE)
    again.rate = 1e6
    await asyncio.gather(later.run(), again.run())
    assert len(later.ledger.accepted) == AFTER and not again.ledger.unsettled
    assert await drain(stack.postgres, stack.bootstrap, stack.services, seconds=120) == {}
    settled_seconds = time.monotonic() - began
    await later.look_at_messages()

    kept = [one for one in load.ledger.accepted if one.at <= begun_at]
    between = {one.number: "" for one in load.ledger.accepted if begun_at < one.at <= taken_at}
    found = await evidence.collect(stack.postgres, stack.bootstrap, stack.services, stack.home.mailbox)
    assert found.leftovers == {}
    assert files and files <= contents(stack.home.files)
    assert await Files(stack.home.files.as_uri()).get(kept_file)
    known = {reply.message_id for reply in found.replies} | {reply.reply_id for reply in found.replies}
    lost = {one for one in mails_before if one not in known}
    assert len(lost) <= sum(one.channel in ACKNOWLEDGED for one in gone) + len(between), "mails about what is lost"
    ledger = Ledger(
        accepted=[*kept, *later.ledger.accepted],
        unsettled=between,
        messages=[one for one in load.ledger.messages if one in known] + later.ledger.messages,
    )
    mails = Counter(found.mails)
    lines = reconcile(ledger, replace(found, mails=[one for one in found.mails if one not in lost]))
    assert [line for line in lines if not line.is_well] == []
    assert {line.place for line in lines if line.effects >= len(kept)} >= {"triage: decisions", "journey: timeline"}
    # Twice only what was waiting when the backup was made, and left before everything was gone.
    twice = {one for one, count in mails.items() if count > 1}
    assert twice <= await sent_after(stack, gone_at) & set(mails_before)
    assert max(mails.values()) <= 2
    print(
        f"\nbackup {backup_seconds:.1f} s, {made.bytes / 1e6:.0f} MB; restored {restore_seconds:.1f} s, all settled "
        f"{settled_seconds:.1f} s; kept {len(kept)}, between {len(between)}, lost {len(gone)}; mails again {len(twice)}"
    )

    with pytest.raises(StackError, match="There is a stack"):
        restore(folder / "backup", folder / "second")
    with pytest.raises(StackError, match="not empty"):
        back_up(folder / "backup", folder / "second")
    (folder / "backup" / "backup.json").unlink()
    with pytest.raises(StackError, match="no complete backup"):
        read_backup(folder / "backup")
