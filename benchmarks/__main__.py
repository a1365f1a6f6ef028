"""`make bench`: measure, print the table, write results.json and the plot."""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from . import accept, catch_up, consumer, flow, growth, machine, pipeline, relay, whole
from .children import LOG
from .plan import FULL, TINY, Plan
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

    def add(result: Result) -> None:
        results.append(result)
        print(line(result), flush=True)

    print(machine.describe())
    print(header())

    async def take(name: str, figures: AsyncIterator[Result]) -> None:
        began = time.monotonic()
        async for result in figures:
            add(result)
        print(f"{name} took {time.monotonic() - began:.0f} s", flush=True)

    with fresh_servers(folder) as servers:
        print(f"PostgreSQL: fsync={await servers.ask('SHOW fsync')}")
        add(machine.commit_rate(folder))
        for name, measure in PARTS.items():
            if name in only:
                await take(name, measure(servers, plan))
    if set(only) & set(WHOLE):
        async with running_world(folder) as world:
            for name, look in WHOLE.items():
                if name in only:
                    await take(name, look(world, plan))
    return results


def main() -> None:
    asked = argparse.ArgumentParser(prog="make bench", description=__doc__)
    asked.add_argument("--only", default="", help=f"some of {','.join(ALL)}; then no file is written")
    asked.add_argument("--tiny", action="store_true", help="a trace of everything, to see that it works")
    asked.add_argument("--home", type=Path, default=REPOSITORY / ".anliegen" / "benchmarks", help="for data; emptied")
    asked.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks")
    chosen = asked.parse_args()
    only = [name for name in chosen.only.split(",") if name] or list(ALL)
    unknown = set(only) - set(ALL)
    if unknown:
        asked.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    plan = TINY if chosen.tiny else FULL
    with alone(chosen.home):
        LOG.write_bytes(b"")
        results = asyncio.run(run(only, plan, folder=chosen.home))
    if not chosen.only:
        write_results(chosen.out / "results.json", results)


if __name__ == "__main__":
    main()
