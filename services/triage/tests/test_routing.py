"""Who should see a matter: markets, and the rules that ask for skills and tiers."""

from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from anliegen.events import ContactReceived, ContactTriaged, Flag, Handle, HandleKind, Priority, ReviewRequested, Task
from anliegen.events.builders import build
from anliegen.triage.classifier import ReadConcern
from anliegen.triage.packs import Routing, Rule, When, load_packs, with_accounts
from anliegen.triage.routing import asks_of, market_of

PACKS = load_packs()
EVERY_CONDITION = {
    "tasks": [Task.CLAIMS],
    "intents": ["defect"],
    "languages": ["fr"],
    "markets": ["CH"],
    "channels": ["email"],
    "flags": [Flag.CHURN, Flag.LEGAL],
    "priorities": [Priority.HIGH],
}
MATTER = ReadConcern(
    Task.CLAIMS, "defect", 1.0, priority=Priority.HIGH, flags=(Flag.LEGAL,), skills=("technical",), hardness=1
)


def routing_with(*rules: Rule) -> Routing:
    return PACKS.routing.model_copy(update={"rules": rules})


@pytest.mark.parametrize(
    ("account", "kind", "value", "market"),
    [
        ("", HandleKind.WHATSAPP, "+41791234567", "CH"),
        ("", HandleKind.PHONE, "+4232345678", "LI"),
        ("", HandleKind.PHONE, "+12025550123", "DE"),
        ("", HandleKind.EMAIL, "anna@post.example.at", "AT"),
        ("", HandleKind.EMAIL, "anna@post.example", "DE"),
        ("", HandleKind.CUSTOMER_NUMBER, "AT-77", "DE"),
        ("romandie", HandleKind.EMAIL, "anna@post.example.at", "CH"),
        ("romandie", None, None, "CH"),
        ("", None, None, "DE"),
    ],
)
def test_market_is_told_by_our_side_else_by_the_sender(account: str, kind: Any, value: Any, market: str) -> None:
    markets = with_accounts(PACKS, {"romandie": "CH"}).routing.markets
    sender = Handle(kind=kind, value=value) if kind else None
    assert market_of(account=account, sender=sender, markets=markets) == market


def test_market_has_two_capital_letters() -> None:
    with pytest.raises(ValidationError):
        with_accounts(PACKS, {"romandie": "Schweiz"})


def test_rule_holds_where_all_of_its_conditions_do() -> None:
    rule = Rule(name="narrow", when=When.model_validate(EVERY_CONDITION), skills=("a", "technical"), tier=2)
    where = {"language": "fr", "market": "CH", "channel": "email"}
    assert asks_of(MATTER, routing_with(rule), **where) == (2, ("technical", "a"))


@pytest.mark.parametrize(
    ("condition", "other"),
    [
        ("tasks", [Task.FEEDBACK]), ("intents", ["login"]), ("languages", ["de"]), ("markets", ["AT"]),
        ("channels", ["sms"]), ("flags", [Flag.PRESS]), ("priorities", [Priority.LOW]),
    ],
)  # fmt: skip
def test_rule_does_not_hold_where_one_condition_fails(condition: str, other: Any) -> None:
    rule = Rule(name="narrow", when=When.model_validate(EVERY_CONDITION | {condition: other}), skills=("a",), tier=3)
    where = {"language": "fr", "market": "CH", "channel": "email"}
    assert asks_of(MATTER, routing_with(rule), **where) == (1, ("technical",))


def test_rule_that_names_what_is_not_there_stops_the_start() -> None:
    rule = Rule(name="a slip", when=When(intents=frozenset({"defekt"})))
    with pytest.raises(ValidationError, match="defekt"):
        type(PACKS).model_validate({**dict(PACKS), "routing": routing_with(rule)})
    with pytest.raises(ValidationError):
        When.model_validate({"flags": ["angry"]})


async def test_threat_of_law_from_switzerland_goes_to_those_who_know_its_law(deliver: Any, published: Any) -> None:
    text = "Meine Rechnung ist falsch. Wenn Sie das nicht korrigieren, schalte ich meinen Anwalt ein."
    sender = Handle(kind=HandleKind.WHATSAPP, value="+41791234567")
    await deliver(build(ContactReceived, text=text, sender=sender, language="de", journey_id=uuid4()))
    found = [*await published(ContactTriaged), *await published(ReviewRequested)]
    [concern] = found[0].concerns if isinstance(found[0], ContactTriaged) else found[0].suggestions
    assert found[0].market == "CH"
    assert (concern.tier, {"legal", "law_ch"} <= set(concern.skills)) == (3, True)


async def test_reviews_are_found_by_market(client: Any, deliver: Any) -> None:
    for number in ("+41791234567", "+4915112345678"):
        sender = Handle(kind=HandleKind.WHATSAPP, value=number)
        text = "Hallo zusammen, könnten Sie sich das bitte einmal ansehen?"
        await deliver(build(ContactReceived, text=text, sender=sender, account="x", journey_id=uuid4()))
    found = (await client.as_agent().get("/triage/v1/reviews", params={"market": "CH"})).json()["items"]
    assert [one["market"] for one in found] == ["CH"]
