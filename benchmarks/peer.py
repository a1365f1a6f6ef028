"""The peer: django-helpdesk, which keeps a ticket by its REST API, with gunicorn on the same PostgreSQL.

It gets a virtual environment of its own with pinned versions, kept for later runs. Without a package index it is left
out, and that is said aloud.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg

from anliegen.stack.databases import prepare_databases
from anliegen.stack.ports import answers, any_free

from .children import ChildFailed, running
from .cpu import Meter
from .load import Answers, Load, run_load
from .plan import Plan
from .results import Result
from .servers import REPOSITORY, Servers
from .texts import TEXTS

FOLDER = REPOSITORY / "benchmarks" / "peers" / "django_helpdesk"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""The machine's own, where it has some: a company's authority is among them."""
NAME = "helpdesk-peer"
PATH = "/helpdesk/api/tickets/"
CONNECTIONS = 32
WAYS = {
    "2 sync workers": ("--workers=2", "--worker-class=sync"),
    "2 workers of 16 threads": ("--workers=2", "--worker-class=gthread", "--threads=16", "--keep-alive=75"),
}


class PeerMissing(RuntimeError):
    """django-helpdesk could not be installed, so there is no peer in this run."""


async def measure_peer(servers: Servers, plan: Plan) -> tuple[Result, list[Result]]:
    """The better of its ways to run, as a rate, and what it used. Raises PeerMissing."""
    folder = await asyncio.to_thread(_environment_folder)
    await _install(folder)
    prepare_databases(servers.postgres, [NAME])
    environment = _environment(servers)
    token, queue = await _set_up(folder, environment)
    found: dict[str, tuple[Answers, dict[str, float]]] = {}
    for way, words in WAYS.items():
        found[way] = await _run(servers, plan, folder, environment, words, token=token, queue=queue)
    best = max(found, key=lambda way: found[way][0].rate)
    answered, used = found[best]
    name = f"peer: django-helpdesk, create a ticket, {CONNECTIONS} connections, {best}"
    others = [
        Result(f"{name}: p50", answered.p50 * 1000, "ms"),
        Result(f"{name}: p99", answered.p99 * 1000, "ms"),
        Result(f"{name}: service's CPU", used["service"] / answered.sent * 1000, "ms/request"),
        Result(f"{name}: PostgreSQL's CPU", used["postgres"] / answered.sent * 1000, "ms/request"),
    ]
    for way, (other, _) in found.items():
        if way != best:
            others.append(Result(f"peer: the same with {way}", other.rate, "requests/s"))
    return Result(name, answered.rate, "requests/s"), others


def _environment_folder() -> Path:
    pinned = hashlib.sha256((FOLDER / "requirements.txt").read_bytes()).hexdigest()[:12]
    return REPOSITORY / ".anliegen" / "peers" / f"django-helpdesk-{pinned}"


async def _install(folder: Path) -> None:
    """Make the virtual environment, in a folder that counts once a mark in it says that it is complete."""
    if await asyncio.to_thread((folder / "complete").exists):
        return
    uv = Path(sys.executable).with_name("uv")
    environment = {**os.environ, "VIRTUAL_ENV": str(folder)}
    if await asyncio.to_thread(CERTIFICATES.exists):
        environment["UV_SYSTEM_CERTS"] = "1"
    for words in (
        ("venv", "--quiet", "--clear", f"--python={sys.executable}", str(folder)),
        ("pip", "install", "--quiet", "--require-hashes", f"--requirement={FOLDER / 'requirements.txt'}"),
    ):
        child = await asyncio.create_subprocess_exec(
            str(uv), *words, env=environment, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
        )
        _, errors = await child.communicate()
        if child.returncode != 0:
            raise PeerMissing(f"{PeerMissing.__doc__} {errors.decode()[-300:]}")
    (folder / "complete").touch()


def _environment(servers: Servers) -> dict[str, str]:
    # It makes its own tables, so it works as their owner.
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "PYTHONPATH": str(FOLDER),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_SETTINGS_MODULE": "peer_settings",
        "PEER_DATABASE_URL": servers.owner_address(NAME),
        "PEER_SECRET_KEY": secrets.token_hex(32),
    }


async def _set_up(folder: Path, environment: dict[str, str]) -> tuple[str, int]:
    child = await asyncio.create_subprocess_exec(
        str(folder / "bin" / "python"), str(FOLDER / "peer_setup.py"), env=environment, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await child.communicate()
    if child.returncode != 0:
        raise ChildFailed(f"{ChildFailed.__doc__} django-helpdesk's tables could not be made")
    token, queue = output.decode().split()
    return token, int(queue)


async def _run(
    servers: Servers, plan: Plan, folder: Path, environment: dict[str, str], words: tuple[str, ...], *, token: str,
    queue: int,
) -> tuple[Answers, dict[str, float]]:  # fmt: skip
    bodies = [
        json.dumps({
            "queue": queue, "title": "Anfrage @@@@@@@@@@", "description": text, "priority": 3,
            "submitter_email": "k@@@@@@@@@@@post.example",
        }) for text in TEXTS
    ]  # fmt: skip
    headers = {"Content-Type": "application/json", "Authorization": f"Token {token}"}
    async with _gunicorn(folder, environment, words) as (pid, port):
        warm = Load(port, PATH, bodies, headers, CONNECTIONS, seconds=0.5, warm_up=plan.warm_up)
        await run_load(warm)
        tickets = await _count(servers)
        meter = Meter({"service": pid, "postgres": servers.postgres_pid})
        load = Load(port, PATH, bodies, headers, CONNECTIONS, plan.seconds, warm_up=0.0)
        answered = await run_load(load)
        used = meter.read()
        made = await _count(servers) - tickets
    if answered.refused or made < answered.answered:
        raise ChildFailed(f"django-helpdesk refused {answered.refused} and made {made} tickets")
    return answered, used


async def _count(servers: Servers) -> int:
    connection = await asyncpg.connect(servers.owner_address(NAME))
    try:
        return int(await connection.fetchval("SELECT count(*) FROM helpdesk_ticket"))
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _gunicorn(
    folder: Path, environment: dict[str, str], words: tuple[str, ...]
) -> AsyncIterator[tuple[int, int]]:
    port = any_free()
    command = [
        str(folder / "bin" / "gunicorn"), *words, f"--bind=127.0.0.1:{port}", "--preload", "--log-level=error",
        "--no-control-socket", "django.core.wsgi:get_wsgi_application()",
    ]  # fmt: skip
    async with running(command, environment=environment) as pid:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(answers, port):
                await asyncio.sleep(0.1)
        yield pid, port
