"""Which port the gateway passes each service's requests on to: a file that is replaced as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from anliegen.stack.home import write_private


class Routes:
    """The port of each service by its name, as it stands in a file at this moment."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._ports: dict[str, int] = {}

    def __call__(self) -> Mapping[str, int]:
        """The ports now. The file is replaced as a whole, so it is only read where it is another one than before."""
        status = self._file.stat()
        seen = (status.st_ino, status.st_mtime_ns)
        if seen != self._seen:
            self._ports, self._seen = json.loads(self._file.read_text()), seen
        return self._ports


def write_routes(file: Path, ports: Mapping[str, int]) -> None:
    """Have the gateway pass requests on to these ports from now on."""
    write_private(file, json.dumps(dict(ports), indent=2, sort_keys=True) + "\n")
