"""Progress on screen: live lines with a spinner on a terminal, plain lines anywhere else."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import click
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text


@dataclass
class Step:
    """One thing that is being done. `say` tells how far it is; the last word stays."""

    title: str
    detail: str = ""
    started: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    failed: bool = False

    def say(self, detail: str) -> None:
        self.detail = detail


class Reporter(Protocol):
    """Hears of every step. Steps may overlap, each in its own thread."""

    def step(self, title: str) -> contextlib.AbstractContextManager[Step]: ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


class Silent:
    """Says nothing."""

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Step]:
        yield Step(title)

    def note(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@contextlib.contextmanager
def _timed(step: Step) -> Iterator[Step]:
    try:
        yield step
    except BaseException:
        step.failed = True
        raise
    finally:
        step.seconds = time.monotonic() - step.started


class Plain:
    """One line when a step ends, and one every few seconds while a long one says how far it is."""

    EVERY = 3.0  # seconds

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Step]:
        step = _Telling(title)
        try:
            with _timed(step):
                yield step
        finally:
            click.echo(
                f"{'failed' if step.failed else 'ok':>6}  {title:<24}{step.seconds:5.1f} s  {step.detail}".rstrip()
            )

    def note(self, text: str) -> None:
        click.echo(f"  note  {text}")

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class _Telling(Step):
    told: float = field(default_factory=time.monotonic)

    def say(self, detail: str) -> None:
        super().say(detail)
        if time.monotonic() - self.told > Plain.EVERY:
            self.told = time.monotonic()
            click.echo(f"     …  {self.title:<24}{self.told - self.started:5.1f} s  {detail}")


class Lively:
    """All steps at once, each with its spinner or its mark and seconds."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._notes: list[str] = []
        self._lock = threading.Lock()
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(get_renderable=self._draw, console=Console(), refresh_per_second=10)
        self._live.start()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Step]:
        step = Step(title)
        with self._lock:
            self._steps.append(step)
        with _timed(step):
            yield step

    def note(self, text: str) -> None:
        with self._lock:
            self._notes.append(text)

    def close(self) -> None:
        self._live.stop()

    def _draw(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column()
        table.add_column(overflow="ellipsis", no_wrap=True)
        with self._lock:
            for step in self._steps:
                seconds = step.seconds if step.seconds is not None else time.monotonic() - step.started
                mark: Text | Spinner = self._spinner
                if step.seconds is not None:
                    mark = Text("✗", style="red") if step.failed else Text("✓", style="green")
                table.add_row(mark, step.title, Text(f"{seconds:5.1f} s", style="dim"), Text(step.detail, style="dim"))
            return Group(table, *(Text(f"! {note}", style="yellow") for note in self._notes))


def reporter() -> Lively | Plain:
    """What fits where the output goes."""
    return Lively() if Console().is_terminal else Plain()
