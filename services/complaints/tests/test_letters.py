"""Letters of final responses: in four languages, seen before they go out, attached when they do."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.complaints.api import responses
from anliegen.complaints.domain import Complaint, Decision, Matter
from anliegen.complaints.letters import letter_values, write_letter
from anliegen.complaints.rules import POLICY
from anliegen.complaints.states import Outcome, Response
from anliegen.complaints.words import LANGUAGES
from anliegen.events import ComplaintsReplyRequested, Priority
from anliegen.kit.documents import render

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TEMPLATE = Path(str(files("anliegen.complaints") / "documents" / "final_response.typ"))
UPHELD = Decision(outcome=Outcome.UPHELD, reasons=("our_mistake",))
URL = "/complaints/v1/complaints"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_rejection_is_written_in_every_language_with_reasons_and_other_ways(language: str) -> None:
    matter = Matter(
        contact_id=uuid4(), journey_id=uuid4(), language=language, intent="service", priority=Priority.NORMAL, tier=1,
        came_at=NOW, country="CH", line="telecom",
    )  # fmt: skip
    complaint = replace(
        Complaint.received(concern_id=UUID(int=7), matter=matter, policy=POLICY),
        decision=Decision(outcome=Outcome.REJECTED, reasons=("as_agreed",), other_ways=("ombudsman",)),
        response=Response.REJECT,
    )
    values = letter_values(
        complaint, answer="#panic() *kein* Befehl", recipient=["Rosa #Beispiel"], language=language, at=NOW
    )
    assert values["recipient"] == ["Rosa #Beispiel"]
    assert len(values["reasons"]) == len(values["other_ways"]) == 1
    pdf = render(TEMPLATE, values, language)
    assert pdf.startswith(b"%PDF-")
    assert render(TEMPLATE, values, language) == pdf


async def test_letter_is_seen_first_and_goes_with_the_reply(
    client: Any, open_complaint: Any, assess: Any, do: Any, published: Any
) -> None:
    case_id = (await open_complaint()).case_id
    await assess(case_id)
    version = (await do("decide_complaint", case_id, decision=UPHELD)).version
    agent, body = client.as_agent(), {"response": "accept", "answer": "Es tut uns leid."}
    seen = await agent.post(f"{URL}/{case_id}/final-response/letter", json=body)
    assert (seen.status_code, seen.headers["content-type"]) == (200, "application/pdf")
    assert seen.content.startswith(b"%PDF-")
    headers = {"If-Match": f'"{version}"', "Idempotency-Key": f'"{uuid4()}"'}
    assert (await agent.post(f"{URL}/{case_id}/final-response", json=body, headers=headers)).status_code == 200
    (reply,) = await published(ComplaintsReplyRequested)
    (letter,) = reply.attachments
    assert (letter.media_type, letter.size) == ("application/pdf", len(seen.content))
    again = await agent.post(f"{URL}/{case_id}/final-response", json=body, headers=headers)
    assert (again.status_code, len(await published(ComplaintsReplyRequested))) == (200, 1)


async def test_letter_of_a_complaint_that_changed_while_it_was_written_is_not_sent(
    client: Any, open_complaint: Any, assess: Any, do: Any, published: Any, monkeypatch: Any
) -> None:
    case_id = (await open_complaint()).case_id
    await assess(case_id)
    version = (await do("decide_complaint", case_id, decision=UPHELD)).version

    async def meanwhile(*args: Any, **fields: Any) -> bytes:
        await do("name_invoice", case_id, invoice_number="R-1")
        return await write_letter(*args, **fields)

    monkeypatch.setattr(responses, "write_letter", meanwhile)
    headers = {"If-Match": f'"{version}"', "Idempotency-Key": f'"{uuid4()}"'}
    body = {"response": "accept", "answer": "Es tut uns leid.", "recipient": ["Rosa Beispiel", "8002 Zürich"]}
    refused = await client.as_agent().post(f"{URL}/{case_id}/final-response", json=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert await published(ComplaintsReplyRequested) == []


async def test_no_connection_is_held_while_a_letter_is_written(
    client: Any, open_complaint: Any, assess: Any, do: Any, context: Any, monkeypatch: Any
) -> None:
    case_id = (await open_complaint()).case_id
    await assess(case_id)
    version = (await do("decide_complaint", case_id, decision=UPHELD)).version
    written = []

    async def watched(*args: Any, **fields: Any) -> bytes:
        # What works in the background may hold one for a moment; a request that waits for its letter would keep it.
        async with asyncio.timeout(10):
            while context.pool.get_size() != context.pool.get_idle_size():
                await asyncio.sleep(0.01)
        written.append(fields["language"])
        return await write_letter(*args, **fields)

    monkeypatch.setattr(responses, "write_letter", watched)
    body = {"response": "accept", "answer": "Es tut uns leid.", "recipient": ["Rosa Beispiel"]}
    headers = {"If-Match": f'"{version}"', "Idempotency-Key": f'"{uuid4()}"'}
    for name in ("final-response/letter", "final-response"):
        assert (await client.as_agent().post(f"{URL}/{case_id}/{name}", json=body, headers=headers)).is_success
    assert written == ["de", "de"]


async def test_nobody_but_staff_writes_or_sees_a_letter(client: Any, open_complaint: Any) -> None:
    complaint = await open_complaint()
    customer = client.as_customer(complaint.journey_id)
    headers = {"If-Match": '"1"', "Idempotency-Key": '"a"'}
    for name in ("final-response", "final-response/letter"):
        body = {"response": "accept", "answer": "Ja.", "language": "de"}
        refused = await customer.post(f"{URL}/{complaint.case_id}/{name}", json=body, headers=headers)
        assert refused.status_code == 403
