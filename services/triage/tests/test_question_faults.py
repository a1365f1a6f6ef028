"""Questions that do not reach anybody, and answers to what is not there any more."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import ContactReceived, ContactTriaged, ReplyFailed, RoutingQuestionAsked, Task, Thread
from anliegen.events.builders import build
from anliegen.kit import ids

UNCLEAR = "Hallo zusammen, könnten Sie sich das bitte einmal ansehen?"


@pytest.fixture
async def contact(deliver: Any) -> ContactReceived:
    """A WhatsApp message that waits for a person."""
    event = build(ContactReceived, text=UNCLEAR, journey_id=uuid4(), channel="whatsapp", language="de")
    await deliver(event)
    return event


def review_of(contact: ContactReceived) -> str:
    review: UUID = ids.derived("review", str(contact.contact_id))
    return f"/triage/v1/reviews/{review}"


async def ask(client: Any, contact: ContactReceived, *, version: int = 1) -> Any:
    return await client.as_agent().post(
        f"{review_of(contact)}/questions",
        json={"options": ["billing_inquiry", "claims"]},
        headers={"If-Match": f'"{version}"', "Idempotency-Key": f'"{uuid4()}"'},
    )


async def look(client: Any, contact: ContactReceived) -> Any:
    return (await client.as_agent().get(review_of(contact))).json()


def failure_of(question: RoutingQuestionAsked, **fields: Any) -> ReplyFailed:
    given = {"reply_id": question.reply_id, "contact_id": question.contact_id, "journey_id": question.journey_id}
    return build(ReplyFailed, **(given | fields))


async def test_question_that_did_not_reach_the_customer_is_not_one_of_the_two(
    client: Any, contact: Any, deliver: Any, published: Any
) -> None:
    await ask(client, contact)
    (first,) = await published(RoutingQuestionAsked)
    await deliver(failure_of(first))
    await deliver(failure_of(first))
    assert [one["state"] for one in (await look(client, contact))["questions"]] == ["undelivered"]
    assert (await ask(client, contact, version=2)).status_code == 200
    second = (await published(RoutingQuestionAsked))[1]
    assert (second.ordinal, second.reply_id != first.reply_id) == (1, True)
    await deliver(failure_of(second))
    assert (await ask(client, contact, version=3)).status_code == 200


async def test_failure_of_other_words_or_after_the_answer_changes_nothing(
    client: Any, contact: Any, deliver: Any, published: Any
) -> None:
    await ask(client, contact)
    (question,) = await published(RoutingQuestionAsked)
    await deliver(failure_of(question, reply_id=uuid4()))
    assert [one["state"] for one in (await look(client, contact))["questions"]] == ["asked"]
    await deliver(build(ContactReceived, text="2", journey_id=contact.journey_id, channel="whatsapp", language="de"))
    await deliver(failure_of(question))
    assert [one["state"] for one in (await look(client, contact))["questions"]] == ["answered"]


async def test_answer_for_a_task_that_nobody_serves_any_more_is_for_the_person(
    client: Any, contact: Any, deliver: Any, published: Any, context: Any
) -> None:
    await ask(client, contact)
    packs = context.resources["packs"]
    routing = packs.routing.model_copy(update={"served_tasks": frozenset(packs.routing.served_tasks) - {Task.CLAIMS}})
    context.resources["packs"] = packs.model_copy(update={"routing": routing})
    thread = Thread(contact_id=contact.contact_id, found_by="provider_context")
    await deliver(build(ContactReceived, text="2", journey_id=contact.journey_id, channel="whatsapp", thread=thread))
    review = await look(client, contact)
    assert (review["status"], review["questions"][0]["state"]) == ("open", "unclear")
    assert await published(ContactTriaged) == []


async def test_answer_about_what_was_read_by_packs_of_before_keeps_the_task(
    client: Any, contact: Any, deliver: Any, published: Any, context: Any
) -> None:
    await ask(client, contact)
    packs = context.resources["packs"]
    renamed = packs.intents.intents | {"other_name": packs.intents.intents["invoice_question"]}
    del renamed["invoice_question"]

    class Before:
        version = context.resources["classifier"].version
        _reads = context.resources["classifier"].classify

        def classify(self, **given: Any) -> Any:
            return type(self)._reads(**given)

    context.resources["classifier"] = Before()
    intents = packs.intents.model_copy(update={"intents": renamed})
    context.resources["packs"] = packs.model_copy(update={"intents": intents})
    text = "Meine Rechnung vom Februar ist zu hoch. Bitte prüfen Sie das."
    await deliver(build(ContactReceived, text=text, journey_id=contact.journey_id, channel="whatsapp", language="de"))
    triaged = (await published(ContactTriaged))[0]
    assert (triaged.contact_id, triaged.concerns[0].task) == (contact.contact_id, Task.BILLING_INQUIRY)
    assert triaged.concerns[0].intent == "unspecified"
