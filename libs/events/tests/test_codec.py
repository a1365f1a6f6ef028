"""Events to bytes and back: what consumers bear with, and what is refused."""

import json
from typing import Any
from uuid import uuid4

import pytest

from anliegen.events import (
    Channel,
    ContactReceived,
    ContactTriaged,
    Event,
    HelpdeskReplyRequested,
    JourneyEvent,
    QuestionOpened,
    Task,
    registry,
)
from anliegen.events.builders import build
from anliegen.events.codec import LARGEST_PAYLOAD, PayloadMalformed, PayloadTooLarge, decode, decode_as_said, encode

CLASSES = registry.classes_in("anliegen.events")
SECRET = "Alpenglühen"


def as_json(event: Event, **changes: Any) -> bytes:
    """The event's bytes with these changes, as a newer or a broken producer would write them."""
    return json.dumps(json.loads(encode(event)) | changes).encode()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.event_type)
def test_every_event_comes_back(cls: type[Event]) -> None:
    event = build(cls)
    assert decode_as_said(cls.event_type, encode(event)) == event


def test_field_with_nothing_in_it_is_absent() -> None:
    assert b"null" not in encode(build(ContactReceived))
    assert b"customer_number" not in encode(build(ContactReceived))


def test_type_of_a_newer_producer_is_skipped() -> None:
    assert decode("intake.contact_praised.v1", b"{}") is None
    assert decode("intake.contact_received.v2", b"not even JSON") is None


def test_field_of_a_newer_producer_is_ignored_however_deep_it_lies() -> None:
    triaged = build(ContactTriaged)
    concern = json.loads(encode(triaged))["concerns"][0]
    newer = as_json(triaged, mood="calm", concerns=[concern | {"mood": "calm", "reasons": [{"rule": "x", "mood": 1}]}])
    event = decode(triaged.event_type, newer)
    assert isinstance(event, ContactTriaged)
    assert event.concerns[0].reasons[0].rule == "x"
    assert b"mood" not in encode(event)


def test_value_of_a_newer_producer_reads_as_unknown() -> None:
    contact = decode(
        ContactReceived.event_type, as_json(build(ContactReceived), channel="hologram", stated_task="magic")
    )
    assert isinstance(contact, ContactReceived)
    assert contact.channel is Channel.UNKNOWN
    assert contact.stated_task is Task.UNKNOWN


def test_absent_optional_fields_take_their_defaults() -> None:
    opened = build(QuestionOpened)
    without = {name: value for name, value in json.loads(encode(opened)).items() if name not in {"priority", "tier"}}
    event = decode(opened.event_type, json.dumps(without).encode())
    assert isinstance(event, QuestionOpened)
    assert (event.priority, event.tier) == ("normal", 1)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"text": "Alpengl\xc3\xbchen',
        b'{"text": "Alpengl\xfchen"}',
        as_json(build(ContactReceived), text=[SECRET]),
        as_json(build(ContactReceived), journey_id=SECRET),
        as_json(build(ContactReceived), received_at=SECRET),
        as_json(build(ContactReceived), received_at="2026-03-02T08:14:07"),
        as_json(build(ContactReceived), sender={"kind": "email", "value": [SECRET]}),
        as_json(build(ContactReceived), display_name=SECRET * 100),
        as_json(build(ContactReceived), attachments=[{"sha256": SECRET}]),
    ],
)
def test_malformed_data_is_refused_without_its_values(payload: bytes) -> None:
    with pytest.raises(PayloadMalformed) as refused:
        decode(ContactReceived.event_type, payload)
    assert "Alpengl" not in str(refused.value)
    assert ContactReceived.event_type in str(refused.value)
    # What hangs on the exception ends up in logs, too.
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_refusal_names_the_field() -> None:
    payload = as_json(build(ContactReceived), sender={"kind": "email", "value": [SECRET]})
    with pytest.raises(PayloadMalformed, match=r"sender\.value: string_type"):
        decode(ContactReceived.event_type, payload)


def test_name_of_a_template_place_is_not_shown_either() -> None:
    payload = as_json(build(HelpdeskReplyRequested), values={SECRET: 7})
    with pytest.raises(PayloadMalformed, match=r"values\.…: string_type") as refused:
        decode(HelpdeskReplyRequested.event_type, payload)
    assert SECRET not in str(refused.value)


def test_longest_text_that_is_not_control_characters_fits() -> None:
    assert len(encode(build(ContactReceived, text="🙂" * 50_000))) <= LARGEST_PAYLOAD


def test_payload_over_256_kibibytes_is_refused() -> None:
    frame = len(encode(build(HelpdeskReplyRequested, values={"answer": ""})))
    largest = build(HelpdeskReplyRequested, values={"answer": "a" * (LARGEST_PAYLOAD - frame)})
    assert len(encode(largest)) == LARGEST_PAYLOAD
    larger = build(HelpdeskReplyRequested, values={"answer": SECRET + "a" * (LARGEST_PAYLOAD - frame)})
    with pytest.raises(PayloadTooLarge, match=r"helpdesk\.reply_requested\.v1") as refused:
        encode(larger)
    assert SECRET not in str(refused.value)


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(PayloadMalformed, match="not Unicode") as refused:
        encode(build(HelpdeskReplyRequested, values={"answer": SECRET + "\ud83d"}))
    assert SECRET not in str(refused.value)


def test_bytes_do_not_depend_on_how_the_event_came_about() -> None:
    journey_id = uuid4()
    given_as_text = build(ContactReceived, seed=1, journey_id=str(journey_id), channel="email")
    given_as_value = build(ContactReceived, seed=1, journey_id=journey_id, channel=Channel.EMAIL)
    assert encode(given_as_text) == encode(given_as_value)


def test_upcaster_that_makes_no_valid_event_makes_a_malformed_one(own_registry: None) -> None:
    """So it becomes a dead letter, which is kept and can be tried again, and the others go on."""

    class LampLit(JourneyEvent, type="lighthouse.lamp_lit.v1"):
        """A light shines."""

    class LampLitInColour(JourneyEvent, type="lighthouse.lamp_lit.v2"):
        """A light shines in a colour."""

        colour: str

    @registry.upcasts(LampLit, to=LampLitInColour)
    def without_colour(old: LampLit) -> LampLitInColour:
        return LampLitInColour.model_validate({"journey_id": old.journey_id})

    with pytest.raises(PayloadMalformed, match=r"lighthouse\.lamp_lit\.v1: .*missing"):
        decode(LampLit.event_type, encode(LampLit(journey_id=uuid4())))
