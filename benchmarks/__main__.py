"""`make bench`: measure, print the table, write results.json and the plot."""

import argparse
import asyncio
import time
from pathlib import Path

from . import accept, consumer, machine, relay
from .plan import FULL, TINY, Plan
from .results import Result, write_results
from .servers import REPOSITORY, fresh_servers
from .table import header, line

MEASUREMENTS = {"accept": accept.measure, "relay": relay.measure, "consumer": consumer.measure}


async def run(only: list[str], plan: Plan, *, folder: Path) -> list[Result]:
    """Measure what is asked for, printing each figure as it comes."""
    results: list[Result] = []

    def add(result: Result) -> None:
        results.append(result)
        print(line(result), flush=True)

    print(machine.describe())
    print(header())
    with fresh_servers(folder) as servers:
        print(f"PostgreSQL: fsync={await servers.ask('SHOW fsync')}")
        add(machine.commit_rate(folder))
        for name in only:
            began = time.monotonic()
            async for result in MEASUREMENTS[name](servers, plan):
                add(result)
            print(f"{name} took {time.monotonic() - began:.0f} s", flush=True)
    return results


def main() -> None:
    asked = argparse.ArgumentParser(prog="make bench", description=__doc__)
    asked.add_argument("--only", default="", help=f"some of {','.join(MEASUREMENTS)}; then no file is written")
    asked.add_argument("--tiny", action="store_true", help="a trace of everything, to see that it works")
    asked.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks")
    chosen = asked.parse_args()
    only = [name for name in chosen.only.split(",") if name] or list(MEASUREMENTS)
    unknown = set(only) - set(MEASUREMENTS)
    if unknown:
        asked.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}")
    plan = TINY if chosen.tiny else FULL
    results = asyncio.run(run(only, plan, folder=REPOSITORY / ".anliegen" / "benchmarks"))
    if not chosen.only:
        write_results(chosen.out / "results.json", results)


if __name__ == "__main__":
    main()
