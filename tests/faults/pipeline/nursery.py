"""A process that has imported everything once and bears workers and doors by fork, each within milliseconds.

It reads lines of JSON from its standard input (`Order`) and answers in lines of JSON: `{"born": pid}` for each order in
turn, `{"died": pid, "status": …}` when a child has ended (negative: by that signal). When its input ends, so do all.
"""

import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from anliegen.kit import Service, failpoints
from anliegen.kit.http.server import serve_services
from anliegen.kit.service import load_service
from anliegen.kit.telemetry.start import start_telemetry
from anliegen.kit.worker import work

from .services import SERVICES

WATCH_SECONDS = 0.02


def services_of(names: list[str]) -> list[Service]:
    """The pipeline's services by their names, and the product's own."""
    return [SERVICES.get(name) or load_service(name) for name in names]


def live(order: dict[str, Any]) -> None:
    """What a child does: serve or work until it is told to end."""
    import uvloop

    os.environ.update(order["environment"])
    services = services_of(order["services"])
    failpoints.arm_at_start(order["environment"]["ANLIEGEN_FAILPOINTS"])  # else the watcher would see none at first
    threading.Thread(target=tell_what_is_armed, args=(Path(order["armed"]),), daemon=True).start()
    if order["part"] == "serve":
        serve_services(services, host="127.0.0.1", port=order["port"])
    else:
        start_telemetry(services, part="work")
        uvloop.run(work(services))


def tell_what_is_armed(path: Path) -> None:
    """Keep writing down which failpoints are still to come, for a test that waits until they have failed."""
    before = None
    while before != "":
        left = "\n".join(failpoints.armed())
        if left != before:
            path.with_suffix(".new").write_text(left)
            path.with_suffix(".new").replace(path)
        before = left
        time.sleep(WATCH_SECONDS)


def bear(order: dict[str, Any], ears: list[int]) -> int:
    """Fork a child that lives as ordered; its output goes to the file `log`."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        for ear in ears:
            os.close(ear)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        live(order)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Bear children until nobody asks for more."""
    hear, wake = os.pipe()
    for end in (hear, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    alive: set[int] = set()
    unread = b""
    say({"ready": os.getpid()})
    while True:
        ready, _, _ = select.select([0, hear], [], [])
        if hear in ready:
            os.read(hear, 4096)
        reap(alive)
        if 0 not in ready:
            continue
        new = os.read(0, 65536)
        if not new:
            break
        *lines, unread = (unread + new).split(b"\n")
        for line in lines:
            pid = bear(json.loads(line), [hear, wake])
            alive.add(pid)
            say({"born": pid})
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while alive and time.monotonic() < deadline:
        reap(alive)
        time.sleep(0.01)


def reap(alive: set[int]) -> None:
    """Say who has ended, and how."""
    for pid in list(alive):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            alive.discard(pid)
            say({"died": pid, "status": os.waitstatus_to_exitcode(status)})


def say(message: dict[str, int]) -> None:
    """One line of the answer."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
