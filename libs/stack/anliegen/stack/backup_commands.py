"""The commands `anliegen backup` and `anliegen restore`."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import click

from anliegen.stack.cli import explained
from anliegen.stack.progress import reporter


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@explained
def backup(folder: Path) -> None:
    """Copy databases, files and secrets of the running stack into an empty FOLDER, while it is at work.

    The folder then holds every secret, and what customers wrote: keep it where nobody else reads.
    """
    from anliegen.stack.backup import back_up

    begun = time.monotonic()
    with contextlib.closing(reporter()) as heard:
        made = back_up(folder, reporter=heard)
    click.echo(
        f"\n{made.bytes / 1_048_576:.0f} MB in {time.monotonic() - begun:.1f} s. It holds all that was accepted before "
        f"{made.begun_at}.\n`anliegen restore {folder}` makes a stack of it in an empty ANLIEGEN_HOME."
    )


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--processes", is_flag=True, help="As for `up`.")
@explained
def restore(folder: Path, *, processes: bool) -> None:
    """Make a stack of the backup in FOLDER, in an empty ANLIEGEN_HOME with an empty Kafka, and start it.

    What was announced and not yet heard by everybody at the backup is announced again. Messages to customers that were
    waiting then are sent, once more if they had left meanwhile.
    """
    from anliegen.stack.backup import restore as run

    begun = time.monotonic()
    with contextlib.closing(reporter()) as heard:
        stack = run(folder, processes=processes, reporter=heard)
    click.echo(f"\nRestored after {time.monotonic() - begun:.1f} s: {stack.http_url}/")


commands = [backup, restore]
