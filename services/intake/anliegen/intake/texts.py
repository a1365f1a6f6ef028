"""Texts for people: templates by key and language, in a sandbox; a template sees only the values it is given."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from anliegen.kit.wording import date_text, money_text, read_money

from .domain.replies import LANGUAGES

FOLDER = Path(str(files(__package__))) / "templates"


class TextMissing(LookupError):
    """There is no template of this key in this language, or it lacks a value."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a customer reads."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A file that goes with words, and the signed address where whoever got the words finds it."""

    name: str
    url: str
    until: datetime
    """When its address ends."""


class Texts:
    """Every template, compiled at first use."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            # Mails and messages are plain text; the one page is escaped.
            autoescape=lambda name: name is not None and name.endswith(".html.j2"),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters["moment"] = self._moment
        self._environment.filters["money"] = _money
        self._environment.filters["date"] = _date
        self._words: dict[str, dict[str, Any]] = tomllib.loads((folder / "status_page.toml").read_text("utf-8"))
        self.keys = sorted({path.name.split(".")[0] for path in folder.glob("*.text.j2")})
        """Every template that tasks may name."""

    def render(self, key: str, *, language: str, channel: str, zone: str, values: Mapping[str, str]) -> Rendered:
        """Subject and text in this language. Raises TextMissing.

        Times and days in `values` are ISO 8601, times are told in `zone`; amounts are minor units and a currency.
        """
        if key not in self.keys:
            raise TextMissing(f"{TextMissing.__doc__} {key}")
        given = {"subject_line": "", "status_url": "", "sender_name": "", "reference": "", **values}
        given |= {"channel": channel, "language": language, "zone": zone}
        try:
            subject = self._environment.get_template(f"{key}.{language}.subject.j2").render(given)
            text = self._environment.get_template(f"{key}.{language}.text.j2").render(given)
        except (TemplateError, ValueError, TypeError) as problem:
            raise TextMissing(f"{TextMissing.__doc__} {key}.{language}: {type(problem).__name__}") from problem
        return Rendered(subject=" ".join(subject.split())[:400], text=_paragraphs(text))

    def status_page(
        self,
        *,
        language: str,
        reference: str,
        received_at: datetime,
        zone: str,
        cases: Sequence[str],
        acknowledgement: str | None,
        answers: Sequence[str],
        documents: Sequence[Document],
    ) -> str:
        """The status page as HTML."""
        words = self._words[language]
        return self._environment.get_template("status_page.html.j2").render(
            language=language,
            words=words,
            reference=reference,
            received_at=self.moment(received_at, language=language, zone=zone),
            cases=[case if case in words else "unknown" for case in cases],
            acknowledgement=acknowledgement,
            answers=answers,
            documents=documents,
        )

    def enclosed(self, names: Sequence[str], *, language: str) -> str:
        """The lines that name what a mail brings."""
        return "\n".join([f"{self._words[language]['enclosed']}:", *(f"- {name}" for name in names)])

    def linked(self, documents: Sequence[Document], *, language: str, zone: str) -> str:
        """The lines that say where files are, and until which day at the least."""
        last = min(document.until for document in documents).astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
        until = str(self._words[language]["open_until"]).format(day=date_text(last, language=language))
        lines = [f"- {document.name}\n  {document.url}" for document in documents]
        return "\n".join([f"{self._words[language]['documents']} ({until}):", *lines])

    def moment(self, moment: datetime, *, language: str, zone: str) -> str:
        """A time as people read it: `Montag, 2. März 2026, 09:14 Uhr`."""
        words = self._words[language]
        local = moment.astimezone(ZoneInfo(zone))
        return str(words["date"]).format(
            weekday=words["weekdays"][local.weekday()],
            day=local.day,
            month=words["months"][local.month - 1],
            year=local.year,
            hour=f"{local.hour:02}",
            minute=f"{local.minute:02}",
        )

    def words(self, language: str) -> Mapping[str, Any]:
        """The words of the status page."""
        return self._words[language]

    @staticmethod
    def languages() -> tuple[str, ...]:
        """The languages we write."""
        return LANGUAGES

    @property
    def _moment(self) -> Any:
        @pass_context
        def tell(context: Context, value: str) -> str:
            return self.moment(
                datetime.fromisoformat(value), language=str(context["language"]), zone=str(context["zone"])
            )

        return tell


@pass_context
def _money(context: Context, value: str) -> str:
    """An amount in minor units, as events tell it (`4250 CHF`), as people read it in the text's language."""
    return money_text(read_money(value), language=str(context["language"]))


@pass_context
def _date(context: Context, value: str) -> str:
    """A day, as events tell it (`2026-03-02`), as people read it in the text's language."""
    return date_text(date.fromisoformat(value), language=str(context["language"]))


def _paragraphs(text: str) -> str:
    """At most one empty line between paragraphs, none at the ends."""
    lines: list[str] = []
    for line in text.splitlines():
        stripped = line.rstrip()
        if stripped or (lines and lines[-1]):
            lines.append(stripped)
    return "\n".join(lines).strip()
