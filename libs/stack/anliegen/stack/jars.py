"""Kafka's jars: fetched one exact coordinate at a time through jgo, each held against its SHA-256, kept in one folder.

The list names all of them. jgo is never asked to resolve dependencies: it would mix versions.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from anliegen.stack.errors import StackError

AT_ONCE = 8
PATIENCE = 30  # seconds without a byte
PAUSES = (0.5, 2.0)  # seconds before another attempt where the network failed
LIST = "kafka-jars.txt"


@dataclass(frozen=True)
class Jar:
    """One jar: its coordinate `group:artifact:version` and the SHA-256 of its bytes, in hexadecimal."""

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def listed() -> list[Jar]:
    """The jars of the broker and its tools."""
    text = files(__package__).joinpath(LIST).read_text()
    return [Jar(*line.split()) for line in text.splitlines() if line and not line.startswith("#")]


def cache_folder() -> Path:
    """Where fetched things are kept for all stacks of this user: ANLIEGEN_CACHE, else the user's cache folder."""
    named = os.environ.get("ANLIEGEN_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "anliegen"


def kafka_folder(jars: list[Jar] | None = None) -> Path:
    """The folder that holds exactly the listed jars. Another list has another folder."""
    content = "\n".join(f"{jar.coordinate} {jar.sha256}" for jar in jars or listed())
    return cache_folder() / f"kafka-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def fetch_jars(
    progress: Callable[[int, int], None] | None = None,
    *,
    jars: list[Jar] | None = None,
    source: Callable[[Jar], Path] | None = None,
) -> Path:
    """Have every jar in the folder, right to the last bit, and return the folder.

    `progress`, if given, is told how many of how many are there. `source` gives the path of a jar's file, from the
    user's Maven cache or from the network. A file with a wrong checksum is deleted and fetched once more. Raises
    StackError.
    """
    jars = jars or listed()
    folder = kafka_folder(jars)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        raise StackError(
            f"{folder} cannot be made ({refused}). Set ANLIEGEN_CACHE to a folder of your own."
        ) from refused
    with _alone(folder):
        source = source or Maven()
        stopped = threading.Event()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="jars") as executor:
            waiting = [executor.submit(_have, jar, folder, source, stopped) for jar in jars]
            try:
                for done, future in enumerate(as_completed(waiting), start=1):
                    future.result()
                    if progress is not None:
                        progress(done, len(jars))
            except BaseException:
                stopped.set()
                executor.shutdown(wait=False, cancel_futures=True)
                raise
    return folder


def _have(jar: Jar, folder: Path, source: Callable[[Jar], Path], stopped: threading.Event) -> None:
    target = folder / jar.file_name
    if target.is_file():
        if checksum(target) == jar.sha256:
            return
        target.unlink()
    for _ in range(2):
        if stopped.is_set():
            return
        found = source(jar)
        if (seen := checksum(found)) == jar.sha256:
            _place(found, target)
            return
        found.unlink(missing_ok=True)
    raise StackError(
        f"{jar.coordinate} was fetched twice and both times its bytes were wrong (SHA-256 {seen}, expected "
        f"{jar.sha256}). Something between here and the repository changes it; see that it does not, and try again."
    )


def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(found: Path, target: Path) -> None:
    """A link costs no room; where the two folders are on different disks it is a copy. Complete, or not there."""
    temporary = target.with_suffix(f".{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(found, temporary)
    except OSError:
        shutil.copyfile(found, temporary)
    temporary.replace(target)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process fetches at a time: jgo writes straight to the final name, half of which another would read."""
    with (folder.parent / f"{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Maven:
    """Jars from the user's Maven cache, else from the repository (ANLIEGEN_MAVEN_REPOSITORY names a mirror)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._context: Any = None

    def __call__(self, jar: Jar) -> Path:
        # Imported here: half a second that only the first start has to spend.
        import requests

        group, artifact, version = jar.coordinate.split(":")
        wanted = self._open().project(group, artifact).at_version(version).artifact()
        for pause in (*PAUSES, None):
            try:
                found: Path = wanted.resolve()
                return found
            except (requests.RequestException, OSError) as trouble:
                # What came of it so far lies under the final name, where it would be taken for the whole.
                if wanted.cached_path is not None:
                    wanted.cached_path.unlink(missing_ok=True)
                if pause is None:
                    raise StackError(
                        f"{jar.coordinate} could not be fetched: {type(trouble).__name__}. Kafka's jars (45 MB) are "
                        "fetched once; be online for that, or name a mirror in ANLIEGEN_MAVEN_REPOSITORY, or put the "
                        f"jars into {kafka_folder()}, or give the address of a Kafka of your own in ANLIEGEN_KAFKA."
                    ) from trouble
                time.sleep(pause)
            except RuntimeError as missing:
                raise StackError(f"{jar.coordinate} is not in the repository: {missing}") from missing
        raise AssertionError("the last attempt returns or raises")

    def _open(self) -> Any:
        with self._lock:
            if self._context is None:
                from jgo.maven import MavenContext, PythonResolver

                logging.getLogger("jgo").setLevel(logging.ERROR)
                mirror = os.environ.get("ANLIEGEN_MAVEN_REPOSITORY")
                cache = Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")
                if not _may_write(cache):
                    cache = cache_folder() / "maven"
                self._context = MavenContext(
                    resolver=PythonResolver(),
                    repo_cache=cache,
                    remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
                    timeout=PATIENCE,
                )
            return self._context


def _may_write(folder: Path) -> bool:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return os.access(existing, os.W_OK | os.X_OK)
