"""Every service is restarted under load, by clients that never ask twice: no request fails and no event is lost."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from chaos import evidence
from chaos.contacts import draw_contacts
from chaos.load import Load
from chaos.reading import read_on
from chaos.reconcile import reconcile
from chaos.run import drain

from anliegen.stack import lifecycle
from anliegen.stack.restart import restart
from anliegen.stack.stack import Stack

RATE = 8
LONGEST = 300  # seconds of contacts that are prepared


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Every service in processes of its own behind the gateway."""
    folder = Path(tempfile.mkdtemp(prefix="anliegen-rolling-"))
    folder.chmod(0o711)
    with lifecycle.running_stack(folder / "home", processes=True) as stack:
        yield stack
    shutil.rmtree(folder)


async def follow(stack: Stack, journey_id: str, failed: list[str], heard: list[str], endings: list[str]) -> None:
    """A customer follows their journey, and comes back where the stream ends, as a browser does."""
    token = stack.token("customer", journey_id=journey_id)
    position = ""
    async with httpx.AsyncClient(base_url=stack.http_url, timeout=None) as client:
        while True:
            headers = {"Authorization": f"Bearer {token}", **({"Last-Event-ID": position} if position else {})}
            path = f"/journey/v1/journeys/{journey_id}/stream"
            async with client.stream("GET", path, headers=headers) as response:
                if response.status_code != 200:
                    failed.append(f"{path}: {response.status_code}")
                    return
                last = ""
                async for line in response.aiter_lines():
                    if line.startswith("id: "):
                        position = line.removeprefix("id: ")
                    elif line.startswith("data: ") and '"event_id"' in line:
                        heard.append(line)
                    last = line or last
            endings.append(last)


@pytest.fixture
async def load(stack: Stack) -> AsyncIterator[Load]:
    """Contacts by every channel; a failed request is not repeated."""
    yield Load(stack, draw_contacts(seed=5, planned=RATE * LONGEST, rate=RATE), rate=RATE, repeats=False)


@pytest.mark.stack
@pytest.mark.timeout(600)
async def test_every_service_is_restarted_under_load_without_a_failed_request(stack: Stack, load: Load) -> None:
    failed: list[str] = []
    answers: list[int] = []
    heard: list[str] = []
    endings: list[str] = []
    customer = next(one.person for one in load.contacts if one.channel == "app")
    async with asyncio.TaskGroup() as group:
        bringing = group.create_task(load.run())
        reading = group.create_task(read_on(stack, failed, answers))
        while not any(one.person == customer.number for one in load.ledger.accepted):
            await asyncio.sleep(0.1)
        await drain(stack.postgres, stack.bootstrap, ["intake", "journey"], seconds=5)
        following = group.create_task(follow(stack, customer.address, failed, heard, endings))
        await asyncio.sleep(1)
        restarting = asyncio.create_task(asyncio.to_thread(restart, stack.home.root))
        await asyncio.wait({restarting})  # to its end, whatever has failed meanwhile: nobody else can stop the stack
        assert restarting.result() == stack.services
        # Until this customer has brought the next matter: half a minute after the first, with this seed.
        async with asyncio.timeout(60):
            while not heard:
                await asyncio.sleep(0.1)
        load.end()
        await bringing
        reading.cancel()
        left = await drain(stack.postgres, stack.bootstrap, stack.services, seconds=60)
        following.cancel()
    await load.look_at_messages()
    assert (load.ledger.unsettled, failed) == ({}, [])
    assert len(load.ledger.accepted) == load.ledger.requests >= 10 * RATE
    assert len(answers) >= 50
    assert endings == ["retry: 2000"], "the stream was told to come back, once"
    assert left == {}
    found = await evidence.collect(stack.postgres, stack.bootstrap, stack.services, stack.home.mailbox)
    assert [line for line in reconcile(load.ledger, found) if not line.is_well] == []
