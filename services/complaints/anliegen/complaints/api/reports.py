"""Annual reports to supervisors: as figures, as a table for a spreadsheet, as a letter."""

from datetime import date, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import Path, Request, Response
from pydantic import BaseModel, Field

from anliegen.kit.errors import NotAllowed, NotFound
from anliegen.kit.http import APIRouter, Caller, Principal, doors_of, requires
from anliegen.kit.principal import ADMINISTRATOR, SUPERVISOR
from anliegen.kit.transaction import begin

from ..reports.domain import Figures, Report, span_of
from ..reports.letter import pdf_of
from ..reports.packs import REPORTS
from ..reports.store import list_courses
from ..reports.table import csv_of

FIRST_YEAR, LAST_YEAR = 2000, 2199
Name = Literal["bafin"]
Year = Annotated[int, Path(ge=FIRST_YEAR, le=LAST_YEAR)]
router = APIRouter(prefix="/complaints/v1/reports", tags=["reports"])


class YearNotBegun(NotFound):
    """This year has not begun: there is nothing to report of it."""


class SupervisorsOnly(NotAllowed):
    """Reports are for supervisors and administrators."""


class LineFigures(BaseModel):
    """What is counted of one product line, or of all."""

    carried_over: int = Field(description="Open when the year began.")
    received: int
    reopened: int = Field(description="Ended in an earlier year, and taken up again in this one.")
    ended: int
    standing: dict[str, int] = Field(description="Of all these, when the year ended: answered, withdrawn, …, open.")
    reasons: dict[str, int] = Field(description="What those are about that came in the year.")
    outcomes: dict[str, int] = Field(description="Of those that were answered in the year.")
    days: list[int] = Field(description="How many took how long, by the pack's classes; the last took longer.")
    mean_days: float | None
    median_days: float | None
    success_share: int | None = Field(description="At least partly right, of what was decided; basis points.")

    @classmethod
    def of(cls, figures: Figures, report: Report) -> "LineFigures":
        """The view of these figures."""
        return cls(
            carried_over=figures.carried_over, received=figures.received, reopened=figures.reopened,
            ended=figures.ended, standing=dict(figures.standing), reasons=dict(figures.reasons),
            outcomes=dict(figures.outcomes), days=figures.classes(report.pack.duration.up_to_days),
            mean_days=figures.mean_days, median_days=figures.median_days, success_share=figures.success_share,
        )  # fmt: skip


class ReportView(BaseModel):
    """A year of complaints."""

    pack: str = Field(description="The rule pack and version.")
    year: int
    complete: bool = Field(description="Whether the year is over; else the figures are as of now.")
    due_on: date
    lines: dict[str, LineFigures]
    total: LineFigures


@router.get("/{name}/{year}", name="get_report", dependencies=[requires("cases:read")])
async def get_report(*, name: Name, year: Year, request: Request, caller: Caller) -> ReportView:
    """The figures of a year, counted from the history of each complaint."""
    report, _ = await _made(request, caller, name, year)
    return ReportView(
        pack=report.pack.pack, year=year, complete=report.complete,
        due_on=date.fromisoformat(f"{year + 1}-{report.pack.due}"),
        lines={line: LineFigures.of(figures, report) for line, figures in report.lines.items()},
        total=LineFigures.of(report.total, report),
    )  # fmt: skip


@router.get(
    "/{name}/{year}/table.csv",
    name="get_report_table",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "The figures for a spreadsheet."}},
    dependencies=[requires("cases:read")],
)
async def get_report_table(*, name: Name, year: Year, request: Request, caller: Caller) -> Response:
    """The same as CSV (RFC 4180, UTF-8)."""
    report, _ = await _made(request, caller, name, year)
    return Response(csv_of(report), media_type="text/csv; charset=utf-8", headers=_saved_as(name, year, "csv"))


@router.get(
    "/{name}/{year}/letter.pdf",
    name="get_report_letter",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}, "description": "The report as a letter."}},
    dependencies=[requires("cases:read")],
)
async def get_report_letter(*, name: Name, year: Year, request: Request, caller: Caller) -> Response:
    """The same as a letter to the supervisor."""
    report, now = await _made(request, caller, name, year)
    today = now.astimezone(ZoneInfo(report.pack.zone)).date()
    pdf = await pdf_of(doors_of(request.scope).running, report, today=today)
    return Response(pdf, media_type="application/pdf", headers=_saved_as(name, year, "pdf"))


async def _made(request: Request, caller: Principal, name: str, year: int) -> tuple[Report, datetime]:
    """The report and when it was made. What is written of it is written after its transaction has ended."""
    if not caller.roles & {SUPERVISOR, ADMINISTRATOR}:
        raise SupervisorsOnly
    pack = REPORTS[name]
    start, end = span_of(pack, year)
    async with begin(doors_of(request.scope).running, principal=caller) as tx:
        now = tx.now
        if now < start:
            raise YearNotBegun
        lines = [line.line for line in pack.lines]
        courses = await list_courses(tx, countries=pack.countries, lines=lines, start=start, end=end)
    return Report.of(pack, year, courses, now=now), now


def _saved_as(name: str, year: int, ending: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}-{year}.{ending}"', "Cache-Control": "no-store"}
