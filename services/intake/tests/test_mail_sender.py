"""Mails go out over connections that are kept for the next one, and a connection that broke costs no mail."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import aiosmtplib
import pytest

from anliegen.intake.clients import OutgoingMail, SendingFailed
from anliegen.intake.clients.mail import SmtpSender
from anliegen.intake.settings import IntakeSettings
from anliegen.kit.clock import FixedClock


def mail(clock: FixedClock, number: int, recipient: str = "katrin@post.example") -> OutgoingMail:
    return OutgoingMail(
        sender="hallo@anliegen.example",
        sender_name="Anliegen",
        recipient=recipient,
        subject="Grüezi",
        text="Guten Tag",
        message_id=f"<{number}@anliegen.example>",
        reply_to="hallo@anliegen.example",
        sent_at=clock.now(),
    )


@pytest.fixture
async def sender(context: Any) -> AsyncIterator[SmtpSender]:
    sender = SmtpSender(cast(IntakeSettings, context.settings))
    yield sender
    await sender.close()


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every connection that was opened."""
    opened: list[object] = []
    original = aiosmtplib.SMTP.connect

    async def connect(self: Any, **options: Any) -> Any:
        opened.append(self)
        return await original(self, **options)

    monkeypatch.setattr(aiosmtplib.SMTP, "connect", connect)
    return opened


def ids(mailbox: Any) -> list[str]:
    return [str(message["Message-ID"]) for message in mailbox.mails]


async def test_the_next_mail_takes_the_connection_of_the_last(
    sender: SmtpSender, mailbox: Any, clock: FixedClock, connected: list[object]
) -> None:
    for number in range(3):
        await sender.send(mail(clock, number))
    assert ids(mailbox) == ["<0@anliegen.example>", "<1@anliegen.example>", "<2@anliegen.example>"]
    assert len(connected) == 1


async def test_a_connection_that_the_server_closed_meanwhile_costs_no_mail(
    sender: SmtpSender, mailbox: Any, clock: FixedClock, connected: list[Any]
) -> None:
    await sender.send(mail(clock, 0))
    connected[0].transport.abort()
    await sender.send(mail(clock, 1))
    assert ids(mailbox) == ["<0@anliegen.example>", "<1@anliegen.example>"]
    assert len(connected) == 2


async def test_after_a_refusal_nobody_goes_on_in_that_conversation(
    sender: SmtpSender, mailbox: Any, clock: FixedClock, connected: list[object]
) -> None:
    mailbox.refusals["gone@post.example"] = "550 5.1.1 No such user"
    with pytest.raises(SendingFailed):
        await sender.send(mail(clock, 0, "gone@post.example"))
    await sender.send(mail(clock, 1))
    assert ids(mailbox) == ["<1@anliegen.example>"]
    assert len(connected) == 2


async def test_a_connection_that_was_kept_too_long_is_not_used(
    sender: SmtpSender, mailbox: Any, clock: FixedClock, connected: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    await sender.send(mail(clock, 0))
    monkeypatch.setattr("anliegen.intake.clients.mail.KEPT_SECONDS", 0.0)
    await sender.send(mail(clock, 1))
    assert len(ids(mailbox)) == len(connected) == 2


@pytest.mark.parametrize(
    "recipient",
    [
        "anna@=?foo?q?x?=",
        "=?utf-8?q?=40?=@q",
        "@post.example",
        "anna@",
        "",
        "anna@[",
        "anna@post..example",
        "änna@post.example",
        "anna@zürich.example",
        "anna@post.example\r\nBcc: bert@post.example",
        "anna@post.example, bert@post.example",
        "anna@post.example\n",
    ],
)
async def test_an_address_that_no_mail_can_go_to_is_refused_for_good(
    sender: SmtpSender, mailbox: Any, clock: FixedClock, recipient: str
) -> None:
    with pytest.raises(SendingFailed) as refused:
        await sender.send(mail(clock, 0, recipient))
    assert (refused.value.code, refused.value.lasting) == ("address_not_usable", True)
    assert mailbox.mails == []


@pytest.mark.parametrize("sign", ["\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028"])
def test_nothing_that_breaks_a_line_stands_in_a_header(clock: FixedClock, sign: str) -> None:
    # The library takes all of these for the end of a line, and writes what follows as a line of its own.
    for text in (f"Hallo{sign}Bcc bert@post.example", f"Hallo{sign}"):
        with pytest.raises(ValueError, match="a line break in Subject"):
            replace(mail(clock, 0), subject=text).as_bytes()
