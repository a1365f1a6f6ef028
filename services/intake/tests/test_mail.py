"""Mail: whatever the bytes are, something sensible comes out or it is quarantined; never anything else."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anliegen.intake.mail.attachments import safe_name, sniff
from anliegen.intake.mail.charsets import decode
from anliegen.intake.mail.fingerprint import fingerprint
from anliegen.intake.mail.hygiene import why_automatic, why_unanswered
from anliegen.intake.mail.parse import Mail, MailUnreadable, read_mail
from anliegen.intake.mail.text import from_html, own_words

Read = Callable[[str], bytes]
OWN = frozenset({"service@anliegen.example"})


def automatic(mail: Mail) -> str | None:
    return why_automatic(mail.header, sender=mail.sender, content_type=mail.content_type, own_addresses=OWN)


def test_a_german_mail_with_attachments_is_understood(mail_bytes: Read) -> None:
    mail = read_mail(mail_bytes("german_multipart"))
    assert mail.sender == "katrin.aebischer@post.example"
    assert mail.sender_name == "Katrin Aebischer"
    assert mail.subject == "Rechnung Februar: Roaming falsch verrechnet"
    assert mail.text.startswith("Guten Tag\n\nauf meiner Rechnung für Februar stehen 24,60 Euro")
    assert "Marktgasse" not in mail.text
    assert [attachment.name for attachment in mail.attachments] == ["Rechnung Februar.pdf", "Bildschirmfoto.png"]
    assert [sniff(attachment.content) for attachment in mail.attachments] == ["application/pdf", "image/png"]
    assert automatic(mail) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("latin1_declared_as_utf8", "Grüezi, ich möchte die Zusatzoption kündigen"),
        ("unknown_charset", "où se trouve ma commande"),
        ("broken_base64", "Buongiorno, vi"),
        ("missing_boundary", "Bitte rufen Sie mich zurück, danke."),
        ("wrong_boundary", "Wo ist mein Paket?"),
        ("broken_headers", "meine Karte geht nicht mehr"),
        ("no_headers_at_all", "Nur ein Text ohne alles"),
        ("html_only", "Mein Anschluss ist seit gestern gestört."),
    ],
)
def test_words_are_recovered_from_broken_mail(mail_bytes: Read, name: str, words: str) -> None:
    mail = read_mail(mail_bytes(name))
    assert words in mail.text
    assert "alert" not in mail.text


def test_bytes_without_a_word_are_refused(mail_bytes: Read) -> None:
    with pytest.raises(MailUnreadable):
        read_mail(mail_bytes("only_bytes"))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000))
def test_no_bytes_break_the_parser(raw: bytes) -> None:
    try:
        mail = read_mail(raw)
    except MailUnreadable:
        return
    assert isinstance(mail.text, str)


HEADERS = st.sampled_from(
    [b"From: ", b"Subject: ", b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: message/rfc822",
     b"Content-Type: text/html; charset=", b"Content-Transfer-Encoding: ", b"Message-ID: ", b"\r\n", b"\r\n--b\r\n",
     b"Content-Type: multipart/report", b"Content-Disposition: attachment; filename*=", b"base64", b"=?utf-8?B?"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(HEADERS | st.binary(max_size=30) | st.just(b"\r\n"), max_size=30))
def test_no_pieces_of_mail_break_the_parser(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    try:
        read_mail(raw)
    except MailUnreadable:
        return
    finally:
        fingerprint(raw)


def test_thousands_of_nested_parts_are_survived() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000))
    mail = read_mail(b"From: a@post.example\r\n" + nested + b"\r\nHallo")
    assert mail.sender == "a@post.example"


@pytest.mark.parametrize("language", ["de", "en", "fr", "it"])
def test_quotes_are_left_behind(mail_bytes: Read, language: str) -> None:
    words = {"de": "Gutschrift fehlt", "en": "credit is still", "fr": "avoir manque", "it": "rimborso manca"}
    mail = read_mail(mail_bytes(f"quoted_reply_{language}"))
    assert words[language] in mail.text
    assert ">" not in mail.text
    assert "service@anliegen.example" not in mail.text
    assert mail.references == ("<parent@anliegen.example>", "<root@post.example>")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("auto_out_of_office", "auto_submitted"),
        ("auto_precedence_bulk", "precedence"),
        ("auto_mailing_list", "list"),
        ("auto_empty_return_path", "empty_return_path"),
        ("auto_no_reply", "machine_address"),
        ("auto_own_address", "own_address"),
        ("bounce", "report"),
        ("german_multipart", None),
        ("html_only", None),
    ],
)
def test_machines_are_told_from_people(mail_bytes: Read, name: str, why: str | None) -> None:
    assert automatic(read_mail(mail_bytes(name))) == why


def test_colleagues_get_no_automatic_answer() -> None:
    mail = read_mail(b"From: boss@anliegen.example\r\n\r\nHallo zusammen")
    assert automatic(mail) is None
    assert why_unanswered(mail.header, sender=mail.sender, own_addresses=OWN) == "own_domain"


def test_a_bounce_names_what_bounced(mail_bytes: Read) -> None:
    assert read_mail(mail_bytes("bounce").replace(b"@@ORIGINAL@@", b"one@anliegen.example")).bounced == (
        "<one@anliegen.example>"
    )


def test_a_report_of_success_is_no_bounce(mail_bytes: Read) -> None:
    raw = mail_bytes("bounce").replace(b"@@ORIGINAL@@", b"one@anliegen.example")
    assert read_mail(raw.replace(b"Action: failed", b"Action: relayed")).bounced is None


def test_what_is_added_on_the_way_changes_no_fingerprint(mail_bytes: Read) -> None:
    raw = mail_bytes("german_multipart")
    again = b"Received: from elsewhere by here; Tue, 3 Mar 2026\r\nX-Spam: no\r\nDKIM-Signature: v=1\r\n" + raw
    assert fingerprint(again) == fingerprint(raw) == fingerprint(raw.replace(b"\r\n", b"\n"))
    assert fingerprint(raw.replace(b"Marktgasse", b"Spitalgasse")) != fingerprint(raw)
    assert fingerprint(raw.replace(b"Katrin Aebischer <", b"Anna <")) != fingerprint(raw)


def test_names_of_files_lead_nowhere() -> None:
    assert safe_name("../../etc/passwd", ordinal=1) == "passwd"
    assert safe_name('C:\\Windows\\a"b\r\n.exe', ordinal=1) == "a_b_.exe"
    assert safe_name("\u202egpj.exe", ordinal=1) == "_gpj.exe"
    assert safe_name("..", ordinal=3) == "file-3"
    assert safe_name("x" * 400 + ".pdf", ordinal=1).endswith(".pdf")


@given(st.binary(max_size=200))
def test_every_content_has_a_type(content: bytes) -> None:
    assert sniff(content)


def test_a_type_is_what_the_content_says() -> None:
    assert sniff(b"%PDF-1.4\n...") == "application/pdf"
    assert sniff("Grüezi".encode()) == "text/plain"


def test_html_becomes_text_without_scripts() -> None:
    assert from_html("<p>Hallo <script>x()</script><b>Welt</b></p>") == "Hallo Welt"


def test_words_that_are_all_quote_are_kept() -> None:
    assert own_words("> nur ein Zitat") == "> nur ein Zitat"


@given(st.binary(max_size=300), st.text(max_size=20))
def test_any_bytes_can_be_decoded(content: bytes, charset: str) -> None:
    assert isinstance(decode(content, charset)[0], str)


_REPORT = "From: a@b.example\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n{}\r\n--b--\r\n"


@pytest.mark.parametrize(
    "mail",
    [
        f"From: {'a' * 100_000}\r\n\r\nHello there",
        "From: " + '"' * 100_000 + "\r\n\r\nHello there",
        f"From: a@b.example\r\nContent-Type: text/plain; {'a;' * 50_000}\r\n\r\nHello there",
        "From: a@b.example\r\n" * 20_000 + "\r\nHello there",
        f"From: a@b.example\r\n\r\n{'On ' * 30_000}",
        f"From: a@b.example\r\n\r\n{'Am 1 schrieb a ' * 6_000}",
        f"From: a@b.example\r\n\r\nHello{chr(10) * 20_000}there",
        _REPORT.format("Content-Type: message/delivery-status\r\n\r\n" + "\n" * 100_000),
        _REPORT.format("Content-Type: message/delivery-status\r\n\r\na: b\n" + " \n" * 50_000),
        f"From: a@b.example\r\nContent-Type: text/html\r\n\r\n{'<div>' * 80_000}Hello",
    ],
    ids=["sender", "quotes", "parameters", "repeated", "on", "am", "lines", "report", "report_blanks", "html"],
)
def test_no_mail_of_a_stranger_holds_up_the_process(mail: str) -> None:
    started = time.process_time()
    read_mail(mail.encode())
    # About one second where nothing else runs; what grows with the square of its length takes minutes.
    assert time.process_time() - started < 8.0


def test_of_a_long_thread_only_the_newest_message_is_the_senders_own() -> None:
    quoted = "".join(f"> line {n} of what was written before\n" for n in range(5_000))
    assert own_words(f"Thank you, it works.\n\nOn Monday, Anna wrote:\n{quoted}") == "Thank you, it works."
