"""`make bench`: measure, print the table, write results.json and the plot."""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from anliegen.kit.telemetry import logs

from . import accept, catch_up, consumer, flow, growth, machine, pipeline, relay, soak, whole
from .children import LOG
from .floors import reaches_floor
from .plan import FULL, TINY, Plan
from .plot import write_plot
from .results import Result, write_results
from .servers import REPOSITORY, alone, fresh_servers
from .stack_world import running_world
from .table import header, line

PARTS = {
    "accept": accept.measure,
    "relay": relay.measure,
    "consumer": consumer.measure,
    "latency": flow.measure_latency,
    "failures": flow.measure_failures,
    "catch-up": catch_up.measure,
    "growth": growth.measure,
}
"""Measured with a PostgreSQL and a Kafka alone."""
WHOLE = {"pipeline": pipeline.measure, "journey": whole.measure_journey, "rest": whole.measure_rest}
"""Measured with the whole stack."""
ALL = (*PARTS, *WHOLE)


async def run(only: list[str], plan: Plan, *, folder: Path) -> list[Result]:
    """Measure what is asked for, printing each figure as it comes."""
    results: list[Result] = []
    print(machine.describe())
    print(header())
    with fresh_servers(folder) as servers:
        print(f"PostgreSQL: fsync={await servers.ask('SHOW fsync')}")
        results.append(machine.commit_rate(folder))
        print(line(results[-1]))
        for name, measure in PARTS.items():
            if name in only:
                results += await _take(name, measure(servers, plan))
    if set(only) & set(WHOLE):
        async with running_world(folder) as world:
            for name, look in WHOLE.items():
                if name in only:
                    results += await _take(name, look(world, plan))
    return results


async def run_soak(seconds: float, rate: float, *, folder: Path, out: Path) -> None:
    """Memory under steady load; the samples are written beside the results."""
    print(machine.describe())
    async with running_world(folder) as world:
        await _take("soak", soak.measure(world, seconds=seconds, rate=rate, samples_to=out / "soak.json"))


async def _take(name: str, figures: AsyncIterator[Result]) -> list[Result]:
    began, results = time.monotonic(), []
    async for result in figures:
        results.append(result)
        print(line(result), flush=True)
    print(f"{name} took {time.monotonic() - began:.0f} s", flush=True)
    return results


def main() -> None:
    """Read what is asked for, and measure it."""
    asked = argparse.ArgumentParser(prog="make bench", description=__doc__)
    asked.add_argument("--only", default="", help=f"some of {','.join(ALL)}; then no file is written")
    asked.add_argument("--tiny", action="store_true", help="a trace of everything, to see that it works")
    asked.add_argument("--soak", type=soak.minutes, metavar="20m", help="memory under steady load for so long, alone")
    asked.add_argument("--rate", type=float, default=100.0, help="contacts a second of the soak")
    asked.add_argument("--home", type=Path, default=REPOSITORY / ".anliegen" / "benchmarks", help="for data; emptied")
    asked.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks", help="for results.json and the plot")
    chosen = asked.parse_args()
    only = [name for name in chosen.only.split(",") if name] or list(ALL)
    if unknown := set(only) - set(ALL):
        asked.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    logs.setup("WARNING")
    with alone(chosen.home):
        LOG.parent.mkdir(exist_ok=True)
        LOG.write_bytes(b"")
        if chosen.soak:
            asyncio.run(run_soak(chosen.soak, chosen.rate, folder=chosen.home, out=chosen.out))
            return
        results = asyncio.run(run(only, TINY if chosen.tiny else FULL, folder=chosen.home))
    missed = [result.name for result in results if not reaches_floor(result)]
    print(f"Floors missed: {'; '.join(missed) or 'none'}")
    if not chosen.only:
        write_results(chosen.out / "results.json", results)
        write_plot(chosen.out / "results.svg", results, machine=machine.describe())
        print(f"Written: results.json and results.svg in {chosen.out}")


if __name__ == "__main__":
    main()
