"""Begins logs and traces of a process, once, before its services open anything."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from ..settings import Settings, load
from . import logs, traces

if TYPE_CHECKING:
    from ..service import Service

log = structlog.get_logger(__name__)


def start_telemetry(services: "Sequence[Service]", *, part: str, settings: Settings | None = None) -> None:
    """Set up logs and traces for these services; `part` is `http` or `work`."""
    settings = settings or load(services[0].settings, services[0].package)
    logs.setup(settings.log_level)
    for service in services:
        logs.know_version(service.name, service.version)
    if len(services) == 1:
        logs.bind(service=services[0].name)
    traces.setup(settings.otlp_endpoint)
    log.info("process_starts", part=part, services=[service.name for service in services])
