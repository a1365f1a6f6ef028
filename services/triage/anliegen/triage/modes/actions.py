"""What is done about modes: they are looked up, judged by what people decide, and switched under the fitness report."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from anliegen.events import Task
from anliegen.kit import Transaction, ids
from anliegen.kit.telemetry import metrics
from anliegen.kit.versions import ExpectedVersion

from ..classifier import Classifier, Reading
from ..domain import is_served
from ..packs import OTHER, Mode, Packs
from . import store
from .domain import (
    BANDS,
    BEFORE_DAYS,
    RECENT_DAYS,
    ModeUnchanged,
    NotFit,
    Report,
    Seen,
    TaskMode,
    TaskUnknown,
    checks_of,
    reach,
)

TASKS = tuple(task for task in Task if task is not Task.UNKNOWN)
KEPT_DAYS = 3
"""What a task has kept for so long was given to it rightly."""


async def list_task_modes(tx: Transaction) -> list[TaskMode]:
    """The mode of every task: as somebody set it, else as the rule pack has it."""
    routing = _packs(tx).routing
    known = {one.task: one for one in await store.list_modes(tx)}
    return [known.get(task) or TaskMode(task, routing.policy(task).mode) for task in TASKS]


async def get_task_mode(tx: Transaction, *, task: Task) -> TaskMode:
    """The mode of one task. Raises TaskUnknown."""
    found = next((one for one in await list_task_modes(tx) if one.task is task), None)
    if found is None:
        raise TaskUnknown
    return found


async def reach_of(tx: Transaction, readings: Iterable[Reading]) -> list[Mode | None]:
    """How far triage may go with each of these readings, in the modes of now; what no service settles is not chosen."""
    routing = _packs(tx).routing
    modes = {one.task: one.mode for one in await list_task_modes(tx)}
    reached = [(one, reach(one, routing, modes)) for one in readings]
    return [mode if mode is None or is_served(one, routing) else Mode.SUGGEST for one, mode in reached]


async def switch_mode(
    tx: Transaction, *, task: Task, mode: Mode, reason: str, version: ExpectedVersion, by: str
) -> TaskMode:
    """Set a task to a mode; back is always allowed, `automate` only where the fitness report allows it.

    Raises TaskUnknown, PreconditionFailed, ModeUnchanged, NotFit. What is being read at this moment may still follow
    the mode of before.
    """
    await tx.lock(ids.derived("mode", task.value))
    now = await get_task_mode(tx, task=task)
    version.check(now.version)
    if now.mode is mode:
        raise ModeUnchanged(task=task.value, mode=mode.value)
    report = await report_of(tx, task=task)
    if mode is Mode.AUTOMATE and not report.is_fit:
        raise NotFit(task=task.value, missing=report.missing)
    changed = TaskMode(task, mode, now.version + 1, reason, by, tx.now)
    await store.insert_mode(tx, changed, report=summary_of(report))
    return changed


async def report_of(tx: Transaction, *, task: Task) -> Report:
    """The fitness report of a task, of the model that reads now. Raises TaskUnknown."""
    await get_task_mode(tx, task=task)
    routing, model = _packs(tx).routing, _classifier(tx).version
    since = tx.now - timedelta(days=routing.fitness.window_days)
    threshold = routing.policy(task).thresholds.automate
    judged = await store.count_judgements(tx, task=task, model=model, threshold=threshold, since=since)
    reviewed, confirmed = judged.get("review", (0, 0))
    recently = tx.now - timedelta(days=RECENT_DAYS)
    seen = Seen(
        reviewed=reviewed,
        confirmed=confirmed,
        automated=await store.count_automated(
            tx, task=task, model=model, since=since, until=tx.now - timedelta(days=KEPT_DAYS)
        ),
        handed_over=judged.get("handover", (0, 0))[0],
        recent=await store.count_by_band(tx, task=task, since=recently, until=tx.now),
        before=await store.count_by_band(tx, task=task, since=recently - timedelta(days=BEFORE_DAYS), until=recently),
    )
    return Report(task, model, since, tx.now, seen, checks_of(seen, routing.fitness))


def summary_of(report: Report) -> dict[str, Any]:
    """What is kept of a report with the change that it was asked for."""
    return {
        "fit": report.is_fit,
        "model": report.model,
        "reviewed": report.seen.reviewed,
        "confirmed": report.seen.confirmed,
        "automated": report.seen.automated,
        "handed_over": report.seen.handed_over,
        "checks": {check.name: check.seen for check in report.checks},
    }


def begin_counting(service: str) -> None:
    """Let a series of every band be there from the start: a share of nothing is one, too."""
    for band in range(BANDS):
        metrics.readings.labels(service, "none", _band(band / BANDS), "none")


def _band(confidence: float) -> str:
    return f"{min(int(confidence * BANDS + 1e-9), BANDS - 1) / BANDS:.1f}"


def count_reading(tx: Transaction, reading: Reading, mode: Mode | None) -> None:
    """Count a reading, for dashboards that watch whether what comes in changes."""
    task = reading.concerns[0].task.value if reading.concerns else OTHER if reading.other else "none"
    band = _band(reading.confidence)
    tx.after_commit(metrics.readings.labels(tx.context.service.name, task, band, mode.value if mode else "none").inc)


# What people make of readings -----------------------------------------------------------------------------------------
async def note_judgement(
    tx: Transaction, *, contact_id: UUID, pack: str, judged: Mapping[Task, tuple[float, bool]], source: str
) -> None:
    """Keep whether each of these tasks was, with the confidence that it was read with; and count it."""
    rows = [(task, sure, confirmed) for task, (sure, confirmed) in judged.items()]
    if not rows:
        return
    await store.insert_judgements(
        tx, rows, contact_id=contact_id, model=pack.rpartition(" ")[2], source=source, at=tx.now
    )
    for task, _, confirmed in rows:
        label = "confirmed" if confirmed else "overridden"
        tx.after_commit(metrics.readings_judged.labels(tx.context.service.name, task.value, source, label).inc)


def _packs(tx: Transaction) -> Packs:
    packs: Packs = tx.context.resources["packs"]
    return packs


def _classifier(tx: Transaction) -> Classifier:
    classifier: Classifier = tx.context.resources["classifier"]
    return classifier
