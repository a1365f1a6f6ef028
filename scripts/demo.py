"""Play the first journey through the running stack: three customers, three channels, two agents, one thread each."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from textwrap import shorten
from typing import Any
from uuid import uuid4

import httpx
from rich.console import Console
from rich.table import Table
from rich.text import Text

from anliegen.stack.errors import StackError
from anliegen.stack.lifecycle import read_stack
from anliegen.stack.world import World, until

RUN = uuid4().hex[:6]
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
COLOURS = {
    "intake": "cyan", "triage": "magenta", "helpdesk": "green", "billing-inquiry": "yellow", "journey": "blue",
}  # fmt: skip
TASKS = {"helpdesk": "Helpdesk", "billing_inquiry": "Billing inquiry"}
CASES = {"helpdesk": "/helpdesk/v1/questions", "billing_inquiry": "/billing-inquiry/v1/inquiries"}
out = Console(highlight=False, soft_wrap=True)


@dataclass
class Customer:
    """Somebody with a matter, and what has been seen of it."""

    name: str
    channel: str
    says: str
    address: str
    answer: str
    contact_id: str = ""
    journey_id: str = ""
    reference: str = ""
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    shown: set[str] = field(default_factory=set)


def mail() -> tuple[bytes, Customer]:
    """A German mail with an attachment, as a mail server hands it over; each run comes from somebody new."""
    address = f"renate.hoegl+{RUN}@posteo.example"
    raw = (EXAMPLES / "invoice-question.eml").read_bytes()
    raw = raw.replace(b"<5f2c9e0a-hoegl-20260302@", f"<{RUN}-hoegl@".encode())
    raw = raw.replace(b"renate.hoegl@posteo.example", address.encode())
    message = message_from_bytes(raw, policy=SMTP)
    return raw, Customer(
        "Renate Högl", "e-mail", str(message["Subject"]), address,
        "Sie haben recht: Das Paket haben Sie nie bestellt. Wir nehmen es heraus und schreiben Ihnen 14,90 € gut.",
    )  # fmt: skip


def whatsapp() -> tuple[dict[str, Any], Customer]:
    """A WhatsApp message as the provider sends it."""
    payload = json.loads((EXAMPLES / "whatsapp-message.json").read_text())
    message = payload["entry"][0]["changes"][0]["value"]["messages"][0]
    number = f"4179{int(RUN, 16) % 10**7:07}"
    message.update(id=f"wamid.{RUN}{uuid4().hex}", timestamp=str(int(time.time())), **{"from": number})
    payload["entry"][0]["changes"][0]["value"]["contacts"][0]["wa_id"] = number
    return payload, Customer(
        "Luca Bernasconi", "WhatsApp", message["text"]["body"], message["from"],
        "Gern: Öffnen Sie http://box.home, dann WLAN → Sicherheit. Das jetzige Passwort steht unten auf der Box.",
    )  # fmt: skip


def form() -> tuple[dict[str, Any], Customer]:
    """A web form in French, without any customer number."""
    content = json.loads((EXAMPLES / "web-form.json").read_text())
    content["sender"]["value"] = f"camille.pittet+{RUN}@courriel.example"
    return content, Customer(
        "Camille Pittet", "web form", content["text"], content["sender"]["value"],
        "Notre point de vente se trouve à la rue de Romont 12 ; le samedi, nous sommes ouverts de 9 h à 16 h.",
    )  # fmt: skip


def told(entry: dict[str, Any]) -> str:  # noqa: PLR0911 - one line for each kind of event
    """One event in a few words."""
    data, kind = entry["data"], entry["type"].split(".")[1]
    match kind:
        case "contact_received":
            files = len(data["attachments"])
            return f"contact received · {data['channel']} · {data.get('language', '?')}" + (
                f" · {files} attachment" if files else ""
            )
        case "customer_learnt":
            return f"learnt who writes · {data['assurance']}"
        case "contact_triaged":
            concerns = ", ".join(f"{c['task']} / {c['intent']} ({c['confidence']:.2f})" for c in data["concerns"])
            return f"understood by {data['decided_by']} · {concerns or 'nothing to do'}"
        case "review_requested":
            return "not sure enough · a person should look"
        case "reply_sent":
            return f"{data['template']} sent · {data['channel']} · {data['language']}"
        case "reply_requested":
            return f"words for the customer · {data['template']}"
        case _:
            promise = data.get("promise") or {}
            until_ = (
                f" · promised by {promise['due_at'][:16].replace('T', ' ')}" if promise.get("state") == "open" else ""
            )
            kept = " · promise kept" if promise.get("state") == "kept" else ""
            return f"{kind.replace('_', ' ')} · {data.get('status', '')}{until_}{kept}"


def scene(title: str) -> None:
    """Head what follows."""
    out.print()
    out.rule(f"[bold]{title}[/]", align="left")


async def show_news(agent: httpx.AsyncClient, customers: list[Customer]) -> None:
    """Print what has happened in these journeys since the last look."""
    for customer in customers:
        if not customer.journey_id:
            continue
        page = (await agent.get(f"/journey/v1/journeys/{customer.journey_id}/timeline?limit=100&sort=-at")).json()
        for entry in reversed(page.get("items", [])):
            if entry["event_id"] in customer.shown:
                continue
            customer.shown.add(entry["event_id"])
            after = (datetime.fromisoformat(entry["time"]) - customer.began_at).total_seconds()
            line = Text(f"  {after:+7.3f} s  ", style="dim")
            line.append(f"{customer.name.split()[0]:<8}", style="bold")
            line.append(f"{entry['service']:<16}", style=COLOURS.get(entry["service"], "white"))
            line.append(told(entry), style="default")
            out.print(line)


async def live(agent: httpx.AsyncClient, customers: list[Customer]) -> None:
    """Show news until cancelled."""
    while True:
        await show_news(agent, customers)
        await asyncio.sleep(0.03)


async def come_in(world: World, agent: httpx.AsyncClient, customer: Customer, matter: Any) -> None:
    """The customer's provider hands the matter over; the answer says that it is kept."""
    send = {"e-mail": world.send_mail, "WhatsApp": world.send_whatsapp, "web form": world.send_form}[customer.channel]
    says = shorten(customer.says, 80, placeholder=" …")
    out.print(f"  [bold]{customer.name}[/] by {customer.channel}: [italic]{says}[/]")
    customer.began_at = datetime.now(UTC)
    answer = await send(matter)
    took = (datetime.now(UTC) - customer.began_at).total_seconds() * 1000
    answer.raise_for_status()
    body = answer.json()
    if "contact_id" in body:
        customer.contact_id = body["contact_id"]
    else:  # a webhook is answered before it says which contacts were in it
        customer.contact_id = await newest_contact(agent, customer)
    contact = (await agent.get(f"/intake/v1/contacts/{customer.contact_id}")).json()
    out.print(f"          [dim]accepted in {took:.0f} ms, reference [/][bold]{contact['reference']}[/]")
    # Events tell the business clock's time, which `anliegen clock advance` may have moved by days.
    ahead = datetime.fromisoformat(contact["received_at"]) - customer.began_at
    customer.began_at += timedelta(minutes=round(ahead / timedelta(minutes=1)))
    customer.journey_id, customer.reference = contact["journey_id"], contact["reference"]


async def newest_contact(agent: httpx.AsyncClient, customer: Customer) -> str:
    """The newest contact that the journey of this address knows."""

    async def look() -> str:
        found = await agent.get("/journey/v1/journeys", params={"handle": f"+{customer.address}"})
        for item in found.json().get("items", []):
            briefing = (await agent.get(f"/journey/v1/journeys/{item['journey_id']}")).json()
            if briefing["contacts"]:
                return str(briefing["contacts"][-1]["contact_id"])
        return ""

    return await until(look, f"contact of {customer.name}")


async def case_of(agent: httpx.AsyncClient, customer: Customer) -> tuple[str, str]:
    """The case that this contact opened: its address and its task."""

    async def look() -> tuple[str, str] | None:
        briefing = (await agent.get(f"/journey/v1/journeys/{customer.journey_id}")).json()
        for case in briefing.get("cases", []):
            view = await agent.get(f"{CASES[case['task']]}/{case['case_id']}")
            if view.is_success and view.json()["contact_id"] == customer.contact_id:
                return f"{CASES[case['task']]}/{case['case_id']}", case["task"]
        return None

    found = await until(look, f"case of {customer.name}")
    assert found is not None
    return found


async def words_for(world: World, customer: Customer) -> list[str]:
    """What reached the customer, the oldest first."""
    if customer.channel == "WhatsApp":
        return [message["text"] for message in await world.whatsapps_to(customer.address)]
    return [mail["text"] for mail in await world.mails_to(customer.address)]


async def play(world: World) -> None:
    """The journey, scene by scene."""
    agent = await world.person("agent", name="anna.frei")
    scenes = [mail(), whatsapp(), form()]
    customers = [customer for _, customer in scenes]

    scene("1 · Three people bring a matter, each on the channel they like")
    watching = asyncio.create_task(live(agent, customers))
    for matter, customer in scenes:
        await come_in(world, agent, customer, matter)
        await case_of(agent, customer)
        await asyncio.sleep(0.4)

    scene("2 · Each was acknowledged once, on its channel and in its language")
    for customer in customers:
        reference = customer.reference

        async def acknowledged(customer: Customer = customer, reference: str = reference) -> list[str]:
            return [words for words in await words_for(world, customer) if reference in words]

        words = await until(acknowledged, f"acknowledgement for {customer.name}")
        out.print(f"  [bold]{customer.name}[/] reads: [dim]{' '.join(words[0].split())[:150]}…[/]")

    scene("3 · An agent takes each case and answers, over REST")
    for customer in customers:
        path, _ = await case_of(agent, customer)
        await world.command(agent, f"{path}/taking", seen=await agent.get(path))
        await world.command(agent, f"{path}/answer", {"answer": customer.answer}, seen=await agent.get(path))

        async def answered(customer: Customer = customer) -> list[str]:
            return [text for text in await words_for(world, customer) if customer.answer[:40] in " ".join(text.split())]

        await until(answered, f"answer for {customer.name}")
        await asyncio.sleep(0.3)

    scene("4 · The providers send everything a second time: nothing changes")
    before = {customer.name: len(await words_for(world, customer)) for customer in customers}
    seen = {customer.name: len(customer.shown) for customer in customers}
    for matter, customer in scenes[:2]:
        send = world.send_mail if customer.channel == "e-mail" else world.send_whatsapp
        (await send(matter)).raise_for_status()
    await asyncio.sleep(1.0)
    watching.cancel()
    await show_news(agent, customers)
    for customer in customers:
        fresh = len(customer.shown) - seen[customer.name]
        words_ = len(await words_for(world, customer)) - before[customer.name]
        out.print(f"  [bold]{customer.name:<17}[/] {fresh} new events, {words_} new messages")
        if fresh or words_:
            raise SystemExit("A repetition had an effect.")

    out.print()
    table = Table(title="One thread for each person", title_justify="left", title_style="bold", width=98)
    for column in ("person", "by", "events", "case", "status", "promise"):
        table.add_column(column, no_wrap=True)
    for customer in customers:
        briefing = (await agent.get(f"/journey/v1/journeys/{customer.journey_id}")).json()
        case = briefing["cases"][-1]
        promises = briefing["promises"]
        broken = f", {promises['broken']} broken" if promises["broken"] else ""
        row = (customer.name, customer.channel, str(len(customer.shown)), TASKS[case["task"]])
        table.add_row(*row, case["status"].replace("_", " "), f"{promises['kept']} kept{broken}")
    out.print(table)


def look_next(world: World, journey_id: str) -> None:
    """Where to look now."""
    stack = world.stack
    scene("It keeps running. Look around:")
    for what, where in (
        ("mails the customers got", f"{stack.outside_url}/mailbox"),
        ("WhatsApp messages", f"{stack.outside_url}/whatsapp-stand-in/"),
        ("every endpoint", f"{stack.http_url}/docs"),
    ):
        out.print(f"  {what:<26}[link={where}]{where}[/]")
    agent = '-H "Authorization: Bearer $(.venv/bin/anliegen token agent)"'
    out.print(f"  a journey, as an agent    [bold]curl -s {agent} {stack.http_url}/journey/v1/journeys/{journey_id}[/]")
    out.print("  how everything is         [bold].venv/bin/anliegen status[/]")
    out.print("  a week passes             [bold].venv/bin/anliegen clock advance 7d[/]")
    out.print("  stop                      [bold]make down[/]\n")


async def main() -> None:
    async with World(read_stack()) as world:
        agent = await world.person("agent", name="anna.frei")
        await play(world)
        found = await agent.get("/journey/v1/journeys", params={"handle": f"renate.hoegl+{RUN}@posteo.example"})
        look_next(world, found.json()["items"][0]["journey_id"])


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except StackError as trouble:
        sys.exit(str(trouble))
