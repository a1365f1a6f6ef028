"""The instrument works from end to end. Sizes are tiny, and no figure is judged: speed is no matter of tests."""

import asyncio
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from benchmarks.floors import FLOORS, Floor, reaches_floor
from benchmarks.load import Load, run_load
from benchmarks.plot import write_plot
from benchmarks.results import Result, percentile, read_results, write_results
from benchmarks.table import line

REPOSITORY = Path(__file__).resolve().parents[2]


def bench(tmp_path: Path, only: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--tiny", f"--only={only}", f"--home={tmp_path / 'home'}",
         f"--out={tmp_path}"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.timeout(520)
def test_the_parts_are_measured_beside_their_bounds(tmp_path: Path) -> None:
    said = bench(tmp_path, "accept,relay,consumer,growth")
    for figure in (
        "fsync=on",
        "accept, typed write, 2 connections",
        "the 2 statements that intake sends",
        "accept, intake, known senders, 2 connections: load generator's CPU, left out",
        "relay: CPU with PostgreSQL's",
        "consumer, single events, batch 100",
        "pgbench, the rows of the batch in SQL",
        "growth: read a timeline, with 200 events",
    ):
        assert figure in said
    assert not (tmp_path / "results.json").exists(), "a part of the figures must not pass for all of them"


@pytest.mark.stack
@pytest.mark.timeout(520)
def test_the_whole_stack_is_measured_until_every_effect_is_there(tmp_path: Path) -> None:
    said = bench(tmp_path, "pipeline,rest")
    for figure in ("pipeline, contacts with all their effects", "CPU of worker-triage", "at rest: memory of kafka"):
        assert figure in said


class Accepting(asyncio.Protocol):
    """Answers 202 to everything, and keeps the bodies."""

    def __init__(self, bodies: list[bytes], transports: list[asyncio.Transport]) -> None:
        self._bodies, self._transports = bodies, transports
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transports.append(transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if end and len(body) == int(head.lower().split(b"content-length: ")[1].split(b"\r")[0]):
            self._received = b""
            self._bodies.append(body)
            self._transport.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}")


async def test_a_steady_load_sends_as_many_as_it_was_told_and_none_twice() -> None:
    bodies: list[bytes] = []
    transports: list[asyncio.Transport] = []
    server = await asyncio.get_running_loop().create_server(lambda: Accepting(bodies, transports), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answers = await run_load(Load(port, "/", ['{"n": "@@@@@@@@@@"}'], connections=16, count=100, rate=400.0))
        for transport in transports:
            transport.abort()
        await asyncio.sleep(0.05)
    assert answers.answered == len(bodies) == len(set(bodies)) == 100
    assert answers.rate < 500


def test_results_are_lists_of_six_fields(tmp_path: Path) -> None:
    results = [Result("relay", 30_000.123456, "events/s", 60_000.0, "Kafka's"), Result("relay: memory", 50.0, "MB")]
    write_results(tmp_path / "results.json", results)
    first, second = json.loads((tmp_path / "results.json").read_text())
    assert first == {
        "name": "relay", "value": 30000, "unit": "events/s", "bound": 60000, "bound_name": "Kafka's", "ratio": 0.5,
    }  # fmt: skip
    assert second["bound"] is second["bound_name"] is second["ratio"] is None
    assert [result.name for result in read_results(tmp_path / "results.json")] == ["relay", "relay: memory"]


def test_a_floor_is_met_or_missed() -> None:
    assert "floor ≥ 25,000 events/s: met" in line(Result("relay", 25_000, "events/s"))
    assert "floor ≥ 25,000 events/s: MISSED" in line(Result("relay", 24_999, "events/s"))
    assert not reaches_floor(Result("commit → handler at 50 events/s, p50", 10.1, "ms"))
    ours = Result("accept, intake against django-helpdesk", 2_000, "requests/s", 60, "django-helpdesk")
    assert reaches_floor(ours)
    assert not reaches_floor(Result(ours.name, 1_799, ours.unit, 60, ours.bound_name))
    assert not Floor(30, True, "", of_ratio=True).is_met(Result("no bound", 1_000_000, "requests/s"))
    assert reaches_floor(Result("has no floor", 0, "s"))
    assert len(FLOORS) >= 14


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert percentile(values, 0.5) == 51.0
    assert percentile(values, 0.99) == 100.0
    assert percentile([3.0], 0.99) == 3.0


def test_the_plot_shows_what_was_measured_and_leaves_out_the_rest(tmp_path: Path) -> None:
    results = [
        Result("relay", 30_000, "events/s", 60_000, "Kafka's"),
        Result("pipeline: CPU of worker-triage", 1.5, "ms/contact"),
        Result("growth: write, with 10,000 events", 1.0, "ms", 1.0, "the same"),
        Result("growth: write, with 1,000,000 events", 1.5, "ms", 1.0, "the same"),
    ]
    write_plot(tmp_path / "results.svg", results, machine="two cores & more")
    drawn = ElementTree.parse(tmp_path / "results.svg").getroot()
    said = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"30,000", "60,000", "worker-triage  1.50", "write  1.50 ×", "two cores & more"} <= set(said)
    assert "Accepting over HTTP" not in said
