"""Processes that a run starts for itself: what is measured, and what makes the load, each apart from the other."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import psutil

from anliegen.stack.ports import answers, any_free

from .servers import REPOSITORY

LOG = REPOSITORY / ".anliegen" / "benchmarks.log"


class ChildFailed(RuntimeError):
    """A process of the benchmark ended with an error."""


async def run_json(module: str, *words: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run `python -m module words…` to its end and read the JSON object in its last line. Raises ChildFailed."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *words,
        env=environment, cwd=REPOSITORY, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, _ = await child.communicate()
    except BaseException:
        await _end(child)
        raise
    if child.returncode != 0:
        raise ChildFailed(f"{ChildFailed.__doc__} {module} {' '.join(words[:2])}: {child.returncode}")
    read: dict[str, Any] = json.loads(output.splitlines()[-1])
    return read


@contextlib.asynccontextmanager
async def serving(
    *command: str, environment: Mapping[str, str], seconds: float = 120.0
) -> AsyncIterator[tuple[int, int]]:
    """Run `python command… --port=PORT` for as long as the block lasts; gives its process number and port."""
    port = any_free()
    async with running([sys.executable, *command, f"--port={port}"], environment=environment) as pid:
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(answers, port):
            if time.monotonic() > deadline or not psutil.pid_exists(pid):
                raise ChildFailed(f"{' '.join(command)} does not answer; see {LOG}")
            await asyncio.sleep(0.05)
        yield pid, port


@contextlib.asynccontextmanager
async def running(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> AsyncIterator[int]:
    """Run a command for as long as the block lasts; gives its process number. What it says goes to LOG."""
    with LOG.open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=REPOSITORY, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield child.pid
    finally:
        await _end(child)


async def _end(child: asyncio.subprocess.Process) -> None:
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), timeout=15)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
