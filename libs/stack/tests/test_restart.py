import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from anliegen.stack.errors import StackError
from anliegen.stack.home import Home
from anliegen.stack.ports import any_free
from anliegen.stack.postgres import server_at
from anliegen.stack.processes import Processes
from anliegen.stack.restart import restart
from anliegen.stack.stack import Stack


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose notes say that two services were started."""
    place = Home(tmp_path)
    place.make()
    server = server_at("postgresql://postgres@127.0.0.1:5432/postgres", place.secrets)
    Stack(place, ["helpdesk", "triage"], any_free(), any_free(), any_free(), server, "127.0.0.1:9092").save()
    return place


@pytest.fixture
def shared(home: Home) -> Iterator[Processes]:
    """The process that all services share runs; what it does is of no interest here."""
    processes = Processes(home.run, home.logs)
    processes.start("http", [sys.executable, "-c", "import time; time.sleep(60)"], environment={})
    yield processes
    processes.stop("http", patience=1)


def test_one_of_several_services_in_one_process_is_not_restarted(home: Home, shared: Processes) -> None:
    before = shared.running("http")
    with pytest.raises(StackError, match=r"share one process here, so triage cannot.*`anliegen up --processes`"):
        restart(home.root, services=["triage"])
    assert before is not None and shared.running("http") == before


def test_restart_of_what_does_not_run_says_how_to_start_it(home: Home) -> None:
    with pytest.raises(StackError, match="Start them with `anliegen up`"):
        restart(home.root)
