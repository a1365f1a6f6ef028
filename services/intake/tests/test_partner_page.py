"""The examples of docs/partners.md, run as they stand against the real doors."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from anliegen.events import CustomerRecordChanged
from anliegen.intake import announcer
from anliegen.kit.consumer.loop import Consumer
from anliegen.kit.testing.clients import TestClient, token
from anliegen.stack.stack import PARTNERS

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = (REPOSITORY / "docs" / "partners.md").read_text("utf-8")
Published = Callable[..., Awaitable[list[Any]]]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def settings_overrides(settings_overrides: dict[str, Any], kafka: str) -> dict[str, Any]:
    """The partner of a development machine."""
    return {**settings_overrides, "partners": PARTNERS, "kafka_bootstrap": kafka}


@pytest.fixture
async def environment(client: TestClient, kafka: str, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """The door on loopback, and the command that gives a token."""
    server = uvicorn.Server(uvicorn.Config(client.app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    command = tmp_path / "anliegen"
    command.write_text(f"#!/bin/sh\necho {token('partner', sub='partner@development')}\n")
    command.chmod(0o755)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield {**os.environ, "url": url, "KAFKA": kafka, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    server.should_exit = True
    await task


async def run(*command: str, environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_commands_of_the_page(environment: dict[str, str], context: Any, published: Published) -> None:
    setup, *calls = blocks("sh")
    # The page puts the workspace's commands first; here the one that gives a token is ours.
    setup = setup.replace("PATH=$PWD/.venv/bin:$PATH\n", "")
    answers = [await run("sh", "-ec", f"{setup}\n{call}", environment=environment) for call in calls]
    assert answers == [
        '{"accepted":1,"repeated":0}', '{"accepted":0,"repeated":1}', '{"accepted":2,"repeated":0}',
    ]  # fmt: skip
    assert await announcer.announce_waiting(context) == 3
    assert [e.name for e in await published(CustomerRecordChanged)] == [
        "Giulia Ferrari", "Katrin Aebischer", "Ada Roth",
    ]  # fmt: skip


async def test_programs_of_the_page(environment: dict[str, str], context: Any, published: Published) -> None:
    over_http, over_kafka = blocks("python")
    output = await run(sys.executable, "-c", over_http, environment=environment)
    assert output.split("\n")[:2] == [
        "202 {'accepted': 1, 'repeated': 0}", "202 {'accepted': 0, 'repeated': 1}",
    ]  # fmt: skip
    parts = [asyncio.create_task(part) for part in (Consumer(context).run(), announcer.run(context))]
    try:
        await run(sys.executable, "-c", over_kafka, environment=environment)
        async with asyncio.timeout(30):
            while not any(e.name == "Lea Brunner" for e in await published(CustomerRecordChanged)):
                await asyncio.sleep(0.05)
    finally:
        for part in parts:
            part.cancel()
        with contextlib.suppress(BaseException):
            await asyncio.gather(*parts, return_exceptions=True)
    names = [e.name for e in await published(CustomerRecordChanged)]
    assert sorted(name for name in names if name in {"Noé Müller", "Lea Brunner"}) == ["Lea Brunner", "Noé Müller"]


def test_every_type_that_a_partner_may_write_stands_on_the_page() -> None:
    from anliegen.events.partners import partner_classes

    assert set(re.findall(r"^\| `(partner\.[^`]+)` \|", PAGE, re.MULTILINE)) == set(partner_classes())
