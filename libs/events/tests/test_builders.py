"""Events for tests are valid, belong together by their seed, and travel in their service's envelope."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pydantic import Field, ValidationError

from anliegen.events import (
    CaseStatus,
    Concern,
    ContactReceived,
    ContactTriaged,
    ContentReference,
    Event,
    Handle,
    HelpdeskReplyRequested,
    InquiryOpened,
    JourneyEvent,
    JourneysMerged,
    QuestionOpened,
    QuestionReopened,
    Task,
    registry,
)
from anliegen.events.builders import MOMENT, NothingSensible, build, envelope_for
from anliegen.events.codec import encode
from anliegen.events.envelope import from_headers

CLASSES = registry.classes_in("anliegen.events")
each_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.event_type)


@each_class
def test_same_seed_gives_the_same_event(cls: type[Event]) -> None:
    assert type(build(cls, seed=1)) is cls
    assert encode(build(cls, seed=1)) == encode(build(cls, seed=1))
    assert encode(build(cls, seed=1)) != encode(build(cls, seed=2))
    assert encode(build(cls)) != encode(build(cls))


def test_events_of_one_seed_belong_together() -> None:
    contact, triaged = build(ContactReceived, seed="katrin"), build(ContactTriaged, seed="katrin")
    opened = build(QuestionOpened, seed="katrin")
    assert contact.journey_id == triaged.journey_id == opened.journey_id
    assert contact.contact_id == triaged.contact_id
    assert triaged.concerns[0].concern_id == opened.concern_id
    assert build(HelpdeskReplyRequested, seed="katrin").case_id == opened.case_id


def test_given_fields_are_kept() -> None:
    contact_id = uuid4()
    contact = build(ContactReceived, text="Wo bleibt mein Paket?", contact_id=contact_id, language="de")
    assert (contact.text, contact.contact_id, contact.language) == ("Wo bleibt mein Paket?", contact_id, "de")


def test_given_parts_are_kept() -> None:
    concerns = (build(Concern, task=Task.CLAIMS), build(Concern, task=Task.HELPDESK, ordinal=1))
    assert build(ContactTriaged, concerns=concerns).concerns == concerns
    sender = build(Handle)
    assert build(ContactReceived, sender=sender).sender is sender


def test_invalid_and_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="language"):
        build(ContactReceived, language="deutsch")
    with pytest.raises(ValidationError, match="mood"):
        build(ContactReceived, mood="calm")


def test_case_event_has_its_service_as_task_and_its_fact_as_status() -> None:
    assert build(QuestionOpened).task is Task.HELPDESK
    assert build(InquiryOpened).task is Task.BILLING_INQUIRY
    assert build(QuestionOpened).status is CaseStatus.OPENED
    assert build(QuestionReopened).status is CaseStatus.REOPENED
    assert build(QuestionReopened, status=CaseStatus.CLOSED).status is CaseStatus.CLOSED


def test_case_is_opened_with_a_promise_unless_said_otherwise() -> None:
    promise = build(QuestionOpened).promise
    assert promise is not None
    assert promise.due_at == MOMENT + timedelta(days=1)
    assert build(QuestionOpened, promise=None).promise is None


def test_times_follow_the_given_moment() -> None:
    moment = datetime(2027, 8, 1, 12, tzinfo=UTC)
    assert build(ContactReceived, at=moment).received_at == moment
    assert build(ContactReceived).received_at == MOMENT


def test_merged_journeys_are_in_order() -> None:
    for seed in range(20):
        merged = build(JourneysMerged, seed=seed)
        assert str(merged.journey_a) < str(merged.journey_b)


def test_hash_of_a_file_has_the_form_of_one() -> None:
    assert len(build(ContentReference).sha256) == 64


def test_field_that_nothing_is_sensible_for_has_to_be_given(own_registry: None) -> None:
    class LampLit(JourneyEvent, type="lighthouse.lamp_lit.v1"):
        """A light shines."""

        colour: str = Field(pattern="^#[0-9a-f]{6}$")
        height: int = Field(ge=3)
        steady: bool

    with pytest.raises(NothingSensible, match=r"LampLit\.colour"):
        build(LampLit)
    lit = build(LampLit, colour="#ffcc00")
    assert (lit.height, lit.steady) == (3, False)


@each_class
def test_envelope_is_that_of_the_event(cls: type[Event]) -> None:
    event = build(cls)
    envelope = envelope_for(event)
    assert (envelope.type, envelope.key, envelope.subject) == (cls.event_type, event.key, event.subject)
    assert envelope.source == f"/anliegen/{registry.service_of(cls.event_type)}"
    assert envelope.dataschema == registry.dataschema_of(cls.event_type)
    assert (envelope.sequence, envelope.time, envelope.id.version) == (1, MOMENT, 7)
    assert from_headers(envelope.to_headers(), event.key.encode()) == envelope
    assert envelope_for(event).id != envelope.id


def test_envelope_takes_what_it_is_given() -> None:
    event_id, moment = UUID(int=17), datetime(2027, 8, 1, 12, tzinfo=UTC)
    envelope = envelope_for(build(ContactReceived), id=event_id, time=moment, sequence=9)
    assert (envelope.id, envelope.time, envelope.sequence) == (event_id, moment, 9)
    assert envelope.correlationid is None
    assert envelope.causationid is None


def test_envelope_says_what_caused_it_and_what_began_it() -> None:
    first = envelope_for(build(ContactReceived, seed=1))
    second = envelope_for(build(ContactTriaged, seed=1), cause=first)
    third = envelope_for(build(QuestionOpened, seed=1), cause=second)
    assert (second.causationid, second.correlationid) == (str(first.id), str(first.id))
    assert (third.causationid, third.correlationid) == (str(second.id), str(first.id))
