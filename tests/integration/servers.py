"""The PostgreSQL and Kafka that an integration test runs against, by three ways; the run says which.

Containers, where a Docker engine answers and has the images or can pull them; else servers of one's own, by
ANLIEGEN_TEST_POSTGRES and ANLIEGEN_TEST_KAFKA; else those that the stack brings. ANLIEGEN_TEST_SERVERS=containers,
given or embedded asks for one way, and then nothing else will do.
"""

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anliegen.stack.ports import LOOPBACK, is_free

WAYS = ("containers", "given", "embedded")
POSTGRES_IMAGE = os.environ.get("POSTGRES_IMAGE", "postgres:18")
KAFKA_IMAGE = os.environ.get("KAFKA_IMAGE", "apache/kafka:4.3.1")
KAFKA_SETTINGS = Path(__file__).resolve().parents[2] / "deploy" / "compose" / "kafka" / "server.properties"
OUTSIDE_LISTENER = "127.0.0.1:9094"
ENGINE_SOCKET = "/var/run/docker.sock"
LISTENS = ["bash", "-c", "</dev/tcp/127.0.0.1/9092"]
START_SECONDS = 60


class WayBarred(RuntimeError):
    """The way that ANLIEGEN_TEST_SERVERS asks for is not open."""


@dataclass(frozen=True)
class Servers:
    """Where they are; empty addresses mean those that the stack brings. `why` names the way, and what barred others."""

    way: str
    postgres: str = ""
    kafka: str = ""
    why: str = ""


@contextlib.contextmanager
def servers() -> Iterator[Servers]:
    """Servers for as long as the block lasts. Raises WayBarred."""
    asked = os.environ.get("ANLIEGEN_TEST_SERVERS", "")
    if asked and asked not in WAYS:
        raise WayBarred(f"ANLIEGEN_TEST_SERVERS is {asked!r}; there are {', '.join(WAYS)}.")
    given = os.environ.get("ANLIEGEN_TEST_POSTGRES", ""), os.environ.get("ANLIEGEN_TEST_KAFKA", "")
    barred = _why_no_containers() if asked in {"", "containers"} else "not asked for"
    if not barred:
        with _containers() as found:
            yield found
    elif asked == "containers":
        raise WayBarred(f"{WayBarred.__doc__} {barred}")
    elif asked != "embedded" and all(given):
        yield Servers("given", *given, why=f"no containers: {barred}")
    elif asked == "given":
        raise WayBarred(f"{WayBarred.__doc__} Set ANLIEGEN_TEST_POSTGRES and ANLIEGEN_TEST_KAFKA.")
    else:
        yield Servers("embedded", why=f"no containers: {barred}")


def _why_no_containers() -> str:
    """Why containers cannot be started here, in a few words; empty where they can."""
    # Asked before the client is: where nobody listens, it leaves its socket open.
    if "DOCKER_HOST" not in os.environ:
        with socket.socket(socket.AF_UNIX) as engine_socket:
            try:
                engine_socket.connect(ENGINE_SOCKET)
            except OSError:
                return "no Docker engine answers"
    import docker
    from docker.errors import DockerException, ImageNotFound

    try:
        engine = docker.from_env(timeout=5)
    except DockerException:
        return "no Docker engine answers"
    try:
        for image in (POSTGRES_IMAGE, KAFKA_IMAGE):
            try:
                engine.images.get(image)
            except ImageNotFound:
                engine.images.pull(image)
    except DockerException as problem:
        return f"the image {image} is not there and cannot be pulled ({type(problem).__name__})"
    finally:
        engine.close()
    return ""


@contextlib.contextmanager
def _containers() -> Iterator[Servers]:
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import ExecWaitStrategy

    # The one that cleans up after a killed run is an image of its own, which not every registry has.
    testcontainers_config.ryuk_disabled = True
    port = next(port for port in range(29094, 29194) if is_free(port))
    with tempfile.TemporaryDirectory(prefix="anliegen-kafka-") as folder:
        settings = Path(folder)
        settings.chmod(0o755)
        # Clients are told the address at this machine's side.
        told = KAFKA_SETTINGS.read_text().replace(OUTSIDE_LISTENER, f"{LOOPBACK}:{port}")
        (settings / KAFKA_SETTINGS.name).write_text(told)
        kafka = (
            DockerContainer(KAFKA_IMAGE)
            .with_bind_ports(9094, port)
            .with_volume_mapping(folder, "/mnt/shared/config", "ro")
            .waiting_for(ExecWaitStrategy(LISTENS).with_startup_timeout(START_SECONDS))
        )
        postgres = PostgresContainer(POSTGRES_IMAGE, username="postgres", dbname="postgres", driver=None)
        with kafka, postgres.with_command("postgres -c max_connections=300"):
            address = postgres.get_connection_url(host=LOOPBACK)
            yield Servers("containers", address, f"{LOOPBACK}:{port}", f"{POSTGRES_IMAGE}, {KAFKA_IMAGE}")
