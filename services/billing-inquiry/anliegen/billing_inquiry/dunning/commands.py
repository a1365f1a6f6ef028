"""`anliegen dunning …`: what the owner of the rule packs does with them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from .rules import DunningRules
    from .trial import PastInvoice, Result

AT_ONCE = 500
MINOR_DIGITS = {"JPY": 0}
"""How many digits come after the point, where it is not two."""
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def dunning() -> None:
    """Look after the rule packs of dunning."""


@dunning.command()
@click.option("--invoices", type=_file, help="Invoices, .csv or .json; left out, those of the service's own database.")
@click.option("--pack", "pack_file", type=_file, help="A pack (TOML) for its currencies; left out, those in force.")
@click.option("--against", type=_file, help="Another pack, to compare with.")
@click.option("--days", type=click.IntRange(1, 3660), default=365, help="How far to play from the day of issue.")
@click.option("--steps", is_flag=True, help="Tell every step of every invoice, too.")
def simulate(invoices: Path | None, pack_file: Path | None, against: Path | None, days: int, steps: bool) -> None:
    """Try a pack on invoices: which reminders they come to, when, and what these ask for.

    Nothing is changed. A file of invoices has the columns currency, amount, issued_on and due_on, and where they are
    known number, business, told_of_default, changes (2026-03-10=-5000) and held (2026-02-16..2026-03-02);
    examples/dunning-invoices.csv is one.
    """
    # Loaded here, since every `anliegen` command looks at all commands there are.
    from .trial import results_of

    packs = [_packs(pack_file), *([_packs(against)] if against else [])]
    found = _read_file(invoices) if invoices else _read_database()
    results = [results_of(found, rules_for, days=days) for rules_for in packs]
    if not results[0]:
        click.echo("There are no invoices that are dunned.")
        return
    for currency in results[0]:
        click.echo(_told([one[currency] for one in results]))
    if steps:
        click.echo(_steps_told(found, packs[0], days))


def _packs(file: Path | None) -> "Callable[[str], DunningRules | None]":
    from .rules import read_pack, rules_for

    if file is None:
        return rules_for
    try:
        pack = read_pack(file.read_text(encoding="utf-8"))
    except (ValueError, LookupError) as wrong:
        raise click.ClickException(f"{file.name} is no dunning pack: {wrong}") from wrong
    return lambda currency: pack if currency in pack.currencies else rules_for(currency)


def _read_file(file: Path) -> "list[PastInvoice]":
    from anliegen.kit.command_line import read_rows

    from .trial import PastInvoice

    return read_rows(file, PastInvoice, noun="invoice")


def _read_database() -> "list[PastInvoice]":
    from anliegen.kit.command_line import run

    return run(_invoices())


async def _invoices() -> "list[PastInvoice]":
    from anliegen.kit import begin
    from anliegen.kit.command_line import opened

    from ..main import service
    from . import store

    found: list[PastInvoice] = []
    async with opened(service) as context:
        after = ""
        while True:
            async with begin(context) as tx:
                page = await store.list_past_invoices(tx, after=after, limit=AT_ONCE)
            found += page
            if len(page) < AT_ONCE:
                return found
            after = page[-1].number


def _told(results: "Sequence[Result]") -> str:
    from anliegen.kit.command_line import table

    first = results[0]
    names = [f"{first.currency}, {first.invoices} invoices", *(result.pack for result in results)]
    return table(names, list(_rows(results))) + "\n"


def _rows(results: "Sequence[Result]") -> Iterator[list[object]]:
    for name in dict.fromkeys(name for result in results for name in result.steps):
        yield [name.replace("_", " "), *(result.steps[name] for result in results)]
    for name in ("fee", "interest", "lump_sum"):
        yield [f"{name.replace('_', ' ')} asked for", *(_shown(r.asked[name], r.currency) for r in results)]
    yield ["handed over", *(_shown(result.handed_over, result.currency) for result in results)]
    yield ["steps on a rate carried on", *(result.carried_on for result in results)]


def _steps_told(invoices: "Sequence[PastInvoice]", rules_for: "Callable[[str], DunningRules | None]", days: int) -> str:
    from anliegen.kit.command_line import table

    from .trial import steps_of

    rows: list[list[object]] = []
    for invoice in invoices:
        rules = rules_for(invoice.currency)
        for step in steps_of(invoice, rules, days=days) if rules else ():
            asked = (step.open_amount, step.fee, step.interest, step.lump_sum)
            day = step.reached_at.astimezone(rules.zone).date() if rules else None
            rows.append(
                [invoice.number, day, step.name, *(_shown(one, invoice.currency) for one in asked), step.pay_by]
            )
    return table(["invoice", "on", "step", "open", "fee", "interest", "lump sum", "pay by"], rows)


def _shown(amount: int, currency: str) -> str:
    digits = MINOR_DIGITS.get(currency, 2)
    whole = f"{abs(amount):0{digits + 1}d}"
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole[: len(whole) - digits]}{'.' if digits else ''}{whole[len(whole) - digits :]} {currency}"


commands = [dunning]
