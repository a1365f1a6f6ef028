"""Door 2 for supervisors: how far triage goes with each task, and whether a task is fit to be automated."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Response
from pydantic import BaseModel, ConfigDict, Field

from anliegen.events import Task as AnyTask
from anliegen.kit.http import APIRouter, Caller, IfMatch, Tx, idempotent, requires, set_etag
from anliegen.kit.principal import ADMINISTRATOR, SUPERVISOR

from ..api import Task, only_staff
from ..packs import Mode
from . import actions, store
from .domain import Report, TaskMode, TaskUnknown

router = APIRouter(prefix="/triage/v1/modes", tags=["triage"])

ModeName = Literal["suggest", "preselect", "automate"]
TaskPath = Annotated[Task, Path(description="One of the seven tasks.")]


class SwitchMode(BaseModel):
    """How far triage shall go with the task from now on, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: ModeName
    reason: str = Field(min_length=3, max_length=500, examples=["A week of confirmations, two corrections in 140."])


class ModeView(BaseModel):
    """How far triage goes with one task."""

    task: str
    mode: str = Field(description="`suggest`, `preselect` or `automate`; further values are possible.")
    version: int
    reason: str | None = Field(description="Why somebody set it so; null where it is as the rule pack has it.")
    changed_by: str | None
    changed_at: datetime | None


class ModesView(BaseModel):
    """How far triage goes with each task."""

    items: list[ModeView]


class CheckView(BaseModel):
    """One thing that has to be seen before a task is automated."""

    name: str
    seen: float | None = Field(description="What was seen; null where too little was seen to say anything.")
    bound: float
    holds: bool
    says: str = Field(description="What to do where it does not hold.")


class FitnessView(BaseModel):
    """Whether a task is fit to be automated: readings of the model of now that reach the task's threshold."""

    task: str
    fit: bool
    model: str = Field(description="The model that reads now. What another one read counts for nothing here.")
    since: datetime
    until: datetime
    reviewed: int = Field(description="So many were decided by a person …")
    confirmed: int = Field(description="… who saw the same task.")
    automated: int = Field(description="So many the model gave to the task by itself, three days ago or longer …")
    handed_over: int = Field(description="… and so many of them the task handed over to another one.")
    readings_by_confidence: dict[str, list[int]] = Field(
        description="Readings of the last 7 days and of the 28 before, in ten bands of confidence."
    )
    checks: list[CheckView]


@router.get("", name="list_modes", dependencies=[requires("reviews:read")])
async def list_modes(tx: Tx, principal: Caller) -> ModesView:
    """The mode of every task."""
    only_staff(principal, TaskUnknown)
    return ModesView(items=[_view(one) for one in await actions.list_task_modes(tx)])


@router.get("/{task}", name="get_mode", dependencies=[requires("reviews:read")])
async def get_mode(task: TaskPath, tx: Tx, principal: Caller, response: Response) -> ModeView:
    """The mode of one task."""
    only_staff(principal, TaskUnknown)
    found = await actions.get_task_mode(tx, task=AnyTask(task))
    set_etag(response, found.version)
    return _view(found)


@router.get("/{task}/changes", name="list_mode_changes", dependencies=[requires("reviews:read")])
async def list_mode_changes(task: TaskPath, tx: Tx, principal: Caller) -> ModesView:
    """Who set the task to what, and why; the last first."""
    only_staff(principal, TaskUnknown)
    return ModesView(items=[_view(one) for one in await store.list_changes(tx, task=AnyTask(task))])


@router.get("/{task}/fitness", name="get_fitness", dependencies=[requires("reviews:read")])
async def get_fitness(task: TaskPath, tx: Tx, principal: Caller) -> FitnessView:
    """Whether the task is fit to be automated, and what is missing."""
    only_staff(principal, TaskUnknown)
    return _view_report(await actions.report_of(tx, task=AnyTask(task)))


@router.post("/{task}/changes", name="switch_mode", dependencies=[requires("modes:write"), idempotent])
async def switch_mode(
    *, task: TaskPath, body: SwitchMode, tx: Tx, principal: Caller, version: IfMatch, response: Response
) -> ModeView:
    """Set the task to another mode. Back is always possible; `automate` only where the fitness report allows it."""
    if not principal.roles & {SUPERVISOR, ADMINISTRATOR}:
        raise TaskUnknown
    changed = await actions.switch_mode(
        tx, task=AnyTask(task), mode=Mode(body.mode), reason=body.reason, version=version, by=principal.subject
    )
    set_etag(response, changed.version)
    return _view(changed)


def _view(mode: TaskMode) -> ModeView:
    return ModeView(
        task=mode.task, mode=mode.mode, version=mode.version, reason=mode.reason, changed_by=mode.changed_by,
        changed_at=mode.changed_at,
    )  # fmt: skip


def _view_report(report: Report) -> FitnessView:
    seen = report.seen
    return FitnessView(
        task=report.task, fit=report.is_fit, model=report.model, since=report.since, until=report.until,
        reviewed=seen.reviewed, confirmed=seen.confirmed, automated=seen.automated, handed_over=seen.handed_over,
        readings_by_confidence={"recent": list(seen.recent), "before": list(seen.before)},
        checks=[CheckView(name=c.name, seen=c.seen, bound=c.bound, holds=c.holds, says=c.says) for c in report.checks],
    )  # fmt: skip
