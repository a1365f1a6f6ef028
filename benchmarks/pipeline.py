"""The whole pipeline: contacts brought as fast as intake takes them, until every effect in every service is there."""

from collections.abc import AsyncIterator

from .cpu import Meter
from .plan import Plan
from .results import Result
from .stack_world import OUTSIDE, World

WARM_UP = 300
"""Contacts that count for nothing: caches fill, plans are made, consumers have joined."""


async def measure(world: World, plan: Plan) -> AsyncIterator[Result]:
    """Contacts a second, accepted and settled, and CPU for each contact by service."""
    await world.send(min(WARM_UP, plan.contacts))
    await world.settle()
    before = await sizes(world)
    meter = Meter(world.pids())
    answers = await world.send(plan.contacts)
    settled = await world.settle()
    used = meter.read()
    after = await sizes(world)
    await check(world)
    took = settled - answers.began
    yield Result("pipeline, contacts accepted meanwhile", answers.rate, "contacts/s")
    yield Result("pipeline, contacts with all their effects", plan.contacts / took, "contacts/s", answers.rate,
                 "accepting")  # fmt: skip
    yield Result("pipeline: contacts refused for the moment, and sent again", answers.refused, "contacts")
    yield Result("pipeline: from the first contact to the last effect", took, "s", answers.seconds, "accepting")
    per_contact = {name: seconds / plan.contacts * 1000 for name, seconds in used.items()}
    ours = sum(value for name, value in per_contact.items() if name not in OUTSIDE)
    yield Result("pipeline: CPU of everything that is ours", ours, "ms/contact")
    for name in sorted(per_contact, key=lambda name: -per_contact[name]):
        remark = ", left out" if name in OUTSIDE else ""
        if per_contact[name] >= 0.005:
            yield Result(f"pipeline: CPU of {name}{remark}", per_contact[name], "ms/contact")
    yield Result("pipeline: CPU of the load generator, left out", answers.cpu / plan.contacts * 1000, "ms/contact")
    for service, parts in after.items():
        for part, size in parts.items():
            grown = (size - before[service][part]) / plan.contacts
            yield Result(f"pipeline: storage of {service}{part}", grown, "bytes/contact")


async def sizes(world: World) -> dict[str, dict[str, int]]:
    """Bytes of each database and of one replica of Kafka's topics; of that what is kept for a day and for 35."""
    parts = {
        "": "pg_database_size(current_database())",
        ", of that for a day": "pg_total_relation_size('announced')",
        ", of that for 35 days": "pg_total_relation_size('inbox')",
    }
    found = {
        service: {part: await world.ask(service, f"SELECT {size}") for part, size in parts.items()}
        for service in world.stack.services
    }
    segments = (world.stack.home.kafka / "logs").glob("anliegen.*/*.log")
    return {**found, "Kafka": {"": sum(segment.stat().st_size for segment in segments)}}


async def check(world: World) -> None:
    """Every contact is understood, acknowledged and in its journey; nothing is set aside."""
    questions = {
        "kept by intake": ("intake", "SELECT count(*) FROM contacts"),
        "acknowledged": ("intake", "SELECT count(*) FROM outgoing_messages WHERE state IN ('sent', 'delivered')"),
        "read by triage": ("triage", "SELECT count(*) FROM contacts"),
        "in their journeys": ("journey", "SELECT count(*) FROM contacts WHERE text IS NOT NULL"),
    }
    for what, (service, question) in questions.items():
        found = await world.ask(service, question)
        if found != world.accepted:
            raise RuntimeError(f"of {world.accepted} contacts {found} are {what}")
    decided = await world.ask("triage", "SELECT count(*) FROM concerns WHERE task IN ('helpdesk', 'billing_inquiry')")
    cases = await world.ask("helpdesk", "SELECT count(*) FROM questions")
    cases += await world.ask("billing-inquiry", "SELECT count(*) FROM inquiries")
    if trouble := await world.trouble():
        raise RuntimeError(f"set aside: {trouble}")
    if cases == 0 or cases > decided:
        raise RuntimeError(f"{decided} concerns were decided and {cases} cases opened")
