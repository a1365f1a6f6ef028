"""What is slow holds up itself alone, looks take many at once, and a dispatcher that stops leaves nothing half done."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest

from anliegen.events import HelpdeskReplyRequested, ReplySent
from anliegen.events.builders import build
from anliegen.intake import announcer, dispatcher, lanes
from anliegen.intake.actions import speak
from anliegen.intake.clients import GraphSender, OutgoingText, SendingFailed, whatsapp
from anliegen.intake.resources import resources_of
from anliegen.intake.settings import IntakeSettings
from anliegen.kit import Context
from anliegen.kit.testing.clients import TestClient

Read = Callable[[str], bytes]
Send = Callable[..., Awaitable[httpx.Response]]
Published = Callable[..., Awaitable[list[Any]]]
FILE = "1479537139650975"
FORM = {"channel": "web_form", "text": "Guten Tag, wann kommt mein Paket? Ich warte schon lange."}


async def bring_mailed(client: TestClient, *names: str) -> list[dict[str, Any]]:
    senders = [{"kind": "email", "value": f"{name}@post.example"} for name in names]
    forms = [{**FORM, "sender": sender} for sender in senders]
    return [(await client.anonymous.post("/intake/v1/contacts", json=form)).json() for form in forms]


async def until(holds: Callable[[], Any], *, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def dispatching(context: Context) -> AsyncIterator["asyncio.Task[None]"]:
    running = asyncio.create_task(dispatcher.run(context))
    try:
        yield running
        assert running.cancelled() or not running.done(), "it ended by itself"
    finally:
        running.cancel()
        await asyncio.wait({running})


def recipients(mailbox: Any) -> list[str]:
    return [str(mail["To"]).partition("@")[0] for mail in mailbox.mails]


async def state_of(database: Any, table: str) -> list[Any]:
    return list((await database.snapshot(table))[table])


@pytest.mark.parametrize("slow", ["mail", "whatsapp", "files"])
async def test_what_is_slow_holds_up_no_other_kind_of_work(
    slow: str,
    context: Context,
    client: TestClient,
    send_webhook: Send,
    webhook_bytes: Read,
    mailbox: Any,
    provider: Any,
    database: Any,
) -> None:
    ended = asyncio.Event()
    provider.stand_in.media[FILE] = (b"%PDF-1.4 an invoice", "application/pdf")
    if slow == "mail":
        mailbox.slow["anna@post.example"] = ended
    else:
        provider.slow["messages" if slow == "whatsapp" else FILE] = ended
    is_under_way = {
        "mail": lambda: mailbox.begun,
        "whatsapp": lambda: any(path.endswith("/messages") for path in provider.begun),
        "files": lambda: f"/{FILE}" in provider.begun,
    }
    come_through = {
        "mail": lambda: len(mailbox.mails),
        "whatsapp": lambda: len(provider.stand_in.messages),
        "files": lambda: provider.begun.count(f"/media/{FILE}/content"),
    }

    async def bring(kind: str) -> None:
        if kind == "mail":
            await bring_mailed(client, "anna")
        else:
            await send_webhook(webhook_bytes("text" if kind == "whatsapp" else "every_type"))

    async with dispatching(context):
        await bring(slow)
        await until(is_under_way[slow])
        for other in sorted({"mail", "whatsapp", "files"} - {slow}):
            before = come_through[other]()
            await bring(other)
            await until(lambda other=other, before=before: come_through[other]() > before)
        assert not come_through[slow]()
        ended.set()
        await until(come_through[slow])


async def test_a_slow_mail_holds_up_no_other_mail(context: Context, client: TestClient, mailbox: Any) -> None:
    ended = mailbox.slow["slow@post.example"] = asyncio.Event()
    async with dispatching(context):
        await bring_mailed(client, "slow", "anna")
        await until(lambda: "anna" in recipients(mailbox))
        await bring_mailed(client, "bert", "cleo")
        await until(lambda: {"bert", "cleo"} <= set(recipients(mailbox)))
        assert "slow@post.example" in mailbox.begun
        assert "slow" not in recipients(mailbox)
        ended.set()
        await until(lambda: "slow" in recipients(mailbox))


async def test_a_lane_has_no_more_under_way_than_it_has_places(
    context: Context,
    client: TestClient,
    send_webhook: Send,
    webhook_bytes: Read,
    mailbox: Any,
    provider: Any,
    database: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatcher, "AT_ONCE", 3)
    names = [f"anna{number}" for number in range(7)]
    ends = {name: asyncio.Event() for name in names}
    mailbox.slow |= {f"{name}@post.example": end for name, end in ends.items()}
    async with dispatching(context):
        await bring_mailed(client, *names)
        await until(lambda: len(mailbox.begun) == 3)
        # WhatsApp has places, though mail has none.
        await send_webhook(webhook_bytes("text"))
        await until(lambda: provider.stand_in.messages)
        mails = [row for row in await state_of(database, "outgoing_messages") if row["channel"] == "email"]
        assert len([row for row in mails if row["claimed_until"]]) == len(mailbox.begun) == 3
        for count in range(1, 8):
            # One that ends is enough for the next to begin.
            ends[mailbox.begun[count - 1].partition("@")[0]].set()
            await until(lambda count=count: len(mailbox.begun) == min(count + 3, 7))
        await until(lambda: len(mailbox.mails) == 7)


async def test_a_full_lane_takes_many_at_once(
    context: Context, client: TestClient, mailbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "AT_ONCE", 8)
    hand_over, claim, taken = dispatcher.hand_over, speak.claim_replies, []

    async def hand_over_one_after_the_other(context: Context, reply: Any) -> Any:
        await asyncio.sleep(0.02 * int(reply.way.recipient.removeprefix("anna").partition("@")[0]) % 0.16)
        return await hand_over(context, reply)

    async def claim_and_count(*given: Any, **named: Any) -> Any:
        found = await claim(*given, **named)
        taken.append(len(found))
        return found

    await bring_mailed(client, *(f"anna{number}" for number in range(40)))
    monkeypatch.setattr(dispatcher, "hand_over", hand_over_one_after_the_other)
    monkeypatch.setattr(speak, "claim_replies", claim_and_count)
    async with dispatching(context):
        await until(lambda: len(mailbox.mails) == 40)
    assert sum(taken) == 40
    assert len([count for count in taken if count]) <= 12


async def test_the_first_words_after_a_rest_wait_for_nothing(
    context: Context, client: TestClient, mailbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two looks without a hint are a minute apart, so it is the hint that brings each of them.
    monkeypatch.setattr(dispatcher, "LOOK_EVERY", 60.0)
    async with dispatching(context):
        for number in range(3):
            await bring_mailed(client, f"anna{number}")
            await until(lambda number=number: len(mailbox.mails) == number + 1)


async def test_words_that_a_task_asks_for_wait_for_nothing(
    context: Context, client: TestClient, mailbox: Any, begin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "LOOK_EVERY", 60.0)
    [taken] = await bring_mailed(client, "anna")
    contact_id = UUID(taken["contact_id"])
    asked = build(
        HelpdeskReplyRequested, contact_id=contact_id, template="helpdesk_answer", values={"answer": "Morgen."}
    )
    async with dispatching(context):
        await until(lambda: mailbox.mails)
        await asyncio.sleep(0.3)
        async with begin() as tx:
            # Nothing is announced, so there is no hint but its own, and that must not come before the commit.
            await tx.lock(asked.journey_id)
            await speak.queue_reply(tx, asked)
            await asyncio.sleep(0.3)
        await until(lambda: len(mailbox.mails) == 2)


async def test_hints_come_again_after_their_connection_broke(
    context: Context, client: TestClient, mailbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "LOOK_EVERY", 60.0)
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'anliegen intake dispatcher'"
    async with dispatching(context), context.pool.acquire() as connection:

        async def until_it_listens() -> None:
            async with asyncio.timeout(10):
                while await connection.fetchval(count) != 1:
                    await asyncio.sleep(0.02)

        await until_it_listens()
        await connection.execute(count.replace("count(*)", "pg_terminate_backend(pid)"))
        await asyncio.sleep(0.05)
        await until_it_listens()
        await asyncio.sleep(0.2)
        await bring_mailed(client, "anna")
        await until(lambda: mailbox.mails)


async def test_who_is_told_to_stop_finishes_what_ends_soon_and_puts_back_the_rest(
    context: Context,
    client: TestClient,
    mailbox: Any,
    database: Any,
    clock: Any,
    published: Published,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatcher, "STOP_SECONDS", 1.0)
    soon = mailbox.slow["soon@post.example"] = asyncio.Event()
    mailbox.slow["never@post.example"] = asyncio.Event()
    async with dispatching(context) as running:
        await bring_mailed(client, "soon", "never")
        await until(lambda: len(mailbox.begun) == 2)
        running.cancel()
        await bring_mailed(client, "later")
        soon.set()
        await asyncio.wait({running})
        assert running.cancelled()
        rows = {row["recipient"].partition("@")[0]: row for row in await state_of(database, "outgoing_messages")}
        assert recipients(mailbox) == ["soon"]
        assert {name: row["state"] for name, row in rows.items()} == {
            "soon": "sent", "never": "pending", "later": "pending",
        }  # fmt: skip
        assert rows["never"]["claimed_until"] == clock.wall()
        assert rows["later"]["claimed_until"] is None
    assert len(await published(ReplySent)) == 1


async def test_what_a_channel_has_is_not_put_back(
    context: Context, client: TestClient, mailbox: Any, database: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "STOP_SECONDS", 0.5)

    async def be_away(*_: Any) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(speak, "confirm_sent", be_away)
    async with dispatching(context) as running:
        await bring_mailed(client, "anna")
        await until(lambda: mailbox.mails)
        running.cancel()
        await asyncio.wait({running})
        [row] = await state_of(database, "outgoing_messages")
        assert row["state"] == "pending"
        assert row["claimed_until"] > clock.wall()


async def test_what_has_a_place_is_not_begun_again(context: Context) -> None:
    begun, many_free = [], asyncio.Event()

    async def do(_context: Context, item: str) -> None:
        begun.append(item)
        await asyncio.sleep(0.05)

    lane = lanes.Lane(context, do, places=3, many_free=many_free)
    assert lane.take({1: "a", 2: "b"}, asked=3) == 2
    assert lane.asks_for == 1
    assert lane.take({2: "b", 3: "c"}, asked=1) == 1
    assert (lane.asks_for, many_free.is_set()) == (0, False)
    await lanes.finish([lane], seconds=5)
    assert begun == ["a", "b", "c"]
    assert (lane.asks_for, many_free.is_set()) == (3, True)


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize(("part", "wake"), [(dispatcher, "wake"), (announcer, "wake_announcer")])
async def test_who_is_told_to_stop_while_a_hint_comes_stops(context: Context, part: Any, wake: str, steps: int) -> None:
    running = asyncio.create_task(part.run(context))
    await asyncio.sleep(0.3)
    getattr(resources_of(context), wake).set()
    for _ in range(steps):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait({running}, timeout=3)
    stopped = running.done()
    running.cancel()
    await asyncio.wait({running})
    assert stopped


@pytest.fixture
async def one_connection(context: Context, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GraphSender]:
    """The real client with one connection for messages, which gives up a request after half a second."""
    monkeypatch.setattr(whatsapp, "CONNECTIONS", 1)
    monkeypatch.setattr(whatsapp, "TIMEOUT_SECONDS", 0.5)
    sender = GraphSender(cast(IntakeSettings, context.settings))
    yield sender
    await sender.close()


async def test_a_file_waits_for_no_message_and_no_message_fails_for_waiting(
    one_connection: GraphSender, provider: Any
) -> None:
    ended = provider.slow["messages"] = asyncio.Event()
    provider.stand_in.media[FILE] = (b"%PDF-1.4 an invoice", "application/pdf")
    message = OutgoingText(uuid4(), "1", "+16505551234", "Guten Tag")
    sending = [asyncio.create_task(one_connection.send(message)) for _ in range(2)]
    await until(lambda: provider.begun)
    assert await one_connection.fetch_media(FILE) == b"%PDF-1.4 an invoice"
    assert not any(task.done() for task in sending)
    # The first is given up after half a second; the second has waited for as long, and is begun then.
    await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
    ended.set()
    first, second = await asyncio.gather(*sending, return_exceptions=True)
    assert isinstance(first, SendingFailed)
    assert isinstance(second, str)
