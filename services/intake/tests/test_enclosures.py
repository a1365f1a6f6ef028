"""Files that go with words: a mail brings them, else their address stands in the words, and nobody else gets them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest

from anliegen.events import ContactReceived, ContentReference, HelpdeskReplyRequested, ReplyFailed, ReplySent
from anliegen.events.builders import build
from anliegen.intake import dispatcher
from anliegen.intake.clients.mail import MailFile, OutgoingMail
from anliegen.intake.resources import resources_of
from anliegen.kit import Context
from anliegen.kit.testing.clients import TestClient
from anliegen.kit.wording import date_text

Deliver = Callable[..., Awaitable[Any]]
Published = Callable[..., Awaitable[list[Any]]]
Record = Callable[..., Awaitable[None]]
Keep = Callable[..., Awaitable[ContentReference]]
Send = Callable[..., Awaitable[httpx.Response]]
PDF = b"%PDF-1.7\n\x00\xff\r\n.\r\n" + bytes(range(256)) * 40
FORM = {"channel": "web_form", "text": "Guten Tag, meine Rechnung stimmt nicht, bitte prüfen Sie das."}
ANNA = {"kind": "email", "value": "anna@post.example"}


@pytest.fixture
def keep(context: Context) -> Keep:
    """Put a file into the object store, as a task does."""

    async def put(content: bytes = PDF, *, name: str = "Rechnung 2026-0042.pdf") -> ContentReference:
        digest = await resources_of(context).files.put(content)
        return ContentReference(sha256=digest, size=len(content), media_type="application/pdf", name=name)

    return put


async def bring(client: TestClient, **fields: Any) -> dict[str, Any]:
    who = client.as_agent() if fields.get("channel") == "phone" else client.anonymous
    answer = await who.post("/intake/v1/contacts", json={**FORM, **fields})
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    return told


def answer_to(taken: dict[str, Any], *files: ContentReference) -> HelpdeskReplyRequested:
    values = {"answer": "Ihre neue Rechnung."}
    contact_id = UUID(taken["contact_id"])
    return build(
        HelpdeskReplyRequested, contact_id=contact_id, template="helpdesk_answer", values=values, attachments=files
    )


def the_answer(mailbox: Any) -> EmailMessage:
    [mail] = [mail for mail in mailbox.mails if "Ihre neue Rechnung." in text_of(mail)]
    found: EmailMessage = mail
    return found


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def path_of(store: Context, sha256: str) -> Path:
    folder = Path(store.settings.files_url.removeprefix("file://"))
    return folder / sha256[:2] / sha256[2:4] / sha256


@pytest.mark.parametrize(
    "name", ["Rechnung 2026-0042.pdf", "Schlußbrief für Zoë – März.pdf", "発票.pdf", 'a"b;c=d.pdf']
)
async def test_a_mail_brings_the_file_byte_for_byte(
    client: TestClient, deliver: Deliver, context: Context, mailbox: Any, keep: Keep, published: Published, name: str
) -> None:
    taken = await bring(client, sender=ANNA)
    asked = answer_to(taken, await keep(name=name), await keep(b"second", name="AGB.txt"))
    await deliver(asked, asked)
    await dispatcher.dispatch_due(context)
    mail = the_answer(mailbox)
    first, second = mail.iter_attachments()
    assert first.get_content_type() == "application/pdf"
    assert first.get_filename() == name.replace('"', "_")
    assert first.get_content() == PDF
    assert (second.get_filename(), second.get_content()) == ("AGB.txt", b"second")
    assert f"Beilagen:\n- {name.replace(chr(34), '_')}\n- AGB.txt" in text_of(mail).replace("\r\n", "\n")
    assert [sent.template for sent in await published(ReplySent)] == ["acknowledgement", "helpdesk_answer"]


async def test_words_wait_for_their_file_and_are_never_sent_without_it(
    client: TestClient, deliver: Deliver, context: Context, mailbox: Any, keep: Keep, published: Published, clock: Any
) -> None:
    taken, file = await bring(client, sender=ANNA), await keep()
    path_of(context, file.sha256).rename(away := path_of(context, file.sha256).with_suffix(".away"))
    await deliver(answer_to(taken, file))
    for _ in range(3):
        await dispatcher.dispatch_due(context)
        clock.advance(timedelta(minutes=1))
    assert len(mailbox.mails) == 1  # the acknowledgement
    away.rename(path_of(context, file.sha256))
    await dispatcher.dispatch_due(context)
    [brought] = the_answer(mailbox).iter_attachments()
    assert brought.get_content() == PDF
    assert await published(ReplyFailed) == []


@pytest.mark.parametrize(
    ("spoil", "code"), [(Path.unlink, "file_missing"), (lambda path: path.write_bytes(b"?"), "file_damaged")]
)
async def test_a_file_that_never_comes_is_told_and_nothing_is_sent(
    client: TestClient, deliver: Deliver, context: Context, mailbox: Any, keep: Keep, published: Published, clock: Any,
    spoil: Callable[[Path], Any], code: str,
) -> None:  # fmt: skip
    taken, file = await bring(client, sender=ANNA), await keep()
    spoil(path_of(context, file.sha256))
    await deliver(answer_to(taken, file))
    for _ in range(10):
        await dispatcher.dispatch_due(context)
        clock.advance(timedelta(minutes=31))
    assert [failed.code for failed in await published(ReplyFailed)] == [code]
    assert len(mailbox.mails) == 1


async def test_a_file_too_large_for_a_mail_is_linked_for_whoever_got_the_mail(
    client: TestClient, deliver: Deliver, context: Context, mailbox: Any, keep: Keep, monkeypatch: Any
) -> None:
    resources = resources_of(context)
    monkeypatch.setattr(resources, "settings", resources.settings.model_copy(update={"largest_mail": len(PDF) - 1}))
    taken, file = await bring(client, sender=ANNA), await keep()
    await deliver(answer_to(taken, file))
    await dispatcher.dispatch_due(context)
    mail = the_answer(mailbox)
    assert list(mail.iter_attachments()) == []
    assert f"Ihre Dokumente (abrufbar bis {last_day(mail)}):" in text_of(mail)
    link = link_in(text_of(mail))
    found = await client.anonymous.get(link)
    assert found.content == PDF
    assert found.headers["content-disposition"] == "attachment; filename*=UTF-8''Rechnung%202026-0042.pdf"
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["cache-control"] == "private, no-store"
    # Whoever filled in the form has its status page, and may not be the one whose address stood in it.
    assert (await client.anonymous.get(taken["status_url"])).json()["documents"] == []


def last_day(mail: EmailMessage) -> str:
    """The last whole day, in the customer's zone, on which the file can be opened."""
    sent = mail["Date"].datetime.astimezone(ZoneInfo("Europe/Zurich"))
    return date_text((sent + timedelta(days=90 - 1)).date(), language="de")


def link_in(text: str) -> str:
    [line] = [line.strip() for line in text.splitlines() if "/documents/" in line]
    return line.partition("://")[2].partition("/")[2].join(["/", ""])


async def test_a_file_opens_with_its_own_token_only(
    client: TestClient, deliver: Deliver, context: Context, keep: Keep
) -> None:
    taken, other = await bring(client), await bring(client)
    file, theirs = await keep(), await keep(b"another's")
    await deliver(answer_to(taken, file), answer_to(other, theirs))
    [mine] = (await client.anonymous.get(taken["status_url"])).json()["documents"]
    [another] = (await client.anonymous.get(other["status_url"])).json()["documents"]
    (path, token), (other_path, other_token) = (each["url"].split("?token=") for each in (mine, another))
    assert (await client.anonymous.get(f"{path}?token={token}")).content == PDF
    guesses = [
        path, f"{path}?token=", f"{path}?token={other_token}", f"{other_path}?token={token}",
        f"{path}?token={taken['status_url'].partition('token=')[2]}", f"{path[:-64]}{theirs.sha256}?token={token}",
        f"{path[:-64]}{'0' * 64}?token={token}", f"{path[:-64]}..%2F..%2Fx?token={token}",
    ]  # fmt: skip
    assert {(await client.anonymous.get(guess)).status_code for guess in guesses} == {404}


async def test_on_whatsapp_the_words_say_where_the_file_is(
    send_webhook: Send, webhook_bytes: Any, deliver: Deliver, context: Context, keep: Keep, published: Published,
    provider: Any, client: TestClient,
) -> None:  # fmt: skip
    await send_webhook(webhook_bytes("text"))
    [received] = await published(ContactReceived)
    await deliver(answer_to({"contact_id": str(received.contact_id)}, await keep()))
    for _ in range(2):
        await dispatcher.dispatch_due(context)
    text = provider.stand_in.messages[-1]["body"]["text"]["body"]
    assert "Rechnung 2026-0042.pdf" in text
    assert (await client.anonymous.get(link_in(text))).content == PDF


@pytest.mark.parametrize(
    ("spoil", "code"), [(Path.unlink, "file_missing"), (lambda path: path.write_bytes(b"?"), "file_damaged")]
)
async def test_words_never_say_where_a_file_is_that_is_not_there(
    send_webhook: Send, webhook_bytes: Any, deliver: Deliver, context: Context, keep: Keep, published: Published,
    provider: Any, clock: Any, spoil: Callable[[Path], Any], code: str,
) -> None:  # fmt: skip
    await send_webhook(webhook_bytes("text"))
    [received] = await published(ContactReceived)
    await dispatcher.dispatch_due(context)
    before = len(provider.stand_in.messages)
    file = await keep()
    spoil(path_of(context, file.sha256))
    await deliver(answer_to({"contact_id": str(received.contact_id)}, file))
    for _ in range(10):
        await dispatcher.dispatch_due(context)
        clock.advance(timedelta(minutes=31))
    assert [failed.code for failed in await published(ReplyFailed)] == [code]
    assert len(provider.stand_in.messages) == before


async def test_a_signed_address_opens_the_file_it_was_made_for_and_not_for_ever(
    client: TestClient, deliver: Deliver, context: Context, keep: Keep, clock: Any
) -> None:
    taken, file = await bring(client), await keep()
    await deliver(answer_to(taken, file))
    [document] = (await client.anonymous.get(taken["status_url"])).json()["documents"]
    path_of(context, file.sha256).write_bytes(b"something else")
    assert (await client.anonymous.get(document["url"])).status_code == 404
    path_of(context, file.sha256).write_bytes(PDF)
    days = resources_of(context).settings.documents_open_days
    clock.advance(timedelta(days=days) - timedelta(minutes=1))
    assert (await client.anonymous.get(document["url"])).content == PDF
    clock.advance(timedelta(minutes=2))
    assert (await client.anonymous.get(document["url"])).status_code == 404
    status = await client.anonymous.get(taken["status_url"])
    assert (status.status_code, status.json()["documents"]) == (200, [])


async def test_a_form_shows_the_file_on_its_page(client: TestClient, deliver: Deliver, keep: Keep) -> None:
    taken = await bring(client)
    await deliver(answer_to(taken, await keep(name="&Rechnung <b>.pdf")))
    page = (await client.anonymous.get(taken["status_url"], headers={"accept": "text/html"})).text
    assert "Ihre Dokumente" in page and "&amp;Rechnung _b_.pdf</a>" in page


async def test_who_only_claims_a_customers_number_gets_none_of_their_files(
    client: TestClient, deliver: Deliver, context: Context, mailbox: Any, keep: Keep, published: Published,
    record: Record,
) -> None:  # fmt: skip
    unknown = await bring(client, customer_number="CH2")
    await deliver(answer_to(unknown, await keep()))
    assert [failed.code for failed in await published(ReplyFailed)] == ["no_channel"]
    await record("CH1", email="anna@post.example")
    mallory = {"kind": "email", "value": "mallory@post.example"}
    for claimed in (
        await bring(client, customer_number="CH1"),
        await bring(client, customer_number="CH1", sender=mallory),
    ):
        await deliver(answer_to(claimed, await keep()))
        assert (await client.anonymous.get(claimed["status_url"])).json()["documents"] == []
    await dispatcher.dispatch_due(context)
    await dispatcher.dispatch_due(context)
    files_to = {str(mail["To"]) for mail in mailbox.mails if list(mail.iter_attachments())}
    assert files_to == {"anna@post.example"}


async def test_words_after_a_call_go_to_the_address_in_the_latest_record(
    client: TestClient, deliver: Deliver, context: Context, mailbox: Any, keep: Keep, record: Record,
    published: Published,
) -> None:  # fmt: skip
    await record("CH1", email="old@post.example", time="2026-03-02T08:00:00Z")
    await record("CH1", email="anna@post.example", time="2026-03-02T09:00:00Z")
    await record("CH1", email="older@post.example", time="2026-03-02T07:00:00Z")
    call = await bring(client, channel="phone", customer_number="CH1")
    await deliver(answer_to(call, await keep()), answer_to(call))
    for _ in range(2):
        await dispatcher.dispatch_due(context)
    assert [str(mail["To"]) for mail in mailbox.mails] == ["anna@post.example"] * 2
    # An address that is two customers' is neither's.
    await record("CH7", email="anna@post.example", time="2026-03-02T10:00:00Z")
    await deliver(answer_to(await bring(client, channel="phone", customer_number="CH1"), await keep()))
    assert [failed.code for failed in await published(ReplyFailed)] == ["no_channel"]


def test_a_name_or_kind_of_file_writes_no_header(clock: Any) -> None:
    file = MailFile("a\r\nBcc: eve@post.example", "text/html\r\nX: y", b"x")
    mail = OutgoingMail(
        sender="hallo@anliegen.example", sender_name="Anliegen", recipient="anna@post.example", subject="Grüezi",
        text="Guten Tag", message_id="<1@anliegen.example>", reply_to="hallo@anliegen.example", sent_at=clock.now(),
        files=(file,),
    )  # fmt: skip
    with pytest.raises(ValueError, match="line break"):
        mail.as_bytes()
    written = replace(mail, files=(replace(file, name="a.pdf"),)).as_bytes()
    assert b"Content-Type: application/octet-stream\r\n" in written and b"X: y" not in written
