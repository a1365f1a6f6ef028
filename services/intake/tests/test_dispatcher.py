"""Words reach customers: over a real mail server and over real HTTP to the provider's stand-in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from anliegen.events import Channel, HelpdeskReplyRequested, ReplyFailed, ReplySent
from anliegen.events.builders import build
from anliegen.intake import dispatcher
from anliegen.intake.actions import speak
from anliegen.intake.clients import GraphSender, OutgoingText, SendingFailed
from anliegen.intake.clients.whatsapp import cut
from anliegen.intake.resources import resources_of
from anliegen.kit import Context
from anliegen.kit import begin as begin_in
from anliegen.kit.testing.clients import TestClient

Read = Callable[[str], bytes]
Send = Callable[..., Awaitable[httpx.Response]]
Published = Callable[..., Awaitable[list[Any]]]
Deliver = Callable[..., Awaitable[Any]]
FORM = {"channel": "web_form", "text": "Guten Tag, wann kommt mein Paket? Ich warte schon lange."}
MAILED = {**FORM, "sender": {"kind": "email", "value": "anna@post.example"}}


def asked(contact: dict[str, Any], *, journey_id: UUID | None = None, **fields: Any) -> HelpdeskReplyRequested:
    return build(
        HelpdeskReplyRequested,
        contact_id=UUID(contact["contact_id"]),
        **({"journey_id": journey_id} if journey_id else {}),
        template="helpdesk_answer",
        values={"answer": "Ihr Paket kommt morgen."},
        language=None,
        **fields,
    )


async def test_a_mail_is_acknowledged_exactly_once_and_threaded(
    send_mail: Send, mail_bytes: Read, context: Context, mailbox: Any, published: Published
) -> None:
    taken = (await send_mail(mail_bytes("german_multipart"))).json()
    await send_mail(mail_bytes("german_multipart"))
    assert await dispatcher.dispatch_due(context) == 1
    assert await dispatcher.dispatch_due(context) == 0
    [mail] = mailbox.mails
    assert mail["To"] == "katrin.aebischer@post.example"
    assert mail["In-Reply-To"] == mail["References"] == "<CAB2xQ9mK4tY0@mail.post.example>"
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["Subject"] == f"Re: Rechnung Februar: Roaming falsch verrechnet [{taken['reference']}]"
    assert mail["Reply-To"].addresses[0].username.startswith("case+")
    text = mail.get_content()
    assert taken["reference"] in text
    assert "Montag, 2. März 2026, 18:00 Uhr" in text
    [sent] = await published(ReplySent)
    assert sent.provider_id == mail["Message-ID"]


async def test_a_crash_between_sending_and_noting_sends_the_same_mail_again(
    client: TestClient, context: Context, mailbox: Any, published: Published, clock: Any, monkeypatch: Any
) -> None:
    await client.anonymous.post("/intake/v1/contacts", json=MAILED)

    async def die(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(speak, "confirm_sent", die)
        with contextlib.suppress(asyncio.CancelledError):
            await dispatcher.dispatch_due(context)
    assert len(mailbox.mails) == 1
    assert await dispatcher.dispatch_due(context) == 0  # the claim still holds
    clock.advance(timedelta(minutes=4))
    assert await dispatcher.dispatch_due(context) == 1
    first, second = mailbox.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert len(await published(ReplySent)) == 1


async def test_a_worker_that_comes_back_goes_on_with_what_it_had_taken_and_with_nobody_elses(
    client: TestClient, context: Context, mailbox: Any, published: Published
) -> None:
    await bring_mailed(client, 2)
    elsewhere = replace(context, settings=context.settings.model_copy(update={"worker_slot": "1"}))
    for who in (context, elsewhere):
        async with begin_in(who) as tx:
            assert len(await speak.claim_replies(tx, places=ONE_MAIL, hold=dispatcher.HOLD)) == 1
    running = asyncio.create_task(dispatcher.run(context))
    try:
        async with asyncio.timeout(10):
            while not await published(ReplySent):
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.wait({running})
    assert len(mailbox.mails) == 1
    assert await dispatcher.dispatch_due(context) == 0


async def test_a_worker_that_dies_again_and_again_gives_nothing_up_in_a_hurry(
    client: TestClient, context: Context, clock: Any
) -> None:
    await bring_mailed(client, 1)
    taken_at = []
    for _ in range(600):
        async with begin_in(context) as tx:
            taken_at += [clock.now() for _ in await speak.claim_replies(tx, places=ONE_MAIL, hold=dispatcher.HOLD)]
        async with begin_in(context) as tx:
            await speak.release_claims(tx)
        clock.advance(timedelta(seconds=5))
    passed = [later - taken_at[0] for later in taken_at]
    assert passed[1] == timedelta(seconds=5), "a single death delays nobody"
    assert passed[7] > timedelta(minutes=30)


ONE_MAIL = {Channel.EMAIL: 1}


async def bring_mailed(client: TestClient, count: int) -> None:
    for number in range(count):
        sender = {"kind": "email", "value": f"anna{number}@post.example"}
        await client.anonymous.post("/intake/v1/contacts", json={**MAILED, "sender": sender})


async def test_what_was_sent_is_noted_once_the_database_is_back(
    client: TestClient, context: Context, mailbox: Any, published: Published, monkeypatch: Any
) -> None:
    await bring_mailed(client, 3)
    troubles = [ConnectionResetError(), TimeoutError()]
    confirm = speak.confirm_sent

    async def confirm_later(*given: Any, **named: Any) -> None:
        if troubles:
            raise troubles.pop()
        await confirm(*given, **named)

    monkeypatch.setattr(speak, "confirm_sent", confirm_later)
    assert await dispatcher.dispatch_due(context) == 3
    assert len(mailbox.mails) == 3
    assert len(await published(ReplySent)) == 3


async def test_many_mails_that_were_taken_are_noted_together(
    client: TestClient, context: Context, mailbox: Any, published: Published, monkeypatch: Any
) -> None:
    await bring_mailed(client, 20)
    confirm, noted = speak.confirm_sent, []

    async def confirm_slowly(tx: Any, *sent: Any) -> None:
        noted.append(len(sent))
        await asyncio.sleep(0.2)
        await confirm(tx, *sent)

    monkeypatch.setattr(speak, "confirm_sent", confirm_slowly)
    assert await dispatcher.dispatch_due(context) == 20
    assert sum(noted) == len(mailbox.mails) == len(await published(ReplySent)) == 20
    assert len(noted) < 6


async def test_a_fault_of_ours_with_one_holds_up_no_other_and_is_given_up_at_last(
    client: TestClient, context: Context, mailbox: Any, published: Published, clock: Any, monkeypatch: Any
) -> None:
    await bring_mailed(client, 3)
    hand_over = dispatcher.hand_over

    async def hand_over_or_fail(context: Context, reply: Any) -> Any:
        if reply.way.recipient == "anna0@post.example":
            raise LookupError("a fault of ours")
        await asyncio.sleep(0.1)
        return await hand_over(context, reply)

    monkeypatch.setattr(dispatcher, "hand_over", hand_over_or_fail)
    for _ in range(12):
        await dispatcher.dispatch_due(context)
        clock.advance(timedelta(minutes=31))
    assert len(mailbox.mails) == len(await published(ReplySent)) == 2
    [failed] = await published(ReplyFailed)
    assert (failed.code, failed.attempts) == ("unexpected", 8)


async def test_an_address_made_to_break_us_is_refused_by_the_form_and_stops_nobodys_mail(
    client: TestClient, context: Context, mailbox: Any, published: Published
) -> None:
    made = ("anna@=?foo?q?x?=", "=?utf-8?q?=40?=@q")
    for address in made:
        sender = {"kind": "email", "value": address}
        refused = await client.anonymous.post("/intake/v1/contacts", json={**MAILED, "sender": sender})
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "address_not_usable")
    await bring_mailed(client, 3)
    async with begin_in(context) as tx:
        # As if they had come in before the door refused them.
        for number, address in enumerate(made):
            await tx.execute(
                "UPDATE outgoing_messages SET recipient = $1 WHERE recipient = $2",
                address,
                f"anna{number}@post.example",
            )
    await dispatcher.dispatch_due(context)
    assert [mail["To"] for mail in mailbox.mails] == ["anna2@post.example"]
    assert [failed.code for failed in await published(ReplyFailed)] == ["address_not_usable"] * 2


async def test_a_worker_that_is_told_to_stop_finishes_what_a_channel_is_taking_over(
    client: TestClient, context: Context, mailbox: Any, published: Published, monkeypatch: Any
) -> None:
    await bring_mailed(client, 2)
    hand_over, begun = dispatcher.hand_over, asyncio.Event()

    async def hand_over_slowly(*given: Any) -> Any:
        handed = await hand_over(*given)
        begun.set()
        await asyncio.sleep(0.3)
        return handed

    monkeypatch.setattr(dispatcher, "hand_over", hand_over_slowly)
    running = asyncio.create_task(dispatcher.dispatch_due(context))
    await begun.wait()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    assert len(mailbox.mails) == len(await published(ReplySent)) == 2


async def test_two_dispatchers_send_once(client: TestClient, context: Context, mailbox: Any) -> None:
    for number in range(5):
        sender = {"kind": "email", "value": f"anna{number}@post.example"}
        await client.anonymous.post("/intake/v1/contacts", json={**MAILED, "sender": sender})
    done = await asyncio.gather(*(dispatcher.dispatch_due(context) for _ in range(3)))
    assert sum(done) == len(mailbox.mails) == 5


async def test_an_answer_goes_out_in_order_after_the_acknowledgement(
    send_mail: Send, mail_bytes: Read, context: Context, mailbox: Any, deliver: Deliver, published: Published
) -> None:
    taken = (await send_mail(mail_bytes("german_multipart"))).json()
    request = asked(taken)
    await deliver(request)
    await deliver(request, despite_inbox=True)
    await dispatcher.dispatch_due(context)
    assert [("Auto-Submitted" in mail) for mail in mailbox.mails] == [True, False]
    assert "Ihr Paket kommt morgen." in mailbox.mails[1].get_content()
    sent = (await published(ReplySent))[1]
    assert (sent.case_id, sent.task, sent.reply_id) == (request.case_id, request.task, request.reply_id)


async def test_an_answer_to_our_answer_finds_its_case(
    send_mail: Send, mail_bytes: Read, context: Context, mailbox: Any, deliver: Deliver, published: Published
) -> None:
    taken = (await send_mail(mail_bytes("german_multipart"))).json()
    request = asked(taken)
    await deliver(request)
    await dispatcher.dispatch_due(context)
    ours = mailbox.mails[1]
    by_token = f"From: other@post.example\r\nTo: {ours['Reply-To']}\r\nMessage-ID: <t@x>\r\n\r\nDanke, passt."
    by_header = f"From: other@post.example\r\nIn-Reply-To: {ours['Message-ID']}\r\nMessage-ID: <h@x>\r\n\r\nDanke, gut."
    by_text = (
        f"From: katrin.aebischer@post.example\r\nMessage-ID: <x@x>\r\n\r\nNochmals zu {taken['reference']}, bitte."
    )
    by_stranger = by_text.replace("katrin.aebischer", "mallory").replace("x@x", "y@x")
    for raw in (by_token, by_header, by_text, by_stranger):
        await send_mail(raw.encode())
    threads = [event.thread for event in await published() if type(event).__name__ == "ContactReceived"][1:]
    assert [thread and thread.found_by for thread in threads] == [
        "reply_token",
        "references",
        "reference_in_text",
        None,
    ]
    assert threads[0].case_id == threads[1].case_id == request.case_id
    assert str(threads[2].contact_id) == taken["contact_id"]


async def test_only_the_sender_continues_their_own_mail(
    send_mail: Send, mail_bytes: Read, published: Published
) -> None:
    await send_mail(mail_bytes("german_multipart"))
    for sender in ("katrin.aebischer", "mallory"):
        head = f"From: {sender}@post.example\r\nIn-Reply-To: <CAB2xQ9mK4tY0@mail.post.example>\r\n"
        await send_mail(f"{head}Message-ID: <{sender}@x>\r\n\r\nNoch etwas dazu.".encode())
    _, own, foreign = [event for event in await published() if type(event).__name__ == "ContactReceived"]
    assert own.thread.found_by == "references"
    assert foreign.thread is None


async def test_machines_are_never_answered_and_people_once_a_day(
    send_mail: Send, mail_bytes: Read, database: Any, clock: Any
) -> None:
    for name in (
        "auto_out_of_office",
        "auto_precedence_bulk",
        "auto_mailing_list",
        "auto_no_reply",
        "auto_own_address",
    ):
        assert (await send_mail(mail_bytes(name))).json()["contact_id"]
    mail = mail_bytes("html_only")
    await send_mail(mail)
    await send_mail(mail.replace(b"html-only", b"second"))
    clock.advance(timedelta(hours=24, seconds=1))
    await send_mail(mail.replace(b"html-only", b"third"))
    rows = (await database.snapshot("outgoing_messages"))["outgoing_messages"]
    states = [(row["state"], row["code"]) for row in sorted(rows, key=lambda row: row["ord"])]
    assert [code for state, code in states if state == "suppressed"] == [
        "auto_submitted", "precedence", "list", "machine_address", "own_address", "answered_within_a_day",
    ]  # fmt: skip
    assert len([state for state, _ in states if state == "pending"]) == 2


async def test_a_refused_recipient_fails_at_once_and_a_busy_server_later(
    client: TestClient, context: Context, mailbox: Any, published: Published, clock: Any
) -> None:
    mailbox.refusals = {"anna@post.example": "550 no such user"}
    await client.anonymous.post("/intake/v1/contacts", json=MAILED)
    await dispatcher.dispatch_due(context)
    [failed] = await published(ReplyFailed)
    assert (failed.code, failed.attempts) == ("recipient_refused", 1)

    mailbox.refusals = {"bert@post.example": "451 later"}
    sender = {"kind": "email", "value": "bert@post.example"}
    await client.anonymous.post("/intake/v1/contacts", json={**MAILED, "sender": sender})
    for _ in range(12):
        await dispatcher.dispatch_due(context)
        clock.advance(timedelta(minutes=31))
    assert (await published(ReplyFailed))[1].attempts == 8
    assert mailbox.mails == []


async def test_a_bounce_marks_what_bounced(
    client: TestClient, send_mail: Send, mail_bytes: Read, context: Context, mailbox: Any, published: Published
) -> None:
    await client.anonymous.post("/intake/v1/contacts", json=MAILED)
    await dispatcher.dispatch_due(context)
    ours = mailbox.mails[0]["Message-ID"].strip("<>").encode()
    for _ in range(2):
        await send_mail(mail_bytes("bounce").replace(b"@@ORIGINAL@@", ours))
    assert [failed.code for failed in await published(ReplyFailed)] == ["bounced"]


async def test_whatsapp_is_acknowledged_and_answered_on_whatsapp(
    send_webhook: Send, webhook_bytes: Read, context: Context, provider: Any, deliver: Deliver, published: Published
) -> None:
    await send_webhook(webhook_bytes("text"))
    [received, *_] = await published()
    await deliver(asked({"contact_id": str(received.contact_id)}))
    await dispatcher.dispatch_due(context)
    acknowledgement, answer = provider.stand_in.messages
    assert acknowledgement["to"] == "16505551234"
    assert acknowledgement["body"]["context"]["message_id"].startswith("wamid.HBgL")
    assert "Thank you for your message" in acknowledgement["text"]
    assert "Ihr Paket kommt morgen." in answer["text"]
    sent = await published(ReplySent)
    assert [event.provider_id for event in sent] == [acknowledgement["id"], answer["id"]]
    assert acknowledgement["body"]["biz_opaque_callback_data"] == str(sent[0].reply_id)


async def test_what_the_provider_says_takes_effect_even_before_we_know_the_message(
    send_webhook: Send, webhook_bytes: Read, context: Context, provider: Any, published: Published, database: Any
) -> None:
    await send_webhook(webhook_bytes("text"))
    await dispatcher.dispatch_due(context)
    ours = provider.stand_in.messages[0]["id"].encode()
    await send_webhook(webhook_bytes("status_delivered").replace(b"wamid.OURS", ours))
    [row] = (await database.snapshot("outgoing_messages"))["outgoing_messages"]
    assert row["state"] == "delivered"
    await send_webhook(webhook_bytes("status_failed"))
    resources_of(context).whatsapp = Early(resources_of(context).whatsapp)
    await send_webhook(webhook_bytes("text").replace(b"wamid.HBgL", b"wamid.NEXT"))
    await dispatcher.dispatch_due(context)
    assert [failed.code for failed in await published(ReplyFailed)] == ["provider_failed_131047"]


class Early:
    """A provider whose status comes before its answer."""

    def __init__(self, real: Any) -> None:
        self.close = real.close

    async def send(self, message: OutgoingText) -> str:
        return "wamid.OURS"


async def test_outside_the_window_only_an_approved_template_goes_out(
    send_webhook: Send, webhook_bytes: Read, context: Context, provider: Any, published: Published, clock: Any,
    deliver: Deliver,
) -> None:  # fmt: skip
    await send_webhook(webhook_bytes("text"))
    [received, *_] = await published()
    clock.advance(timedelta(hours=25))
    await dispatcher.dispatch_due(context)
    assert [failed.code for failed in await published(ReplyFailed)] == ["whatsapp_window_closed"]
    resources_of(context).settings.whatsapp_templates["helpdesk_answer"] = "answer_ready"
    await deliver(asked({"contact_id": str(received.contact_id)}))
    await dispatcher.dispatch_due(context)
    [message] = provider.stand_in.messages
    assert message["body"]["template"]["name"] == "answer_ready"


async def test_files_are_fetched_from_the_provider(
    send_webhook: Send, webhook_bytes: Read, context: Context, provider: Any, client: TestClient, published: Published
) -> None:
    provider.stand_in.media["1479537139650975"] = (b"%PDF-1.4 an invoice", "application/pdf")
    await send_webhook(webhook_bytes("every_type"))
    contact_id = next(event.contact_id for event in await published() if getattr(event, "text", "") == "[document]")
    await dispatcher.dispatch_due(context)
    shown = (await client.as_agent().get(f"/intake/v1/contacts/{contact_id}")).json()
    [attachment] = shown["attachments"]
    assert (attachment["name"], attachment["media_type"]) == ("Rechnung.pdf", "application/pdf")
    path = f"/intake/v1/contacts/{contact_id}/attachments/{attachment['sha256']}"
    assert (await client.as_agent().get(path)).content == b"%PDF-1.4 an invoice"


async def test_an_anonymous_form_is_answered_on_its_page(
    client: TestClient, deliver: Deliver, published: Published
) -> None:
    taken = (await client.anonymous.post("/intake/v1/contacts", json=FORM)).json()
    await deliver(asked(taken))
    assert (await client.anonymous.get(taken["status_url"])).json()["answers"][0].count("Ihr Paket kommt morgen.") == 1
    assert [event.template for event in await published(ReplySent)] == ["acknowledgement", "helpdesk_answer"]


async def test_an_answer_without_a_way_is_reported(client: TestClient, deliver: Deliver, published: Published) -> None:
    call = {"channel": "phone", "text": "Frage am Telefon"}
    taken = (await client.as_agent().post("/intake/v1/contacts", json=call)).json()
    await deliver(asked(taken), asked({"contact_id": str(uuid4())}))
    known = (await client.anonymous.post("/intake/v1/contacts", json=MAILED)).json()
    await deliver(asked(known).model_copy(update={"template": "nonsense", "reply_id": uuid4()}))
    codes = [failed.code for failed in await published(ReplyFailed)]
    assert sorted(codes) == ["contact_unknown", "no_channel", "template_unknown"]


@pytest.fixture
async def running(context: Context) -> AsyncIterator[None]:
    task = asyncio.create_task(dispatcher.run(context))
    await asyncio.sleep(0.2)
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_the_dispatcher_is_woken_by_a_commit(running: None, client: TestClient, mailbox: Any) -> None:
    await client.anonymous.post("/intake/v1/contacts", json=MAILED)
    async with asyncio.timeout(0.8):
        while not mailbox.mails:
            await asyncio.sleep(0.005)


async def test_the_real_client_tells_lasting_from_passing_trouble(context: Context, provider: Any) -> None:
    message = OutgoingText(uuid4(), "1", "+16505551234", "x" * 5000)
    sender = resources_of(context).whatsapp
    assert (await sender.send(message)).startswith("wamid.")
    assert [len(one["text"]) for one in provider.stand_in.messages] == [4096, 904]
    answers = {
        400: ({"error": {"code": 131047}}, "whatsapp_window_closed", True),
        404: ({"error": {"code": 100}}, "provider_refused_100", True),
        429: ({}, "provider_refused_429", False),
        500: (None, "provider_refused_500", False),
        200: ({}, "provider_answer_unreadable", False),
    }
    for status, (content, code, lasting) in answers.items():
        transport = httpx.MockTransport(lambda _, s=status, c=content: httpx.Response(s, json=c))
        client = GraphSender(resources_of(context).settings, transport=transport)
        with pytest.raises(SendingFailed) as failed:
            await client.send(message)
        assert (failed.value.code, failed.value.lasting) == (code, lasting)
        await client.close()


def test_long_texts_are_cut_between_words() -> None:
    assert cut("aaaa bbbb cccc", longest=10) == ["aaaa bbbb", "cccc"]
    assert cut("a" * 25, longest=10) == ["a" * 10, "a" * 10, "a" * 5]
