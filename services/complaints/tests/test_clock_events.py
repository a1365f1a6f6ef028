"""What is announced of legal clocks, by timers and by what people do, in whatever order facts become known."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anliegen.complaints import actions
from anliegen.complaints.clocks.store import list_clocks
from anliegen.complaints.domain import Decision
from anliegen.complaints.states import Outcome, Reason, Resolution, Response
from anliegen.events import (
    ClockBreached,
    ClockMet,
    ClockPaused,
    ClockResumed,
    ClockStarted,
    ClockStopped,
    ClockWarned,
    ReplySent,
)
from anliegen.events.builders import build
from anliegen.kit.versions import ANY_VERSION

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
UPHELD = Decision(outcome=Outcome.UPHELD, reasons=("our_mistake",))


def told(events: list[Any]) -> list[tuple[str, str]]:
    return [(type(event).__name__, event.rule) for event in events]


@pytest.fixture
def clock_events(published: Any) -> Any:
    async def read(rule: str | None = None) -> list[Any]:
        events = await published(
            ClockStarted, ClockPaused, ClockResumed, ClockWarned, ClockBreached, ClockMet, ClockStopped
        )
        return [event for event in events if rule is None or event.rule == rule]

    return read


async def test_clock_warns_and_runs_out_to_the_minute(
    open_complaint: Any, clock: Any, run_timers: Any, clock_events: Any
) -> None:
    # Monday, 2 March 2026, 10:00 in Zurich: ten business days end with Monday, 16 March; two days before it warns.
    await open_complaint()
    assert told(await clock_events()) == [("ClockStarted", "acknowledgement"), ("ClockStarted", "answer")]
    clock.time = datetime(2026, 3, 12, 22, 59, tzinfo=UTC)
    await run_timers()
    assert told(await clock_events("answer")) == [("ClockStarted", "answer")]
    clock.advance(MINUTE)
    await run_timers()
    assert told(await clock_events("answer"))[1:] == [("ClockWarned", "answer")]
    clock.time = datetime(2026, 3, 16, 22, 59, tzinfo=UTC)
    await run_timers()
    assert len(await clock_events("answer")) == 2
    clock.advance(MINUTE)
    await run_timers()
    *_, breached = await clock_events("answer")
    assert isinstance(breached, ClockBreached)
    assert breached.due_at == clock.now()
    clock.advance(30 * DAY)
    await run_timers()
    assert len(await clock_events("answer")) == 3, "it runs out once"


async def test_waiting_for_the_customer_pauses_and_their_word_resumes(
    open_complaint: Any, assess: Any, do: Any, deliver: Any, triaged: Any, clock: Any, run_timers: Any,
    clock_events: Any, begin: Any,
) -> None:  # fmt: skip
    complaint = await open_complaint()
    await assess(complaint.case_id)
    await do("ask_customer", complaint.case_id, question="Wann genau?", language=None)
    clock.advance(30 * DAY)
    await run_timers()
    assert told(await clock_events("answer")) == [("ClockStarted", "answer"), ("ClockPaused", "answer")]
    await deliver(triaged(complaint.journey_id, case_id=complaint.case_id))
    *_, resumed = await clock_events("answer")
    assert isinstance(resumed, ClockResumed)
    # Paused from Monday, 2 March, to Wednesday, 1 April: Wednesday's end counts. Good Friday and Easter Monday do not.
    assert resumed.due_at == datetime(2026, 4, 16, 22, 0, tzinfo=UTC)


async def test_other_rules_stop_clocks_and_start_theirs_from_the_receipt(
    open_complaint: Any, assess: Any, clock: Any, clock_events: Any, begin: Any
) -> None:
    complaint = await open_complaint()
    clock.advance(DAY)
    await assess(complaint.case_id, country="GB", line="payment_services")
    assert told(await clock_events())[2:] == [
        ("ClockStarted", "summary_resolution"),
        ("ClockStarted", "final_response"),
        ("ClockStopped", "acknowledgement"),
        ("ClockStopped", "answer"),
    ]
    final = (await clock_events("final_response"))[0]
    assert final.due_at == datetime(2026, 3, 24, 0, 0, tzinfo=UTC), "15 business days from Monday, 2 March"
    await assess(complaint.case_id)
    assert told(await clock_events())[6:] == [
        ("ClockResumed", "acknowledgement"),
        ("ClockResumed", "answer"),
        ("ClockStopped", "final_response"),
        ("ClockStopped", "summary_resolution"),
    ]


async def test_confirmation_that_is_heard_of_late_turns_breached_into_met(
    open_complaint: Any, deliver: Any, clock: Any, run_timers: Any, clock_events: Any
) -> None:
    complaint = await open_complaint()
    sent_at = clock.now() + MINUTE
    clock.advance(3 * DAY)
    await run_timers()
    assert told(await clock_events("acknowledgement"))[1:] == [("ClockBreached", "acknowledgement")]
    about = {"journey_id": complaint.journey_id, "contact_id": complaint.contact_id, "case_id": None, "task": None}
    await deliver(build(ReplySent, template="acknowledgement", sent_at=sent_at, **about))
    *_, met = await clock_events("acknowledgement")
    assert isinstance(met, ClockMet)
    assert met.met_at == sent_at


async def test_holding_reply_in_time_extends_and_response_meets(
    open_complaint: Any, assess: Any, do: Any, clock: Any, clock_events: Any, begin: Any
) -> None:
    complaint = await open_complaint()
    await assess(complaint.case_id)
    until = clock.now() + 14 * DAY
    await do("explain_delay", complaint.case_id, explanation="Wir warten.", until=until, language=None)
    async with begin() as tx:
        clocks = {one.rule: one for one in await list_clocks(tx, case_id=complaint.case_id)}
    assert clocks["answer"].due_at == datetime(2026, 3, 30, 22, 0, tzinfo=UTC)
    await do("decide_complaint", complaint.case_id, decision=UPHELD)
    await do("answer_complaint", complaint.case_id, response=Response.ACCEPT, answer="Ja.", language=None)
    assert told(await clock_events("answer"))[-1] == ("ClockMet", "answer")


async def test_reopened_complaint_runs_anew_and_a_withdrawn_one_stops(
    open_complaint: Any, answer: Any, begin: Any, clock: Any, clock_events: Any
) -> None:
    complaint = await open_complaint()
    await answer(complaint.case_id)
    clock.advance(DAY)
    async with begin() as tx:
        await actions.reopen_complaint(
            tx, case_id=complaint.case_id, reason=Reason.CUSTOMER_REJECTED, by="anna", expected=ANY_VERSION
        )
    assert told(await clock_events("answer")) == [
        ("ClockStarted", "answer"), ("ClockMet", "answer"), ("ClockStarted", "answer")
    ]  # fmt: skip
    # The receipt was confirmed once; nobody confirms it again.
    assert [kind for kind, _ in told(await clock_events("acknowledgement"))].count("ClockStarted") == 1
    async with begin() as tx:
        await actions.resolve_complaint(tx, case_id=complaint.case_id, resolution=Resolution.WITHDRAWN)
    assert told(await clock_events("answer"))[3:] == [("ClockStopped", "answer")]


async def test_explanation_counts_every_day(client: Any, open_complaint: Any, clock: Any) -> None:
    complaint = await open_complaint()
    agent = client.as_agent()
    url = f"/complaints/v1/complaints/{complaint.case_id}/clocks"
    clocks = (await agent.get(url)).json()["clocks"]
    answer = next(one for one in clocks if one["rule"] == "answer")
    told = (await agent.get(f"{url}/{answer['clock_id']}/explanation")).json()
    assert told["days"][0] == {"date": "2026-03-02", "number": None, "why": "day of receipt"}
    assert [day["number"] for day in told["days"] if day["number"]] == list(range(1, 11))
    assert {day["why"] for day in told["days"] if not day["number"]} == {"day of receipt", "weekend"}
    assert told["days"][-1]["date"] == "2026-03-16"
    assert told["source"]
