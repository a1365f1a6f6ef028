"""The tests' side of the nursery: children that are started, stopped, continued, killed and waited for."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PATIENCE = 30.0  # seconds


@dataclass
class Child:
    """One process: a worker or a door."""

    pid: int
    log: Path
    armed_file: Path
    ended: asyncio.Future[int] = field(repr=False)

    async def dies(self, *, seconds: float = PATIENCE) -> int:
        """Wait for the end; the exit status, negative where a signal ended it."""
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self.ended)

    async def stands_still(self, *, seconds: float = PATIENCE) -> None:
        """Wait until it has stopped itself."""
        async with asyncio.timeout(seconds):
            while not self.is_still():
                await asyncio.sleep(0.02)

    def is_still(self) -> bool:
        """Whether it is stopped just now."""
        return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)

    async def has_failed(self, *, seconds: float = PATIENCE) -> None:
        """Wait until every failpoint that was armed has failed."""
        await self._until(lambda left: not left, seconds)

    async def has_failed_at(self, point: str, *, seconds: float = PATIENCE) -> None:
        """Wait until this failpoint has failed."""
        await self._until(lambda left: point not in left, seconds)

    async def _until(self, reached: Callable[[list[str]], bool], seconds: float) -> None:
        left = None
        try:
            async with asyncio.timeout(seconds):
                while left is None or not reached(left):
                    assert not self.ended.done(), f"it ended with {self.ended.result()}: {self.tail()}"
                    await asyncio.sleep(0.02)
                    if self.armed_file.exists():
                        left = self.armed_file.read_text().split()
        except TimeoutError:
            raise AssertionError(f"never reached: {left}; {self.tail()}") from None

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    async def kill(self) -> None:
        """End it on the spot. Again is harmless."""
        if not self.ended.done():
            self.signal(signal.SIGKILL)
        await self.dies()

    async def end(self) -> int:
        """Have it end as an orchestrator would."""
        self.signal(signal.SIGTERM)
        return await self.dies()

    def tail(self, lines: int = 10) -> str:
        """The end of its log."""
        return "\n".join(line[:400] for line in self.log.read_text(errors="replace").splitlines()[-lines:])


class Nursery:
    """Bears children with the environment of the pipeline."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = process
        self._folder = folder
        self._environment = environment
        self._born: asyncio.Queue[int] = asyncio.Queue()
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._one_by_one = asyncio.Lock()
        self._count = 0

    async def work(self, *services: str, failpoints: Sequence[str] = (), **environment: str) -> Child:
        """A worker of these services, armed with these failpoints."""
        return await self._bear("work", services, failpoints, 0, environment)

    async def serve(self, *services: str, port: int, failpoints: Sequence[str] = (), **environment: str) -> Child:
        """An HTTP door of these services."""
        return await self._bear("serve", services, failpoints, port, environment)

    async def _bear(
        self, part: str, services: Sequence[str], failpoints: Sequence[str], port: int, environment: Mapping[str, str]
    ) -> Child:
        self._count += 1
        log = self._folder / f"{self._count:03}-{'-'.join(services)}-{part}.log"
        armed = log.with_suffix(".armed")
        order = {
            "part": part, "services": list(services), "port": port, "log": str(log), "armed": str(armed),
            "environment": {
                **self._environment, "ANLIEGEN_FAILPOINTS": ",".join(failpoints),
                **{f"ANLIEGEN_{name.upper()}": value for name, value in environment.items()},
            },
        }  # fmt: skip
        assert self._process.stdin is not None
        async with self._one_by_one:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            async with asyncio.timeout(PATIENCE):
                pid = await self._born.get()
        return Child(pid, log, armed, self._end_of(pid))

    def _end_of(self, pid: int) -> "asyncio.Future[int]":
        return self._ends.setdefault(pid, asyncio.get_running_loop().create_future())

    async def listen(self) -> None:
        """Hear what the nursery says, until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "born" in said:
                self._ends.pop(said["born"], None)  # an old child's number, given again
                self._end_of(said["born"])
                self._born.put_nowait(said["born"])
            elif "died" in said:
                self._end_of(said["died"]).set_result(said["status"])


@contextlib.asynccontextmanager
async def open_nursery(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Nursery]:
    """A nursery whose children leave their logs in the folder; all of them end with it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pipeline.nursery",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    nursery = Nursery(process, folder, environment)
    listening = asyncio.create_task(nursery.listen())
    try:
        yield nursery
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            await process.wait()
            await listening
