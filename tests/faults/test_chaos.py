"""A minute of chaos: the short form of `make chaos`."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from anliegen.stack import lifecycle

HERE = Path(__file__).parent
SEED = 4
MINUTES = 1
RATE = 12  # contacts a second; this shows what holds, not how fast


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of this run's own, below which PostgreSQL can be reached; nothing is left running in it."""
    folder = Path(tempfile.mkdtemp(prefix="anliegen-chaos-"))
    yield folder
    lifecycle.down(folder)
    shutil.rmtree(folder)


@pytest.mark.stack
@pytest.mark.timeout(660)
def test_nothing_is_lost_doubled_or_out_of_order_in_a_minute_of_chaos(home: Path) -> None:
    report = home / "report.json"
    command = [
        *(sys.executable, "-m", "chaos", f"--minutes={MINUTES}", f"--seed={SEED}", f"--rate={RATE}"),
        *(f"--home={home}", f"--report={report}", "--drain=90"),
    ]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            said, _ = process.communicate(timeout=560)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    found = json.loads(report.read_text())
    assert found["well"]
    assert found["kills"] >= 3
    assert found["accepted"] == found["planned"] == MINUTES * 60 * RATE
    assert {"intake: contacts", "triage: decisions", "helpdesk: cases", "journey: timeline"} <= {
        line["place"] for line in found["lines"] if line["effects"]
    }
