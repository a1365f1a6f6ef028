"""PostgreSQL's own pgbench, run against the same server: what the database does with the same statements."""

import asyncio
import re
import tempfile
from pathlib import Path

from anliegen.stack.postgres import programs

from .children import ChildFailed
from .servers import Servers

_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_FAILED = re.compile(r"number of failed transactions: ([0-9]+)")


async def run_pgbench(servers: Servers, service: str, script: str, *, connections: int, seconds: float) -> float:
    """Transactions a second of this script, with prepared statements, as the service's own role. Raises ChildFailed."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        child = await asyncio.create_subprocess_exec(
            str(programs() / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={connections}",
            f"--jobs={min(connections, 2)}", f"--time={max(1, round(seconds))}", f"--file={Path(file.name)}",
            servers.address(service),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await child.communicate()
    found, failed = _RATE.search(output.decode()), _FAILED.search(output.decode())
    if child.returncode != 0 or found is None or (failed and failed[1] != "0"):
        raise ChildFailed(f"pgbench: {errors.decode()[-500:]}")
    return float(found[1])
