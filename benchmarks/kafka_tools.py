"""Kafka's own performance tools, from the broker's own jars and Java: the bounds of relay and consumer."""

import asyncio
import re
import tempfile
from collections.abc import Sequence

from anliegen.stack.jars import fetch_jars
from anliegen.stack.java import find_java

from .children import ChildFailed

OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Djava.net.preferIPv4Stack=true")
_SENT = re.compile(r"records sent, ([0-9.,]+) records/sec")


async def producer_rate(bootstrap: str, *, topic: str, lines: Sequence[str], records: int) -> float:
    """Records a second that ProducerPerformance brings into this topic, each one of these lines.

    As durable as our relay (acks=all, idempotent) and with its compression; batches as large as they come. The
    rate is over the whole run without its first tenth, in which Java warms up.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines))
        file.flush()
        output = await _run(
            "org.apache.kafka.tools.ProducerPerformance", f"--topic={topic}", f"--num-records={records}",
            f"--warmup-records={records // 10}", "--throughput=-1", f"--payload-file={file.name}",
            f"--bootstrap-server={bootstrap}", "--command-property", "acks=all", "enable.idempotence=true",
            "compression.type=lz4", "batch.size=1048576", "linger.ms=5", "buffer.memory=67108864",
        )  # fmt: skip
    found = _SENT.findall(output)
    if not found:
        raise ChildFailed(f"ProducerPerformance said nothing of a rate: {output[-500:]}")
    return float(found[-1].replace(",", "."))


async def consumer_rate(bootstrap: str, *, topic: str, records: int) -> float:
    """Records a second that ConsumerPerformance reads from this topic, without doing anything with them."""
    output = await _run(
        "org.apache.kafka.tools.ConsumerPerformance", f"--topic={topic}", f"--num-records={records}",
        f"--bootstrap-server={bootstrap}", "--hide-header", "--timeout=10000",
    )  # fmt: skip
    # start, end, MB, MB/s, records, records/s, ms of rebalancing, ms of fetching, MB/s and records/s of fetching
    fields = [field.strip() for field in output.strip().splitlines()[-1].split(",")]
    try:
        return float(fields[-1])
    except ValueError:
        raise ChildFailed(f"ConsumerPerformance said nothing of a rate: {output[-500:]}") from None


async def _run(main: str, *words: str) -> str:
    java, jars = await asyncio.to_thread(find_java), await asyncio.to_thread(fetch_jars)
    child = await asyncio.create_subprocess_exec(
        str(java.program), *OPTIONS, "-cp", f"{jars}/*", main, *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    output, errors = await child.communicate()
    if child.returncode != 0:
        raise ChildFailed(f"{main}: {(errors or output).decode()[-1000:]}")
    return output.decode()
