"""`make chaos MINUTES=20 SEED=1 RATE=50 REPORT=report.json`."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from .report import text
from .run import DRAIN_PATIENCE, Wish, run


def main() -> int:
    """Run once; the exit code is 1 where anything was lost, doubled, out of order or left over."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=50.0, help="contacts a second")
    parser.add_argument("--report", type=Path, help="write the report as JSON, too")
    parser.add_argument("--home", type=Path, help="keep everything in this new folder")
    parser.add_argument("--drain", type=float, default=DRAIN_PATIENCE, help="seconds to wait for the end of all work")
    chosen = parser.parse_args()
    home = chosen.home or Path(tempfile.mkdtemp(prefix="anliegen-chaos-"))
    home.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - begun:7.1f}] {what}", flush=True)

    wish = Wish(chosen.seed, chosen.minutes, chosen.rate, home, chosen.drain)
    report = uvloop.run(run(wish, say=say))
    if chosen.report:
        chosen.report.write_text(json.dumps(report.as_json(), indent=2) + "\n")
    print("\n" + text(report))
    if report.faults_found:
        print(f"\nLogs, ledger and data are in {home}.", file=sys.stderr)
        return 1
    if chosen.home is None:
        shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
