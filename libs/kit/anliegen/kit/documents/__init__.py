"""Documents for people: PDFs on one shared letter, made by typst from a template and values.

A template is a `.typ` file beside the service. It imports the shared letter and reads what it is given:

    #import "letter.typ": given, language, letter
    #show: letter
    Dear #given.name …

`given` are the values, which are data and never markup: nothing that somebody wrote can become a command. Every
document has `sender` (`name`, `lines`, `footer`), `recipient` (lines of the window address), `date` (as people read it)
and `subject` among its values. The same template and values make the same bytes: there is no clock in the document,
and no font but those that come with typst.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import Problem
from ..service import Context

LANGUAGES = ("de", "en", "fr", "it")
_LETTER = (files(__package__) / "letter.typ").read_bytes()


class DocumentNotRendered(Problem):
    """This document cannot be made: its template or its values are wrong."""


def render(template: Path, values: Mapping[str, Any], language: str) -> bytes:
    """The PDF of a template with values that are JSON, in one of the four languages. Raises DocumentNotRendered.

    A few milliseconds of computing: `document` does it in a process of its own.
    """
    import typst  # here, where it is needed: no other process of a service loads the compiler

    given = {"sender": {}, "recipient": [], "date": "", "subject": "", **values}
    try:
        pdf: bytes = typst.compile(  # type: ignore[call-overload]  # its stubs do not know of several files
            {"main.typ": template.read_bytes(), "letter.typ": _LETTER},
            sys_inputs={"given": json.dumps(given, ensure_ascii=False), "language": language},
            ignore_system_fonts=True,
        )
    except (typst.TypstError, RuntimeError) as problem:
        # What the compiler says may quote what the document says of a person: only the kind of trouble is told.
        raise DocumentNotRendered(f"{DocumentNotRendered.__doc__} {template.name}.{language}") from problem
    return pdf


async def document(context: Context, template: Path, values: Mapping[str, Any], *, language: str) -> bytes:
    """The same in the service's pool for heavy work. Never inside a transaction: locks would be held meanwhile."""
    language = language if language in LANGUAGES else LANGUAGES[0]
    return await context.heavy.run(render, template, values, language)
