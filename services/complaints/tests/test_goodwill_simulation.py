"""A policy tried on past cases: the same decisions as the service takes, and two policies beside each other."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from anliegen.complaints.goodwill import actions, commands
from anliegen.complaints.goodwill.commands import goodwill
from anliegen.complaints.goodwill.policy import FOLDER, policy_in_force, read_policy
from anliegen.complaints.goodwill.reckoning import Outcome, Proposal
from anliegen.complaints.goodwill.simulation import PastCase, results_of, try_policy
from anliegen.kit import Transaction
from anliegen.kit.clock import FixedClock

POLICY = policy_in_force()
TEXT = (FOLDER / "goodwill.toml").read_text(encoding="utf-8")
GENEROUS = TEXT.replace("of_value = [500, 1000, 2000, 3500]", "of_value = [1000, 2000, 4000, 7000]", 1).replace(
    "version = 1", "version = 2", 1
)
FILE = Path(__file__).parents[3] / "examples" / "goodwill-cases.csv"
BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def past(number: int, **fields: Any) -> tuple[datetime, Proposal]:
    usual = {
        "at": BEGAN + timedelta(days=number), "customer": f"K{number}", "product_value": 12_500, "currency": "EUR",
        "severity": 3,
    }  # fmt: skip
    case = PastCase.model_validate(usual | fields)
    return case.at, case.as_proposal()


def test_what_was_given_counts_in_the_cases_that_follow() -> None:
    cases = [past(number, customer="K1", product_value=1200) for number in range(5)]
    outcomes = [one.decision.outcome for one in try_policy(reversed(cases), POLICY)]
    assert outcomes == [Outcome.APPROVED] * 3 + [Outcome.DECLINED] * 2
    later = [*cases, past(370, customer="K1", product_value=1200)]
    assert try_policy(later, POLICY)[-1].decision.outcome is Outcome.APPROVED


def test_a_month_s_budget_ends_with_the_month() -> None:
    cases = [past(0, customer=f"K{n}", agent=f"agent {n}") for n in range(201)]
    tried = try_policy([*cases, past(30)], POLICY)
    assert [one.decision.amount for one in tried[199:]] == [2500, 0, 2500]


def test_two_policies_are_told_beside_each_other() -> None:
    cases = [past(number) for number in range(3)] + [past(4, product_value=20_000), past(5, currency="CHF")]
    now, then = results_of(cases, POLICY)["EUR"], results_of(cases, read_policy(GENEROUS))["EUR"]
    assert (now.cases, now.given, now.decided_by["the proposer"], now.largest) == (4, 11_500, 3, 4000)
    assert (then.given, then.decided_by["agent_tier_3"], then.fullest_month) == (22_500, 4, ("2026-03", 22_500))
    assert set(results_of(cases, POLICY)) == {"CHF", "EUR"}


async def test_the_service_decides_as_the_simulation_does(
    begin: Callable[[], AbstractAsyncContextManager[Transaction]], clock: FixedClock
) -> None:
    (_, *rows), names = [line.split(",") for line in FILE.read_text().splitlines()], FILE.read_text().split("\n")[0]
    given = [dict(zip(names.split(","), row, strict=True)) for row in rows]
    cases = [PastCase.model_validate({k: v for k, v in row.items() if v}) for row in given]
    tried = try_policy([(case.at, case.as_proposal()) for case in cases], POLICY)
    assert len(tried) == len(cases) == 60
    waits = 0
    for one in tried:
        clock.time = one.at
        async with begin() as tx:
            decision = await actions.preview_proposal(tx, one.proposal)
        if waits == 0:
            assert decision == one.decision
        # What waits is approved in the simulation and not here, so from then on the two may count differently.
        waits += decision.outcome is Outcome.WAITS_FOR_APPROVAL
        async with begin() as tx:
            await actions.propose(tx, one.proposal)
    assert waits


def test_the_command_compares_two_policies_on_a_file(tmp_path: Path) -> None:
    other = tmp_path / "generous.toml"
    other.write_text(GENEROUS)
    said = CliRunner().invoke(goodwill, ["simulate", "--cases", str(FILE), "--against", str(other)])
    assert said.exit_code == 0, said.output
    assert "EUR, 48 cases" in said.output and "CHF, 12 cases" in said.output
    given = [line.split()[3:] for line in said.output.splitlines() if line.startswith("given in all")]
    assert given == [["565.00", "CHF", "690.00", "CHF"], ["1080.00", "EUR", "1620.00", "EUR"]]
    assert said.output.count("goodwill/2") == 2, "once for each currency"
    case = {"at": "2026-03-02T09:00:00Z", "customer": "K1", "product_value": 12_500, "currency": "EUR", "severity": 3}
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([case]))
    assert "25.00 EUR" in CliRunner().invoke(goodwill, ["simulate", "--cases", str(file)]).output


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("cases.csv", "at,customer,product_value,currency,severity\n2026-03-02T09:00:00Z,K1,100,EUR,9\n", "case 1"),
        ("cases.csv", "at,customer\n2026-03-02T09:00:00Z,K1\n", "product_value"),
        ("cases.json", "{", "cannot be read"),
        ("cases.json", "[]", "no past cases"),
    ],
)
def test_the_command_says_what_is_wrong_with_a_file(tmp_path: Path, name: str, text: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    assert said in CliRunner().invoke(goodwill, ["simulate", "--cases", str(file)]).output


def test_the_command_refuses_what_is_no_policy(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("name = 1")
    result = CliRunner().invoke(goodwill, ["simulate", "--cases", str(FILE), "--policy", str(file)])
    assert (result.exit_code, "is no goodwill policy" in result.output) == (1, True)


async def test_the_service_s_own_past_is_read(
    begin: Callable[[], AbstractAsyncContextManager[Transaction]], context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        async with begin() as tx:
            await actions.propose(tx, past(number)[1])
    for name, value in {
        "ANLIEGEN_COMPLAINTS_DATABASE_URL": context.settings.database_url, "ANLIEGEN_ENVIRONMENT": "test",
        "ANLIEGEN_OIDC_ISSUER": context.settings.oidc_issuer, "ANLIEGEN_OIDC_JWKS_URL": context.settings.oidc_jwks_url,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(getattr(value, "get_secret_value", lambda value=value: value)()))
    monkeypatch.setattr(commands, "AT_ONCE", 2)
    found = await commands._proposals()
    assert [proposal.product_value for _, proposal in found] == [12_500] * 3
