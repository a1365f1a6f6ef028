"""Logs: one JSON object a line on standard output, with the trace and the event it belongs to, without personal data.

`log.info("relay_leads", service=…)`: the event is a stable word, details are fields. What goes through Python's own
`logging` (uvicorn, aiokafka, asyncio) comes out the same way.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import structlog

from . import traces
from .redaction import MASK, PERSONAL_FIELDS, mask, traceback_of

Line = MutableMapping[str, Any]

_NO_FIELDS: Mapping[str, Any] = {}
_fields: ContextVar[Mapping[str, Any]] = ContextVar("anliegen_log_fields", default=_NO_FIELDS)
_versions: dict[str, str] = {}
_ORDER = ("time", "level", "event", "service", "version", "trace_id", "span_id")
# An `actor` is one of the staff who did something by hand: an audit line that does not name them is none.
_OWN_IDS = frozenset({*_ORDER, "event_id", "correlation_id", "case_id", "journey_id", "actor"})
_QUIET = {"aiokafka": logging.ERROR, "asyncio": logging.WARNING, "httpx": logging.WARNING, "httpcore": logging.WARNING}


@contextmanager
def fields(**values: Any) -> Iterator[None]:
    """Every line that is logged inside carries these fields, such as `event_id` and `correlation_id`."""
    token = _fields.set({**_fields.get(), **values})
    try:
        yield
    finally:
        _fields.reset(token)


def bind(**values: Any) -> None:
    """Every line that this task, and those it starts from now on, log carries these fields: `bind(service=…)`."""
    _fields.set({**_fields.get(), **values})


def know_version(service: str, version: str) -> None:
    """The version that lines of this service name."""
    _versions[service] = version


def add_context(_logger: Any, method: str, line: Line) -> Line:
    """Put time, level, service, version, trace and event first."""
    found = _fields.get()
    level = line.pop("level", method)
    service = line.pop("service", None) or found.get("service")
    whole: dict[str, Any] = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": "error" if level == "exception" else level,
        "event": line.pop("event", ""),
    }
    if service:
        whole["service"] = service
        if version := _versions.get(service):
            whole["version"] = version
    if ids := traces.current_ids():
        whole["trace_id"], whole["span_id"] = ids
    whole.update((name, value) for name, value in found.items() if name != "service")
    whole.update(line)
    return whole


def add_exception(_logger: Any, method: str, line: Line) -> Line:
    """Replace `exc_info` by what may be said about the exception."""
    given = line.pop("exc_info", method == "exception")
    if given is True:
        given = sys.exc_info()[1]
    elif isinstance(given, tuple):
        given = given[1]
    if isinstance(given, BaseException):
        line["exception"] = traceback_of(given)
    return line


def redact(_logger: Any, _method: str, line: Line) -> Line:
    """Mask what is personal, by a field's name and by what a text looks like."""
    for name, value in line.items():
        if name in PERSONAL_FIELDS:
            line[name] = MASK
        elif isinstance(value, str):
            if name not in _OWN_IDS or name == "event":
                line[name] = mask(value)
        elif isinstance(value, Mapping):
            line[name] = {k: MASK if k in PERSONAL_FIELDS else _masked(v) for k, v in value.items()}
        elif isinstance(value, list | tuple | set) and name != "exception":
            line[name] = [_masked(inner) for inner in value]
        elif isinstance(value, BaseException):
            line[name] = type(value).__name__
    return line


def _masked(value: Any) -> Any:
    return value if isinstance(value, int | float | None) else mask(str(value))


def render(_logger: Any, _method: str, line: Line) -> str:
    """One line of JSON."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=_text)


def _text(value: Any) -> str:
    return mask(str(value))


_PROCESSORS = [add_context, add_exception, redact, render]


class StandardOutput:
    """Writes finished lines. Standard output is looked up each time, so that tests may replace it."""

    def msg(self, line: str) -> None:
        """Write one line at once: a line that waits in a buffer is lost when the process is killed."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    debug = info = warning = error = critical = exception = fatal = log = msg


class StandardLibrary(logging.Handler):
    """Brings records of Python's `logging` into the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line: Line = {"event": record.getMessage(), "logger": record.name, "exc_info": record.exc_info or False}
            method = record.levelname.lower()
            line = redact(None, method, add_exception(None, method, add_context(None, method, line)))
            StandardOutput().msg(render(None, method, line))
        except Exception:
            self.handleError(record)


def setup(level: str = "INFO") -> None:
    """Send everything that is logged in this process to standard output, from this level on."""
    setup_own(level)
    threshold = logging.getLevelNamesMapping()[level]
    logging.basicConfig(handlers=[StandardLibrary()], level=threshold, force=True)
    logging.captureWarnings(True)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, threshold))


def setup_own(level: str = "INFO") -> None:
    """The same for our own log lines alone; Python's `logging` stays as it is."""
    threshold = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=list(_PROCESSORS),  # type: ignore[arg-type]
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_names: StandardOutput(),
        cache_logger_on_first_use=False,
    )
