"""What somebody tries at the partner door who means harm, or whose program does."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from anliegen.intake.settings import IntakeSettings
from anliegen.kit.testing.clients import TestClient

DOOR = "/intake/v1/partners/erp/events"
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
Tell = Callable[..., Awaitable[httpx.Response]]
Event = Callable[..., dict[str, Any]]
Partner = Callable[[str], httpx.AsyncClient]


@pytest.fixture(autouse=True)
async def nothing_was_taken(database: Any) -> Any:
    yield
    assert (await database.snapshot("partner_events"))["partner_events"] == []


def codes(response: httpx.Response) -> list[str]:
    return [error["code"] for error in response.json().get("errors", [])]


async def test_a_partner_writes_for_no_other(
    client: TestClient, as_partner: Partner, tell: Tell, customer_event: Event
) -> None:
    event = customer_event()
    refusals = [
        await tell(event, partner="erp", by="crm"),
        await tell(event, partner="nobody", by="erp"),
        *[await client.as_(role).post(DOOR, json=event, headers=STRUCTURED) for role in ("administrator", "service")],
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in refusals} == {(403, "not_this_partner")}
    assert len({json.dumps({**a.json(), "instance": "", "trace_id": ""}) for a in refusals}) == 1, "and learns nothing"
    assert (await client.anonymous.post(DOOR, json=event, headers=STRUCTURED)).status_code == 401
    without = client.as_("partner", sub="erp-client", scopes="contacts:write")
    assert (await without.post(DOOR, json=event, headers=STRUCTURED)).status_code == 403
    expired = client.as_("partner", sub="erp-client", exp=int(time.time()) - 3600)
    assert (await expired.post(DOOR, json=event, headers=STRUCTURED)).status_code == 401


async def test_a_token_in_the_address_opens_nothing(client: TestClient, customer_event: Event) -> None:
    # The webhook specification's second way ends in logs, and it says itself that it should not be used.
    from anliegen.kit.testing.clients import token

    address = f"{DOOR}?access_token={token('partner', sub='erp-client')}"
    assert (await client.anonymous.post(address, json=customer_event(), headers=STRUCTURED)).status_code == 401


async def test_a_partner_tells_what_it_may_from_where_it_may(tell: Tell, customer_event: Event) -> None:
    assert codes(await tell(customer_event(source="urn:example:crm"))) == ["source_not_allowed"]
    assert codes(await tell(customer_event(source="urn:example:erp/"))) == ["source_not_allowed"]
    assert codes(await tell(customer_event(source="/anliegen/intake"))) == ["source_not_allowed"]
    mute = customer_event(source="urn:example:mute")
    assert codes(await tell(mute, partner="mute")) == ["type_not_allowed"]
    for ours in ("intake.journeys_merged.v1", "intake.customer_record_changed.v1", "partner.*", "*"):
        assert codes(await tell(customer_event(type=ours))) == ["type_unknown"]


async def test_headers_cannot_be_smuggled_into_an_event(as_partner: Partner, customer_event: Event) -> None:
    good = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "urn:example:erp",
            "ce-type": "partner.customer_record_changed.v1", "Content-Type": "application/json"}  # fmt: skip
    body = json.dumps(customer_event()["data"]).encode()
    for name, value, code in (
        ("ce-id", "1%0D%0Ace-source: urn:example:crm", "control_character"),
        ("ce-id", "%00", "control_character"),
        ("ce-source", "urn:example:erp%ff", "not_utf8"),
        ("ce-id", "x" * 256, "not_a_text"),
        ("ce-time", "2026-03-02", "not_a_time"),
    ):
        answer = await as_partner("erp").post(DOOR, content=body, headers={**good, name: value})
        assert (answer.status_code, codes(answer)) == (422, [code])
    twice = [*good.items(), ("CE-Source", "urn:example:crm")]
    assert codes(await as_partner("erp").post(DOOR, content=body, headers=twice)) == ["given_twice"]


async def test_a_structured_event_is_what_its_body_says_whatever_its_headers_say(
    as_partner: Partner, customer_event: Event
) -> None:
    headers = {**STRUCTURED, "ce-source": "urn:example:erp", "ce-id": "1"}
    answer = await as_partner("erp").post(DOOR, json=customer_event(source="urn:example:crm"), headers=headers)
    assert codes(answer) == ["source_not_allowed"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe{\x00}\x00", 400),
        ("ä".encode("latin-1"), 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 500 + b"1" + b"}" * 500, 400),
        (b'{"id": "\\u0000"}', 422),
        (b'{"id": "\\ud800"}', 422),
        (b'{"id": NaN}', 400),
        (b'{"id": 1e999}', 422),
        (b"null", 422),
        (b"[]", 422),
    ],
)
async def test_broken_bodies_are_refused_in_words(as_partner: Partner, body: bytes, status: int) -> None:
    answer = await as_partner("erp").post(DOOR, content=body, headers=STRUCTURED)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('"id": ', '"id": "0", "id": ', ("/id", "given_twice")),
        ('"source": ', r'"sourc\u0065": "urn:example:crm", "source": ', ("/source", "given_twice")),
        ('"data": ', '"data": {}, "data": ', ("/data", "given_twice")),
        ('"name": ', '"name": "Berta", "name": ', ("/data/name", "given_twice")),
        ('"name": ', '"unknown": [{"a": 1, "a": 1}], "name": ', ("/data/unknown/0/a", "given_twice")),
        ('"name": ', f'"unknown": {"7" * 5000}, "name": ', ("/data/unknown", "integer_too_large")),
    ],
)
async def test_what_two_readers_could_read_differently_is_refused_in_every_mode(
    as_partner: Partner, customer_event: Event, old: str, new: str, error: tuple[str, str]
) -> None:
    event = customer_event()
    written = json.dumps(event).replace(old, new, 1)
    sent = [(STRUCTURED, written, ""), ({"Content-Type": "application/cloudevents-batch+json"}, f"[{written}]", "/0")]
    if old == '"name": ':
        binary = {f"ce-{name}": event[name] for name in ("specversion", "id", "source", "type")}
        data = json.dumps(event["data"]).replace(old, new, 1)
        sent.append(({**binary, "Content-Type": "application/json"}, data, ""))
    for headers, body, at in sent:
        answer = await as_partner("erp").post(DOOR, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "event_unreadable")
        assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(at + error[0], error[1])]


async def test_too_much_is_refused(tell: Tell, as_partner: Partner, customer_event: Event) -> None:
    long = {"customer_number": "1", "name": "x" * 300_000}
    assert codes(await tell(customer_event(data=long))) == ["data_too_large"]
    assert codes(await tell(customer_event(data={**long, "name": "x" * 250_000}))) == ["string_too_long"]
    unknown = {"customer_number": "1", "we do not know this": ["ä" * 1000] * 140}
    assert codes(await tell(customer_event(data=unknown))) == ["data_too_large"]
    many = await tell([customer_event(str(n)) for n in range(10_000)])
    assert (many.status_code, many.json()["code"], many.json()["maximum_events"]) == (413, "too_many_events", 1000)
    huge = await as_partner("erp").post(DOOR, content=b" " * 4_000_001, headers=STRUCTURED)
    assert huge.status_code == 413
    wrong = await tell([{} for _ in range(1000)])
    assert (wrong.status_code, len(wrong.json()["errors"])) == (422, 50)


async def test_a_flood_is_slowed_down(tell: Tell) -> None:
    statuses = [(await tell({})).status_code for _ in range(601)]
    assert statuses == [422] * 600 + [429]


async def test_names_in_the_path_are_checked_before_anything_else(as_partner: Partner) -> None:
    for name in ("ERP", "..%2f", "erp%00", "a" * 64, "erp.crm"):
        answer = await as_partner("erp").post(f"/intake/v1/partners/{name}/events", content=b"{}", headers=STRUCTURED)
        assert answer.status_code in {404, 422}


@pytest.mark.parametrize(
    ("partners", "says"),
    [
        ({"Erp": {"sources": ["a"]}}, "is not a name"),
        ({"erp": {"sources": []}}, "at least 1"),
        ({"erp": {"sources": ["a"], "types": ["partner.moon_landed.v1"]}}, "is no type"),
        ({"erp": {"sources": ["a"]}, "crm": {"sources": ["a"]}}, "have the source a in common"),
        ({"erp": {"sources": ["a"], "subjects": ["x"]}, "crm": {"sources": ["b"], "subjects": ["x"]}}, "the subject x"),
        ({"erp": {"sources": ["a"], "tipes": ["*"]}}, "Extra inputs"),
    ],
)
def test_a_registration_that_is_not_safe_is_refused_at_start(settings: Any, partners: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        IntakeSettings(**{**settings.model_dump(), "partners": partners})
