"""Asking a customer which task it is: only where it changes the way, twice at most, and nobody has to answer."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import (
    ContactReceived,
    ContactTriaged,
    Flag,
    Priority,
    RoutingQuestionAsked,
    Task,
    Thread,
)
from anliegen.events.builders import build
from anliegen.kit import ids
from anliegen.triage.classifier import ReadConcern, Reading
from anliegen.triage.domain import Contact, Status
from anliegen.triage.packs import Mode, load_packs
from anliegen.triage.questions.domain import answer_of, answers_unthreaded, choice_of, worth_asking

UNCLEAR = "Hallo zusammen, könnten Sie sich das bitte einmal ansehen?"
INVOICE = "Guten Tag, meine Rechnung vom Februar ist zu hoch. Bitte prüfen Sie das."
OPTIONS = ["billing_inquiry", "claims"]
ROUTING = load_packs().routing.model_copy(update={"served_tasks": frozenset(Task) - {Task.UNKNOWN}})
MODES = dict.fromkeys(ROUTING.served_tasks, Mode.AUTOMATE)
TORN = Reading(
    "de",
    (ReadConcern(Task.CLAIMS, "defect", 0.5),),
    confidence=0.5,
    likely=((Task.CLAIMS, 0.5), (Task.COMPLAINTS, 0.45), (Task.FEEDBACK, 0.02)),
)


def contact_with(reading: Reading = TORN, **fields: Any) -> Contact:
    given = {"channel": "whatsapp", "language": "de", "received_at": None} | fields
    return Contact(uuid4(), uuid4(), reading=reading, pack="", status=Status.WAITING, **given)


# Rules ----------------------------------------------------------------------------------------------------------------
def test_customer_torn_between_two_tasks_is_asked() -> None:
    assert worth_asking(contact_with(), Mode.SUGGEST, ROUTING, MODES) == [Task.CLAIMS, Task.COMPLAINTS]


@pytest.mark.parametrize(
    ("fields", "modes"),
    [
        ({"channel": "letter"}, {}),
        ({"language": "es"}, {}),
        ({"reading": TORN.__class__("de", TORN.concerns, likely=((Task.CLAIMS, 0.5), (Task.FEEDBACK, 0.2)))}, {}),
        ({"reading": TORN.__class__("de", TORN.concerns * 2, likely=TORN.likely)}, {}),
        ({"reading": TORN.__class__("de", TORN.concerns, likely=TORN.likely, flags=(Flag.VULNERABLE,))}, {}),
        ({"reading": TORN.__class__("de", TORN.concerns, likely=TORN.likely, priority=Priority.URGENT)}, {}),
        ({"reading": TORN.__class__("de", TORN.concerns, likely=TORN.likely, stated=True)}, {}),
        ({"reading": TORN.__class__("de", other="spam", likely=TORN.likely)}, {}),
        ({}, {Task.COMPLAINTS: Mode.PRESELECT}),
    ],
    ids=["letter", "language", "too unsure", "two matters", "in need", "urgent", "stated", "stranger", "not by itself"],
)
def test_nobody_is_asked_where_it_changes_nothing_or_somebody_should_look(fields: Any, modes: Any) -> None:
    assert worth_asking(contact_with(**fields), Mode.SUGGEST, ROUTING, MODES | modes) == []


def test_nobody_is_asked_what_is_sure_or_goes_where_no_service_is() -> None:
    assert worth_asking(contact_with(), Mode.AUTOMATE, ROUTING, MODES) == []
    alone = ROUTING.model_copy(update={"served_tasks": frozenset({Task.CLAIMS})})
    assert worth_asking(contact_with(), Mode.SUGGEST, alone, MODES) == []


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("1", 1), ("2.", 2), (" 2 bitte", 2), ("Nr. 1", 1), ("Option 3", 3), ("das zweite", 2), ("Le premier !", 1),
        ("il secondo", 2), ("due", 2), ("Zwei", 2), ("4", None), ("12", None), ("1 und 2", None), ("2 Wochen", None),
        ("eine Rechnung", None), ("", None),
    ],
)  # fmt: skip
def test_short_answer_names_an_option(text: str, choice: int | None) -> None:
    assert choice_of(text) == choice


@pytest.mark.parametrize(
    ("reading", "said", "unthreaded"),
    [
        (Reading("de", choice=2), Task.CLAIMS, True),
        (Reading("de", choice=3), None, False),
        (Reading("de", (ReadConcern(Task.CLAIMS, "x", 0.8),)), Task.CLAIMS, True),
        (Reading("de", (ReadConcern(Task.CLAIMS, "x", 0.7),)), None, False),
        (Reading("de", (ReadConcern(Task.HELPDESK, "x", 0.7),)), None, False),
        (Reading("de", (ReadConcern(Task.HELPDESK, "x", 0.99),)), None, False),
        (Reading("de"), None, False),
    ],
)
def test_answer_is_a_number_or_words_that_are_sure_enough(reading: Any, said: Any, unthreaded: bool) -> None:
    options = [Task.BILLING_INQUIRY, Task.CLAIMS]
    assert answer_of(reading, options, ROUTING) is said
    assert answers_unthreaded(reading, options, ROUTING) is unthreaded


# Over the doors -------------------------------------------------------------------------------------------------------
Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
def bring(deliver: Any) -> Any:
    """`await bring(text)`: a WhatsApp message comes in."""

    async def bring(text: str = UNCLEAR, **fields: Any) -> ContactReceived:
        given = {"journey_id": uuid4(), "channel": "whatsapp", "language": "de"} | fields
        event = build(ContactReceived, text=text, **given)
        await deliver(event)
        return event

    return bring


def review_of(contact: ContactReceived) -> UUID:
    return ids.derived("review", str(contact.contact_id))


async def ask(caller: Any, contact: ContactReceived, *options: str, version: str = '"1"') -> Any:
    return await caller.post(
        f"/triage/v1/reviews/{review_of(contact)}/questions",
        json={"options": list(options) or OPTIONS},
        headers={"If-Match": version, "Idempotency-Key": f'"{uuid4()}"'},
    )


async def look(client: Any, contact: ContactReceived) -> dict[str, Any]:
    review: dict[str, Any] = (await client.as_agent().get(f"/triage/v1/reviews/{review_of(contact)}")).json()
    return review


@pytest.mark.parametrize("threaded", [True, False], ids=["quoted", "just typed"])
async def test_answer_decides_the_review_and_continues_its_case(
    client: Any, bring: Any, published: Any, threaded: bool
) -> None:
    contact = await bring()
    asked = await ask(client.as_agent(sub="agent-7"), contact)
    assert (asked.status_code, asked.json()["questions"][0]["state"]) == (200, "asked")
    (question,) = await published(RoutingQuestionAsked)
    assert (question.options, question.language, question.ordinal) == ((Task.BILLING_INQUIRY, Task.CLAIMS), "de", 1)
    thread = Thread(contact_id=contact.contact_id, found_by="provider_context") if threaded else None
    answer = await bring("2", journey_id=contact.journey_id, thread=thread)
    review = await look(client, contact)
    assert (review["status"], review["decided_by"]) == ("decided", "customer")
    assert (review["questions"][0]["state"], review["questions"][0]["answered_by"]) == (
        "answered", str(answer.contact_id),
    )  # fmt: skip
    first, second = await published(ContactTriaged)
    assert (first.contact_id, first.decided_by, first.concerns[0].task) == (contact.contact_id, "customer", Task.CLAIMS)
    assert (second.contact_id, second.concerns[0].task) == (answer.contact_id, Task.CLAIMS)
    assert second.concerns[0].case_id == ids.derived("case", str(first.concerns[0].concern_id), "claims")


async def test_answer_in_words_decides_too_and_tells_the_intent(client: Any, bring: Any, published: Any) -> None:
    contact = await bring()
    await ask(client.as_agent(), contact)
    await bring(INVOICE, journey_id=contact.journey_id)
    first = (await published(ContactTriaged))[0]
    assert (first.contact_id, first.concerns[0].intent) == (contact.contact_id, "invoice_question")


async def test_another_matter_meanwhile_is_a_matter_of_its_own(client: Any, bring: Any, published: Any) -> None:
    contact = await bring()
    await ask(client.as_agent(), contact, "claims", "complaints")
    other = await bring(INVOICE, journey_id=contact.journey_id)
    (triaged,) = await published(ContactTriaged)
    assert (triaged.contact_id, triaged.concerns[0].case_id) == (other.contact_id, None)
    assert (await look(client, contact))["questions"][0]["state"] == "asked"


async def test_answer_that_does_not_tell_leaves_it_to_the_person(client: Any, bring: Any, published: Any) -> None:
    contact = await bring()
    await ask(client.as_agent(), contact)
    thread = Thread(contact_id=contact.contact_id, found_by="provider_context")
    await bring("Keine Ahnung, sagen Sie es mir", journey_id=contact.journey_id, thread=thread)
    review = await look(client, contact)
    assert (review["status"], review["questions"][0]["state"]) == ("open", "unclear")
    assert await published(ContactTriaged) == []


async def test_answer_from_another_journey_decides_nothing(client: Any, bring: Any, published: Any) -> None:
    contact = await bring()
    await ask(client.as_agent(), contact)
    await bring("2", thread=Thread(contact_id=contact.contact_id, found_by="reply_token"))
    assert (await look(client, contact))["questions"][0]["state"] == "asked"
    assert await published(ContactTriaged) == []


async def test_nobody_is_asked_a_third_time_in_one_case(client: Any, bring: Any) -> None:
    contact, agent = await bring(), client.as_agent()
    assert (await ask(agent, contact)).status_code == 200
    waiting = await ask(agent, contact, version='"2"')
    assert (waiting.status_code, waiting.json()["code"]) == (409, "answer_awaited")
    thread = Thread(contact_id=contact.contact_id, found_by="provider_context")
    await bring("...", journey_id=contact.journey_id, thread=thread)
    assert (await ask(agent, contact, version='"2"')).status_code == 200
    await bring("...", journey_id=contact.journey_id, thread=thread)
    third = await ask(agent, contact, version='"3"')
    assert (third.status_code, third.json()["code"]) == (409, "questions_used_up")


async def test_contacts_of_a_thread_are_asked_twice_together(
    client: Any, bring: Any, clock: Any, run_timers: Any
) -> None:
    contact, agent = await bring(), client.as_agent()
    await ask(agent, contact)
    thread = Thread(contact_id=contact.contact_id, found_by="provider_context")
    unclear = await bring("...", journey_id=contact.journey_id, thread=thread)
    clock.advance(timedelta(hours=1))
    await run_timers()
    assert (await ask(agent, unclear)).status_code == 200
    assert (await ask(agent, contact, version='"2"')).json()["code"] == "questions_used_up"


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        (["claims", "claims"], 422, "options_unsuitable"),
        (["claims"], 422, None),
        (["claims", "gardening"], 422, None),
        (["claims", "complaints", "feedback", "helpdesk"], 422, None),
    ],
)
async def test_question_that_makes_no_sense_is_refused(
    client: Any, bring: Any, published: Any, options: list[str], status: int, code: str | None
) -> None:
    response = await ask(client.as_agent(), await bring(), *options)
    assert response.status_code == status
    assert code is None or response.json()["code"] == code
    assert await published(RoutingQuestionAsked) == []


async def test_question_in_a_language_without_words_or_about_what_is_decided_is_refused(
    client: Any, bring: Any
) -> None:
    spanish = await bring("¿Podrían mirarlo, por favor?", language="es")
    assert (await ask(client.as_agent(), spanish)).json()["code"] == "not_askable"
    contact = await bring()
    await client.as_agent().post(
        f"/triage/v1/reviews/{review_of(contact)}/decision",
        json={"concerns": []},
        headers={"If-Match": '"1"', "Idempotency-Key": '"done"'},
    )
    assert (await ask(client.as_agent(), contact, version='"2"')).json()["code"] == "not_askable"
    customer = client.as_customer(contact.journey_id, scope="reviews:write")
    assert (await ask(customer, contact)).status_code == 404


async def test_two_reviewers_at_the_same_moment_ask_once(client: Any, bring: Any, published: Any) -> None:
    contact = await bring()
    both = await asyncio.gather(*(ask(client.as_agent(sub=who), contact) for who in ("one", "other")))
    assert sorted(response.status_code for response in both) == [200, 412]
    assert len(await published(RoutingQuestionAsked)) == 1


async def test_person_and_customer_at_the_same_moment_decide_once(client: Any, bring: Any, published: Any) -> None:
    contact = await bring()
    await ask(client.as_agent(), contact)
    decision = client.as_agent().post(
        f"/triage/v1/reviews/{review_of(contact)}/decision",
        json={"concerns": [{"task": "feedback"}]},
        headers={"If-Match": '"2"', "Idempotency-Key": '"one"'},
    )
    await asyncio.gather(decision, bring("2", journey_id=contact.journey_id))
    decided = [event for event in await published(ContactTriaged) if event.contact_id == contact.contact_id]
    assert len(decided) == 1


async def test_triage_asks_by_itself_where_it_is_torn(client: Any, bring: Any, context: Any, published: Any) -> None:
    classifier = context.resources["classifier"]

    class Torn:
        version = classifier.version

        def classify(self, **given: Any) -> Reading:
            return TORN if given["text"] == UNCLEAR else classifier.classify(**given)

    context.resources["classifier"] = Torn()
    contact = await bring()
    (question,) = await published(RoutingQuestionAsked)
    assert (question.contact_id, question.options) == (contact.contact_id, (Task.CLAIMS, Task.COMPLAINTS))
    review = await look(client, contact)
    assert (review["status"], review["questions"][0]["asked_by"]) == ("open", "triage")
    await bring("das erste", journey_id=contact.journey_id)
    assert (await published(ContactTriaged))[0].concerns[0].task is Task.CLAIMS
