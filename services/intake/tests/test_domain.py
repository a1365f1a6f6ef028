"""Identity, references, hours and ways: decided without touching anything."""

import string
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anliegen.events import Assurance, CaseStatus, Channel, Handle, HandleKind, Task
from anliegen.intake.clients import OutgoingMail
from anliegen.intake.domain.contacts import CaseState, Earlier, clean
from anliegen.intake.domain.hours import read_hours
from anliegen.intake.domain.identity import (
    Evidence,
    handle_of,
    identify,
    journey_id_of,
    link_id_of,
    normalise_customer_number,
    normalise_email,
    normalise_phone,
    normalise_whatsapp,
    ordered,
)
from anliegen.intake.domain.references import (
    ALPHABET,
    opens_status,
    read_reference,
    read_reply_address,
    reference_of,
    references_in,
    reply_address,
    status_token,
)
from anliegen.intake.domain.replies import OUTGOING, language_for, wait_after, way_to, window_is_open

SECRET = b"s" * 32
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MAIL = Handle(kind=HandleKind.EMAIL, value="anna@post.example")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (" Anna.Muster@Post.Example ", "anna.muster@post.example"),
        ("<anna@post.example>", "anna@post.example"),
        ("anna@exämple.example", "anna@xn--exmple-cua.example"),
        ("anna@post.example.", "anna@post.example"),
        ("anna", None),
        ("anna@@post.example", None),
        ("anna@po st.example", None),
        ("x" * 400 + "@post.example", None),
        # Addresses that people have.
        ("anna+shop/2=x@post.example", "anna+shop/2=x@post.example"),
        ("o'brien@post.example", "o'brien@post.example"),
        ("_anna-@post.example", "_anna-@post.example"),
        ("1@2.3com.example", "1@2.3com.example"),
        ("anna@a.b-c--d.co.example", "anna@a.b-c--d.co.example"),
        ("anna@em_7.post.example", "anna@em_7.post.example"),
        ("anna@müller.xn--p1ai", "anna@xn--mller-kva.xn--p1ai"),
        ("anna@пример.рф", "anna@xn--e1afmkfd.xn--p1ai"),
        ("anna@例え。テスト", "anna@xn--r8jz45g.xn--zckzah"),
        ("x" * 64 + "@post.example", "x" * 64 + "@post.example"),
        ("anna@" + "x" * 63 + ".example", "anna@" + "x" * 63 + ".example"),
        ("anna@" + "x." * 121 + "example", "anna@" + "x." * 121 + "example"),
        # Where no mail can go.
        ("anna@post", None),
        ("anna@post.", None),
        ("anna@localhost", None),
        ("anna@192.0.2.1", None),
        ("anna@[192.0.2.1]", None),
        ("anna@post.e", None),
        ("anna@post.example..", None),
        ("anna@post..example", None),
        ("anna@.post.example", None),
        ("anna@-post.example", None),
        ("anna@post-.example", None),
        ("anna@post.example-", None),
        ("anna@po!st.example", None),
        ("anna@" + "x" * 64 + ".example", None),
        ("anna@" + "ü" * 60 + ".example", None),
        ("anna@" + "x." * 122 + "example", None),
        ("anna@po\u00adst.example", "anna@post.example"),
        ("anna@post.example" + "\u00ad" * 320 + "s", None),
        (".anna@post.example", None),
        ("anna.@post.example", None),
        ("anna..roth@post.example", None),
        ("@post.example", None),
        ("x" * 65 + "@post.example", None),
        ("änna@post.example", None),
        ("an\x00na@post.example", None),
        ("an\u202ena@post.example", None),
        ("=?utf-8?q?anna?=@post.example", None),
        ("anna@post.example\nbcc:berta@post.example", None),
    ],
)
def test_mail_addresses_have_one_spelling(written: str, kept: str | None) -> None:
    assert normalise_email(written) == kept


@pytest.mark.parametrize(
    ("written", "region", "kept"),
    [
        ("079 123 45 67", "CH", "+41791234567"),
        ("+41 79 123 45 67", "DE", "+41791234567"),
        ("0041791234567", "DE", "+41791234567"),
        ("0170 1234567", "DE", "+491701234567"),
        ("12", "DE", None),
        ("call me", "DE", None),
    ],
)
def test_phone_numbers_become_e164_with_the_region_of_the_account(written: str, region: str, kept: str | None) -> None:
    assert normalise_phone(written, region=region) == kept


def test_whatsapp_ids_and_customer_numbers_have_one_spelling() -> None:
    assert normalise_whatsapp("16505551234") == normalise_whatsapp("+16505551234") == "+16505551234"
    assert normalise_whatsapp("16505551234x") is None
    assert normalise_customer_number("ch-4711 02") == normalise_customer_number("CH.471102") == "CH471102"
    assert normalise_customer_number("'; drop") is None


@given(st.text(max_size=400))
def test_no_text_is_too_strange_to_be_normalised(text: str) -> None:
    for kind in (HandleKind.EMAIL, HandleKind.PHONE, HandleKind.WHATSAPP, HandleKind.CUSTOMER_NUMBER):
        handle = handle_of(kind, text, region="DE")
        assert handle is None or handle_of(kind, handle.value, region="DE") == handle


LIKE_ADDRESSES = st.text("aZ0+-_.'=?!ü@ß．。\u00ad\n", max_size=12)


@given(st.tuples(LIKE_ADDRESSES, LIKE_ADDRESSES, st.sampled_from(["", ".example", ".xn--p1ai", ".рф", ".7"])))
def test_a_mail_can_be_written_to_every_address_that_is_kept(parts: tuple[str, str, str]) -> None:
    kept = normalise_email(f"{parts[0]}@{parts[1]}{parts[2]}")
    if kept is not None:
        assert normalise_email(kept) == kept
        mail = OutgoingMail(
            sender="hallo@anliegen.example", sender_name="Anliegen", recipient=kept, subject="Grüezi", text="Guten Tag",
            message_id="<1@anliegen.example>", reply_to="hallo@anliegen.example", sent_at=NOON,
        )  # fmt: skip
        assert f"To: {kept}\r\n".encode() in mail.as_bytes()


def test_journeys_follow_from_handle_generation_and_secret() -> None:
    journey = journey_id_of(SECRET, MAIL, generation=0)
    assert journey == journey_id_of(SECRET, MAIL, generation=0)
    others = {
        journey_id_of(SECRET, MAIL, generation=1),
        journey_id_of(b"t" * 32, MAIL, generation=0),
        journey_id_of(SECRET, Handle(kind=HandleKind.ACCOUNT, value=MAIL.value), generation=0),
    }
    assert len(others | {journey}) == 4


def test_the_ladder_goes_from_token_to_number_to_address_to_nobody() -> None:
    token = uuid4()
    everything = Evidence(sender=MAIL, customer_number="CH1", journey_id=token)
    assert identify(everything).journey_id == token
    assert identify(everything).assurance is Assurance.VERIFIED
    number = identify(Evidence(sender=MAIL, sender_verified=True, customer_number="CH1"))
    assert number.handle == Handle(kind=HandleKind.CUSTOMER_NUMBER, value="CH1")
    assert number.assurance is Assurance.CLAIMED
    assert identify(Evidence(sender=MAIL, sender_verified=True)).assurance is Assurance.VERIFIED
    assert identify(Evidence(sender=MAIL)).assurance is Assurance.CLAIMED
    nobody = identify(Evidence())
    assert (nobody.handle, nobody.journey_id, nobody.assurance) == (None, None, Assurance.NONE)


@given(st.uuids(), st.uuids())
def test_a_link_has_one_id_whichever_journey_is_named_first(a: UUID, b: UUID) -> None:
    assert ordered(a, b) == ordered(b, a)
    assert link_id_of(a, b, "x") == link_id_of(b, a, "x")
    assert link_id_of(a, b, "x") != link_id_of(a, b, "y")


@given(st.uuids(), st.integers(0, 7), st.sampled_from(ALPHABET))
def test_a_reference_with_one_wrong_sign_is_noticed(contact_id: UUID, place: int, sign: str) -> None:
    reference = reference_of(contact_id)
    signs = reference.replace("-", "")
    assert read_reference(reference) == read_reference(signs.lower()) == reference
    changed = signs[:place] + sign + signs[place + 1 :]
    assert (read_reference(changed) is None) == (changed != signs)


@given(st.uuids(), st.integers(0, 6))
def test_a_reference_with_two_exchanged_signs_is_noticed(contact_id: UUID, place: int) -> None:
    signs = reference_of(contact_id).replace("-", "")
    changed = signs[:place] + signs[place + 1] + signs[place] + signs[place + 2 :]
    assert (read_reference(changed) is None) == (changed != signs)


def test_references_are_found_in_what_people_write() -> None:
    contact_id = UUID(int=7)
    reference = reference_of(contact_id)
    text = f"Nochmals zu {reference.lower()}: und auch {reference.replace('-', ' ')}, Kundennummer 12345678"
    assert references_in(text) == [reference]


@given(st.uuids(), st.text(alphabet=string.printable, max_size=60))
def test_only_our_own_tokens_are_read(subject: UUID, other: str) -> None:
    address = reply_address(SECRET, subject, domain="anliegen.example")
    assert len(address.partition("@")[0]) <= 64
    assert read_reply_address(SECRET, f"Kundenservice <{address.upper()}>") == subject
    assert read_reply_address(b"t" * 32, address) is None
    assert read_reply_address(SECRET, other) is None
    assert opens_status(SECRET, subject, status_token(SECRET, subject))
    assert not opens_status(SECRET, subject, other)


def test_working_time_passes_only_while_somebody_is_there() -> None:
    week = {day: ["08:00-12:00", "13:00-18:00"] for day in ("monday", "tuesday", "friday")}
    hours = read_hours("Europe/Zurich", week)
    friday_evening = datetime(2026, 3, 27, 16, 30, tzinfo=UTC)  # 17:30 in Zürich; the clocks change on Sunday
    assert hours.is_open(friday_evening)
    assert hours.after(friday_evening, timedelta(hours=1)) == datetime(2026, 3, 30, 6, 30, tzinfo=UTC)
    assert hours.next_opening(datetime(2026, 3, 2, 11, 30, tzinfo=UTC)) == datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    for wrong in ({"monday": []}, {"mon": ["08:00-12:00"]}, {"monday": ["12:00-08:00"]}):
        with pytest.raises(ValueError, match=r"\w"):
            read_hours("Europe/Zurich", wrong)


def test_words_go_where_the_person_wrote_else_by_mail_else_onto_the_page() -> None:
    whatsapp = Handle(kind=HandleKind.WHATSAPP, value="+16505551234")
    ways = {
        (channel, sender): way_to(channel=channel, account="ours", sender=sender, mail_account="service@x.example")
        for channel in Channel
        for sender in (None, MAIL, whatsapp)
    }
    there = ways[Channel.WHATSAPP, whatsapp]
    assert there is not None
    assert (there.channel, there.account) == (Channel.WHATSAPP, "ours")
    by_mail = ways[Channel.WEB_FORM, MAIL]
    assert by_mail is not None
    assert (by_mail.channel, by_mail.account, by_mail.recipient) == (Channel.EMAIL, "service@x.example", MAIL.value)
    page = ways[Channel.WEB_FORM, None]
    assert page is not None
    assert page.recipient is None
    assert ways[Channel.PHONE, None] is None
    assert ways[Channel.LETTER, whatsapp] is None
    # Words that go out have a lane to go in.
    assert {way.channel for way in ways.values() if way and way.recipient} == set(OUTGOING)


def test_waits_grow_and_end() -> None:
    waits = [wait_after(attempts) for attempts in range(1, 12)]
    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=2)
    assert waits[-1] == timedelta(minutes=30)


def test_the_window_of_whatsapp_is_24_hours() -> None:
    assert window_is_open(NOON - timedelta(hours=23, minutes=59), NOON)
    assert not window_is_open(NOON - timedelta(hours=24), NOON)
    assert not window_is_open(None, NOON)


def test_a_thread_leads_to_the_newest_open_case() -> None:
    def case(status: CaseStatus, hours: int) -> CaseState:
        return CaseState(uuid4(), Task.HELPDESK, status, NOON + timedelta(hours=hours))

    old, newest, closed = case(CaseStatus.OPENED, 0), case(CaseStatus.RESOLVED, 1), case(CaseStatus.CLOSED, 2)
    earlier = Earlier(uuid4(), uuid4(), cases=(old, newest, closed))
    assert earlier.as_thread(found_by="references").case_id == newest.case_id
    assert Earlier(uuid4(), uuid4(), cases=(closed,)).as_thread(found_by="references").case_id == closed.case_id
    assert Earlier(uuid4(), uuid4()).as_thread(found_by="references").case_id is None


@given(st.text())
def test_cleaned_text_can_be_stored_anywhere(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert "\x00" not in cleaned
    assert clean(cleaned) == cleaned


def test_a_language_we_do_not_write_becomes_one_we_do() -> None:
    assert language_for("pl", None, "fr") == "fr"
    assert language_for("pl") == "de"
