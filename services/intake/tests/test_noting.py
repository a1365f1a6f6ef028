"""What a channel has is never sent again because noting it fails, and nobody else waits for what cannot be noted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from anliegen.events import HelpdeskReplyRequested, ReplyFailed, ReplySent
from anliegen.events.builders import build
from anliegen.intake import dispatcher, noting
from anliegen.intake.actions import speak
from anliegen.intake.fetching import MEDIA_ATTEMPTS
from anliegen.intake.resources import resources_of
from anliegen.intake.store import media, outgoing
from anliegen.kit import Context
from anliegen.kit.database import connect
from anliegen.kit.testing.clients import TestClient

Read = Callable[[str], bytes]
Send = Callable[..., Awaitable[httpx.Response]]
Published = Callable[..., Awaitable[list[Any]]]
Deliver = Callable[..., Awaitable[Any]]
Execute = Callable[[str], Awaitable[None]]
Rows = Callable[..., Awaitable[dict[str, Any]]]
FORM = {"channel": "web_form", "text": "Guten Tag, wann kommt mein Paket? Ich warte schon lange."}
BERT = "bert@post.example"


async def bring_mailed(client: TestClient, *names: str) -> list[dict[str, Any]]:
    senders = [{"kind": "email", "value": f"{name}@post.example"} for name in names]
    forms = [{**FORM, "sender": sender} for sender in senders]
    return [(await client.anonymous.post("/intake/v1/contacts", json=form)).json() for form in forms]


async def dispatch(context: Context) -> int:
    """Dispatch what is due. What can never be noted would take for ever."""
    async with asyncio.timeout(20):
        return await dispatcher.dispatch_due(context)


@pytest.fixture
def execute(database: Any) -> Execute:
    async def run(statement: str) -> None:
        async with connect(database.owner_address, application="anliegen tests") as connection:
            await connection.execute(statement)

    return run


@pytest.fixture
async def bert_cannot_be_noted(execute: Execute) -> AsyncIterator[None]:
    """PostgreSQL refuses to have Bert's mails noted as sent, and Anna's and Cleo's in the same transaction."""
    check = f"CHECK (recipient <> '{BERT}' OR state <> 'sent')"
    await execute(f"ALTER TABLE outgoing_messages ADD CONSTRAINT no_note_for_bert {check}")
    yield
    await execute("ALTER TABLE outgoing_messages DROP CONSTRAINT IF EXISTS no_note_for_bert")


@pytest.fixture
def rows(database: Any) -> Rows:
    """Every row of a table, by the recipient's name or by what else is named."""

    async def read(table: str = "outgoing_messages", by: str = "recipient") -> dict[str, Any]:
        found = (await database.snapshot(table))[table]
        return {str(row[by]).partition("@")[0]: row for row in sorted(found, key=lambda row: row.get("ord", 0))}

    return read


def recipients(mailbox: Any) -> list[str]:
    return sorted(str(mail["To"]).partition("@")[0] for mail in mailbox.mails)


async def test_what_cannot_be_noted_was_sent_once_and_the_others_are_noted(
    bert_cannot_be_noted: None,
    client: TestClient,
    context: Context,
    mailbox: Any,
    published: Published,
    clock: Any,
    rows: Rows,
    execute: Execute,
) -> None:
    await bring_mailed(client, "anna", "bert", "cleo")
    assert await dispatch(context) == 3
    assert recipients(mailbox) == ["anna", "bert", "cleo"]
    assert len(await published(ReplySent)) == 2
    bert, sent_at = (await rows())["bert"], clock.now()
    assert (bert["state"], bert["code"], bert["sent_at"], bert["attempts"]) == ("pending", "not_noted", sent_at, 1)
    await execute("UPDATE outgoing_messages SET attempts = 20")  # more than words are tried
    for _ in range(2):
        clock.advance(timedelta(minutes=31))
        assert await dispatch(context) == 1
    assert len(mailbox.mails) == 3
    assert (await rows())["bert"]["attempts"] == 22
    assert await published(ReplyFailed) == []
    # Once the fault is mended, it is noted by itself.
    await execute("ALTER TABLE outgoing_messages DROP CONSTRAINT no_note_for_bert")
    clock.advance(timedelta(minutes=31))
    assert await dispatch(context) == 1
    bert = (await rows())["bert"]
    assert (bert["state"], bert["code"], bert["sent_at"]) == ("sent", None, sent_at)
    assert len(mailbox.mails) == len(await published(ReplySent)) == 3
    [told] = [sent for sent in await published(ReplySent) if sent.reply_id == bert["reply_id"]]
    assert (told.sent_at, told.provider_id) == (sent_at, bert["message_id"])


async def test_a_worker_that_begins_again_sends_nothing_again_that_could_not_be_noted(
    bert_cannot_be_noted: None, client: TestClient, context: Context, mailbox: Any, clock: Any, rows: Rows
) -> None:
    await bring_mailed(client, "bert")
    for _ in range(3):
        running = asyncio.create_task(dispatcher.run(context))
        await asyncio.sleep(0.5)
        assert not running.done()
        running.cancel()
        await asyncio.wait({running})
        clock.advance(timedelta(minutes=31))
    assert (await rows())["bert"]["attempts"] == 3
    assert recipients(mailbox) == ["bert"]


async def test_later_words_do_not_wait_for_the_note_of_earlier_ones(
    bert_cannot_be_noted: None, client: TestClient, context: Context, mailbox: Any, deliver: Deliver, clock: Any
) -> None:
    [taken] = await bring_mailed(client, "bert")
    await dispatch(context)
    contact_id = UUID(taken["contact_id"])
    asked = build(
        HelpdeskReplyRequested, contact_id=contact_id, template="helpdesk_answer", values={"answer": "Morgen."}
    )
    await deliver(asked)
    await dispatch(context)
    assert recipients(mailbox) == ["bert", "bert"]
    # Whether it was noted or not, it was Bert's automatic mail of the day.
    await bring_mailed(client, "bert")
    clock.advance(timedelta(minutes=31))
    await dispatch(context)
    assert recipients(mailbox) == ["bert", "bert"]


async def test_a_name_that_cannot_be_written_is_left_out(
    send_webhook: Send, webhook_bytes: Read, context: Context, rows: Rows, clock: Any, published: Published
) -> None:
    provider = resources_of(context).whatsapp = Nameless(resources_of(context).whatsapp)
    await send_webhook(webhook_bytes("text"))
    await dispatch(context)
    clock.advance(timedelta(seconds=2))
    await dispatch(context)
    [row] = (await rows()).values()
    assert (row["state"], row["provider_id"], provider.sent) == ("sent", None, 1)
    assert len(await published(ReplySent)) == 1


class Nameless:
    """A provider whose names for messages are no text to PostgreSQL."""

    def __init__(self, real: Any) -> None:
        self.close, self.sent = real.close, 0

    async def send(self, message: Any) -> str:
        self.sent += 1
        return f"wamid.{self.sent}\x00"


async def test_while_the_database_is_away_nothing_is_sent_again_however_long_that_is(
    client: TestClient,
    context: Context,
    mailbox: Any,
    published: Published,
    clock: Any,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(noting, "LONGEST_WAIT", 0.05)
    confirm, keep, is_away = speak.confirm_sent, speak.keep_unnoted, True

    async def unless_away(instead: Any, *given: Any) -> None:
        if is_away:
            raise ConnectionResetError
        await instead(*given)

    monkeypatch.setattr(speak, "confirm_sent", lambda *given: unless_away(confirm, *given))
    monkeypatch.setattr(speak, "keep_unnoted", lambda *given: unless_away(keep, *given))
    await bring_mailed(client, "anna", "bert")
    running = asyncio.create_task(dispatcher.run(context))
    async with asyncio.timeout(20):
        while len(mailbox.mails) < 2:
            await asyncio.sleep(0.02)
        await asyncio.sleep(1.0)  # it insists, which changes nothing
        # Claims have ended, and the database, which is back, gives the words out again.
        clock.advance(timedelta(minutes=5))
        while {row["attempts"] for row in (await rows()).values()} != {2}:
            resources_of(context).wake.set()
            await asyncio.sleep(0.02)
        is_away = False
        # One that came back just between the two ways of noting is noted when its row is due again.
        while len(await published(ReplySent)) < 2:
            clock.advance(timedelta(minutes=31))
            resources_of(context).wake.set()
            await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.wait({running})
    assert recipients(mailbox) == ["anna", "bert"]


async def test_words_whose_journey_is_locked_hold_up_no_others(
    client: TestClient, context: Context, published: Published, rows: Rows, begin: Any, mailbox: Any
) -> None:
    await bring_mailed(client, "anna", "bert", "cleo")
    # Whoever waits for a lock is told so after 50 ms here, and in production after ten seconds.
    async with contextlib.AsyncExitStack() as all_of_them:
        for _ in range(context.settings.database_pool_size):
            connection = await all_of_them.enter_async_context(context.pool.acquire())
            await connection.execute("SET lock_timeout = '50ms'")
    async with begin() as tx:
        await tx.lock((await rows())["bert"]["journey_id"])
        dispatching = asyncio.create_task(dispatch(context))
        async with asyncio.timeout(20):
            while len(await published(ReplySent)) < 2:
                await asyncio.sleep(0.02)
        assert not dispatching.done()
    async with asyncio.timeout(20):
        await dispatching
    assert len(await published(ReplySent)) == 3
    assert recipients(mailbox) == ["anna", "bert", "cleo"]


async def test_trouble_that_never_passes_with_one_is_a_fault_at_last(
    client: TestClient, context: Context, mailbox: Any, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noting, "LONGEST_WAIT", 0.05)
    await bring_mailed(client, "anna", "bert")
    confirm = speak.confirm_sent

    async def confirm_some(tx: Any, *sent: Any) -> None:
        if any(each.reply.way.recipient == BERT for each in sent):
            raise TimeoutError
        await confirm(tx, *sent)

    monkeypatch.setattr(speak, "confirm_sent", confirm_some)
    assert await dispatch(context) == 2
    states = {name: (row["state"], row["code"]) for name, row in (await rows()).items()}
    assert states == {"anna": ("sent", None), "bert": ("pending", "not_noted")}
    assert recipients(mailbox) == ["anna", "bert"]


async def test_a_failure_that_cannot_be_noted_stops_nobody_and_is_tried_at_intervals(
    client: TestClient,
    context: Context,
    mailbox: Any,
    published: Published,
    clock: Any,
    rows: Rows,
    execute: Execute,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mailbox.refusals = {BERT: "550 no such user"}

    async def refuse(*_: Any, **__: Any) -> None:
        raise LookupError("a fault of ours")

    monkeypatch.setattr(speak, "retry_or_give_up", refuse)
    await bring_mailed(client, "anna", "bert", "cleo")
    assert await dispatch(context) == 3
    assert len(await published(ReplySent)) == 2
    assert await dispatch(context) == 0
    await execute("UPDATE outgoing_messages SET attempts = 7")
    for _ in range(3):
        clock.advance(timedelta(minutes=31))
        await dispatch(context)
    bert = (await rows())["bert"]
    assert (bert["state"], bert["code"], bert["attempts"]) == ("pending", "attempts_used_up", 10)
    assert mailbox.begun.count(BERT) == 2  # the first and the eighth


async def test_words_whose_attempts_came_to_no_end_are_given_up_unsent(
    client: TestClient, context: Context, mailbox: Any, published: Published, execute: Execute
) -> None:
    await bring_mailed(client, "anna")
    await execute("UPDATE outgoing_messages SET attempts = 8")
    await dispatch(context)
    assert [failed.code for failed in await published(ReplyFailed)] == ["attempts_used_up"]
    assert mailbox.begun == []


@pytest.mark.parametrize("broken", ["fetching", "keeping", "noting"])
async def test_a_fault_with_a_file_is_an_attempt_and_given_up_at_last(
    broken: str,
    send_webhook: Send,
    webhook_bytes: Read,
    context: Context,
    provider: Any,
    rows: Rows,
    clock: Any,
    execute: Execute,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    async def break_down(*given: Any, **named: Any) -> Any:
        asked.append((given, named))
        raise LookupError("a fault of ours")

    resources = resources_of(context)
    place, name = {
        "fetching": (resources.whatsapp, "fetch_media"),
        "keeping": (resources.files, "put"),
        "noting": (media, "update_stored"),
    }[broken]
    provider.stand_in.media["1479537139650975"] = (b"%PDF-1.4 an invoice", "application/pdf")
    monkeypatch.setattr(place, name, break_down)
    await send_webhook(webhook_bytes("every_type"))
    assert await dispatch(context)
    document = (await rows("media", by="media_id"))["1479537139650975"]
    assert (document["state"], document["code"], document["attempts"]) == ("pending", "unexpected", 1)
    assert document["due"] == clock.wall() + timedelta(seconds=2)
    await execute(f"UPDATE media SET attempts = {MEDIA_ATTEMPTS - 2}")
    for _ in range(4):
        clock.advance(timedelta(minutes=31))
        await dispatch(context)
    document = (await rows("media", by="media_id"))["1479537139650975"]
    assert (document["state"], document["attempts"]) == ("failed", MEDIA_ATTEMPTS)
    assert len(asked) <= 3 * 3  # three files came with these words, and were tried three times
    states = {row["state"] for row in (await rows(by="reply_id")).values()}
    assert "pending" not in states  # the words went their way


async def test_a_file_that_takes_for_ever_is_an_attempt(
    send_webhook: Send,
    webhook_bytes: Read,
    context: Context,
    provider: Any,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("anliegen.intake.fetching.FETCHED_WITHIN", 0.2)
    provider.slow["1479537139650975"] = asyncio.Event()
    await send_webhook(webhook_bytes("every_type"))
    await dispatch(context)
    document = (await rows("media", by="media_id"))["1479537139650975"]
    assert (document["state"], document["code"], document["attempts"]) == ("pending", "media_too_slow", 1)


async def test_noting_later_changes_nothing_that_was_noted(
    client: TestClient, context: Context, begin: Any, rows: Rows, mailbox: Any
) -> None:
    await bring_mailed(client, "anna")
    await dispatch(context)
    before = (await rows())["anna"]
    async with begin() as tx:
        reply = await outgoing.find_reply(tx, reply_id=before["reply_id"])
        assert reply is not None
        await speak.keep_unnoted(tx, speak.Sent(reply, provider_id="another"))
    assert (await rows())["anna"] == before
