"""How far triage goes by itself, and what has to be seen before it goes further."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anliegen.events import ComplaintTransferred, ContactReceived, ContactTriaged, ReviewRequested, Task
from anliegen.events.builders import build
from anliegen.kit import ids
from anliegen.triage.classifier import ReadConcern, Reading
from anliegen.triage.modes.domain import RANKS, Seen, checks_of, drift, lower_bound, reach
from anliegen.triage.packs import FitnessPolicy, Mode, Thresholds, load_packs

MODES = "/triage/v1/modes"
REVIEWS = "/triage/v1/reviews"
INVOICE = "Guten Tag, meine Rechnung vom Februar ist zu hoch. Bitte prüfen Sie das."
PACKS = load_packs()
TASKS = [task for task in Task if task is not Task.UNKNOWN]
POLICY = FitnessPolicy(window_days=90, at_least=10, precision=0.9, precision_for_certain=0.5, most_drift=0.25)
FLAT = [20] * 10


# Rules ----------------------------------------------------------------------------------------------------------------
readings = st.builds(
    lambda parts, stated: Reading(
        "de", tuple(ReadConcern(task, "x", sure) for task, sure in parts), stated=stated, confidence=0.5
    ),
    st.lists(st.tuples(st.sampled_from(TASKS), st.floats(0, 1)), max_size=3),
    st.just(False),
)


@given(reading=readings, modes=st.fixed_dictionaries({task: st.sampled_from(Mode) for task in TASKS}))
def test_triage_goes_no_further_than_each_matters_mode_and_confidence_allow(
    reading: Reading, modes: dict[Task, Mode]
) -> None:
    reached = reach(reading, PACKS.routing, modes)
    allowed = [
        [mode for mode in Mode if RANKS[mode] <= RANKS[modes[one.task]]
         and one.confidence >= getattr(PACKS.routing.policy(one.task).thresholds, mode)]
        for one in reading.concerns
    ]  # fmt: skip
    if not allowed or not all(allowed):
        assert reached is None
    else:
        assert reached is min((each[-1] for each in allowed), key=RANKS.__getitem__)


def test_what_the_customer_stated_is_taken_as_said_in_every_mode() -> None:
    reading = Reading("de", (ReadConcern(Task.CLAIMS, "defect", 1.0),), stated=True)
    assert reach(reading, PACKS.routing, dict.fromkeys(TASKS, Mode.SUGGEST)) is Mode.AUTOMATE


def test_stranger_is_not_even_suggested() -> None:
    assert reach(Reading("de", other="spam", confidence=1.0), PACKS.routing, {}) is None


def test_thresholds_have_to_rise() -> None:
    with pytest.raises(ValueError, match="thresholds rise"):
        Thresholds(suggest=0.5, preselect=0.4, automate=0.9)


@pytest.mark.parametrize(("right", "judged", "least"), [(100, 100, 0.9737), (95, 100, 0.9008), (0, 10, 0.0)])
def test_lower_bound_is_wilsons(right: int, judged: int, least: float) -> None:
    assert lower_bound(right, judged) == pytest.approx(least, abs=1e-3)


def test_drift_is_nothing_for_the_same_readings_and_large_for_others() -> None:
    assert drift(FLAT, FLAT) == 0
    moved = drift(FLAT, [200, *[0] * 9])
    assert moved is not None and moved > 1
    assert drift(FLAT, [9] * 10) is None


@pytest.mark.parametrize(
    ("seen", "missing"),
    [
        (Seen(10, 10, 0, 0, FLAT, FLAT), set()),
        (Seen(0, 0, 12, 1, FLAT, FLAT), set()),
        (Seen(9, 9, 0, 0, FLAT, FLAT), {"judged"}),
        (Seen(0, 0, 0, 0, [], []), {"judged", "precision", "precision_for_certain"}),
        (Seen(20, 17, 0, 0, FLAT, FLAT), {"precision"}),
        (Seen(0, 0, 20, 12, FLAT, FLAT), {"precision", "precision_for_certain"}),
        (Seen(20, 20, 0, 0, [200, *[0] * 9], FLAT), {"drift"}),
    ],
)
def test_a_task_is_fit_when_everything_was_seen(seen: Seen, missing: set[str]) -> None:
    assert {check.name for check in checks_of(seen, POLICY) if not check.holds} == missing


# Over the doors -------------------------------------------------------------------------------------------------------
async def switch(caller: Any, task: str, mode: str, *, version: str = '"1"') -> Any:
    headers = {"If-Match": version, "Idempotency-Key": f'"{uuid4()}"'}
    body = {"mode": mode, "reason": "for the test"}
    return await caller.post(f"{MODES}/{task}/changes", json=body, headers=headers)


async def act(caller: Any, review_id: UUID, what: str, body: Any = None, *, version: str = '"1"') -> Any:
    headers = {"If-Match": version, "Idempotency-Key": f'"{uuid4()}"'}
    return await caller.post(f"{REVIEWS}/{review_id}/{what}", json=body, headers=headers)


def review_of(contact: ContactReceived) -> UUID:
    return ids.derived("review", str(contact.contact_id))


async def bring(deliver: Any, text: str = INVOICE, **fields: Any) -> ContactReceived:
    event = build(ContactReceived, text=text, journey_id=uuid4(), **fields)
    await deliver(event)
    return event


async def test_every_task_begins_as_the_pack_has_it(client: Any) -> None:
    found = (await client.as_agent().get(MODES)).json()["items"]
    assert {one["task"]: (one["mode"], one["version"], one["changed_by"]) for one in found} == {
        task.value: (PACKS.routing.policy(task).mode, 1, None) for task in TASKS
    }


async def test_preselected_matter_waits_and_is_confirmed(client: Any, deliver: Any, published: Any) -> None:
    supervisor = client.as_supervisor()
    assert (await switch(supervisor, "billing_inquiry", "preselect")).status_code == 200
    contact = await bring(deliver)
    assert await published(ContactTriaged) == []
    review = (await client.as_agent().get(f"{REVIEWS}/{review_of(contact)}")).json()
    assert (review["mode"], review["suggestions"][0]["intent"]) == ("preselect", "invoice_question")
    response = await act(client.as_agent(sub="agent-7"), review_of(contact), "confirmation")
    assert (response.status_code, response.json()["decided_by"]) == (200, "agent-7")
    (triaged,) = await published(ContactTriaged)
    (concern,) = triaged.concerns
    assert (triaged.decided_by, concern.task, concern.intent) == ("person", Task.BILLING_INQUIRY, "invoice_question")
    suggested = review["suggestions"][0]
    assert (concern.priority, concern.origin, concern.hardness) == (
        suggested["priority"], suggested["origin"], suggested["hardness"],
    )  # fmt: skip
    assert (await act(client.as_agent(), review_of(contact), "confirmation")).status_code == 412


async def test_nothing_is_confirmed_where_nothing_was_chosen(client: Any, deliver: Any) -> None:
    await switch(client.as_supervisor(), "billing_inquiry", "suggest")
    seen = await bring(deliver)
    review = (await client.as_agent().get(f"{REVIEWS}/{review_of(seen)}")).json()
    assert (review["mode"], len(review["suggestions"])) == ("suggest", 1)
    refused = await act(client.as_agent(), review_of(seen), "confirmation")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_preselected")


async def test_poor_guess_is_not_shown(client: Any, context: Any, deliver: Any, published: Any) -> None:
    class Poor:
        version = "model/poor"

        def classify(self, **_: Any) -> Reading:
            return Reading("de", (ReadConcern(Task.CLAIMS, "defect", 0.29),), confidence=0.29)

    context.resources["classifier"] = Poor()
    contact = await bring(deliver)
    review = (await client.as_agent().get(f"{REVIEWS}/{review_of(contact)}")).json()
    assert (review["mode"], review["suggestions"]) == (None, [])
    assert (await published(ReviewRequested))[0].suggestions == ()


async def test_back_is_always_possible_and_automation_needs_the_report(client: Any, published: Any) -> None:
    supervisor = client.as_supervisor()
    back = await switch(supervisor, "claims", "suggest")
    assert (back.status_code, back.headers["etag"]) == (200, '"2"')
    same = await switch(supervisor, "claims", "suggest", version='"2"')
    assert (same.status_code, same.json()["code"]) == (409, "mode_unchanged")
    refused = await switch(supervisor, "claims", "automate", version='"2"')
    assert (refused.status_code, refused.json()["code"]) == (409, "not_fit")
    assert any("100 more have to be judged" in one for one in refused.json()["missing"])
    history = (await client.as_agent().get(f"{MODES}/claims/changes")).json()["items"]
    assert [(one["mode"], one["reason"], one["version"]) for one in history] == [("suggest", "for the test", 2)]


@pytest.fixture
async def judged(client: Any, deliver: Any, monkeypatch: pytest.MonkeyPatch) -> ContactReceived:
    """Billing inquiry in `preselect`, with three confirmed readings and one that was corrected; three are enough."""
    monkeypatch.setattr("anliegen.triage.modes.actions.KEPT_DAYS", 0)
    await switch(client.as_supervisor(), "billing_inquiry", "preselect")
    contacts = [await bring(deliver) for _ in range(4)]
    for contact in contacts[:3]:
        assert (await act(client.as_agent(), review_of(contact), "confirmation")).status_code == 200
    body = {"concerns": [{"task": "claims", "intent": "defect"}]}
    assert (await act(client.as_agent(), review_of(contacts[3]), "decision", body)).status_code == 200
    return contacts[3]


def lowered(context: Any, **bounds: Any) -> None:
    packs = context.resources["packs"]
    fitness = packs.routing.fitness.model_copy(update=bounds)
    routing = packs.routing.model_copy(update={"fitness": fitness})
    context.resources["packs"] = packs.model_copy(update={"routing": routing})


async def test_report_counts_what_people_made_of_readings(client: Any, context: Any, judged: Any) -> None:
    report = (await client.as_supervisor().get(f"{MODES}/billing_inquiry/fitness")).json()
    assert (report["fit"], report["reviewed"], report["confirmed"]) == (False, 4, 3)
    assert sum(report["readings_by_confidence"]["recent"]) == 4
    assert {one["name"]: one["seen"] for one in report["checks"]}["precision"] == 0.75
    lowered(context, at_least=4, precision=0.75, precision_for_certain=0.3)
    assert (await client.as_supervisor().get(f"{MODES}/billing_inquiry/fitness")).json()["fit"] is True
    switched = await switch(client.as_supervisor(), "billing_inquiry", "automate", version='"2"')
    assert (switched.status_code, switched.json()["mode"]) == (200, "automate")


async def test_another_models_readings_and_old_judgements_count_for_nothing(
    client: Any, context: Any, judged: Any, clock: Any
) -> None:
    clock.advance(timedelta(days=91))
    report = (await client.as_supervisor().get(f"{MODES}/billing_inquiry/fitness")).json()
    assert report["reviewed"] == 0
    clock.advance(timedelta(days=-91))
    context.resources["classifier"].version = "model/another"
    report = (await client.as_supervisor().get(f"{MODES}/billing_inquiry/fitness")).json()
    assert (report["reviewed"], report["model"]) == (0, "model/another")


async def test_automated_reading_that_its_task_hands_over_was_wrong(
    client: Any, deliver: Any, published: Any, clock: Any
) -> None:
    for _ in range(2):
        await bring(deliver)
    first, _ = await published(ContactTriaged)
    case_id = ids.derived("case", str(first.concerns[0].concern_id), "billing_inquiry")
    handed_over = build(
        ComplaintTransferred, journey_id=first.journey_id, contact_id=first.contact_id, case_id=case_id,
        task=Task.BILLING_INQUIRY, to_task=Task.CLAIMS,
    )  # fmt: skip
    await deliver(handed_over)
    await deliver(handed_over)
    clock.advance(timedelta(days=4))
    report = (await client.as_supervisor().get(f"{MODES}/billing_inquiry/fitness")).json()
    assert (report["automated"], report["handed_over"], report["reviewed"]) == (2, 1, 0)


async def test_two_supervisors_at_the_same_moment_switch_once(client: Any) -> None:
    one, other = client.as_supervisor(sub="one"), client.as_supervisor(sub="other")
    both = await asyncio.gather(switch(one, "claims", "suggest"), switch(other, "claims", "preselect"))
    assert sorted(response.status_code for response in both) == [200, 412]


async def test_modes_are_for_staff_and_switched_by_supervisors(client: Any) -> None:
    assert (await switch(client.as_agent(), "claims", "suggest")).status_code == 403
    assert (await switch(client.as_agent(scope="modes:write"), "claims", "suggest")).status_code == 404
    customer = client.as_customer(uuid4(), scope="reviews:read modes:write")
    for path in ("", "/claims", "/claims/changes", "/claims/fitness"):
        assert (await client.as_agent().get(MODES + path)).status_code == 200
        assert (await customer.get(MODES + path)).status_code == 404
        assert (await client.anonymous.get(MODES + path)).status_code == 401
    assert (await switch(customer, "claims", "suggest")).status_code == 404
    assert (await client.as_agent().get(f"{MODES}/gardening")).status_code == 422
    assert (await switch(client.as_supervisor(), "claims", "guess")).status_code == 422
