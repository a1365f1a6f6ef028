"""`anliegen goodwill …`: what the owner of the policy does with it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from .policy import Policy
    from .reckoning import Proposal
    from .simulation import Result

AT_ONCE = 500
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def goodwill() -> None:
    """Look after the goodwill policy."""


@goodwill.command()
@click.option("--cases", type=_file, help="Past cases, .csv or .json; left out, those of the service's own database.")
@click.option("--policy", "policy_file", type=_file, help="A policy (TOML); left out, the one in force.")
@click.option("--against", type=_file, help="Another policy, to compare with.")
def simulate(cases: Path | None, policy_file: Path | None, against: Path | None) -> None:
    """Try a policy on past cases: how many would get how much, who decides, and what of the budget is used.

    Nothing is changed. A file of cases has the columns at, customer, product_value, currency and severity, and where
    they are known failures, kind, segment, asked, agent, role and tier; examples/goodwill-cases.csv is one.
    """
    # Loaded here, since every `anliegen` command looks at all commands there are.
    from .simulation import results_of

    policies = [_policy(policy_file), *([_policy(against)] if against else [])]
    found = _read_file(cases) if cases else _read_database()
    if not found:
        click.echo("There are no past cases.")
        return
    results = [results_of(found, policy) for policy in policies]
    for currency in results[0]:
        click.echo(_told([one[currency] for one in results], policies))


def _policy(file: Path | None) -> "Policy":
    from .policy import policy_in_force, read_policy

    if file is None:
        return policy_in_force()
    try:
        return read_policy(file.read_text(encoding="utf-8"))
    except ValueError as wrong:
        raise click.ClickException(f"{file.name} is no goodwill policy: {wrong}") from wrong


def _read_file(file: Path) -> "list[tuple[datetime, Proposal]]":
    from anliegen.kit.command_line import read_rows

    from .simulation import PastCase

    return [(case.at, case.as_proposal()) for case in read_rows(file, PastCase, noun="case")]


def _read_database() -> "list[tuple[datetime, Proposal]]":
    from anliegen.kit.command_line import run

    return run(_proposals())


async def _proposals() -> "list[tuple[datetime, Proposal]]":
    from anliegen.kit import begin
    from anliegen.kit.command_line import opened

    from ..main import service
    from .store import goodwills

    found: list[tuple[datetime, Proposal]] = []
    async with opened(service) as context:
        after = None
        while True:
            async with begin(context) as tx:
                page = await goodwills.list_goodwills(tx, after=after, limit=AT_ONCE)
            found += [(one.proposed_at, one.proposal) for one in page]
            if len(page) < AT_ONCE:
                return found
            after = (page[-1].proposed_at, page[-1].goodwill_id)


def _told(results: "Sequence[Result]", policies: "Sequence[Policy]") -> str:
    from anliegen.kit.command_line import table

    first = results[0]
    names = [f"{first.currency}, {first.cases} cases", *(result.pack for result in results)]
    return table(names, list(_rows(results, policies))) + "\n"


def _rows(results: "Sequence[Result]", policies: "Sequence[Policy]") -> Iterator[list[object]]:
    from .limits import shown
    from .reckoning import Outcome

    def told(amount: int) -> str:
        digits = [policy.currencies[currency].digits for policy in policies if currency in policy.currencies]
        return shown(amount, currency, max(digits, default=0))

    currency = results[0].currency
    for outcome in Outcome:
        yield [outcome.value.replace("_", " "), *(result.outcomes[outcome] for result in results)]
    yield ["given in all", *(told(result.given) for result in results)]
    yield ["the largest", *(told(result.largest) for result in results)]
    for who in sorted({who for result in results for who in result.decided_by}):
        yield [f"decided by {who}", *(result.decided_by[who] for result in results)]
    for rule in sorted({rule for result in results for rule in result.declined_by}):
        yield [f"declined by {rule}", *(result.declined_by[rule] for result in results)]
    yield ["the fullest month", *(f"{month} {told(amount)}" for month, amount in (r.fullest_month for r in results))]
    yield ["of its budget", *(_share(result.fullest_month[1], result.budget_per_month) for result in results)]


def _share(part: int, whole: int) -> str:
    return f"{100 * part // whole} %" if whole else "-"


commands = [goodwill]
