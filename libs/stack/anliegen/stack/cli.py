"""The commands of the stack: up, down, restart, status, logs, reset, token, clock."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from anliegen.kit.scopes import ROLES
from anliegen.stack.errors import StackError
from anliegen.stack.home import Home

P = ParamSpec("P")
R = TypeVar("R")


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Show an expected trouble as one message, without a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except StackError as trouble:
            raise click.ClickException(str(trouble)) from trouble

    return run


@click.command()
@click.option("--processes", is_flag=True, help="Give each service an HTTP process and a worker process of its own.")
@explained
def up(processes: bool) -> None:
    """Start PostgreSQL, Kafka and every service on this machine; what runs already stays."""
    from anliegen.stack import lifecycle
    from anliegen.stack.progress import reporter

    begun = time.monotonic()
    with contextlib.closing(reporter()) as heard:
        stack = lifecycle.up(processes=processes, reporter=heard)
    click.echo(f"\nUp after {time.monotonic() - begun:.1f} s. Everything is below {stack.home.root}.\n")
    for what, where in (
        ("services", f"{stack.http_url}/"),
        ("interface", f"{stack.http_url}/docs"),
        ("mailbox", stack.mailbox_url),
        ("Kafka", stack.bootstrap),
        ("PostgreSQL", f"127.0.0.1:{stack.postgres.port}" if stack.postgres.port else "yours"),
    ):
        click.echo(f"  {what:<12}{where}")
    command = os.path.relpath(sys.argv[0]) if Path(sys.argv[0]).is_relative_to(Path.cwd()) else "anliegen"
    click.echo(f"\n  {command} token agent   a token for a role\n  {command} status        how everything is")
    click.echo(f"  {command} down          stop; the data stays\n")


@click.command()
@explained
def down() -> None:
    """Stop everything; the data stays."""
    from anliegen.stack import lifecycle
    from anliegen.stack.progress import reporter

    with contextlib.closing(reporter()) as heard:
        was_running = lifecycle.down(reporter=heard)
    click.echo("Down. The data stays." if was_running else "Nothing was running.")


@click.command()
@click.argument("services", nargs=-1, metavar="[SERVICE]…")
@explained
def restart(services: tuple[str, ...]) -> None:
    """Restart services, or all, one after the other.

    After `up --processes` no request fails meanwhile. Otherwise all services share their processes: only all of them
    can be restarted, and they do not answer for some seconds.
    """
    from anliegen.stack.progress import reporter
    from anliegen.stack.restart import restart as run

    with contextlib.closing(reporter()) as heard:
        run(services=services or None, reporter=heard)


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@explained
def reset(yes: bool) -> None:
    """Stop everything and delete all data."""
    from anliegen.stack import lifecycle
    from anliegen.stack.progress import reporter

    home = Home.find()
    if not home.root.is_dir():
        click.echo("There is nothing to delete.")
        return
    if not yes:
        click.confirm(f"Delete all data of the stack in {home.root}?", abort=True)
    with contextlib.closing(reporter()) as heard:
        lifecycle.reset(reporter=heard)
    click.echo("Everything is deleted.")


@click.command()
@explained
def status() -> None:
    """Show every process with its memory and health. The exit code is 1 when something is down."""
    from anliegen.stack.lifecycle import read_stack
    from anliegen.stack.status import look

    stack = read_stack()
    found = look(stack.home)
    click.echo(f"{'process':<24}{'pid':>8}{'port':>7}{'memory':>10}{'core':>8}  health")
    for process in found:
        click.echo(
            f"{process.name:<24}{process.pid or '-':>8}{process.port or '-':>7}{process.memory / 1_048_576:>7.0f} MB"
            f"{process.processor:>6.1f} %  {click.style(process.health, fg='green' if process.is_well else 'red')}"
        )
    if not found:
        click.echo("Nothing is running. Start it with `anliegen up`.")
    elif down := [process.name for process in found if not process.is_well]:
        click.echo(f"\nNot well: {', '.join(down)}. `anliegen up` mends it, `anliegen logs {down[0]}` says more.")
    if not found or down:
        sys.exit(1)


@click.command()
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until interrupted.")
@click.option("-n", "--lines", default=50, show_default=True, help="How many lines of the past.")
@explained
def logs(name: str | None, follow: bool, lines: int) -> None:
    """Show the end of one process's log, or of all."""
    folder = Home.find().logs
    files = sorted(folder.glob("*.log"))
    names = [file.stem for file in files]
    if name is not None and name not in names:
        raise StackError(f"There is no log {name!r}. Logs: {', '.join(names) or 'none yet'}.")
    chosen = [file for file in files if name in {None, file.stem}]
    prefix = max((len(file.stem) for file in chosen), default=0) + 2 if len(chosen) > 1 else 0
    with contextlib.suppress(KeyboardInterrupt):
        for file, line in _lines(chosen, lines, follow=follow):
            click.echo(f"{file.stem:<{prefix}}{line}" if prefix else line)


def _lines(files: list[Path], lines: int, *, follow: bool) -> Iterator[tuple[Path, str]]:
    from anliegen.stack.processes import tail

    positions = {}
    for file in files:
        positions[file] = file.stat().st_size
        for line in tail(file, lines).splitlines():
            yield file, line
    while follow:
        for file, position in positions.items():
            size = file.stat().st_size
            if size == position:
                continue
            with file.open("rb") as opened:
                # A log that was shortened meanwhile is read from its new beginning.
                opened.seek(position if size > position else 0)
                new = opened.read()
            whole = new[: new.rfind(b"\n") + 1]
            positions[file] = (position if size > position else 0) + len(whole)
            for line in whole.decode(errors="replace").splitlines():
                yield file, line
        time.sleep(0.2)


@click.command()
@click.argument("role", type=click.Choice(list(ROLES)))
@click.option("--scope", "scopes", multiple=True, help="Instead of the scopes usual for the role; may be repeated.")
@click.option("--task", "tasks", multiple=True, help="Limit an agent to this task; may be repeated.")
@click.option("--tier", type=click.IntRange(1, 3), help="How far an agent was trained; 3 is the top staff.")
@click.option("--journey", help="The one journey that a customer may see.")
@click.option("--subject", help="Who it is; without, <role>@development.")
@click.option("--hours", default=8.0, show_default=True, help="How long it is valid.")
@explained
def token(
    *,
    role: str,
    scopes: tuple[str, ...],
    tasks: tuple[str, ...],
    tier: int | None,
    journey: str | None,
    subject: str | None,
    hours: float,
) -> None:
    """Print a bearer token for a role, signed with the development key of this stack."""
    from anliegen.stack.lifecycle import read_stack

    wanted = [word for scope in scopes for word in scope.split()]
    made = read_stack().token(
        role, scopes=wanted, tasks=tasks, tier=tier, journey_id=journey, subject=subject, lifetime=int(hours * 3600)
    )
    click.echo(made)


@click.group(invoke_without_command=True)
@click.pass_context
def clock(context: click.Context) -> None:
    """Move the business clock: deadlines, callbacks and month's ends come early."""
    if context.invoked_subcommand is None:
        context.invoke(show)


@clock.command()
@explained
def show() -> None:
    """Show the business time of every service."""
    from anliegen.stack.business_clock import read_clock
    from anliegen.stack.lifecycle import read_stack

    _tell(read_clock(read_stack()))


@clock.command()
@click.argument("by")
@explained
def advance(by: str) -> None:
    """Move forward by 3d, 2h30m, 1w2d or 90s."""
    from anliegen.stack.business_clock import duration, read_clock

    _move(lambda stack: max(read_clock(stack).values(), default=timedelta()) + duration(by))


@clock.command("set")
@click.argument("time")
@explained
def set_clock(time: str) -> None:
    """Let it be this time now, in ISO 8601 (UTC where no zone is given)."""
    from anliegen.stack.business_clock import moment

    _move(lambda _: moment(time) - datetime.now(UTC))


@clock.command("reset")
@explained
def reset_clock() -> None:
    """Let it be the machine's time again."""
    _move(lambda _: timedelta())


def _move(ahead: Callable[[Any], timedelta]) -> None:
    from anliegen.stack.business_clock import move_clock, read_clock
    from anliegen.stack.lifecycle import read_stack

    stack = read_stack()
    move_clock(stack, ahead(stack))
    _tell(read_clock(stack))


def _tell(offsets: dict[str, timedelta]) -> None:
    for service, ahead in offsets.items():
        now = (datetime.now(UTC) + ahead).isoformat(sep=" ", timespec="seconds")
        distance = "as the machine" if not ahead else f"{abs(ahead)} {'ahead' if ahead > timedelta() else 'behind'}"
        click.echo(f"{service:<24}{now}  {distance}")


commands = [up, down, restart, status, logs, reset, token, clock]
