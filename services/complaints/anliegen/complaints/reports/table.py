"""A report as a table: the same figures for a spreadsheet (CSV, RFC 4180) and for the letter."""

import csv
import io
from collections.abc import Iterator

from anliegen.kit.wording import share_text

from ..states import Outcome
from .domain import Figures, Report, Standing

BYTE_ORDER_MARK = "\ufeff"
"""Spreadsheets take a file without it for another alphabet's."""
ALL = "gesamt"
_COUNTS = {
    "carried_over": "Offen zu Beginn des Jahres",
    "received": "Eingegangen",
    "reopened": "Wieder aufgenommen",
    "ended": "Im Jahr abgeschlossen",
}
_STANDINGS = {
    Standing.ANSWERED: "Abschließend beantwortet",
    Standing.WITHDRAWN: "Zurückgezogen",
    Standing.TRANSFERRED: "An eine andere Stelle abgegeben",
    Standing.OPEN: "Offen am Ende des Jahres",
}
_OUTCOMES = {
    Outcome.UPHELD: "Erfolgreich",
    Outcome.PARTLY: "Teilweise erfolgreich",
    Outcome.REJECTED: "Nicht erfolgreich",
}
SECTIONS = ("Anzahl", "Stand", "Dauer", "Gründe", "Ergebnis")


def rows_of(report: Report) -> Iterator[tuple[str, str, list[str]]]:
    """Section, what is counted, and its figures: of each line in the order of the pack, then of all."""
    columns = [*report.lines.values(), report.total]
    for name, says in _COUNTS.items():
        yield SECTIONS[0], says, [str(getattr(figures, name)) for figures in columns]
    for standing, says in _STANDINGS.items():
        yield SECTIONS[1], says, [str(figures.standing[standing]) for figures in columns]
    days = report.pack.duration.up_to_days
    names = [f"bis {most} Tage" for most in days] + [f"über {days[-1]} Tage"]
    for n, says in enumerate(names):
        yield SECTIONS[2], says, [str(figures.classes(days)[n]) for figures in columns]
    yield SECTIONS[2], "Mittel in Tagen", [_number(figures.mean_days) for figures in columns]
    yield SECTIONS[2], "Median in Tagen", [_number(figures.median_days) for figures in columns]
    for reason, says in report.pack.reasons.items():
        yield SECTIONS[3], says, [str(figures.reasons[reason]) for figures in columns]
    for outcome, says in _OUTCOMES.items():
        yield SECTIONS[4], says, [str(figures.outcomes[outcome]) for figures in columns]
    yield SECTIONS[4], "Zumindest teilweise erfolgreich", [_share(figures, report) for figures in columns]


def columns_of(report: Report) -> list[str]:
    """What the columns of figures are called."""
    return [*(line.says for line in report.pack.lines), ALL]


def csv_of(report: Report) -> bytes:
    """The report for a spreadsheet, in UTF-8. Nothing in it was written by a customer."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["Abschnitt", "Angabe", *columns_of(report)])
    for section, says, figures in rows_of(report):
        writer.writerow([section, says, *figures])
    for term, meaning in report.pack.definitions.items():
        writer.writerow(["Begriffe", term, meaning])
    writer.writerow(["Bericht", "Jahr", report.year])
    writer.writerow(["Bericht", "Stand", "vollständig" if report.complete else "vorläufig"])
    writer.writerow(["Bericht", "Regelwerk", report.pack.pack])
    writer.writerow(["Bericht", "Grundlage", report.pack.basis])
    return (BYTE_ORDER_MARK + out.getvalue()).encode()


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}".replace(".", ",")


def _share(figures: Figures, report: Report) -> str:
    share = figures.success_share
    return "–" if share is None else share_text(share, language=report.pack.language)
