"""The telecom bill (R44 to R46): one number on the phone, and one command puts a wrong bill right."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from biller import Biller

from anliegen.stack.business_clock import move_clock, read_clock
from anliegen.stack.stack import Stack
from anliegen.stack.world import World, until

pytestmark = pytest.mark.stack
DOOR = "/billing-inquiry/v1"


async def test_a_wrong_bill_is_put_right_on_the_phone_in_one_command(
    world: World, stack: Stack, moved_back: None
) -> None:
    anna = await world.person("agent", name="anna", tier=2)
    run = uuid4().hex[:8]
    number, address, old = f"CH{int(run, 16)}", f"giulia+{run}@post.example", f"R-{run}"
    biller = Biller(await world.person("partner"), customer_number=number)
    today = datetime.now(UTC) + max(read_clock(stack).values(), default=timedelta())

    async def seen(path: str) -> httpx.Response | None:
        answer = await anna.get(f"{DOOR}{path}")
        return answer if answer.is_success else None

    # Last month's bill has 120 francs for a country where Giulia never was. She did not pay it; reminders began.
    await biller.tell("customer_record_changed", email=address, name="Giulia Ferrari", language="de")
    await biller.bill(old, issued=today - timedelta(days=40), roaming=12_000)
    await until(lambda: seen(f"/dunnings/{old}"), "dunning of the bill")

    # She calls. Her customer number is all that Anna asks for (R44).
    call = {
        "channel": "phone", "customer_number": number, "stated_task": "billing_inquiry", "language": "de",
        "text": "Kundin ruft an: auf der Rechnung stehen 120 Franken Roaming USA, sie war nie dort. Ist verärgert.",
    }  # fmt: skip
    noted = await world.command(anna, "/intake/v1/contacts", call)
    contact_id = noted.json()["contact_id"]
    journey_id = (await anna.get(f"/intake/v1/contacts/{contact_id}")).json()["journey_id"]

    async def inquiry_of_the_call() -> httpx.Response | None:
        page = (await anna.get(f"{DOOR}/inquiries", params={"journey_id": journey_id})).json()["items"]
        return await seen(f"/inquiries/{page[0]['inquiry_id']}") if page else None

    inquiry = await until(inquiry_of_the_call, "inquiry")
    assert inquiry is not None
    place = f"{DOOR}/inquiries/{inquiry.json()['inquiry_id']}"
    bills = (await anna.get(f"{DOOR}/invoices", params={"journey_id": journey_id})).json()["items"]
    assert [bill["invoice_number"] for bill in bills] == [old]

    # While somebody looks into it, nobody reminds her.
    await world.command(anna, f"{place}/invoice", {"invoice_number": old}, seen=inquiry)
    dunning = (await anna.get(f"{DOOR}/dunnings/{old}")).json()
    assert dunning["held"] is True and dunning["open_amount"]["amount"] == 17_837

    # Anna sees what will be, tells it, and does it while Giulia is on the phone (R45).
    wish = {
        "lines": [{"line_id": "2", "net": 0}], "reason": "wrong_line", "inquiry_id": inquiry.json()["inquiry_id"],
        "goodwill": {"severity": 3, "failures": 1}, "language": "de",
    }  # fmt: skip
    preview = (await anna.post(f"{DOOR}/invoices/{old}/correction/preview", json=wish)).json()
    assert (preview["total"], preview["difference"], preview["goodwill"]) == (4865, 12_972, 2594)
    assert (await anna.get(f"{DOOR}/invoices/{old}")).json()["open_amount"] == 17_837
    bill = await anna.get(f"{DOOR}/invoices/{old}")
    corrected = (await world.command(anna, f"{DOOR}/invoices/{old}/correction", wish, seen=bill)).json()
    new = corrected["new_number"]
    assert new == preview["invoice_number"]
    before, after = [(await anna.get(f"{DOOR}/invoices/{name}")).json() for name in (old, new)]
    assert (before["in_force"], before["open_amount"]) == (False, 0)
    assert (after["in_force"], after["open_amount"]) == (True, 4865)
    cleared = (await anna.get(f"{DOOR}/dunnings/{old}")).json()
    assert (cleared["stage"], cleared["open_amount"]["amount"]) == ("cleared", 0)

    # The new bill is in her mailbox before she hangs up; its address is her own record's, she was asked for none.
    async def letter() -> dict[str, Any] | None:
        return next((mail for mail in await world.mails_to(address) if new in mail["subject"]), None)

    mail = await until(letter, "mail with the corrected bill")
    assert mail is not None
    assert "48,65\u00a0CHF" in mail["text"] and "129,72\u00a0CHF" in mail["text"]
    assert [part["name"] for part in mail["attachments"]] == [f"{new}.pdf"]
    paper = await world.outside.get(f"/mailbox/{mail['id']}/attachments/0")
    assert paper.content.startswith(b"%PDF-") and b"%%EOF" in paper.content[-20:]

    # We are sorry: a credit for the next period, as goodwill that was decided, not as a discount by hand (R46).
    async def credit() -> dict[str, Any] | None:
        entries = (await anna.get(f"{DOOR}/accounts/{number}")).json()["entries"]
        return next((entry for entry in entries if entry["kind"] == "goodwill"), None)

    given = await until(credit, "goodwill as a credit")
    assert given is not None and given["amount"] == -2594
    assert datetime.fromisoformat(given["effective_on"]).date() > today.date(), "not for this bill"
    assert (await anna.get(f"{DOOR}/invoices/{new}")).json()["open_amount"] == 4865

    # A month later the next bill is smaller by that.
    move_clock(stack, max(read_clock(stack).values(), default=timedelta()) + timedelta(days=30))
    following = f"R-{run}-2"
    await biller.bill(following, issued=today + timedelta(days=30), roaming=None)
    smaller = await until(lambda: seen(f"/invoices/{following}"), "next bill")
    assert smaller is not None and smaller.json()["open_amount"] == 4865 - 2594
    account = (await anna.get(f"{DOOR}/accounts/{number}")).json()["balances"][0]
    assert account["balance"] == account["open_on_invoices"] + account["account"] == 2 * 4865 - 2594

    # All of it is one story, of one person, in the order in which it happened.
    async def story() -> list[str]:
        page = await anna.get(f"/journey/v1/journeys/{journey_id}/timeline", params={"limit": 200})
        kinds = [item["type"] for item in page.json()["items"]]
        return kinds if "complaints.goodwill_issued.v1" in kinds and "intake.reply_sent.v1" in kinds else []

    kinds = await until(story, "whole story")
    told = [
        "intake.contact_received.v1", "billing_inquiry.inquiry_opened.v1", "billing_inquiry.invoice_corrected.v1",
        "billing_inquiry.goodwill_proposed.v1", "complaints.goodwill_decided.v1", "complaints.goodwill_issued.v1",
    ]  # fmt: skip
    places = [kinds.index(kind) for kind in told]
    assert places == sorted(places), kinds
