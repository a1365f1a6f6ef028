"""A report as a letter to the supervisor, in PDF."""

from datetime import date
from importlib.resources import as_file, files
from itertools import groupby
from typing import Any

from anliegen.kit.documents import document
from anliegen.kit.service import Context
from anliegen.kit.wording import date_text

from ..letters import LETTERHEAD
from .domain import Report
from .table import columns_of, rows_of


def letter_values(report: Report, *, today: date) -> dict[str, Any]:
    """What the template is given."""
    pack, state = report.pack, "" if report.complete else " Das Jahr ist noch nicht zu Ende: Die Zahlen sind vorläufig."
    sections = groupby(rows_of(report), key=lambda row: row[0])
    return {
        "sender": LETTERHEAD,
        "recipient": ["Bundesanstalt für Finanzdienstleistungsaufsicht", "Graurheindorfer Straße 108", "53117 Bonn"],
        "date": date_text(today, language=pack.language),
        "subject": f"{pack.title} {report.year}",
        "says": f"Beschwerden im Kalenderjahr {report.year}, gesamt und nach Versicherungszweigen.{state}",
        "definitions": list(pack.definitions.items()),
        "columns": columns_of(report),
        "sections": [{"name": name, "rows": [[says, figures] for _, says, figures in rows]} for name, rows in sections],
        "source": f"Grundlage: {pack.basis}. Regelwerk: {pack.pack}.",
    }


async def pdf_of(context: Context, report: Report, *, today: date) -> bytes:
    """The PDF. Called outside of any transaction."""
    with as_file(files("anliegen.complaints") / "documents" / "annual_report.typ") as template:
        values = letter_values(report, today=today)
        return await document(context, template, values, language=report.pack.language)
