"""Keys, subjects, what is frozen, and what producers may not say."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

import anliegen.events
from anliegen.events import (
    AnswerOverdue,
    CaseEvent,
    CaseStatus,
    Channel,
    ContactReceived,
    ContactTriaged,
    CurrenciesDiffer,
    Event,
    Failure,
    HelpdeskReplyRequested,
    JourneyEvent,
    JourneysMerged,
    JourneysSplit,
    Money,
    OpenEnum,
    QuestionAnswered,
    ReplyFailed,
    ReplyRequested,
    ReplySent,
    Task,
    registry,
)
from anliegen.events.builders import build

CLASSES = registry.classes_in("anliegen.events")
OPEN_ENUMS = [enum for enum in OpenEnum.__subclasses__() if enum.__module__.startswith("anliegen.events.")]


@dataclass(frozen=True)
class Question:
    journey_id: UUID
    case_id: UUID
    task: Task
    case_status: CaseStatus


def test_event_about_a_case_takes_journey_case_task_and_status_from_it() -> None:
    question = Question(uuid4(), uuid4(), Task.HELPDESK, CaseStatus.WAITING_FOR_CUSTOMER)
    answer_id = uuid4()
    event = QuestionAnswered.about(question, answer_id=answer_id, answered_by="agent-17")
    assert type(event) is QuestionAnswered
    assert (event.journey_id, event.case_id) == (question.journey_id, question.case_id)
    assert (event.task, event.status) == (Task.HELPDESK, CaseStatus.WAITING_FOR_CUSTOMER)
    assert (event.answer_id, event.answered_by, event.failure, event.promise) == (answer_id, "agent-17", None, None)


def test_event_about_a_case_refuses_fields_it_does_not_have() -> None:
    question = Question(uuid4(), uuid4(), Task.HELPDESK, CaseStatus.OPENED)
    with pytest.raises(ValidationError, match="words_of_the_answer"):
        QuestionAnswered.about(question, answer_id=uuid4(), answered_by="agent-17", words_of_the_answer="Ja")


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.event_type)
def test_every_event_has_a_key_which_its_consumers_lock(cls: type[Event]) -> None:
    event = build(cls)
    assert event.key
    assert event.key in event.lock_keys
    assert event.subject
    if isinstance(event, JourneyEvent):
        assert event.key == str(event.journey_id)
    if isinstance(event, CaseEvent):
        assert event.subject == str(event.case_id)


@pytest.mark.parametrize("cls", [JourneysMerged, JourneysSplit])
def test_link_between_journeys_locks_both(cls: type[JourneysMerged] | type[JourneysSplit]) -> None:
    event = build(cls)
    assert event.lock_keys == (str(event.journey_a), str(event.journey_b))
    assert event.key == str(min(event.journey_a, event.journey_b))


@pytest.mark.parametrize("cls", [ReplySent, ReplyFailed])
def test_fate_of_a_reply_is_about_the_case_or_else_the_contact(cls: type[ReplySent] | type[ReplyFailed]) -> None:
    case_id = uuid4()
    assert build(cls, case_id=case_id).subject == str(case_id)
    acknowledgement = build(cls, case_id=None)
    assert acknowledgement.subject == str(acknowledgement.contact_id)


def test_event_that_belongs_to_no_journey_has_to_say_its_key() -> None:
    with pytest.raises(TypeError, match="Event does not say its key"):
        _ = Event().key


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.event_type)
def test_events_are_frozen(cls: type[Event]) -> None:
    event = build(cls)
    name = next(iter(cls.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(event, name, uuid4())


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.event_type)
def test_producers_may_not_say_more_than_the_class_does(cls: type[Event]) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        build(cls, mood="annoyed")


def test_error_text_of_a_producer_never_holds_what_a_person_wrote() -> None:
    words = "Mein Passwort ist Alpenglühen"
    with pytest.raises(ValidationError) as refused:
        build(ContactReceived, text=[words], display_name=words * 100, mood=words)
    assert "Alpenglühen" not in str(refused.value)
    assert "display_name" in str(refused.value)


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        build(ContactReceived, received_at=datetime(2026, 3, 2, 8, 14))  # noqa: DTZ001


@pytest.mark.parametrize("enum", OPEN_ENUMS, ids=lambda enum: enum.__name__)
def test_value_of_a_newer_producer_reads_as_unknown(enum: type[OpenEnum]) -> None:
    assert enum("a_value_of_next_year").value == "unknown"
    assert [enum(member.value) for member in enum] == list(enum)


def test_value_that_is_no_text_is_not_unknown_but_wrong() -> None:
    with pytest.raises(ValueError, match="7"):
        Channel(7)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="channel"):
        build(ContactReceived, channel=7)


def test_concerns_for_a_task_are_those_it_settles() -> None:
    triaged = build(ContactTriaged)
    assert triaged.concerns_for(Task.HELPDESK) == triaged.concerns
    assert triaged.concerns_for(Task.CLAIMS) == ()


def test_class_without_a_type_is_not_in_the_catalogue() -> None:
    assert {cls.__name__ for cls in CLASSES}.isdisjoint({"Event", "JourneyEvent", "CaseEvent", "ReplyRequested"})


def test_subclass_of_a_published_event_does_not_take_over_its_type(own_registry: None) -> None:
    class Note(ContactReceived):
        """A class without a type."""

    assert (Note.event_type, Note.words) == ("", False)
    assert registry.find_class(ContactReceived.event_type) is ContactReceived


@pytest.mark.parametrize("cls", registry.classes_of(ReplyRequested), ids=lambda cls: cls.event_type)
def test_request_for_a_reply_carries_words(cls: type[Event]) -> None:
    assert cls.words


def test_overdue_answer_is_a_failure_on_our_side() -> None:
    assert isinstance(build(AnswerOverdue).failure, Failure)


def test_everything_that_services_need_is_at_the_top_level() -> None:
    names = anliegen.events.__all__
    assert {cls.__name__ for cls in CLASSES} <= set(names)
    assert sorted(names) == names
    assert HelpdeskReplyRequested.__name__ in names


def test_amounts_of_one_currency_are_reckoned_and_of_two_are_refused() -> None:
    whole, part = Money(amount=4250, currency="CHF"), Money(amount=1000, currency="CHF")
    assert (whole + part).amount == 5250 and (part - whole).amount == -3250 and (-part).amount == -1000
    assert part < whole and whole >= part and str(whole) == "4250 CHF"
    euros = Money(amount=1000, currency="EUR")
    for reckon in (whole.__add__, whole.__sub__, whole.__lt__, whole.__le__, whole.__gt__, whole.__ge__):
        with pytest.raises(CurrenciesDiffer):
            reckon(euros)


@pytest.mark.parametrize(
    ("amount", "basis_points", "share"),
    [(4250, 1000, 425), (5, 1000, 1), (4, 1000, 0), (-5, 1000, -1), (15, -1000, -2), (2**53 - 1, 10_000, 2**53 - 1)],
)
def test_a_share_is_rounded_half_away_from_zero(amount: int, basis_points: int, share: int) -> None:
    assert Money(amount=amount, currency="EUR").share(basis_points).amount == share


@pytest.mark.parametrize("currency", ["eur", "EURO", "", "E1R"])
def test_money_has_an_iso_currency(currency: str) -> None:
    with pytest.raises(ValidationError):
        Money(amount=1, currency=currency)
