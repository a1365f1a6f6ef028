"""The letter of a final response, as a PDF on the company's paper."""

import tomllib
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import as_file, files
from typing import Any, cast
from zoneinfo import ZoneInfo

from anliegen.events import ContentReference
from anliegen.kit import Context
from anliegen.kit.documents import document
from anliegen.kit.files import Files
from anliegen.kit.wording import date_text

from .clocks.packs import PACKS
from .domain import Complaint
from .words import LANGUAGES, sentence

FILES = "files"
"""The name under which the service keeps its object store."""
LETTERHEAD: dict[str, Any] = tomllib.loads((files(__package__) / "rules" / "letterhead.toml").read_text("utf-8"))
SUBJECTS = {
    "de": "Unser Entscheid zu Ihrer Beschwerde",
    "en": "Our final response to your complaint",
    "fr": "Notre décision sur votre réclamation",
    "it": "La nostra decisione sul suo reclamo",
}


def letter_values(
    complaint: Complaint, *, answer: str, recipient: Sequence[str], language: str, at: datetime
) -> dict[str, Any]:
    """What the letter of a final response says; `complaint` is as it will be once the response has gone out."""
    decision = complaint.decision
    if decision is None or complaint.response is None:
        raise ValueError("a final response follows a decision")
    zone = ZoneInfo(PACKS.markets.markets[complaint.country].zone)

    def day(moment: datetime) -> str:
        return date_text(moment.astimezone(zone).date(), language=language)

    return {
        "sender": LETTERHEAD,
        # Names and addresses are not complaints' to keep: whoever writes the letter says them, for the letter alone.
        "recipient": list(recipient),
        "date": day(at),
        "subject": SUBJECTS[language],
        "reference": str(complaint.case_id)[:8].upper(),
        "received_on": day(complaint.opened_at),
        "outcome": sentence("responses", complaint.response, language),
        "answer": answer,
        "reasons": [sentence("reasons", code, language) for code in decision.reasons],
        "other_ways": [sentence("other_ways", code, language) for code in decision.other_ways],
    }


async def write_letter(
    context: Context, complaint: Complaint, *, answer: str, recipient: Sequence[str], language: str, at: datetime
) -> bytes:
    """The PDF, in English where the language is none of ours. Called within no transaction."""
    spoken = language if language in LANGUAGES else "en"
    values = letter_values(complaint, answer=answer, recipient=recipient, language=spoken, at=at)
    with as_file(files(__package__) / "documents" / "final_response.typ") as template:
        return await document(context, template, values, language=spoken)


async def keep_letter(context: Context, pdf: bytes, *, language: str) -> ContentReference:
    """What refers to the PDF in the object store, where the same bytes are kept once."""
    store = cast(Files, context.resources[FILES])
    subject = SUBJECTS[language if language in LANGUAGES else "en"]
    return ContentReference(
        sha256=await store.put(pdf), size=len(pdf), media_type="application/pdf", name=f"{subject}.pdf"
    )
