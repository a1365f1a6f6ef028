"""Dunning, agreements, payment methods and refunds over HTTP: previews change nothing, and every answer explains."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.billing_inquiry.domain import Inquiry

PREFIX = "/billing-inquiry/v1"


def keyed(etag: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())} | ({"If-Match": etag} if etag else {})


@pytest.fixture
async def inquiry(open_inquiry: Any, owe: Any, journey: UUID) -> Inquiry:
    await owe(11_900)
    asked: Inquiry = await open_inquiry(journey)
    return asked


async def test_dunning_explains_level_fee_interest_and_day(
    inquiry: Inquiry, pass_days: Any, client: Any, journey: UUID
) -> None:
    await pass_days(40)
    shown = (await client.as_agent().get(f"{PREFIX}/dunnings/R-1")).json()
    assert (shown["stage"], shown["level"], shown["held"]) == ("dunned", 2, False)
    why = shown["explanation"]
    assert (why["default_since"], why["default_by"]) == ("2026-03-27", "reminder")
    assert sum(piece["amount"]["amount"] for piece in why["interest_pieces"]) == why["interest"]["amount"] == 33
    assert (why["next_step"], why["next_step_wanted_on"]) == ("last_dunning", "2026-04-21")
    assert (await client.as_customer(journey, scopes="cases:read").get(f"{PREFIX}/dunnings/R-1")).status_code == 200
    assert (await client.as_customer(uuid4(), scopes="cases:read").get(f"{PREFIX}/dunnings/R-1")).status_code == 404
    assert (await client.as_agent().get(f"{PREFIX}/dunnings/R-9")).status_code == 404


async def test_hold_by_hand_and_its_release(inquiry: Inquiry, client: Any, clock: Any, database: Any) -> None:
    agent = client.as_agent()
    seen = await agent.get(f"{PREFIX}/dunnings/R-1")
    body = {"ends_at": "2026-03-20T12:00:00Z", "reason": "customer_in_hospital"}
    before = await database.snapshot()
    shown = await agent.post(f"{PREFIX}/dunnings/R-1/hold/preview", json=body)
    assert (shown.status_code, shown.json()["held"], shown.json()["next_step_at"]) == (200, True, None)
    assert await database.snapshot() == before
    assert (await agent.post(f"{PREFIX}/dunnings/R-1/hold/preview", json=body | {"reason": None})).status_code == 422
    assert (await agent.post(f"{PREFIX}/dunnings/R-1/hold", json=body, headers=keyed())).status_code == 428
    held = await agent.post(f"{PREFIX}/dunnings/R-1/hold", json=body, headers=keyed(seen.headers["ETag"]))
    assert (held.status_code, held.json()["held"], held.json()["next_step_at"]) == (200, True, None)
    stale = await agent.post(f"{PREFIX}/dunnings/R-1/hold", json=body, headers=keyed(seen.headers["ETag"]))
    assert stale.status_code == 412
    hold = held.json()["holds"][0]["hold_id"]
    path = f"{PREFIX}/dunnings/R-1/holds/{hold}/release"
    why = {"reason": "placed_by_mistake"}
    before = await database.snapshot()
    shown = await agent.post(f"{path}/preview", json=why)
    assert await database.snapshot() == before
    assert (await agent.post(path, headers=keyed(held.headers["ETag"]))).status_code == 422, "it needs a reason"
    released = await agent.post(path, json=why, headers=keyed(held.headers["ETag"]))
    assert (released.status_code, released.json()["held"]) == (200, False)
    assert released.json()["next_step_at"] == shown.json()["next_step_at"] is not None
    ended = released.json()["holds"][0]
    assert (ended["placed_because"], ended["released_because"]) == ("customer_in_hospital", "placed_by_mistake")


async def test_simulation_tells_a_year_and_stores_nothing(client: Any, database: Any) -> None:
    before = await database.snapshot()
    body = {
        "amount": {"amount": 11_900, "currency": "EUR"}, "issued_on": "2026-01-29", "due_on": "2026-02-12",
        "changes": [{"on": "2026-03-10", "amount": -11_900}],
        "held": [{"first": "2026-02-16", "end": "2026-03-02"}],
    }  # fmt: skip
    told = (await client.as_agent().post(f"{PREFIX}/dunning-simulations", json=body)).json()
    assert [one["what"] for one in told["happenings"]] == ["began", "held", "released", "step", "cleared"]
    assert told["pack"] == "dunning_de/1"
    refused = body | {"amount": {"amount": 1, "currency": "JPY"}}
    assert (await client.as_agent().post(f"{PREFIX}/dunning-simulations", json=refused)).status_code == 422
    assert await database.snapshot() == before


async def test_plan_is_previewed_made_and_cancelled(inquiry: Inquiry, client: Any, database: Any) -> None:
    agent = client.as_agent()
    body = {"kind": "plan", "inquiry_id": str(inquiry.case_id), "count": 3, "first_on": "2026-03-31"}
    before = await database.snapshot()
    preview = await agent.post(f"{PREFIX}/dunnings/R-1/agreement/preview", json=body)
    assert [(one["due_on"], one["amount"]["amount"]) for one in preview.json()["instalments"]] == [
        ("2026-03-31", 3968), ("2026-04-30", 3966), ("2026-05-31", 3966),
    ]  # fmt: skip
    assert await database.snapshot() == before
    seen = await agent.get(f"{PREFIX}/dunnings/R-1")
    made = await agent.post(f"{PREFIX}/dunnings/R-1/agreement", json=body, headers=keyed(seen.headers["ETag"]))
    assert made.status_code == 201
    assert (await agent.get(f"{PREFIX}/dunnings/R-1")).json()["holds"][0]["reason"] == "plan"
    again = await agent.get(made.headers["Location"])
    path = f"{made.headers['Location']}/cancellation"
    why = {"reason": "customer_wishes"}
    before = await database.snapshot()
    assert (await agent.post(f"{path}/preview", json=why)).json()["state"] == "cancelled"
    assert await database.snapshot() == before
    assert (await agent.post(path, headers=keyed(again.headers["ETag"]))).status_code == 422, "it needs a reason"
    cancelled = await agent.post(path, json=why, headers=keyed(again.headers["ETag"]))
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert cancelled.json()["ended_because"] == "customer_wishes"
    assert not (await agent.get(f"{PREFIX}/dunnings/R-1")).json()["held"]
    assert len((await agent.get(f"{PREFIX}/dunnings/R-1/agreements")).json()) == 1
    neither = await agent.post(f"{PREFIX}/dunnings/R-1/agreement/preview", json=body | {"count": None})
    assert neither.status_code == 422


async def test_payment_method_comes_out_masked_and_never_refused_with_the_account(
    inquiry: Inquiry, client: Any, database: Any, journey: UUID
) -> None:
    agent = client.as_agent()
    iban = "DE89 3704 0044 0532 0130 00"
    method = {"kind": "sepa_mandate", "iban": iban, "holder": "Rosa Beispiel", "signed_on": "2026-03-02"}
    body = {"inquiry_id": str(inquiry.case_id), "method": method}
    before = await database.snapshot()
    preview = await agent.post(f"{PREFIX}/payment-methods/preview", json=body)
    assert (preview.json()["state"], preview.json()["account"]) == ("in_force", "DE89 … 3000")
    assert await database.snapshot() == before
    made = await agent.post(f"{PREFIX}/payment-methods", json=body, headers=keyed())
    assert made.status_code == 201
    assert "0532" not in made.text
    wrong = body | {"method": method | {"iban": iban.replace("89", "88", 1)}}
    refused = await agent.post(f"{PREFIX}/payment-methods/preview", json=wrong)
    assert (refused.status_code, "0532" in refused.text) == (422, False)
    unfit = body | {"method": method | {"iban": "DE893704004405320130", "more": 1}}
    assert "3704" not in (await agent.post(f"{PREFIX}/payment-methods/preview", json=unfit)).text
    path = f"{made.headers['Location']}/reversal"
    before = await database.snapshot()
    assert (await agent.post(f"{path}/preview", json={"reason": "mistyped"})).json()["state"] == "reversed"
    assert await database.snapshot() == before
    back = await agent.post(path, json={"reason": "mistyped"}, headers=keyed(made.headers["ETag"]))
    assert back.json()["state"] == "reversed"
    known = await agent.get(f"{PREFIX}/payment-methods", params={"journey_id": str(journey)})
    assert [one["state"] for one in known.json()] == ["reversed"]


async def test_much_is_refunded_by_two_people(inquiry: Inquiry, change: Any, client: Any, database: Any) -> None:
    await change(-50_000)
    agent, other = client.as_agent(), client.as_agent(sub="agent-2")
    body = {
        "invoice_number": "R-1", "inquiry_id": str(inquiry.case_id), "amount": 30_000, "currency": "EUR",
        "reason": "overpaid",
    }  # fmt: skip
    before = await database.snapshot()
    assert (await agent.post(f"{PREFIX}/refunds/preview", json=body)).json()["state"] == "waiting"
    assert await database.snapshot() == before
    too_much = await agent.post(f"{PREFIX}/refunds", json=body | {"amount": 38_101}, headers=keyed())
    assert too_much.status_code == 422
    asked = await agent.post(f"{PREFIX}/refunds", json=body, headers=keyed())
    path = f"{asked.headers['Location']}/confirmation"
    assert (await agent.post(path, headers=keyed(asked.headers["ETag"]))).status_code == 403
    # Nor by another token of the same person, whatever it allows and however it spells the name.
    for same in (client.as_supervisor(sub="agent-1"), client.as_administrator(sub="Agent-1 ")):
        assert (await same.post(path, headers=keyed(asked.headers["ETag"]))).status_code == 403
    before = await database.snapshot()
    assert (await agent.post(f"{path}/preview")).status_code == 403
    assert (await other.post(f"{path}/preview")).json()["state"] == "booked"
    refusal = f"{asked.headers['Location']}/refusal/preview"
    assert (await other.post(refusal, json={"reason": "unclear"})).json()["state"] == "refused"
    assert await database.snapshot() == before
    booked = await other.post(path, headers=keyed(asked.headers["ETag"]))
    assert (booked.status_code, booked.json()["state"], booked.json()["decided_by"]) == (200, "booked", "agent-2")
    path = f"{asked.headers['Location']}/reversal"
    before = await database.snapshot()
    assert (await agent.post(f"{path}/preview", json={"reason": "account_closed"})).json()["state"] == "reversed"
    assert await database.snapshot() == before
    back = await agent.post(path, json={"reason": "account_closed"}, headers=keyed(booked.headers["ETag"]))
    assert back.json()["state"] == "reversed"
    listed = await agent.get(f"{PREFIX}/refunds", params={"invoice_number": "R-1"})
    assert [one["state"] for one in listed.json()] == ["reversed"]


async def test_customers_do_not_work_on_money(inquiry: Inquiry, client: Any, journey: UUID) -> None:
    customer = client.as_customer(journey, scopes="cases:read cases:write")
    body = {"kind": "plan", "inquiry_id": str(inquiry.case_id), "count": 2, "first_on": "2026-03-31"}
    seen = await customer.get(f"{PREFIX}/dunnings/R-1")
    assert seen.status_code == 200
    made = await customer.post(f"{PREFIX}/dunnings/R-1/agreement", json=body, headers=keyed(seen.headers["ETag"]))
    assert made.status_code == 403


@pytest.mark.parametrize(
    ("place", "body"),
    [
        ("dunnings/R-1/hold", {"ends_at": "2027-01-01T00:00:00Z", "reason": "customer_wishes"}),
        ("dunnings/R-1/agreement", {"kind": "plan", "count": 3, "first_on": "2026-03-31"}),
        ("payment-methods", {"method": {"kind": "invoice"}}),
        ("refunds", {"invoice_number": "R-1", "amount": 100, "currency": "EUR", "reason": "overpaid"}),
    ],
)
async def test_nobody_decides_on_their_own_money_whatever_else_they_are(
    inquiry: Inquiry, client: Any, change: Any, database: Any, journey: UUID, place: str, body: dict[str, Any]
) -> None:
    """Whoever works here may be a customer, too: their token names both."""
    if place == "refunds":
        await change(-50_000)
    both = client.as_supervisor(roles=["supervisor", "customer"], sub="sara", journey_id=str(journey))
    told = body if "hold" in place else body | {"inquiry_id": str(inquiry.case_id)}
    before = await database.snapshot()
    refused = await both.post(f"{PREFIX}/{place}/preview", json=told)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_case"), refused.text
    headers = keyed(f'"{1}"') if "dunnings" in place else keyed()
    refused = await both.post(f"{PREFIX}/{place}", json=told, headers=headers)
    assert refused.status_code in {403, 412}
    assert await database.snapshot() == before
