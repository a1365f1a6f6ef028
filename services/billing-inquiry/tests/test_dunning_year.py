"""A year on the moved clock: the service takes the same steps as the simulation said beforehand."""

import tomllib
from datetime import date, datetime, time, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner

from anliegen.billing_inquiry.dunning import actions, commands
from anliegen.billing_inquiry.dunning.commands import dunning
from anliegen.billing_inquiry.dunning.rules import PACKS, rules_for
from anliegen.billing_inquiry.dunning.simulate import Change, HeldDays, simulate
from anliegen.billing_inquiry.money import handlers as money
from anliegen.events import DunningStepReached, InvoiceIssued, InvoiceLine, PaymentReceived
from anliegen.events.builders import build
from anliegen.kit.telemetry import metrics
from anliegen.kit.versions import ANY_VERSION

FIRST = date(2024, 11, 4)
DAY = timedelta(days=1)
FILE = Path(__file__).parents[3] / "examples" / "dunning-invoices.csv"
PACK = files("anliegen.billing_inquiry") / "rules" / "dunning_de.toml"
INVOICES = {
    # number: issued after so many days, amount, currency, business; payment (day, amount); held (first, end)
    "over-new-year": (0, 119_000, "EUR", True, None, None),
    "held-in-advent": (3, 11_900, "EUR", False, None, (30, 50)),
    "swiss": (10, 50_000, "CHF", False, (70, 20_000), None),
    "at-christmas": (28, 64_321, "EUR", True, None, None),
    "paid-in-part": (60, 23_456, "EUR", True, (110, 3_456), None),
    "at-easter": (120, 11_900, "EUR", False, None, None),
    "over-july": (175, 1_234_567, "EUR", True, None, (225, 236)),
    "swiss-summer": (230, 7_777, "CHF", True, None, (262, 300)),
    "in-autumn": (300, 99_900, "EUR", False, (365, 99_900), None),
}  # fmt: skip


def foretold(number: str) -> list[tuple[Any, ...]]:
    after, amount, currency, business, payment, held = INVOICES[number]
    issued, rules = FIRST + after * DAY, rules_for(currency)
    assert rules is not None
    told = simulate(
        issued_on=issued, due_on=issued + 14 * DAY, amount=amount, business=business, told_of_default=True,
        currency=currency, rules=rules, until=FIRST + 400 * DAY,
        changes=[Change(FIRST + payment[0] * DAY, -payment[1])] if payment else (),
        held=[HeldDays(FIRST + held[0] * DAY, FIRST + held[1] * DAY)] if held else (),
    )  # fmt: skip
    steps = [one.step for one in told if one.step]
    return [(s.name, s.reached_at, s.open_amount, s.fee, s.interest, s.lump_sum, s.pay_by) for s in steps]


async def live(on: int, begin: Any, journey: UUID) -> None:
    """What happens on this day, at its beginning."""
    day = FIRST + on * DAY
    for number, (after, amount, currency, business, payment, held) in INVOICES.items():
        if on not in {after, *(payment or ())[:1], *(held or ())[:1]}:
            continue
        customer = UUID(int=journey.int ^ sum(number.encode()))
        async with begin() as tx:
            await tx.lock(customer)
            if after == on:
                line = build(InvoiceLine, line_id="1", text="Mobil", net=amount, tax=0, gross=amount)
                issued = build(
                    InvoiceIssued, journey_id=customer, invoice_number=number, issued_on=day, due_on=day + 14 * DAY,
                    currency=currency, lines=(line,), total=amount, business=business, told_of_default=True,
                    replaces=None, customer_number=number,
                )  # fmt: skip
                await money.take_up_invoice(issued, tx)
            if payment and payment[0] == on:
                paid = build(
                    PaymentReceived, journey_id=customer, payment_id=f"P-{number}", received_on=day, currency=currency,
                    amount=payment[1], allocations=(),
                )  # fmt: skip
                await money.take_up_payment(paid, tx)
            if held and held[0] == on:
                rules = rules_for(currency)
                assert rules is not None
                ends = datetime.combine(FIRST + held[1] * DAY, time(0), tzinfo=rules.zone)
                await actions.place_hold(
                    tx, invoice_number=number, ends_at=ends, reason="vip", agent="agent-1", expected=ANY_VERSION
                )


async def test_year_on_the_moved_clock_brings_what_the_simulation_foretold(
    begin: Any, clock: Any, run_timers: Any, journey: UUID, published: Any
) -> None:
    zone = PACKS[0].zone
    eventful = {day for after, *_, paid, held in INVOICES.values() for day in (after, *(paid or ())[:1], *(held or ()))}
    for on in range(400):
        for hour in (0, 9) if on in eventful else (9,):
            clock.time = datetime.combine(FIRST + on * DAY, time(hour), tzinfo=zone)
            if hour == 0:
                await live(on, begin, journey)
            while await run_timers():
                pass
    steps = await published(DunningStepReached)
    async with begin() as tx:
        rows = await tx.fetch("SELECT invoice_number, round, level, reached_at FROM dunning_steps")
    reached = {(number, turn, level): at for number, turn, level, at in rows}
    for number in INVOICES:
        found = [
            (
                s.step, reached[number, s.round, s.level], s.open_amount.amount, s.fee.amount, s.interest.amount,
                s.lump_sum.amount, s.pay_by,
            )
            for s in steps
            if s.invoice_number == number
        ]  # fmt: skip
        assert found == foretold(number), number
    # The year has what makes it hard: no step on a closed day, steps on both sides of both changes of the base rate.
    days = {number: [at.astimezone(zone).date() for n, _, _, at in rows if n == number] for number in INVOICES}
    german = rules_for("EUR")
    assert german is not None
    assert [day for day in days["over-new-year"] + days["at-easter"] if german.closed_on(day)] == []
    assert min(days["at-christmas"]) >= date(2025, 1, 7), "nobody is reminded at Christmas"
    assert min(days["over-new-year"]) < date(2025, 1, 1) < max(days["over-new-year"])
    assert min(days["over-july"]) < date(2025, 7, 1) < max(days["over-july"])


def test_command_compares_two_packs_on_a_file(tmp_path: Path) -> None:
    other = tmp_path / "strict.toml"
    text = PACK.read_text(encoding="utf-8").replace("fee = { EUR = 120 }", "fee = { EUR = 90 }")
    other.write_text(text.replace("version = 1", "version = 2", 1), encoding="utf-8")
    said = CliRunner().invoke(dunning, ["simulate", "--invoices", str(FILE), "--against", str(other), "--steps"])
    assert said.exit_code == 0, said.output
    rows = {line[:27].strip(): line[27:].split() for line in said.output.splitlines()}
    assert rows["EUR, 6 invoices"] == ["dunning_de/1", "dunning_de/2"]
    assert rows["fee asked for"] == ["40.00", "CHF", "40.00", "CHF"]
    assert "fee asked for               8.40 EUR      6.30 EUR" in said.output
    assert "R-1002   2026-04-14  hand_over         119.00 EUR   2.40 EUR   1.04 EUR" in said.output
    few = CliRunner().invoke(dunning, ["simulate", "--invoices", str(FILE), "--days", "25"])
    assert "payment reminder            3" in few.output
    assert "first dunning" not in few.output


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "currency,amount,issued_on,due_on\nEUR,x,2026-01-01,2026-01-15\n", "invoice 1"),
        ("a.csv", "currency,amount\nEUR,1\n", "due_on"),
        ("a.json", "{", "cannot be read"),
        ("a.json", "[]", "no invoices"),
        ("a.json", '[{"currency": "JPY", "amount": 9, "issued_on": "2026-01-01", "due_on": "2026-01-15"}]', "no inv"),
    ],
)
def test_command_says_what_is_wrong_with_a_file(tmp_path: Path, name: str, text: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    assert said in CliRunner().invoke(dunning, ["simulate", "--invoices", str(file)]).output


def test_command_refuses_what_is_no_pack(tmp_path: Path) -> None:
    file = tmp_path / "pack.toml"
    file.write_text("name = 1")
    result = CliRunner().invoke(dunning, ["simulate", "--invoices", str(FILE), "--pack", str(file)])
    assert (result.exit_code, "is no dunning pack" in result.output) == (1, True)


async def test_command_reads_the_service_s_own_invoices(
    owe: Any, change: Any, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owe(11_900)
    await change(-4_000)
    await owe(50_000, number="R-2")
    await owe(600, number="R-3")
    for name, value in {
        "ANLIEGEN_BILLING_INQUIRY_DATABASE_URL": context.settings.database_url, "ANLIEGEN_ENVIRONMENT": "test",
        "ANLIEGEN_BILLING_INQUIRY_IDENTITY_SECRET": context.settings.identity_secret,
        "ANLIEGEN_OIDC_ISSUER": context.settings.oidc_issuer, "ANLIEGEN_OIDC_JWKS_URL": context.settings.oidc_jwks_url,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(getattr(value, "get_secret_value", lambda value=value: value)()))
    monkeypatch.setattr(commands, "AT_ONCE", 2)
    found = await commands._invoices()
    assert [(one.number, one.amount + sum(more for _, more in one.changes)) for one in found] == [
        ("R-1", 7_900), ("R-2", 50_000), ("R-3", 600),
    ]  # fmt: skip


# Without a base rate --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("began", "provisional"), [(date(2026, 3, 2), False), (date(2026, 6, 1), True)])
async def test_step_says_that_its_base_rate_is_not_known_yet_and_goes_on_with_the_last(
    owe: Any, clock: Any, pass_days: Any, published: Any, began: date, provisional: bool
) -> None:
    clock.time = datetime.combine(began, time(9), tzinfo=PACKS[0].zone)
    await owe(1_000_000)
    await pass_days(100)
    steps = await published(DunningStepReached)
    assert [step.interest_provisional for step in steps] == [False] + [provisional] * 3
    assert all(step.interest.amount for step in steps[1:]), "the last rate known is carried on"


async def test_gauge_counts_the_days_without_a_base_rate(begin: Any, clock: Any, service: Any) -> None:
    told = tomllib.loads(PACK.read_text(encoding="utf-8"))["interest"]["base"]
    assert told[-1]["valid_from"] == date(2026, 1, 1)
    for day, missing in [(date(2026, 6, 30), 0), (date(2026, 7, 1), 1), (date(2026, 7, 31), 31)]:
        clock.time = datetime.combine(day, time(12), tzinfo=PACKS[0].zone)
        async with begin() as tx:
            for measure in service.measures:
                await measure(tx)
        read = metrics.dunning_base_rate_missing.labels
        found = {pack.name: read(service.name, pack.name)._value.get() for pack in PACKS}
        assert found == {"dunning_ch": 0, "dunning_de": missing}


def test_base_rates_move_as_the_central_bank_s_rate_did() -> None:
    # § 247(1) BGB: by as many points as the rate of the last main refinancing operation before the half-year has moved.
    refinancing = [250, 400, 450, 425, 315, 215, 215]
    rules = rules_for("EUR")
    assert rules is not None
    assert [one.rate for one in rules.interest.base] == [rate - 88 for rate in refinancing]
