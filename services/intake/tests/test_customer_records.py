"""A partner's records of customers: a later mail from an address in them is the customer's, whatever comes first."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from anliegen.events import (
    ContactReceived,
    CustomerLearnt,
    CustomerRecordChanged,
    Handle,
    HandleKind,
    JourneysMerged,
    JourneysSplit,
)
from anliegen.intake.store import customers
from anliegen.kit import links
from anliegen.kit.testing.clients import TestClient

Published = Callable[..., Awaitable[list[Any]]]
Send = Callable[..., Awaitable[httpx.Response]]
Count = Callable[[], Awaitable[int]]
Event = Callable[..., dict[str, Any]]
CONTACTS = "/intake/v1/contacts"
FORM = {"channel": "web_form", "text": "Guten Tag, meine Rechnung stimmt nicht, bitte prüfen Sie das."}
MAIL = (
    b"From: Anna Muster <anna@post.example>\r\nTo: service@anliegen.example\r\nSubject: Frage\r\n\r\n"
    b"Wo ist mein Paket?\r\n"
)


@pytest.fixture
def groups(context: Any) -> Callable[[], Awaitable[set[frozenset[tuple[str, str]]]]]:
    """Who is one person: the addresses of each, where there is more than one."""

    async def read() -> set[frozenset[tuple[str, str]]]:
        async with context.pool.acquire() as connection:
            rows = await connection.fetch("SELECT kind, value, journey_id FROM handles")
            roots = await links.roots_of(connection, [row["journey_id"] for row in rows])
        found: dict[Any, set[tuple[str, str]]] = {}
        for row in rows:
            found.setdefault(roots[row["journey_id"]], set()).add((row["kind"], row["value"]))
        return {frozenset(group) for group in found.values() if len(group) > 1}

    return read


Record = Callable[..., Awaitable[None]]
Groups = Callable[[], Awaitable[set[frozenset[tuple[str, str]]]]]
NUMBER = ("customer_number", "CH1")
EMAIL = ("email", "anna@post.example")
PHONE, WHATSAPP = ("phone", "+41795550102"), ("whatsapp", "+41795550102")


async def test_a_later_mail_from_the_address_is_the_customers(
    record: Record, send_mail: Send, published: Published, context: Any
) -> None:
    await record("CH-1", email="Anna@Post.example", name="Anna Muster", language="de")
    [changed] = await published(CustomerRecordChanged)
    assert (await send_mail(MAIL)).status_code == 202
    [mail] = await published(ContactReceived)
    assert mail.journey_id != changed.journey_id, "nothing moves"
    async with context.pool.acquire() as connection:
        assert changed.journey_id in await links.members_of(connection, mail.journey_id)


async def test_an_earlier_mail_from_the_address_becomes_the_customers(
    record: Record, send_mail: Send, published: Published, context: Any
) -> None:
    await send_mail(MAIL)
    await record("CH-1", email="anna@post.example")
    [mail], [changed] = await published(ContactReceived), await published(CustomerRecordChanged)
    async with context.pool.acquire() as connection:
        assert changed.journey_id in await links.members_of(connection, mail.journey_id)


async def test_number_mail_phone_and_whatsapp_of_a_record_are_one_person(
    record: Record, groups: Groups, published: Published
) -> None:
    await record("CH-1", email="anna@post.example", phone="+41 79 555 01 02", name="Anna")
    assert await groups() == {frozenset({NUMBER, EMAIL, PHONE, WHATSAPP})}
    assert {event.evidence for event in await published(JourneysMerged)} == {"customer_record"}
    told = {(e.handle.kind.value, e.handle.value): e.name for e in await published(CustomerLearnt)}
    assert told == dict.fromkeys((NUMBER, EMAIL, PHONE, WHATSAPP), "Anna")


async def test_what_is_no_address_names_nobody_and_the_record_is_announced(
    record: Record, groups: Groups, published: Published
) -> None:
    await record("CH-1", email="none", phone="ask at the office", name="A\x07nna\n")
    assert await groups() == set()
    [changed] = await published(CustomerRecordChanged)
    assert (changed.email, changed.phone) == ("none", "ask at the office")
    assert [e.name for e in await published(CustomerLearnt)] == ["Anna"]


async def test_an_address_of_two_customers_is_neithers(record: Record, groups: Groups, published: Published) -> None:
    await record("CH-1", email="anna@post.example", phone="+41 79 555 01 02")
    await record("CH-2", email="anna@post.example")
    assert await groups() == {frozenset({NUMBER, PHONE, WHATSAPP})}
    [split] = await published(JourneysSplit)
    assert split.reason == "address_of_two_customers"
    await record("CH-1", email="anna@post.example")
    assert await groups() == {frozenset({NUMBER, PHONE, WHATSAPP})}


async def test_two_customers_with_one_address_announced_at_once_are_not_one_person(
    tell: Send, customer_event: Event, announce_all: Count, groups: Groups, published: Published, client: TestClient
) -> None:
    # Addresses that are known already: nobody who enters them makes another one wait.
    for n in range(12):
        await client.anonymous.post(CONTACTS, json={**FORM, "sender": {"kind": "email", "value": f"m{n}@post.example"}})

    def event(number: str, mail: int) -> dict[str, Any]:
        return customer_event(f"{number}", data={"customer_number": number, "email": f"m{mail}@post.example"})

    assert (await tell([event(f"C{n}", n // 2) for n in range(24)])).status_code == 202
    assert sum(await asyncio.gather(*(announce_all() for _ in range(4)))) == 24
    assert await groups() == set()
    assert len(await published(JourneysMerged)) == len(await published(JourneysSplit)) == 12


async def test_record_that_is_announced_while_another_waits_is_seen_by_it(
    record: Record, groups: Groups, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record("CH-1", email="anna@post.example")
    whole, looks = customers.list_customers, []

    async def look(tx: Any, *, handles: Any) -> Any:
        looks.append(handles)
        # At the first look the other record is not committed yet.
        return {handle: {} for handle in handles} if len(looks) == 1 else await whole(tx, handles=handles)

    monkeypatch.setattr(customers, "list_customers", look)
    await record("CH-2", email="anna@post.example")
    assert len(looks) == 4, "all is done again, with the other customer's journey locked"
    assert await groups() == set()
    assert {row["attempts"] for row in (await database.snapshot("partner_events"))["partner_events"]} == {0}


async def test_what_a_person_separated_stays_separate(
    record: Record, groups: Groups, published: Published, client: TestClient
) -> None:
    await record("CH-1", email="anna@post.example")
    [merged] = await published(JourneysMerged)
    removed = await client.as_agent().post(
        f"/intake/v1/links/{merged.link_id}/removal", json={}, headers={"If-Match": '"1"'}
    )
    assert removed.status_code == 200
    await record("CH-1", email="anna@post.example", name="Anna")
    assert await groups() == set()
    assert len(await published(JourneysMerged)) == 1


def contradicted() -> float:
    return REGISTRY.get_sample_value("customer_records_contradicted_total", {"service": "intake"}) or 0.0


async def test_a_record_does_not_contradict_a_person(
    record: Record, groups: Groups, published: Published, client: TestClient
) -> None:
    await client.anonymous.post(CONTACTS, json={**FORM, "sender": {"kind": "email", "value": "anna@post.example"}})
    [contact] = await published(ContactReceived)
    identified = await client.as_agent().post(
        f"{CONTACTS}/{contact.contact_id}/identification",
        json={"customer_number": "CH-9"},
        headers={"If-Match": '"1"'},
    )
    assert identified.status_code == 200
    before = contradicted()
    await record("CH-1", email="anna@post.example")
    assert await groups() == {frozenset({("customer_number", "CH9"), EMAIL})}
    assert contradicted() == before + 1
    await record("CH-1", email="berta@post.example")
    assert contradicted() == before + 1


async def test_an_older_record_that_comes_later_changes_no_name(record: Record, published: Published) -> None:
    await record("CH-1", name="Anna Neu", time="2026-03-02T08:00:00Z")
    await record("CH-1", name="Anna Alt", time="2025-03-02T08:00:00Z", email="anna@post.example")
    learnt = await published(CustomerLearnt)
    assert [(e.handle, e.name) for e in learnt] == [
        (Handle(kind=HandleKind.CUSTOMER_NUMBER, value="CH1"), "Anna Neu"),
        (Handle(kind=HandleKind.EMAIL, value="anna@post.example"), None),
    ]


async def test_records_in_any_order_and_again_come_to_the_same(
    tell: Send, customer_event: Event, announce_all: Count, groups: Groups, database: Any, context: Any
) -> None:
    chance = random.Random(7)
    mails, phones = [f"m{n}@post.example" for n in range(5)], [f"+4179555010{n}" for n in range(4)]
    seen_shared = 0
    for _ in range(6):
        records = [
            customer_event(
                str(n),
                time=f"2026-03-0{chance.randint(1, 9)}T08:00:00Z",
                data={
                    "customer_number": f"C{chance.randrange(4)}",
                    "email": chance.choice([None, *mails]),
                    "phone": chance.choice([None, *phones]),
                    "name": f"Name {n}",
                },
            )
            for n in range(8)
        ]
        outcomes = []
        for _ in range(3):
            order = [*records, *chance.sample(records, 4)]
            chance.shuffle(order)
            while order:
                size = chance.randint(1, 5)
                batch, order = order[:size], order[size:]
                assert (await tell(batch)).status_code == 202
                await announce_all()
            rows = await database.snapshot(
                "customer_records", "customer_addresses", "handles", without=("first_seen_at",)
            )
            outcomes.append((await groups(), rows))
            seen_shared += any(len({r["customer_number"] for r in rows["customer_addresses"] if r["value"] == v}) > 1
                               for v in mails)  # fmt: skip
            await database.empty()
        assert outcomes[0][0] == outcomes[1][0] == outcomes[2][0]
        for table in ("customer_records", "customer_addresses"):
            assert outcomes[0][1][table] == outcomes[1][1][table] == outcomes[2][1][table]
    assert seen_shared, "the case that matters was among them"
