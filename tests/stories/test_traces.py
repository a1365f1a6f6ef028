"""One trace from the first request to the last effect, over HTTP, Kafka and the way out, and logs that name it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from spans import Collector, Span

from anliegen.stack.stack import Stack
from anliegen.stack.world import World, until

pytestmark = pytest.mark.stack
SERVER, CLIENT, CONSUMER = 2, 3, 5
"""The kinds of spans, as OTLP counts them."""


def new_caller() -> tuple[str, str, str]:
    """A `traceparent` as a front end would send it, its trace and its span."""
    trace, span = uuid4().hex, uuid4().hex[:16]
    return f"00-{trace}-{span}-01", trace, span


async def the(collector: Collector, service: str, name: str, *, after: Span | None = None, **attributes: str) -> Span:
    """The one span of this kind that followed from another."""

    async def look() -> Span | None:
        found = collector.find(service, name, after=after, **attributes)
        assert len(found) <= 1, found
        return found[0] if found else None

    found = await until(look, f"{service}: {name}")
    assert found is not None
    return found


async def test_a_contact_is_one_trace_from_its_door_to_the_last_effect(
    world: World, stack: Stack, collector: Collector
) -> None:
    agent = await world.person("agent", name="anna")
    address = f"ada+{uuid4().hex[:8]}@post.example"
    words = {"channel": "web_form", "language": "de", "text": "Wie ändere ich das WLAN-Passwort an meinem Router?"}
    traceparent, trace, caller = new_caller()
    taken = await world.anybody.post(
        "/intake/v1/contacts",
        json={**words, "sender": {"kind": "email", "value": address}},
        headers={"traceparent": traceparent},
    )
    contact = (await agent.get(f"/intake/v1/contacts/{taken.json()['contact_id']}")).json()

    request = await first_request(collector, caller)
    assert (request.service, request.name, request.kind) == ("intake", "POST /intake/v1/contacts", SERVER)
    assert request.trace_id == trace

    understood = await the(collector, "triage", "process anliegen.intake.words", after=request)
    taken_up = await the(collector, "helpdesk", "process anliegen.triage", after=understood)
    assert (understood.kind, taken_up.kind) == (CONSUMER, CONSUMER)
    received_id = understood.attributes.get("messaging.message.conversation_id")
    await seen(collector, "anliegen.intake.words", after=request)
    await seen(collector, "anliegen.triage", after=understood)
    await seen(collector, "anliegen.helpdesk", after=taken_up)

    acknowledged = await the(collector, "intake", "send email", after=request)
    assert acknowledged.kind == CLIENT
    await seen(collector, "anliegen.intake", after=acknowledged)

    # The answer: a second request of another caller, in a trace of its own.
    case = await case_of(agent, contact["journey_id"])
    path = f"/helpdesk/v1/questions/{case}"
    version = (await agent.get(path)).headers["etag"]
    traceparent, trace_of_answer, agents = new_caller()
    headers = {"traceparent": traceparent, "If-Match": version, "Idempotency-Key": f'"{uuid4()}"'}
    answered = await agent.post(f"{path}/answer", json={"answer": "Unter WLAN, dann Sicherheit."}, headers=headers)
    assert answered.is_success, answered.text
    answering = await first_request(collector, agents)
    assert (answering.service, answering.trace_id) == ("helpdesk", trace_of_answer)
    queued = await the(collector, "intake", "process anliegen.helpdesk.words", after=answering)
    sent = await the(collector, "intake", "send email", after=queued)
    await seen(collector, "anliegen.intake", after=sent)
    await seen(collector, "anliegen.helpdesk", after=answering)

    # Each of these steps logged a line, and all lines of the trace name what began it.
    lines = [line for line in logged(stack) if line.get("trace_id") == trace]
    steps = {(line["service"], line["event"]) for line in lines}
    assert ("intake", "request") in steps
    assert ("intake", "reply_sent") in steps
    for span in (understood, taken_up):
        if span.trace_id == trace:
            assert span.service in {service for service, event in steps if event.endswith("handled")}
    assert received_id is not None
    assert {line.get("correlation_id") for line in lines} == {received_id}
    assert not any(address in json.dumps(line) for line in logged(stack))


async def first_request(collector: Collector, caller: str) -> Span:
    """The span of the request that a caller sent, whoever answered it."""

    async def look() -> Span | None:
        return next((span for span in list(collector.spans) if span.parent_id == caller), None)

    found = await until(look, "the request's span")
    assert found is not None
    return found


async def seen(collector: Collector, topic: str, *, after: Span) -> None:
    """Journey takes every event; what one step announces may come to it together or apart."""

    async def look() -> bool:
        found = [span for span in list(collector.spans) if span.service == "journey" and topic in span.name.split()]
        return any(span.follows(after) for span in found)

    await until(look, f"journey: {topic} after {after.service}: {after.name}")


async def case_of(agent: Any, journey_id: str) -> str:
    async def look() -> str | None:
        items = (await agent.get("/helpdesk/v1/questions", params={"journey_id": journey_id})).json()["items"]
        return str(items[0]["question_id"]) if items else None

    found = await until(look, "case")
    assert found is not None
    return found


def logged(stack: Stack) -> Iterator[dict[str, Any]]:
    """Every line that our processes logged."""
    for path in stack.home.logs.glob("*.log"):
        for line in path.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("{"):
                yield json.loads(line)


async def test_what_is_handled_together_links_to_all_that_brought_it_about(world: World, collector: Collector) -> None:
    callers = [new_caller() for _ in range(40)]

    async def bring(traceparent: str, number: int) -> None:
        form = {"channel": "web_form", "text": f"Wie ändere ich das WLAN-Passwort? Router Nummer {number}."}
        sender = {"kind": "email", "value": f"b{uuid4().hex[:10]}@post.example"}
        taken = await world.anybody.post(
            "/intake/v1/contacts", json={**form, "sender": sender}, headers={"traceparent": traceparent}
        )
        assert taken.is_success, taken.text

    await asyncio.gather(*(bring(caller[0], number) for number, caller in enumerate(callers)))
    requests = [await first_request(collector, span) for _, _, span in callers]

    async def handled() -> bool:
        return all(collector.find("triage", "process anliegen.intake.words", after=one) for one in requests)

    await until(handled, "triage's spans of all requests")
    spans = [collector.find("triage", "process anliegen.intake.words", after=one)[0] for one in requests]
    batches = {span for span in spans if span.count > 1}
    assert batches, "forty at once are taken together"
    ours = {one.trace_id for one in requests}
    assert all(span.trace_id not in ours and not span.parent_id for span in batches)
