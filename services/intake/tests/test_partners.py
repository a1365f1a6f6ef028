"""The partner door over HTTP: what is taken, what a repetition changes (nothing), and what is announced of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
from prometheus_client import REGISTRY

from anliegen.events import CustomerRecordChanged
from anliegen.intake import gauges
from anliegen.intake.actions import announce
from anliegen.intake.actions.hear_partner import hear_events
from anliegen.intake.domain.partners import Told, check
from anliegen.intake.partners.cloudevents import read_json_event
from anliegen.kit.operations.gauges import measure_own
from anliegen.kit.telemetry import metrics
from anliegen.kit.testing.clients import TestClient

DOOR = "/intake/v1/partners/erp/events"
Published = Callable[..., Awaitable[list[Any]]]
Tell = Callable[..., Awaitable[httpx.Response]]
Count = Callable[[], Awaitable[int]]
Event = Callable[..., dict[str, Any]]
Partner = Callable[[str], httpx.AsyncClient]


def is_problem(response: httpx.Response, status: int, *errors: tuple[str, str]) -> bool:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert [(error["pointer"], error["code"]) for error in response.json().get("errors", [])] == list(errors)
    return True


def taken(response: httpx.Response) -> tuple[int, int]:
    assert response.status_code == 202, response.text
    return response.json()["accepted"], response.json()["repeated"]


async def test_an_event_is_taken_and_announced_once(
    tell: Tell, customer_event: Event, announce_all: Count, published: Published, database: Any
) -> None:
    assert taken(await tell(customer_event("no UUID at all"))) == (1, 0)
    assert (await announce_all(), await announce_all()) == (1, 0)
    [changed] = await published(CustomerRecordChanged)
    assert changed.customer_number == "CH471102"
    assert changed.occurred_at == datetime(2026, 3, 2, 8, 14, 7, tzinfo=UTC)
    assert changed.origin.model_dump() == {
        "partner": "erp", "source": "urn:example:erp", "event_id": "no UUID at all",
    }  # fmt: skip
    [row] = (await database.snapshot("partner_events"))["partner_events"]
    assert (row["state"], row["data"]) == ("announced", None), "what it said is not kept any longer than needed"


async def test_one_event_in_every_mode_is_one_event(
    as_partner: Partner, tell: Tell, customer_event: Event, announce_all: Count, published: Published
) -> None:
    event = customer_event()
    attributes = {**{name: value for name, value in event.items() if name != "data"}, "datacontenttype": "text/json"}
    sdk = CloudEvent({**attributes, "time": datetime(2026, 3, 2, 8, 14, 7, tzinfo=UTC)}, event["data"])
    outcomes = []
    for message in (http.to_binary_event(sdk), http.to_structured_event(sdk)):
        outcomes.append(taken(await as_partner("erp").post(DOOR, content=message.body, headers=message.headers)))
        await announce_all()
    outcomes.append(taken(await tell([event, event])))
    assert outcomes == [(1, 0), (0, 1), (0, 2)]
    assert await announce_all() == 0
    assert len(await published(CustomerRecordChanged)) == 1


async def test_the_first_of_two_events_with_one_id_stands_and_the_partner_is_told(
    tell: Tell, customer_event: Event, announce_all: Count, published: Published
) -> None:
    await tell(customer_event())
    other = customer_event(data={"customer_number": "CH-2", "name": "Berta"})
    assert is_problem(await tell(other), 409, ("/id", "event_differs"))
    assert is_problem(await tell([customer_event("2"), other]), 409, ("/1/id", "event_differs"))
    assert is_problem(await tell([customer_event("3"), customer_event("3", data=other["data"])]), 409,
                      ("/1/id", "event_differs"))  # fmt: skip
    assert taken(await tell({**other, "source": "urn:example:erp/second"})) == (1, 0), "an id is of its source"
    await announce_all()
    assert [e.name for e in await published(CustomerRecordChanged)] == ["Anna Muster", "Berta"]


async def test_a_batch_is_taken_whole_or_not_at_all(tell: Tell, customer_event: Event, database: Any) -> None:
    bad = [
        customer_event("1"),
        customer_event("2", type="partner.moon_landed.v1"),
        customer_event("3", source="urn:example:crm"),
        customer_event("4", data={"name": "Nobody"}),
        customer_event("5", data={"customer_number": "!?"}),
        customer_event("6", data=[]),
        customer_event("7", data={"customer_number": "7", "name": "x" * 201}),
    ]
    assert is_problem(
        await tell(bad), 422,
        ("/1/type", "type_unknown"), ("/2/source", "source_not_allowed"), ("/3/data/customer_number", "missing"),
        ("/4/data/customer_number", "not_a_customer_number"), ("/5/data", "not_an_object"),
        ("/6/data/name", "string_too_long"),
    )  # fmt: skip
    assert (await database.snapshot("partner_events"))["partner_events"] == []
    good = [customer_event(str(n)) for n in range(5)]
    assert taken(await tell(good[:3])) == (3, 0)
    assert taken(await tell(good)) == (2, 3), "whoever does not know what became of a batch sends it again"


async def test_many_who_bring_the_same_batch_at_once_bring_it_once(
    tell: Tell, customer_event: Event, announce_all: Count, published: Published
) -> None:
    batch = [customer_event(str(n), data={"customer_number": f"C{n}"}) for n in range(20)]
    answers = await asyncio.gather(*(tell(batch if n % 2 else batch[::-1]) for n in range(8)))
    assert sum(taken(answer)[0] for answer in answers) == 20
    counts = await asyncio.gather(*(announce_all() for _ in range(4)))
    assert sum(counts) == 20
    assert sorted(e.customer_number for e in await published(CustomerRecordChanged)) == sorted(
        f"C{n}" for n in range(20)
    )


async def test_two_who_bring_the_same_in_opposite_orders_do_not_wait_for_each_other_for_ever(
    begin: Any, settings: Any, context: Any, customer_event: Event
) -> None:
    partner, now = settings.partners["erp"], context.clock.now()
    told = [check("erp", partner, read_json_event(customer_event(n)), now=now) for n in ("a", "b")]

    async def bring(order: list[Told], *, after: float) -> list[int]:
        await asyncio.sleep(after)
        async with begin() as tx:
            first = await hear_events(tx, partner="erp", told=order[:1])
            await asyncio.sleep(0.3)
            return [first.new, (await hear_events(tx, partner="erp", told=order[1:])).new]

    assert await asyncio.gather(bring(told, after=0), bring(told[::-1], after=0.1)) == [[1, 1], [0, 0]]


async def test_events_of_one_customer_are_announced_in_their_order(
    tell: Tell, customer_event: Event, announce_all: Count, published: Published
) -> None:
    await tell([customer_event(str(n), data={"customer_number": f"C{n % 3}", "name": str(n)}) for n in range(30)])
    await asyncio.gather(*(announce_all() for _ in range(4)))
    told = [(e.customer_number, int(e.name)) for e in await published(CustomerRecordChanged)]
    assert len(told) == 30
    for number in ("C0", "C1", "C2"):
        assert [n for c, n in told if c == number] == sorted(n for c, n in told if c == number)


async def test_an_event_at_which_announcing_fails_holds_up_its_customer_alone(
    tell: Tell, customer_event: Event, announce_all: Count, published: Published, clock: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    async def fail(tx: Any, event: Any) -> None:
        if event.name == "bad":
            raise RuntimeError("a fault of ours")
        await tx.lock(event.key)

    monkeypatch.setitem(announce.EFFECTS, CustomerRecordChanged, fail)
    names = {"1": ("A", "bad"), "2": ("A", "after it"), "3": ("B", "another")}
    await tell([customer_event(i, data={"customer_number": c, "name": n}) for i, (c, n) in names.items()])
    assert await announce_all() == 1
    assert [e.name for e in await published(CustomerRecordChanged)] == ["another"]
    monkeypatch.delitem(announce.EFFECTS, CustomerRecordChanged)
    assert await announce_all() == 0, "it is not due yet"
    clock.advance(timedelta(minutes=1))
    assert await announce_all() == 2
    assert [e.name for e in await published(CustomerRecordChanged)] == ["another", "bad", "after it"]


async def test_fields_that_we_do_not_know_are_ignored_and_ours_cannot_be_given(
    tell: Tell, customer_event: Event, announce_all: Count, published: Published
) -> None:
    data = {
        "customer_number": "C1", "shoe_size": 43, "journey_id": "00000000-0000-0000-0000-000000000001",
        "origin": {"partner": "bank"}, "occurred_at": "1999-01-01T00:00:00Z",
    }  # fmt: skip
    assert taken(await tell(customer_event(data=data, time=None, comexampleextension="x", subject="s"))) == (1, 0)
    await announce_all()
    [changed] = await published(CustomerRecordChanged)
    assert changed.origin.partner == "erp"
    assert str(changed.journey_id) != data["journey_id"]
    assert changed.occurred_at == datetime(2026, 3, 2, 9, 0, tzinfo=UTC), "without a time: when it reached us"


async def test_alarms_see_what_waits_and_for_how_long(
    tell: Tell, customer_event: Event, announce_all: Count, monkeypatch: pytest.MonkeyPatch, context: Any, clock: Any
) -> None:
    async def seen() -> tuple[float | None, ...]:
        await measure_own(context)
        names = ("partner_events_waiting", "partner_events_oldest_seconds")
        return tuple(REGISTRY.get_sample_value(name, {"service": "intake"}) for name in names)

    async def fail(*_: Any) -> None:
        raise RuntimeError

    assert await seen() == (0, 0)
    monkeypatch.setitem(announce.EFFECTS, CustomerRecordChanged, fail)
    await tell([customer_event(number) for number in "123"])
    await announce_all()
    clock.advance(timedelta(seconds=90))
    await tell(customer_event("4"))
    assert await seen() == (4, 90)
    monkeypatch.setattr(gauges, "COUNTED", 3)
    assert await seen() == (3, 90)
    monkeypatch.delitem(announce.EFFECTS, CustomerRecordChanged)
    assert await announce_all() == 4
    assert await seen() == (0, 0)


async def test_silence_of_partners_goes_on_when_a_process_starts_anew(
    tell: Tell, customer_event: Event, announce_all: Count, monkeypatch: pytest.MonkeyPatch, context: Any, clock: Any
) -> None:
    async def last_heard() -> float | None:
        await measure_own(context)
        labels = {"service": "intake", "channel": "partner"}
        age = REGISTRY.get_sample_value("channel_last_received_age_seconds", labels)
        return None if age is None else pytest.approx(time.time() - age, abs=60)

    def start_anew() -> None:
        monkeypatch.setattr(metrics.channel_last_received, "_last", {})

    start_anew()
    assert await last_heard() is None, "nobody ever told anything"
    await tell(customer_event("1"))
    waiting = clock.now().timestamp()
    start_anew()
    assert await last_heard() == waiting
    await announce_all()
    start_anew()
    assert await last_heard() == waiting, "an announced one counts, too"
    clock.advance(timedelta(hours=1))
    await tell(customer_event("1"))
    assert await last_heard() == waiting + 3600, "what came again was heard as well"


async def test_old_events_are_forgotten_and_waiting_ones_never(
    tell: Tell, customer_event: Event, announce_all: Count, context: Any, clock: Any, database: Any
) -> None:
    from anliegen.intake import announcer

    await tell(customer_event("1"))
    await announce_all()
    await tell(customer_event("2"))
    clock.advance(timedelta(days=399))
    await announcer.forget_old(context)
    assert len((await database.snapshot("partner_events"))["partner_events"]) == 2
    clock.advance(timedelta(days=2))
    await announcer.forget_old(context)
    assert [r["event_id"] for r in (await database.snapshot("partner_events"))["partner_events"]] == ["2"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"specversion": "1.0"}'),
        ("application/cloudevents+avro", b"x"),
        ("application/cloudevents+json; charset=latin-1", b"{}"),
        ("application/cloudevents-batch+xml", b"[]"),
        ("text/plain", b"hello"),
    ],
)
async def test_what_is_no_cloudevent_is_answered_with_415(as_partner: Partner, content_type: str, body: bytes) -> None:
    answer = await as_partner("erp").post(DOOR, content=body, headers={"Content-Type": content_type})
    assert is_problem(answer, 415)


async def test_consent_is_given_to_registered_webhooks_alone(client: TestClient) -> None:
    async def ask(origin: str, partner: str = "erp") -> httpx.Response:
        headers = {"WebHook-Request-Origin": origin, "WebHook-Request-Rate": "9999",
                   "WebHook-Request-Callback": "http://169.254.169.254/"}  # fmt: skip
        answer = await client.anonymous.options(f"/intake/v1/partners/{partner}/events", headers=headers)
        assert (answer.status_code, answer.headers["allow"], answer.content) == (200, "OPTIONS, POST", b"")
        return answer

    agreed = await ask("ERP.example")
    assert agreed.headers["webhook-allowed-origin"] == "ERP.example"
    assert agreed.headers["webhook-allowed-rate"] == "600"
    for origin, partner in (("evil.example", "erp"), ("erp.example", "crm"), ("erp.example", "nobody"), ("*", "erp")):
        assert "webhook-allowed-origin" not in (await ask(origin, partner)).headers
