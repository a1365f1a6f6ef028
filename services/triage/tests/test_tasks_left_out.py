"""A deployment may leave a task out (R6): what would have gone there waits for a person, the others keep working."""

from typing import Any
from uuid import uuid4

import pytest

from anliegen.events import ContactReceived, ContactTriaged, ReviewRequested, Task
from anliegen.events.builders import build
from anliegen.kit.service import Service, all_services
from anliegen.triage.packs import load_packs

OUTAGE = "Seit gestern Abend geht bei uns das Internet nicht mehr, auch nach dem Neustart der Box."


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"tasks": ["helpdesk"]}


def contact(text: str, **fields: Any) -> ContactReceived:
    return build(ContactReceived, text=text, journey_id=uuid4(), **fields)


async def test_matter_of_a_task_that_is_left_out_waits_for_a_person(deliver, published) -> None:
    await deliver(contact(OUTAGE))
    assert await published(ContactTriaged) == []
    (review,) = await published(ReviewRequested)
    assert [one.task for one in review.suggestions] == [Task.CLAIMS]


async def test_form_about_a_task_that_is_left_out_waits_for_a_person(deliver, published) -> None:
    await deliver(contact("Bitte rufen Sie mich an.", stated_task=Task.COMPLAINTS))
    assert await published(ContactTriaged) == []
    assert len(await published(ReviewRequested)) == 1


async def test_matter_of_a_task_that_is_there_goes_on(deliver, published) -> None:
    await deliver(contact("Wie sind Ihre Öffnungszeiten am Samstag?"))
    (triaged,) = await published(ContactTriaged)
    assert [one.task for one in triaged.concerns] == [Task.HELPDESK]


async def test_person_cannot_send_a_matter_where_nobody_is(deliver, client) -> None:
    await deliver(contact(OUTAGE))
    agent = client.as_supervisor()
    (review,) = (await agent.get("/triage/v1/reviews")).json()["items"]
    path = f"/triage/v1/reviews/{review['review_id']}"

    async def decide(concerns: list[dict[str, str]], key: str) -> Any:
        headers = {"If-Match": f'"{review["version"]}"', "Idempotency-Key": key}
        return await agent.post(f"{path}/decision", json={"concerns": concerns}, headers=headers)

    refused = await decide([{"task": "claims"}], "first")
    assert refused.status_code == 422
    assert (refused.json()["code"], refused.json()["served"]) == ("task_not_served", ["helpdesk"])
    assert (await decide([{"task": "helpdesk"}], "second")).is_success


def test_tasks_that_are_served_are_those_that_have_a_service(service: Service) -> None:
    tasks = {task for task in Task if task.value.replace("_", "-") in all_services()}
    assert load_packs().routing.served_tasks == tasks
